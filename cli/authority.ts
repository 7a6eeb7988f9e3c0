/**
 * `claviger authority`: the certificate authority of the server itself.
 *
 * Through the control socket of the running server, or on the data directory where none runs.
 *
 * @module
 */
import { Command } from 'commander'
import { control, type GlobalOptions } from './environment.ts'
import { date, list as lines, print } from './output.ts'

interface Shown {
  readonly certificate: string
  /** Seconds since the epoch. */
  readonly expires: number
}

function printed(json: boolean, shown: Shown): void {
  const { certificate, expires } = shown
  print(json, shown, () => lines({ certificate, expires: date(expires) }))
}

const show = new Command('show')
  .description('where its certificate is, and when it ends')
  .addHelpText(
    'after',
    `
Examples:
  claviger authority show
  claviger authority show --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    printed(options.json, (await control(options, 'authority.show', {})) as Shown)
  })

const renew = new Command('renew')
  .description('give it a certificate that ends later, with the same name and key')
  .addHelpText(
    'after',
    `
Give the new ca.pem to clients before the old one ends; until then both are good, and so is
everything that has been issued. A running server shows it at once.

Examples:
  claviger authority renew`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    printed(options.json, (await control(options, 'authority.renew', {})) as Shown)
  })

export const authority = new Command('authority')
  .description('the authority that issues certificates to the server and its clients')
  .addHelpText(
    'after',
    `
Examples:
  claviger authority show
  claviger authority renew`,
  )
for (const command of [show, renew]) authority.addCommand(command)
