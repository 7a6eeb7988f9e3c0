/**
 * `claviger hsm kek`: the key-encrypting key through which keys are got out of an HSM.
 *
 * Files are read by the process that has the data directory: their bytes do not come by here.
 *
 * @module
 */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { KekReport } from '#server/hsm-kek.ts'
import { control, type GlobalOptions } from './environment.ts'
import { list as lines, print } from './output.ts'

const NAME = 'name of the keystore in claviger.yaml; the only one with a kek needs no name'

function text(report: KekReport): string {
  const { keystore, label, copy, checkValue, devices } = report
  const head = lines({ keystore, label, copy, 'check value': checkValue })
  const parts = devices.map(({ token, serial, present, ...state }) => {
    const { handle, flags, mechanism, unwrap, agrees, problems, warnings } = state
    const own = lines({
      token: serial ? `${token} (${serial})` : token,
      'in the device': present ? 'yes' : 'no',
      handle,
      flags: flags?.join(' '),
      wraps: mechanism && `${mechanism}, opened as ${unwrap}`,
      'copy opens it': agrees === undefined ? undefined : agrees ? 'yes' : 'no',
    })
    return [own, ...[...problems, ...warnings].map((one) => `! ${one}`)].join('\n')
  })
  return [head, ...parts].join('\n\n')
}

function said(report: KekReport): string {
  const { installed = 0, devices } = report
  const rest = devices.length - installed
  const known = rest === 0 ? '' : `; ${rest} had it already`
  return `${text(report)}\n\nput into ${installed} of ${devices.length} devices${known}`
}

const show = new Command('show')
  .description('where it is, what it may do, and whether device and copy have the same')
  .argument('[name]', NAME)
  .addHelpText(
    'after',
    `
A key is made in the device's session, wrapped, and opened with the copy; it is gone afterwards. A
check value is what CKA_CHECK_VALUE is: three bytes by which people compare keys.

Examples:
  claviger hsm kek show
  claviger hsm kek show hsm1 --json`,
  )
  .action(async (name: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const report = (await control(options, 'hsm.kek.show', { name })) as KekReport
    print(options.json, report, () => text(report))
  })

const generate = new Command('generate')
  .description('make one, put it into the device, and keep a sealed copy')
  .argument('[name]', NAME)
  .option('--replace', 'destroy the one that is there; keys are got through the new one', false)
  .addHelpText(
    'after',
    `
In the device it is CKA_SENSITIVE, not CKA_EXTRACTABLE, and good for wrapping only. Here it lies
sealed in the database; it is never written anywhere in clear.

Examples:
  claviger hsm kek generate
  claviger hsm kek generate hsm1 --replace --json`,
  )
  .action(async (name: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions & { readonly replace: boolean }>()
    const { replace } = options
    const report = (await control(options, 'hsm.kek.generate', { name, replace })) as KekReport
    print(options.json, report, () => said(report))
  })

const importKek = new Command('import')
  .description('bring one that is known: seal a copy, and put it into devices that lack it')
  .argument('[name]', NAME)
  .option('--file <file>', 'AES key of 16, 24 or 32 bytes, or the same in PEM')
  .addHelpText(
    'after',
    `
A device that has a key with this label must have the same: else nothing is changed. Without --file
the copy that there is goes into devices that lack it, such as one that is new in a group.

Destroy the file afterwards: it is the key in clear.

Examples:
  claviger hsm kek import --file aes256.key
  claviger hsm kek import hsm1 --file kek.pem --json
  claviger hsm kek import hsm1`,
  )
  .action(async (name: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions & { readonly file?: string }>()
    const file = options.file === undefined ? undefined : resolve(options.file)
    const report = (await control(options, 'hsm.kek.import', { name, file })) as KekReport
    const destroy =
      file && `the copy is sealed; destroy ${file} now, for example with: shred -u ${file}`
    print(options.json, { ...report, next: destroy }, () => {
      return destroy === undefined ? said(report) : `${said(report)}\n${destroy}`
    })
  })

export const kek = new Command('kek')
  .description('the key-encrypting key through which keys are got out of an HSM')
  .addHelpText(
    'after',
    `
It belongs to a keystore that has "kek" in claviger.yaml, such as  kek: { label: P6RKEK1 }

Examples:
  claviger hsm kek generate hsm1
  claviger hsm kek import hsm1 --file aes256.key
  claviger hsm kek show hsm1`,
  )
  .addCommand(show)
  .addCommand(generate)
  .addCommand(importKek)
