/**
 * Keys that are made in a device, or taken in.
 *
 * PKCS#11 3.2 §5.18.1 (C_GenerateKey), §5.18.2 (C_GenerateKeyPair), §5.7.1 (C_CreateObject). Secret
 * and private keys only; their public halves are kept beside.
 *
 * @module
 */
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { readKey, specOfKey } from '#core/key-formats.ts'
import type { Foundling, ImportRequest, MakePairRequest, MakeRequest } from '#core/keystore.ts'
import { isPair, type KeySpec, pairRow, secretKeyRow } from '#spec/algorithms.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { makerOf } from './abilities.ts'
import { assertIs } from './checks.ts'
import type { DeviceSession } from './device.ts'
import { type DeviceKeys, nameOf } from './device-keys.ts'
import { ID_BYTES, madeReference, namedReference } from './references.ts'
import {
  CLASSES,
  ckkOf,
  isFalse,
  isTrue,
  PUBLIC_PARTS,
  parametersOf,
  privateTemplate,
  publicKeyOf,
  usageFlags,
} from './templates.ts'
import { attributesOf } from './temporaries.ts'

/** Who remembers keys that are about to be made. */
export interface MakingsHere {
  /** @param handle What the reference will begin with. */
  announce(object: string, handle: Uint8Array): Promise<void>
  withdraw(handle: Uint8Array): Promise<void>
  /** Whether it has been announced and is no object, or not yet. */
  isUnderWay(found: Foundling): boolean
}

/** How keys of a keystore are made. */
export interface MakerOptions {
  /** Name of the keystore. */
  readonly name: string
  readonly extractable: boolean
  /** Whether such keys leave the device through a key-encrypting key only. */
  readonly viaKek: (kind: 'secret' | 'private', spec: KeySpec) => boolean
  readonly makings?: MakingsHere | undefined
}

export class Maker {
  readonly #options: MakerOptions
  readonly #keys: DeviceKeys

  constructor(options: MakerOptions, keys: DeviceKeys) {
    this.#options = options
    this.#keys = keys
  }

