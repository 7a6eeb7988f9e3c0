/**
 * `claviger wirelog`: what one client and the server say to each other, in the server's log.
 *
 * @module
 */
import { Command, Option } from 'commander'
import { control, type GlobalOptions } from './environment.ts'
import { list as lines, print, table } from './output.ts'

const CLIENT = 'name of the credential'

interface OnOptions extends GlobalOptions {
  readonly format: string
}

const on = new Command('on')
  .description('write the messages of a client to the log of the running server')
  .argument('<name>', CLIENT)
  .addOption(new Option('--format <format>', 'how').choices(['hex', 'json', 'xml']).default('xml'))
  .addHelpText(
    'after',
    `
It ends with "wirelog off" or with the server.

Examples:
  claviger wirelog on app1
  claviger wirelog on app1 --format hex`,
  )
  .action(async (name: string, _options, command: Command) => {
    const options = command.optsWithGlobals<OnOptions>()
    await control(options, 'wirelog.on', { name, format: options.format })
    const result = { name, format: options.format }
    print(options.json, result, () => lines({ on: name, format: options.format }))
  })

const off = new Command('off')
  .description('stop writing the messages of a client')
  .argument('<name>', CLIENT)
  .addHelpText(
    'after',
    `
Examples:
  claviger wirelog off app1`,
  )
  .action(async (name: string, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    await control(options, 'wirelog.off', { name })
    print(options.json, { name }, () => lines({ off: name }))
  })

interface Logged {
  readonly name: string
  readonly format: string
}

const listLogs = new Command('list')
  .description('whose messages are written')
  .addHelpText(
    'after',
    `
Examples:
  claviger wirelog list`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const logged = (await control(options, 'wirelog.list', {})) as readonly Logged[]
    print(options.json, logged, () => {
      return logged.length === 0 ? "Nobody's." : table(logged.map((one) => ({ ...one })))
    })
  })

export const wirelog = new Command('wirelog')
  .description('messages of a client in the log of the running server')
  .addHelpText(
    'after',
    `
Examples:
  claviger wirelog on app1
  claviger wirelog off app1`,
  )
for (const command of [on, off, listLogs]) wirelog.addCommand(command)
