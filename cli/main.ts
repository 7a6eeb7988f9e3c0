/**
 * The command line: runs one command and says how it ended.
 *
 * @module
 */
import { CommanderError } from 'commander'
import { withHelpOn } from './help.ts'
import { fail, UsageError } from './output.ts'
import { program, wantsJson } from './program.ts'

const USAGE_EXIT_CODE = 2

/** Where Commander would have printed the help. */
const NO_COMMAND = 'a command is missing; see --help'

// Who reads our output may stop reading: `claviger keys list | head -1`. A file may be full.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') fail(error, wantsJson())
})

// The log may lie on a full disk, or its reader be gone: lines are lost, and the server serves on.
process.stderr.on('error', () => {})

try {
  await program.parseAsync(withHelpOn(program, process.argv.slice(2)), { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) misused(error)
  else fail(error, wantsJson())
}

/** Commander has told a person already, but not a machine. */
function misused({ exitCode, code, message }: CommanderError): void {
  if (exitCode === 0) process.exitCode = 0
  else if (!wantsJson()) process.exitCode = USAGE_EXIT_CODE
  else fail(new UsageError(code === 'commander.help' ? NO_COMMAND : oneLine(message)), true)
}

/** Without the label, which the JSON object is itself. */
function oneLine(message: string): string {
  return message.replace(/^error: /, '').replaceAll('\n', ' ')
}
