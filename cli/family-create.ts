/**
 * `claviger rsa|ec|sym keys create`.
 *
 * KMIP 2.1 §6.1.7 and §6.1.8 (Create, Create Key Pair).
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CryptographicUsageMask as Mask, ObjectType } from '#spec/kmip/enumerations.ts'
import { chosen, keyWish, wishAttributes } from './algorithms.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { type Family, PUBLIC_SUFFIX, tagAttributes, withTags } from './family.ts'
import {
  AGREEING,
  AGREEING_MASK,
  bits,
  HARDWARE_NOTE,
  keptUnder,
  type Made,
  mask,
  named,
  PRIVATE_MASK,
  PUBLIC_MASK,
  placeOf,
  SYM_ALGORITHMS,
  SYM_MASK,
  WRAPPING_NOTE,
} from './family-made.ts'
import { activateAll } from './keys-create.ts'
import { list, print } from './output.ts'

interface CreateOptions extends ClientOptions {
  readonly tag: readonly string[]
  readonly sensitive: boolean
  readonly wrappingKeyId?: string | undefined
  readonly sizeInBits?: number | undefined
  readonly numberOfBits?: number | undefined
  readonly algorithm?: string | undefined
  readonly curve?: string | undefined
}

const CURVES = {
  'nist-p256': 'P-256',
  'nist-p384': 'P-384',
  'nist-p521': 'P-521',
  x25519: 'X25519',
  ed25519: 'Ed25519',
  x448: 'X448',
  ed448: 'Ed448',
  secp256k1: 'secp256k1',
} as const
const CURVE_NAMES = Object.keys(CURVES) as (keyof typeof CURVES)[]
/** What a family may choose of its keys. */
function withChoice(command: Command, { name }: Family): Command {
  if (name === 'rsa') {
    return command
      .option('-s, --size-in-bits <bits>', 'length of the key; default: 4096', bits)
      .option('--size_in_bits <bits>', 'the same', bits)
  }
  if (name === 'ec')
    return command.option('-c, --curve <name>', CURVE_NAMES.join(', '), 'nist-p256')
  return command
    .option('-l, --number-of-bits <bits>', 'length of the key; default: 256', bits)
    .option('--size-in-bits <bits>', 'the same', bits)
    .option('-a, --algorithm <name>', Object.keys(SYM_ALGORITHMS).join(', '), 'aes')
}

/** Algorithm, length and curve as attributes. */
function choice({ name }: Family, options: CreateOptions): readonly ListedAttribute[] {
  const { size_in_bits: other } = options as { readonly size_in_bits?: number }
  const length = options.sizeInBits ?? options.numberOfBits ?? other
  if (name === 'rsa') return wishAttributes(keyWish('RSA', length ?? 4_096))
  if (name === 'ec') {
    return wishAttributes(keyWish(CURVES[chosen(CURVE_NAMES, options.curve ?? '', '--curve')]))
  }
  const names = Object.keys(SYM_ALGORITHMS) as (keyof typeof SYM_ALGORITHMS)[]
  const algorithm = SYM_ALGORITHMS[chosen(names, options.algorithm ?? '', '--algorithm')]
  return wishAttributes(keyWish(algorithm, length ?? 256))
}

export function create(family: Family): Command {
  const { name } = family
  const example = {
    rsa: '--size-in-bits 3072',
    ec: '--curve nist-p384',
    sym: '--number-of-bits 128',
  }
  return withChoice(withTags(withServer(new Command('create'))), family)
    .description(family.isPair ? 'make a key pair, and activate it' : 'make a key, and activate it')
    .argument('[id]', `its name; of a pair, the public key has ${PUBLIC_SUFFIX} behind it`)
    .option('--sensitive', 'it leaves the server only wrapped', false)
    .option('-w, --wrapping-key-id <id>', 'keep it wrapped with this key')
    .addHelpText(
      'after',
      `${HARDWARE_NOTE}
${WRAPPING_NOTE}

Examples:
  claviger ${name} keys create my_key
  claviger ${name} keys create ${example[name]} --sensitive --tag team-a my_key
  claviger ${name} keys create --wrapping-key-id kek my_wrapped_key
  claviger ${name} keys create ${example[name]} --sensitive hsm::4::my_key`,
    )
    .action(async (id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>()
      const given = [...choice(family, options), ...tagAttributes(options.tag)]
      const make = family.isPair ? createPair : createSecret
      const made = await withClient(options, (client) => make(client, id, given, options))
      print(options.json, made, () => list(made))
    })
}
function sensitivity({ sensitive }: CreateOptions): readonly ListedAttribute[] {
  return sensitive ? [{ id: 'sensitive', value: true }] : []
}

async function createSecret(
  client: KmipClient,
  id: string | undefined,
  given: readonly ListedAttribute[],
  options: CreateOptions,
): Promise<Made> {
  const own = [...named(id), mask(SYM_MASK), ...sensitivity(options)]
  const kept = await keptUnder(client, options.wrappingKeyId)
  const answer = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes: [...given, ...own, ...kept] },
    protectionStorageMasks: placeOf(id),
  })
  const made = String(answer.uniqueIdentifier)
  await activateAll(client, [made])
  return { id: made }
}

async function createPair(
  client: KmipClient,
  id: string | undefined,
  given: readonly ListedAttribute[],
  options: CreateOptions,
): Promise<Made> {
  const curve = CURVES[(options.curve ?? '') as keyof typeof CURVES] ?? ''
  const agrees = AGREEING.has(curve)
  const both = PRIVATE_MASK | (curve.startsWith('P-') ? AGREEING_MASK : 0)
  const privateMask = mask(agrees ? AGREEING_MASK : both)
  const publicMask = mask(agrees ? Mask.KeyAgreement : PUBLIC_MASK)
  const kept = await keptUnder(client, options.wrappingKeyId)
  const answer = await client.call('CreateKeyPair', {
    commonAttributes: { attributes: given },
    privateKeyAttributes: {
      attributes: [privateMask, ...sensitivity(options), ...named(id), ...kept],
    },
    publicKeyAttributes: { attributes: [publicMask, ...named(id, PUBLIC_SUFFIX)] },
    privateProtectionStorageMasks: placeOf(id),
  })
  const publicKey = String(answer.publicKeyUniqueIdentifier)
  const privateKey = String(answer.privateKeyUniqueIdentifier)
  await activateAll(client, [privateKey, publicKey])
  return { privateKey, publicKey }
}
