/**
 * `claviger locate`: identifiers of the objects that there are, with the options of `ckms locate`.
 *
 * KMIP 2.1 §6.1.29. Tags are Object Groups, as everywhere in the commands of ckms.
 *
 * @module
 */
import { Command } from 'commander'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm,
  KeyFormatType,
  LinkType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { chosen } from './algorithms.ts'
import { wholeNumber } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { tagAttributes, withTags } from './family.ts'
import { print } from './output.ts'
import { findKey, locate as located } from './references.ts'

const LOCATE_MAX = 10_000
const LENGTH_MAX = 65_536

interface LocateOptions extends ClientOptions {
  readonly tag: readonly string[]
  readonly algorithm?: string | undefined
  readonly cryptographicLength?: number | undefined
  readonly keyFormatType?: string | undefined
  readonly objectType?: string | undefined
  readonly publicKeyId?: string | undefined
  readonly privateKeyId?: string | undefined
  readonly certificateId?: string | undefined
}

/** The number of a name as users of ckms write it: `symmetric-key`, `SymmetricKey`, `aes`. */
function numberOf<T extends number>(
  members: Readonly<Record<string, T>>,
  given: string,
  option: string,
): T {
  const plain = (text: string): string => text.toLowerCase().replace(/[\s_-]/g, '')
  const names = Object.keys(members)
  const found = names.find((name) => plain(name) === plain(given))
  return members[chosen(names, found ?? given, option)] as T
}

function simple(options: LocateOptions): readonly ListedAttribute[] {
  const { algorithm, cryptographicLength, keyFormatType, objectType } = options
  const wanted: ListedAttribute[] = [...tagAttributes(options.tag)]
  if (algorithm !== undefined) {
    const value = numberOf(CryptographicAlgorithm, algorithm, '--algorithm')
    wanted.push({ id: 'cryptographicAlgorithm', value })
  }
  if (cryptographicLength !== undefined) {
    wanted.push({ id: 'cryptographicLength', value: cryptographicLength })
  }
  if (keyFormatType !== undefined) {
    const value = numberOf(KeyFormatType, keyFormatType, '--key-format-type')
    wanted.push({ id: 'keyFormatType', value })
  }
  if (objectType !== undefined) {
    const value = numberOf(ObjectType, objectType, '--object-type')
    wanted.push({ id: 'objectType', value })
  }
  return wanted
}

export const locate = withServer(withTags(new Command('locate')))
  .description('identifiers of the objects that there are, with the options of ckms')
  .option('-a, --algorithm <name>', 'AES, RSA, ECDSA ...')
  .option(
    '-l, --cryptographic-length <bits>',
    'only of this length',
    wholeNumber('--cryptographic-length', 1, LENGTH_MAX),
  )
  .option('-f, --key-format-type <name>', 'Raw, PKCS_8 ...')
  .option('-o, --object-type <name>', 'SymmetricKey, PrivateKey, PublicKey, Certificate ...')
  .option('-p, --public-key-id <id>', 'only what is linked to this public key')
  .option('-k, --private-key-id <id>', 'only what is linked to this private key')
  .option('-c, --certificate-id <id>', 'only what is linked to this certificate')
  .addHelpText(
    'after',
    `
One a line. More conditions: claviger keys list.

Examples:
  claviger locate --tag team-a --object-type SymmetricKey
  claviger locate --algorithm RSA --cryptographic-length 2048`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<LocateOptions>()
    const wanted = simple(options)
    const ids = await withClient(options, async (client) => {
      const links = [
        [LinkType.PublicKeyLink, options.publicKeyId],
        [LinkType.PrivateKeyLink, options.privateKeyId],
        [LinkType.CertificateLink, options.certificateId],
      ] as const
      const linked: ListedAttribute[] = []
      for (const [linkType, called] of links) {
        if (called === undefined) continue
        const linkedObjectIdentifier = (await findKey(client, called)).id
        linked.push({ id: 'link', value: { linkType, linkedObjectIdentifier } })
      }
      return located(client, [...wanted, ...linked], LOCATE_MAX)
    })
    print(options.json, ids, () => ids.join('\n'))
  })
