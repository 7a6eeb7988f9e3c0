/**
 * `claviger hsm`: hardware security modules behind the server.
 *
 * `list` and `adopt` go through the control socket of the running server, or to the data directory
 * where none runs.
 *
 * @module
 */
import { Command } from 'commander'
import { control, type GlobalOptions } from './environment.ts'
import { list as lines, print, type Row, table } from './output.ts'

const listAll = new Command('list')
  .description('the HSMs of the configuration, and how they do')
  .addHelpText(
    'after',
    `
Examples:
  claviger hsm list
  claviger hsm list --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const all = (await control(options, 'hsm.list', {})) as readonly Row[]
    print(options.json, all, () => {
      return table(
        all.map(({ name, model, state, token, slot, sessions, sessionsIdle, starts, ...rest }) => {
          const failure = rest['lastFailure'] ?? ''
          const busy = Number(sessions) - Number(sessionsIdle)
          const inUse = state === 'running' ? `${busy} of ${sessions}` : `0 of ${sessions}`
          const columns = { name, model, state, token: token ?? '', slot: slot ?? '' }
          return { ...columns, sessions: inUse, starts, 'last failure': failure }
        }),
      )
    })
  })

const adopt = new Command('adopt')
  .description('make objects of the keys and certificates that are in an HSM')
  .argument('[name]', 'name of the keystore in claviger.yaml; the only HSM needs no name')
  .addHelpText(
    'after',
    `
The keys stay where they are. What has been adopted before is left as it is, also if it was
destroyed here since.

Examples:
  claviger hsm adopt
  claviger hsm adopt hsm1 --json`,
  )
  .action(async (name: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const result = (await control(options, 'hsm.adopt', { name })) as Record<string, number>
    print(options.json, result, () => {
      return lines({ adopted: `${result['adopted']}`, 'known before': `${result['known']}` })
    })
  })

export const hsm = new Command('hsm')
  .description('hardware security modules that hold keys')
  .addCommand(listAll)
  .addCommand(adopt)
