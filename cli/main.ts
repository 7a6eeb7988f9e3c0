/**
 * The command line: runs one command and says how it ended.
 *
 * @module
 */
import { CommanderError } from 'commander'
import { fail } from './output.ts'
import { program } from './program.ts'

const USAGE_EXIT_CODE = 2

// Who reads our output may stop reading: `claviger keys list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  await program.parseAsync()
} catch (error) {
  // Commander has told the user already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE
  else fail(error, program.opts<{ json: boolean }>().json)
}