  /** @returns The reference to the key. */
  async generate({ id, spec, place }: MakeRequest): Promise<Buffer> {
    const { algorithm, bits } = spec
    if (isPair(algorithm)) throw new KmsError('invalidField', 'Cannot generate key: it is a pair')
    const row = secretKeyRow(algorithm)
    const bytes = (row.materialBits?.[bits] ?? bits) / 8
    const isFixed = algorithm === 'DES3'
    const type = makerOf(spec)
    const { makings } = this.#options
    const { reference, attributes } = this.#newKey('secret', id, spec, place)
    const length = isFixed ? [] : [{ type: CKA.VALUE_LEN, value: ulongBytes(bytes) }]
    const pTemplate = [...attributes, ...length]
    await this.#keys.use('generate key', async (session) => {
      await this.#assertFree(session, place)
      const pMechanism = { type, parameter: undefined }
      await makings?.announce(id, reference)
      const { phKey } = await session.call('C_GenerateKey', { pMechanism, pTemplate })
      session.handles.set(nameOf(reference), phKey)
    })
    return reference
  }

  /** @returns The reference to the private key, and the public key. */
  async generatePair({ privateId, spec, place }: MakePairRequest) {
    const { algorithm } = spec
    if (!isPair(algorithm)) {
      throw new KmsError('invalidField', 'Cannot generate pair: it is a secret key')
    }
    const { makings } = this.#options
    const { reference, attributes, id } = this.#newKey('private', privateId, spec, place)
    const pPublicKeyTemplate = [
      { type: CKA.TOKEN, value: isTrue },
      { type: CKA.PRIVATE, value: isFalse },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(place ?? privateId) },
      ...usageFlags(algorithm, 'public'),
      ...parametersOf(spec),
    ]
    return this.#keys.use('generate pair', async (session) => {
      await this.#assertFree(session, place)
      const templates = {
        pPublicKeyTemplate,
        pPrivateKeyTemplate: attributes.filter(({ type }) => type !== CKA.CLASS),
      }
      const pMechanism = { type: pairRow(algorithm).ckm, parameter: undefined }
      await makings?.announce(privateId, reference)
      const { phPublicKey, phPrivateKey } = await session.call('C_GenerateKeyPair', {
        pMechanism,
        ...templates,
      })
      const publicKey = await readPublic(session, phPublicKey, spec)
      const handle = withPublic(reference, publicKey)
      session.handles.set(nameOf(handle), phPrivateKey)
      return { handle, publicKey }
    })
  }

  /** @returns The reference to a secret or private key that is in the device from now on. */
  async import(request: ImportRequest & { readonly spec: KeySpec }): Promise<Buffer> {
    const { id, kind, spec, format, bytes, place } = request
    const isSecret = kind === 'secret'
    const key = readKey(kind, format, bytes, spec)
    assertIs(spec, isSecret ? undefined : specOfKey(key), key.symmetricKeySize)
    const made = this.#newKey(isSecret ? 'secret' : 'private', id, spec, place)
    const parts = isSecret ? [{ type: CKA.VALUE, value: key.export() }] : privateTemplate(key, spec)
    const reference = isSecret ? made.reference : withPublic(made.reference, createPublicKey(key))
    const { makings } = this.#options
    await this.#keys.use('import key', async (session) => {
      await this.#assertFree(session, place)
      const pTemplate = [...made.attributes, ...parts]
      await makings?.announce(id, reference)
      const { phObject } = await session.call('C_CreateObject', { pTemplate })
      session.handles.set(nameOf(reference), phObject)
    })
    return reference
  }

  /** What every key in the device has, and the reference to it. */
  #newKey(kind: 'secret' | 'private', label: string, spec: KeySpec, place?: string) {
    const { extractable, viaKek } = this.#options
    const id = place === undefined ? randomBytes(ID_BYTES) : Buffer.from(place)
    const refer = place === undefined ? madeReference : namedReference
    const isReadable = extractable && !viaKek(kind, spec)
    const attributes: Attribute[] = [
      { type: CKA.CLASS, value: ulongBytes(CLASSES[kind]) },
      { type: CKA.KEY_TYPE, value: ulongBytes(ckkOf(spec)) },
      { type: CKA.TOKEN, value: isTrue },
      { type: CKA.PRIVATE, value: isTrue },
      { type: CKA.SENSITIVE, value: isReadable ? isFalse : isTrue },
      { type: CKA.EXTRACTABLE, value: extractable ? isTrue : isFalse },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(place ?? label) },
      ...usageFlags(spec.algorithm, 'private'),
    ]
    return { id, attributes, reference: refer(CLASSES[kind], id) }
  }

  /** Nothing in the device may be called so already: the key could not be told from it. */
  async #assertFree(session: DeviceSession, place: string | undefined): Promise<void> {
    if (place === undefined) return
    const { name } = this.#options
    const value = Buffer.from(place)
    if (this.#keys.isReserved(value)) {
      const what = `Cannot make key "${place}" in HSM "${name}": the name is the server's own`
      throw new KmsError('permissionDenied', what)
    }
    for (const type of [CKA.LABEL, CKA.ID]) {
      for (const objectClass of [CLASSES.secret, CLASSES.private, CLASSES.public]) {
        const template = [
          { type: CKA.CLASS, value: ulongBytes(objectClass) },
          { type, value },
        ]
        if ((await session.find(template)).length === 0) continue
        const what = `Cannot make "${place}": HSM "${name}" has a key of this name already`
        throw new KmsError('exists', `${what}; call it by its identifier, or adopt it`)
      }
    }
  }
}

async function readPublic(session: DeviceSession, hObject: number, spec: KeySpec) {
  const types: readonly number[] = PUBLIC_PARTS[spec.algorithm === 'RSA' ? 'RSA' : 'EC']
  const values = await attributesOf(session, hObject, types)
  return publicKeyOf(spec, values)
}

function withPublic(reference: Uint8Array, key: KeyObject): Buffer {
  return Buffer.concat([reference, key.export({ format: 'der', type: 'spki' })])
}
