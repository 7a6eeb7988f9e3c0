/**
 * `claviger agent`: what `libclaviger.so` starts where no server runs.
 *
 * @module
 */
import { createWriteStream, mkdirSync } from 'node:fs'
import { Socket } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { wholeNumber } from './bytes.ts'
import { type GlobalOptions, loadConfig } from './environment.ts'

interface AgentOptions extends GlobalOptions {
  readonly fd: number
}

const FD_MAX = 1_023
const PRIVATE_UMASK = 0o077

/** Where the keys of a person are who has said nothing else. */
export function personalData(environment: Readonly<Record<string, string | undefined>>): string {
  const share = environment['XDG_DATA_HOME']
  return share?.startsWith('/')
    ? join(share, 'claviger')
    : join(homedir(), '.local', 'share', 'claviger')
}

export const agent = new Command('agent')
  .description('serve one PKCS#11 application over a descriptor; libclaviger.so starts it')
  .requiredOption('--fd <number>', 'the connected socket', wholeNumber('--fd', 0, FD_MAX))
  .addHelpText(
    'after',
    `
Without --data and CLAVIGER_DATA the keys are in $XDG_DATA_HOME/claviger (or
~/.local/share/claviger), which is furnished when it is new. The agent ends when nobody has been
connected for limits.agentIdleSeconds. It logs to run/agent.log in the data directory.

Examples:
  claviger agent --fd 3 --data /var/lib/claviger`,
  )
  .action(async (_options, command: Command) => {
    const given = command.optsWithGlobals<AgentOptions>()
    process.umask(PRIVATE_UMASK)
    const isUnsaid = command.parent?.getOptionValueSource('data') === 'default'
    const unsaid = isUnsaid && process.env['CLAVIGER_DATA'] === undefined
    const data = unsaid ? personalData(process.env) : given.data
    mkdirSync(join(data, 'run'), { recursive: true, mode: 0o700 })
    const config = loadConfig({ ...given, data })
    const [{ runAgent }, { createLog }] = await Promise.all([
      import('#server/agent.ts'),
      import('#server/log.ts'),
    ])
    const file = join(data, 'run', 'agent.log')
    const log = createLog(config.log, createWriteStream(file, { flags: 'a', mode: 0o600 }))
    // The application may close its end whenever it likes.
    const stream = new Socket({ fd: given.fd }).on('error', () => {})
    process.on('SIGHUP', () => {})
    await runAgent({ dataDir: data, config, log, stream })
  })
