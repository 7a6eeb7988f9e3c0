/**
 * `claviger token`: the tokens that PKCS#11 applications see, and their PINs.
 *
 * Through the control socket of the running server, or on the data directory where none runs. A PIN
 * is never an argument, which everybody on the machine could read.
 *
 * @module
 */
import { Command } from 'commander'
import { control, type GlobalOptions, pinFrom } from './environment.ts'
import { list as lines, print, type Row, table, UsageError } from './output.ts'

const TOKEN = 'name of the token in claviger.yaml; the only one needs no name'

const listAll = new Command('list')
  .description('the tokens, their slots and PINs')
  .addHelpText(
    'after',
    `
Examples:
  claviger token list
  claviger token list --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const all = (await control(options, 'token.list', {})) as readonly Row[]
    print(options.json, all, () => {
      return table(
        all.map(({ name, slot, label, serial, principal, userPin, soPin }) => {
          return { name, slot, label, serial, principal, 'user PIN': userPin, 'SO PIN': soPin }
        }),
      )
    })
  })

interface InitOptions extends GlobalOptions {
  readonly label?: string | undefined
  readonly pinFile?: string | undefined
  readonly soPinFile?: string | undefined
}

const SO_PROMPT = "Security officer's PIN: "
const PINS = `
A PIN comes from a file, from the environment (CLAVIGER_PIN, CLAVIGER_SO_PIN), or is asked for on
the terminal.`

const init = new Command('init')
  .description("set label, security officer's PIN and user's PIN of a token that is new")
  .argument('[token]', TOKEN)
  .option('--label <label>', 'how applications find it; default: as it is')
  .option('--pin-file <file>', "file with the user's PIN")
  .option('--so-pin-file <file>', "file with the security officer's PIN")
  .addHelpText(
    'after',
    `${PINS}

Examples:
  claviger token init --label production
  CLAVIGER_SO_PIN=87654321 CLAVIGER_PIN=1234 claviger token init`,
  )
  .action(async (token: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<InitOptions>()
    const soPin = await pinFrom(options.soPinFile, 'CLAVIGER_SO_PIN', SO_PROMPT, '--so-pin-file')
    const pin = await pinFrom(options.pinFile, 'CLAVIGER_PIN', "User's PIN: ", '--pin-file')
    const wish = { token, label: options.label, soPin, pin }
    show(options, await control(options, 'token.init', wish))
  })

interface PinOptions extends GlobalOptions {
  readonly so?: boolean | undefined
  readonly user?: string | undefined
  readonly pinFile?: string | undefined
}

const setPin = new Command('pin')
  .description('set a PIN, whatever it was; a locked one is unlocked')
  .argument('[token]', TOKEN)
  .option('--so', "the security officer's instead of the user's")
  .option('--user <name>', 'of a user who logs in by name (C_LoginUser)')
  .option('--pin-file <file>', 'file with the new PIN')
  .addHelpText(
    'after',
    `${PINS}

Examples:
  claviger token pin
  CLAVIGER_PIN=1234 claviger token pin
  claviger token pin --user alice --pin-file ./alice.pin`,
  )
  .action(async (token: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<PinOptions>()
    const { so = false, user, pinFile } = options
    if (so && user !== undefined) throw new UsageError('--so and --user exclude each other')
    const name = so ? 'CLAVIGER_SO_PIN' : 'CLAVIGER_PIN'
    const pin = await pinFrom(pinFile, name, 'New PIN: ', '--pin-file')
    show(options, await control(options, 'token.pin', { token, user, so, pin }))
  })

function show({ json }: GlobalOptions, token: unknown): void {
  print(json, token as object, () => lines(token as Record<string, string>))
}

export const token = new Command('token')
  .description('tokens of PKCS#11 applications, and their PINs')
  .addHelpText(
    'after',
    `
Examples:
  claviger token list
  claviger token pin`,
  )
  .addCommand(listAll)
  .addCommand(init)
  .addCommand(setPin)
