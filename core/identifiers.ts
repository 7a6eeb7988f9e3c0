/**
 * Identifiers that clients choose: keys in an HSM, called by where they are.
 *
 * `hsm::<slot>::<name>` and `hsm::<model>::<slot>::<name>`, as in Cosmian KMS. All others are made
 * by the server. The public half of a pair is called as the private one with `_pk` behind it.
 *
 * @module
 */
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { KmsError } from './errors.ts'
import type { Keystore } from './keystore.ts'
import type { Keystores } from './keystores.ts'

const PREFIX = 'hsm::'
export const PUBLIC_SUFFIX = '_pk'

/** CKA_LABEL and CKA_ID of so many bytes are taken by every device. */
const NAME_BYTES_MAX = 64

export interface Place {
  /** Model or name of the keystore; absent where the slot says enough. */
  readonly model: string | undefined
  readonly slot: number
  /** What the key is called in the device. */
  readonly name: string
}

/** Whether an identifier says where the key is. */
export function isPlaced(id: string): boolean {
  return id.startsWith(PREFIX)
}

/** @throws {@link KmsError} `invalidField` when it is none. */
export function parsePlace(id: string): Place {
  const [, model, slot, name] = /^hsm::(?:(?!\d+::)([^:]+)::)?(\d{1,10})::(.+)$/su.exec(id) ?? []
  if (slot === undefined || name === undefined) {
    throw bad(id, 'hsm::<slot>::<name> and hsm::<model>::<slot>::<name> are allowed')
  }
  const bytes = Buffer.byteLength(name)
  if (bytes > NAME_BYTES_MAX) {
    throw bad(id, `its name has ${bytes} bytes, allowed are ${NAME_BYTES_MAX}`)
  }
  if (/\p{C}/u.test(name)) throw bad(id, 'its name has characters that cannot be shown')
  return { model, slot: Number(slot), name }
}

function bad(id: string, why: string): KmsError {
  return new KmsError('invalidField', `Cannot use the identifier "${id.slice(0, 100)}": ${why}`)
}

interface Placed {
  readonly keystore: Keystore
  readonly slot: number | undefined
  /** Undefined where it has not been seen since the start. */
  readonly model: string | undefined
  /** What it may be called by instead of its slot alone; the first is its own name. */
  readonly models: readonly string[]
}

/** Keystores with slots, in the order of the configuration. */
function placed(keystores: Keystores): readonly Placed[] {
  const counts = new Map<string, number>()
  // Behind one whose model is not known nobody knows the number of another one.
  let isCounted = true
  return [...keystores.all()].flatMap((keystore) => {
    const address = keystore.address?.()
    if (address === undefined) return []
    const { model } = address
    if (model === undefined) isCounted = false
    if (model === undefined) return [{ keystore, ...address, models: [keystore.name] }]
    const count = counts.get(model) ?? 0
    counts.set(model, count + 1)
    const numbered = count === 0 || !isCounted ? [] : [`${model}_${count}`]
    return [{ keystore, ...address, models: [keystore.name, model, ...numbered] }]
  })
}

/**
 * The keystore that an identifier means.
 *
 * @throws {@link KmsError} `noSuchKeystore` with the list of those there are; `keystoreUnavailable`
 * where one that is away may be meant as well.
 */
export function keystoreAt(keystores: Keystores, id: string, place: Place): Keystore {
  const all = placed(keystores)
  const inSlot = all.filter(({ slot, models }) => {
    return slot === place.slot && (place.model === undefined || models.includes(place.model))
  })
  const [only] = inSlot
  const calls = (some: readonly Placed[]): string =>
    some.map(({ models, slot }) => `hsm::${models[0]}::${slot ?? '?'}`).join(', ')
  const what = `Cannot use the identifier "${id}"`
  const unseen = all.filter(({ model, slot }) => model === undefined || slot === undefined)
  const names = unseen.map(({ keystore }) => `"${keystore.name}"`).join(', ')
  const away = `HSM ${names} has not been seen since the server started`
  if (only !== undefined && inSlot.length === 1) {
    const isNamed = place.model === undefined || place.model === only.keystore.name
    const isElse = ({ slot }: Placed): boolean => slot === undefined || slot === place.slot
    if (isNamed || !unseen.some((one) => one !== only && isElse(one))) return only.keystore
    const how = `it may be meant; name the keystore: ${calls(inSlot)}`
    throw new KmsError('keystoreUnavailable', `${what}: ${away}, and ${how}`)
  }
  if (inSlot.length > 1) {
    throw new KmsError('noSuchKeystore', `${what}: several keystores fit: ${calls(inSlot)}`)
  }
  const there =
    all.length === 0 ? 'no HSM that is known to this server has slots' : `there are: ${calls(all)}`
  const why = `no keystore has this slot; ${there}`
  if (unseen.length === 0) throw new KmsError('noSuchKeystore', `${what}: ${why}`)
  throw new KmsError('keystoreUnavailable', `${what}: ${why}; ${away} (claviger hsm list)`)
}

/** All identifiers by which a key of this name in a keystore can be called. */
export function identifiersOf(
  keystores: Keystores,
  keystore: Keystore,
  name: string,
): readonly string[] {
  const found = placed(keystores).find((one) => one.keystore === keystore)
  if (found === undefined) return []
  const { slot, models } = found
  if (slot === undefined) return []
  return [`hsm::${slot}::${name}`, ...models.map((model) => `hsm::${model}::${slot}::${name}`)]
}

/** Attributes of a request without the identifier that they choose, and that identifier. */
export function withoutIdentifier(attributes: readonly ListedAttribute[] | undefined): {
  readonly id: string | undefined
  readonly attributes: readonly ListedAttribute[]
} {
  const isChoice = ({ id, value }: ListedAttribute): boolean =>
    id === 'uniqueIdentifier' && typeof value === 'string' && isPlaced(value)
  const found = attributes?.find(isChoice)
  if (found === undefined) return { id: undefined, attributes: attributes ?? [] }
  const others = (attributes ?? []).filter((one) => one !== found)
  return { id: found.value as string, attributes: others }
}
