/**
 * `claviger agent`: what `libclaviger.so` starts where no server runs.
 *
 * @module
 */
import { Command } from 'commander'
import { wholeNumber } from './bytes.ts'
import type { GlobalOptions } from './environment.ts'

interface AgentOptions extends GlobalOptions {
  readonly fd: number
}

const FD_MAX = 1_023
export const agent = new Command('agent')
  .description('serve one PKCS#11 application over a descriptor; libclaviger.so starts it')
  .requiredOption('--fd <number>', 'the connected socket', wholeNumber('--fd', 0, FD_MAX))
  .addHelpText(
    'after',
    `
Without --data and CLAVIGER_DATA the keys are in $XDG_DATA_HOME/claviger (or
~/.local/share/claviger), which is furnished when it is new. The agent ends when nobody has been
connected for limits.agentIdleSeconds. It logs to run/agent.log in the data directory; one that
starts and finds more than 1 MiB there makes it agent.log.1.

Examples:
  claviger agent --fd 3 --data /var/lib/claviger`,
  )
  .action(async (_options, command: Command) => {
    const given = command.optsWithGlobals<AgentOptions>()
    const { personalData, startAgent } = await import('./agent-start.ts')
    const isUnsaid = command.parent?.getOptionValueSource('data') === 'default'
    const unsaid = isUnsaid && process.env['CLAVIGER_DATA'] === undefined
    await startAgent({ ...given, data: unsaid ? personalData(process.env) : given.data })
  })
