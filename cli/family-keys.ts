/**
 * `claviger rsa|ec|sym keys destroy|revoke|locate`, and the tree of `keys`.
 *
 * KMIP 2.1 §6.1 by name of the operation. The words and options are those of `ckms`; each other
 * verb has a file of its own.
 *
 * @module
 */
import { Command } from 'commander'
import { KmipError } from '#clients/kmip/errors.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ObjectType, State } from '#spec/kmip/enumerations.ts'
import { chosen } from './algorithms.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import {
  belongs,
  type Family,
  findIn,
  type KeyOptions,
  tagAttributes,
  withKey,
  withTags,
} from './family.ts'
import { create } from './family-create.ts'
import { exportKey } from './family-export.ts'
import { importKey } from './family-import.ts'
import { bits } from './family-made.ts'
import { wrapFile } from './family-wrap.ts'
import { REASONS, revokeKey } from './keys-life.ts'
import { list, print, RefusedError } from './output.ts'
import {
  assertAllRead,
  attributesOf,
  isHardware,
  isNotFound,
  locate,
  type Unread,
  valueIn,
} from './references.ts'

interface DestroyOptions extends KeyOptions {
  readonly remove: boolean
}

function destroy(family: Family): Command {
  const { name } = family
  return withServer(withKey(new Command('destroy')))
    .description('destroy the value of a key for ever; its attributes stay as a record')
    .option('--remove', 'no record stays either, but in the audit trail', false)
    .addHelpText(
      'after',
      `
An active key must be revoked first, but for one whose identifier begins with hsm::. Each half of
a pair is destroyed by itself; hsm:: keys end with both halves. What is destroyed already can be
removed later.

Examples:
  claviger ${name} keys revoke --key-id my_key "no longer used"
  claviger ${name} keys destroy --key-id my_key
  claviger ${name} keys destroy --key-id my_key --remove`,
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<DestroyOptions>()
      await withClient(options, async (client) => {
        const { id, called, attributes } = await findIn(client, family, options)
        if (valueIn(attributes, 'state') === State.Active && !isHardware(id)) {
          const hint = `claviger ${name} keys revoke --key-id ${called} REASON`
          throw new RefusedError(
            `Cannot destroy "${called}": it is active. Revoke it first: ${hint}`,
          )
        }
        const remove = options.remove || undefined
        await client.call('Destroy', { uniqueIdentifier: id, remove })
        const state = options.remove ? 'Removed' : 'Destroyed'
        print(options.json, { id, state }, () => list({ id, state }))
      })
    })
}

function activate(family: Family): Command {
  const { name } = family
  return withServer(withKey(new Command('activate')))
    .description('let a key be used that was made without being activated')
    .addHelpText('after', `\nExamples:\n  claviger ${name} keys activate --key-id my_key`)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options)
        await client.call('Activate', { uniqueIdentifier: id })
        print(options.json, { id, state: 'Active' }, () => list({ id, state: 'Active' }))
      })
    })
}

function reKey(family: Family): Command {
  const { name, isPair } = family
  return withServer(withKey(new Command('re-key')))
    .alias('rekey')
    .description('make a new key that takes the place and the names of an old one')
    .addHelpText(
      'after',
      `
The old key stays, without its names, for what was protected with it.

Examples:
  claviger ${name} keys re-key --key-id my_key`,
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      const made = await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options, 'private')
        if (!isPair) {
          const { uniqueIdentifier } = await client.call('ReKey', { uniqueIdentifier: id })
          return { id: String(uniqueIdentifier) }
        }
        const pair = await client.call('ReKeyKeyPair', { privateKeyUniqueIdentifier: id })
        return {
          privateKey: String(pair.privateKeyUniqueIdentifier),
          publicKey: String(pair.publicKeyUniqueIdentifier),
        }
      })
      print(options.json, made, () => list(made))
    })
}

interface RevokeOptions extends KeyOptions {
  readonly reasonCode: string
}

function revoke(family: Family): Command {
  const { name } = family
  return withServer(withKey(new Command('revoke')))
    .description('end the use of a key: it protects nothing new from now on')
    .argument('<reason>', 'why, in words')
    .option('-r, --reason-code <code>', REASONS.join(', '), 'Unspecified')
    .addHelpText(
      'after',
      `
Examples:
  claviger ${name} keys revoke --key-id my_key "no longer used"
  claviger ${name} keys revoke -k my_key -r key-compromise "laptop stolen"`,
    )
    .action(async (reason: string, _options, command: Command) => {
      const options = command.optsWithGlobals<RevokeOptions>()
      const code = chosen(REASONS, options.reasonCode, '--reason-code')
      await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options)
        await revokeKey(client, id, code, reason)
        print(options.json, { id, revoked: code }, () => list({ id, revoked: code }))
      })
    })
}

interface LocateOptions extends ClientOptions {
  readonly tag: readonly string[]
  readonly cryptographicLength?: number | undefined
}

const LOCATE_MAX = 10_000

function locateKeys(family: Family): Command {
  return withServer(withTags(new Command('locate')))
    .description(`unique identifiers of the ${family.what} that there are`)
    .option('-l, --cryptographic-length <bits>', 'only keys of this length', bits)
    .addHelpText(
      'after',
      `
One a line. More conditions: claviger keys list.

Examples:
  claviger ${family.name} keys locate
  claviger ${family.name} keys locate --tag team-a --tag payments`,
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<LocateOptions>()
      const { cryptographicLength: length } = options
      const wanted: ListedAttribute[] = [
        ...tagAttributes(options.tag),
        ...(length === undefined ? [] : [{ id: 'cryptographicLength', value: length } as const]),
      ]
      const { ids, unread } = await withClient(options, async (client) => {
        const found = await Promise.all(
          typesOf(family).map((value) => {
            return locate(client, [{ id: 'objectType', value }, ...wanted], LOCATE_MAX)
          }),
        )
        const all = found.flat()
        const unread: Unread[] = []
        if (!family.isPair) return { ids: all, unread }
        const fits = await Promise.all(
          all.map(async (id) => {
            const refs = ['objectType', 'cryptographicAlgorithm'] as const
            try {
              return belongs(family, { attributes: await attributesOf(client, id, refs) })
            } catch (error) {
              if (!(error instanceof KmipError)) throw error
              if (!isNotFound(error)) unread.push({ id, error: error.message })
              return false
            }
          }),
        )
        return { ids: all.filter((_id, index) => fits[index]), unread }
      })
      print(options.json, ids, () => ids.join('\n'))
      assertAllRead(unread)
    })
}

function typesOf({ isPair }: Family): readonly ObjectType[] {
  return isPair ? [ObjectType.PrivateKey, ObjectType.PublicKey] : [ObjectType.SymmetricKey]
}
/** `keys` with its verbs. */
export function familyKeys(family: Family): Command {
  const { name, what } = family
  const keys = new Command('keys').description(`${what}, from their making to their end`)
  keys.addHelpText(
    'after',
    `
Examples:
  claviger ${name} keys create my_key
  claviger ${name} keys locate`,
  )
  const verbs = [
    create(family),
    exportKey(family),
    importKey(family),
    destroy(family),
    wrapFile(family, 'wrap'),
    wrapFile(family, 'unwrap'),
    activate(family),
    revoke(family),
    reKey(family),
    locateKeys(family),
  ]
  for (const verb of verbs) keys.addCommand(verb)
  return keys
}
