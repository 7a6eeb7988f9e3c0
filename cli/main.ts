/**
 * The command line.
 *
 * One file for each group of commands; this one puts them together.
 *
 * @module
 */
import { Command } from 'commander'
import { VERSION } from './about.ts'
import { DEFAULT_DATA } from './environment.ts'
import { fail } from './output.ts'
import { init, serve } from './serve.ts'

const program = new Command('claviger')
  .description(
    'A key-management switchboard: one key service for every protocol and every keystore',
  )
  .version(VERSION, '-V, --version')
  .option('--data <dir>', 'the data directory', process.env['CLAVIGER_DATA'] ?? DEFAULT_DATA)
  .option('--config <file>', 'claviger.yaml; default: the one in the data directory')
  .option('--json', 'print JSON for machines', false)
  .showHelpAfterError('(see --help)')
  .showSuggestionAfterError()
  .addHelpText(
    'after',
    `
Examples:
  claviger serve                            run a server on ./data
  claviger keys create --name db-master     make an AES-256 key
  claviger keys list                        what there is
  claviger credential create app1           let another client in`,
  )

for (const command of [serve, init]) program.addCommand(command)

try {
  await program.parseAsync()
} catch (error) {
  fail(error, program.opts<{ json: boolean }>().json)
}
