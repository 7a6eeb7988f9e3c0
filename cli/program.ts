/**
 * The tree of commands.
 *
 * One file for each group of commands; this one puts them together. Whatever is derived from the
 * tree (completion, documentation) is derived from here.
 *
 * @module
 */
import { Command } from 'commander'
import { VERSION } from './about.ts'
import { access } from './access.ts'
import { audit, data, status } from './administration.ts'
import { agent } from './agent.ts'
import { authority } from './authority.ts'
import { completion } from './completion.ts'
import { config } from './config.ts'
import { credential } from './credential.ts'
import { decrypt, encrypt, hash, mac, random, sign, verify } from './cryptography.ts'
import { DEFAULT_DATA } from './environment.ts'
import { families } from './families.ts'
import { DESCRIPTION_COLUMNS, folded } from './help.ts'
import { hsm } from './hsm.ts'
import { importCommand } from './import.ts'
import { keys } from './keys.ts'
import { locate } from './locate.ts'
import { query } from './query.ts'
import { rootkey } from './rootkey.ts'
import { init, serve } from './serve.ts'
import { token } from './token.ts'
import { wirelog } from './wirelog.ts'

export const program = new Command('claviger')
  .description(
    'A key-management switchboard: one key service for every protocol and every keystore',
  )
  .version(VERSION, '-V, --version')
  .option('--data <dir>', 'the data directory', process.env['CLAVIGER_DATA'] || DEFAULT_DATA)
  .option('--config <file>', 'claviger.yaml; default: the one in the data directory')
  .option('--json', 'print JSON for machines', false)
  .addHelpText(
    'after',
    `
Examples:
  claviger serve                            run a server on ./data
  claviger keys create --name first         make an AES-256 key
  echo hello | claviger encrypt --key first | claviger decrypt --key first
  claviger keys list                        what there is
  claviger credential create app1           let another client in
  claviger token pin                        set the PIN of PKCS#11 applications

Exit codes: 0 done; 1 refused or failed (also: a signature is not valid); 2 wrong usage or
configuration.
--data and --json may stand behind any command. Variables: claviger config variables.`,
  )

const COMMANDS = [
  serve,
  init,
  keys,
  ...families,
  locate,
  encrypt,
  decrypt,
  sign,
  verify,
  mac,
  hash,
  random,
  query,
  credential,
  access,
  token,
  hsm,
  agent,
  authority,
  rootkey,
  wirelog,
  audit,
  data,
  status,
  config,
  importCommand,
  completion,
]
for (const command of COMMANDS) program.addCommand(command)

/** Whether a machine reads; known as soon as the options of the program are read. */
export function wantsJson(): boolean {
  return program.opts<{ readonly json: boolean }>().json
}

/** For machines, `main.ts` says what was wrong, and nothing else does. */
const OUTPUT = {
  writeOut: (text: string): void => {
    process.stdout.write(folded(text))
  },
  writeErr: (text: string): void => {
    if (!wantsJson()) process.stderr.write(folded(text))
  },
}

/** Wrong usage is told in one way everywhere, and does not end the process by itself. */
function agree(command: Command): void {
  command.exitOverride().showHelpAfterError('(see --help)').showSuggestionAfterError()
  command.configureOutput(OUTPUT).configureHelp({ minWidthToWrap: DESCRIPTION_COLUMNS })
  for (const inner of command.commands) agree(inner)
}
agree(program)
