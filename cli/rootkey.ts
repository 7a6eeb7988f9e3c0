/**
 * `claviger rootkey`: the key that protects all others.
 *
 * @module
 */
import { Command, Option } from 'commander'
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
    say(options.json, (await control(options, 'rootkey.show', {})) as Root)
  })

/** What it is, by name. */
type Root = Readonly<Record<string, string | number>>

function say(json: boolean, root: Root): void {
  print(json, root, () => lines(root))
}

interface RotateOptions extends GlobalOptions {
  readonly to: 'file' | 'passphrase' | 'hsm'
  readonly keystore?: string | undefined
  readonly key?: string | undefined
  readonly make?: boolean | undefined
}

const rotate = new Command('rotate')
  .description('protect everything with a new root key; the server goes on working meanwhile')
  .addOption(
    new Option('--to <source>', 'where the new one is')
      .choices(['file', 'passphrase', 'hsm'])
      .default('file'),
  )
  .option('--keystore <name>', 'hsm: the keystore of the HSM; the only one needs no name')
  .option('--key <key>', 'hsm: label of the key that wraps, or its CKA_ID after 0x')
  .option('--make', 'hsm: make that key in the device where it is not there')
  .addHelpText(
    'after',
    `
A new passphrase is asked for, or taken from CLAVIGER_NEW_PASSPHRASE. Keep a copy of the new key
file apart from the data: without it nothing can be opened. Backups need the root key of their
day, and so the key in the HSM that has wrapped it: the old one stays in the device. Without --key,
--make makes a new key whose label has the time in it.

Examples:
  claviger rootkey rotate
  claviger rootkey rotate --to hsm --make
  claviger rootkey rotate --to hsm --keystore hsm2 --key production-root
  CLAVIGER_NEW_PASSPHRASE=... claviger rootkey rotate --to passphrase`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<RotateOptions>()
    const { to, keystore, key, make } = options
    const passphrase = to === 'passphrase' ? await newPassphrase() : undefined
    const wish = { to, passphrase, keystore, key, make }
    say(options.json, (await control(options, 'rootkey.rotate', wish)) as Root)
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
