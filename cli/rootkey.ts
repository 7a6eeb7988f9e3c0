/**
 * `claviger rootkey`: the key that protects all others.
 *
 * @module
 */
import { Command, Option } from 'commander'
import type { RootName } from '#server/rootkey.ts'
import { askPassphrase, control, type GlobalOptions } from './environment.ts'
import { list as lines, print, UsageError } from './output.ts'

const show = new Command('show')
  .description('what the root key is, without the key')
  .addHelpText(
    'after',
    `
Examples:
  claviger rootkey show`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    say(options.json, (await control(options, 'rootkey.show', {})) as RootName)
  })

function say(json: boolean, name: RootName): void {
  print(json, name, () => lines({ ...name }))
}

interface RotateOptions extends GlobalOptions {
  readonly to: 'file' | 'passphrase'
}

const rotate = new Command('rotate')
  .description('protect everything with a new root key; the server goes on working meanwhile')
  .addOption(
    new Option('--to <source>', 'where the new one is')
      .choices(['file', 'passphrase'])
      .default('file'),
  )
  .addHelpText(
    'after',
    `
A new passphrase is asked for, or taken from CLAVIGER_NEW_PASSPHRASE. Keep a copy of the new key
file apart from the data: without it nothing can be opened. Backups need the root key of their
day.

Examples:
  claviger rootkey rotate
  CLAVIGER_NEW_PASSPHRASE=... claviger rootkey rotate --to passphrase`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<RotateOptions>()
    const { to } = options
    const passphrase = to === 'passphrase' ? await newPassphrase() : undefined
    say(options.json, (await control(options, 'rootkey.rotate', { to, passphrase })) as RootName)
  })

async function newPassphrase(): Promise<string> {
  const given = process.env['CLAVIGER_NEW_PASSPHRASE']
  if (given !== undefined && given !== '') return given
  const ask = askPassphrase('New passphrase: ')
  const again = askPassphrase('Once more: ')
  if (ask === undefined || again === undefined) {
    const hint = 'set CLAVIGER_NEW_PASSPHRASE, or run it on a terminal'
    throw new UsageError(`Cannot rotate the root key: there is no new passphrase; ${hint}`)
  }
  const passphrase = await ask()
  if (passphrase === '') throw new UsageError('Cannot rotate the root key: the passphrase is empty')
  if ((await again()) === passphrase) return passphrase
  throw new UsageError('Cannot rotate the root key: the two passphrases differ')
}

export const rootkey = new Command('rootkey')
  .description('the key that protects all others')
  .addHelpText(
    'after',
    `
Examples:
  claviger rootkey show
  claviger rootkey rotate`,
  )
for (const command of [show, rotate]) rootkey.addCommand(command)
