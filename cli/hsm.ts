/**
 * `claviger hsm`: hardware security modules behind the server.
 *
 * `list` and `adopt` go through the control socket of the running server, or to the data directory
 * where none runs.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { stringify } from 'yaml'
import type { Rewrapped } from '#core/operations/rewrap.ts'
import { probeModule } from '#server/hsm.ts'
import { createLog } from '#server/log.ts'
import { control, type GlobalOptions, pinFrom } from './environment.ts'
import { kek } from './hsm-kek.ts'
import { list as lines, print, type Row, table, UsageError } from './output.ts'

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
      if (all.length === 0) return 'There are none.'
      return table(
        all.map(({ name, model, state, token, slot, sessions, sessionsIdle, starts, ...rest }) => {
          const failure = rest['lastFailure'] ?? ''
          const busy = Number(sessions) - Number(sessionsIdle)
          const inUse = state === 'running' ? `${busy} of ${sessions}` : `0 of ${sessions}`
          const columns = { name, model, state, token: token ?? '', slot: slot ?? '' }
          const owed = { 'to destroy': toDestroy(rest) }
          return { ...columns, sessions: inUse, starts, ...owed, 'last failure': failure }
        }),
      )
    })
  })

/** How many keys are still to be destroyed there, and in which of a group. */
function toDestroy({ owed, owedIn }: Row): string {
  const places = (owedIn ?? []) as readonly string[]
  return places.length === 0 ? String(owed) : `${owed} in ${places.join(', ')}`
}

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

const rewrap = new Command('rewrap')
  .description('move all keys that are kept under one wrapping key to another')
  .argument('<old>', 'Unique Identifier of the wrapping key that they are under')
  .argument('<new>', 'Unique Identifier of the one that they shall be under')
  .addHelpText(
    'after',
    `
Both must be Active. The keys can be used all the time. What cannot be moved stays under the old
one and is named; then the command fails, and can be given again.

Examples:
  claviger hsm rewrap hsm::4::kek hsm::4::kek2
  claviger hsm rewrap 01a1ff6a-f3c0-758e-9888-4eb95ccb8b58 hsm::4::kek2 --json`,
  )
  .action(async (from: string, to: string, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const { moved, failed } = (await control(options, 'hsm.rewrap', { from, to })) as Rewrapped
    print(options.json, { moved, failed }, () => {
      const said = [lines({ moved: `${moved}`, failed: `${failed.length}` })]
      return [...said, ...failed.map(({ id, reason }) => `${id}: ${reason}`)].join('\n')
    })
    if (failed.length > 0) process.exitCode = 1
  })

interface ProbeOptions extends GlobalOptions {
  readonly module: string
  readonly slot?: number | undefined
  readonly label?: string | undefined
  readonly serial?: string | undefined
  readonly reserved?: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly pinFile?: string | undefined
  readonly model: string
  readonly out?: string | undefined
}

const probe = new Command('probe')
  .description('try out what an HSM can do and where it is peculiar, and write that to a file')
  .requiredOption('--module <file>', "the maker's PKCS#11 module")
  .option('--slot <number>', 'the slot by its number; or else', wholeNumber)
  .option('--label <label>', 'the token by its label; or else')
  .option('--serial <serial>', 'the token by its serial number')
  .option('--reserved <text>', 'what C_Initialize gets in pReserved')
  .option('--env <name=value>', 'a variable for the module; may be repeated', variable, {})
  .option('--pin-file <file>', "file with the user's PIN; else CLAVIGER_PIN, else it is asked for")
  .option('--model <name>', 'name that the file gives the model', 'probed')
  .option('--out <file>', 'the file; default: standard output')
  .addHelpText(
    'after',
    `
Only objects of the session are made, which go with it; the objects of the token are counted before
and after. No server is needed, and none is disturbed. A keystore uses the file as its "quirks".

Examples:
  claviger hsm probe --module /usr/lib/softhsm/libsofthsm2.so --label test --out softhsm.yaml
  CLAVIGER_PIN=1234 claviger hsm probe --module ./vendor.so --slot 0 --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ProbeOptions>()
    const { env: environment, pinFile, model, out, ...wish } = options
    const pin = await pinFrom(pinFile, 'CLAVIGER_PIN', "User's PIN: ", '--pin-file')
    const log = createLog({ level: 'error', format: 'text' })
    const found = await probeModule({ ...wish, environment, pin }, model, log)
    const file = stringify(found.quirks)
    if (out !== undefined) writeFileSync(out, file)
    print(options.json, found, () => {
      const { identity, mechanisms, objectsBefore, objectsAfter } = found
      const said = lines({
        manufacturer: identity?.manufacturer,
        library: identity?.library,
        model: identity?.model,
        mechanisms: mechanisms.length,
        'token objects': `${objectsBefore} before, ${objectsAfter} after`,
        ...found.trials,
      })
      return out === undefined ? `${said}\n\n${file}` : said
    })
  })

function wholeNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new UsageError(`--slot ${text}: must be a number`)
}

function variable(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`--env ${text}: must be NAME=VALUE`)
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

export const hsm = new Command('hsm')
  .description('hardware security modules that hold keys')
  .addHelpText(
    'after',
    `
Examples:
  claviger hsm list
  claviger hsm probe --help`,
  )
  .addCommand(listAll)
  .addCommand(adopt)
  .addCommand(rewrap)
  .addCommand(probe)
  .addCommand(kek)
