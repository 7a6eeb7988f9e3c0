/**
 * Working with keys on data in parts.
 *
 * KMIP 1.3 §4.29 to §4.37 and KMIP 2.1 §6.1 by name (Init Indicator, Final Indicator, Correlation
 * Value). Where the keystore works in parts, so do we; what must be known in whole (decryption of
 * an AEAD, whose data nobody may see before the tag is right; signatures of the message itself;
 * ciphers in one go) is gathered up to `bufferedBytesMax`. A key is asked for again with each part:
 * what is revoked meanwhile goes no further.
 *
 * Who may go on with which parts, and how long they wait, is the caller's business.
 *
 * @module
 */
import { cipherRow, signatureRow } from '#spec/algorithms.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { sameBytes } from '../bytes.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { USES, type UsableKey, type Use, usableKey } from '../keys.ts'
import type { Awaitable, SignatureMechanism } from '../keystore.ts'
import {
  decrypt,
  encrypt,
  hash,
  mac,
  macVerify,
  makesIv,
  sign,
  signatureVerify,
} from './cryptography.ts'
import { signWith, spent } from './mechanism.ts'
import {
  cipherMechanism,
  effectiveParameters,
  hashNamed,
  macMechanism,
  signatureMechanism,
} from './parameters.ts'

/** What the last part gives: output, or whether a proof is right. */
export interface Outcome {
  readonly data: Uint8Array
  readonly tag?: Uint8Array | undefined
  /** Present when the keystore has made it. */
  readonly iv?: Uint8Array | undefined
  readonly valid?: boolean | undefined
}

/** Data in parts, on its way through a key or a hash. */
export interface Parts {
  /** Identifier of the key; undefined for a hash. */
  readonly id: string | undefined
  /** Present when it was made here. */
  readonly iv?: Uint8Array | undefined
  /** What comes out already. */
  update(context: Context, data: Uint8Array): Promise<Uint8Array>
  /** @param proof Tag, signature or MAC that the data is checked against. */
  final(context: Context, proof?: Uint8Array): Promise<Outcome>
  /** Forgets what was gathered. */
  end(): void
}

interface Wish {
  readonly id: string
  readonly parameters?: CryptographicParameters | undefined
}

interface CipherWish extends Wish {
  readonly iv?: Uint8Array | undefined
  readonly aad?: Uint8Array | undefined
}

const NOTHING = new Uint8Array(0)

export async function encryptParts(context: Context, wish: CipherWish): Promise<Parts> {
  const { id } = wish
  const key = await usableKey(context, id, USES.encrypt)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = cipherMechanism(key, parameters, wish.iv, wish.aad, true)
  const iv = mechanism.ivGenerated ? mechanism.iv : undefined
  const { streams } = key.keystore
  if (mechanism.ivGenerated && makesIv(key, mechanism.cipher)) {
    return gathered(context, id, undefined, (now, data) => encrypt(now, { ...wish, data }))
  }
  if (streams === undefined || cipherRow(mechanism.cipher).oneShot) {
    const whole = { ...wish, parameters: { ...parameters, randomIV: false }, iv: mechanism.iv }
    return gathered(context, id, iv, (now, data) => encrypt(now, { ...whole, data }))
  }
  const operation = await streams.encrypt(key.key, mechanism)
  const counted = counter(id, USES.encrypt)
  return {
    id,
    iv,
    update: (now, data) => counted(now, data.length, () => operation.update(data)),
    final: (now) => counted(now, 0, () => operation.final()),
    end() {},
  }
}

/** Each part counts in the Usage Limits as it comes: what is out cannot be taken back. */
function counter(id: string, use: Use) {
  let goesOn = false
  return async <T>(context: Context, bytes: number, work: () => Awaitable<T>): Promise<T> => {
    const { object } = await usableKey(context, id, use)
    const paid = goesOn
    goesOn = true
    return spent(context, object, bytes, work, paid)
  }
}

export async function decryptParts(context: Context, wish: CipherWish): Promise<Parts> {
  const { id } = wish
  const key = await usableKey(context, id, USES.decrypt)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = cipherMechanism(key, parameters, wish.iv, wish.aad, false)
  const { oneShot, tagBytes } = cipherRow(mechanism.cipher)
  const { streams } = key.keystore
  if (streams === undefined || oneShot || tagBytes !== undefined) {
    return gathered(context, id, undefined, (now, data, tag) =>
      decrypt(now, { ...wish, data, tag }),
    )
  }
  const operation = await streams.decrypt(key.key, mechanism)
  const checked = async <T>(now: Context, work: () => Awaitable<T>): Promise<T> => {
    await usableKey(now, id, USES.decrypt)
    return work()
  }
  return {
    id,
    update: (now, data) => checked(now, () => operation.update(data)),
    final: (now) => checked(now, () => operation.final()),
    end() {},
  }
}

export async function signParts(context: Context, wish: Wish): Promise<Parts> {
  const { id } = wish
  const key = await usableKey(context, id, USES.sign)
  const digested = await digesting(key, wish, async (now, mechanism, digest, length) => {
    const present = await usableKey(now, id, USES.sign)
    return { data: await signWith(now, present, mechanism, digest, length) }
  })
  if (digested !== undefined) return digested
  return gathered(context, id, undefined, async (now, data) => {
    const { signature } = await sign(now, { ...wish, data, digested: false })
    return { data: signature }
  })
}

export async function signatureVerifyParts(context: Context, wish: Wish): Promise<Parts> {
  const { id } = wish
  const key = await usableKey(context, id, USES.verify)
  const digested = await digesting(key, wish, async (now, mechanism, digest, _length, proof) => {
    const signature = needed(proof, 'the Signature Data is missing')
    const present = await usableKey(now, id, USES.verify)
    const valid = await present.keystore.verify(present.key, mechanism, digest, signature)
    return { data: NOTHING, valid }
  })
  if (digested !== undefined) return digested
  return gathered(context, id, undefined, async (now, data, proof) => {
    const signature = needed(proof, 'the Signature Data is missing')
    const { valid } = await signatureVerify(now, { ...wish, data, digested: false, signature })
    return { data: NOTHING, valid }
  })
}

type Digested = (
  context: Context,
  mechanism: SignatureMechanism,
  digest: Uint8Array,
  length: number,
  proof: Uint8Array | undefined,
) => Awaitable<Outcome>

/** The digest is made part by part; undefined where the scheme takes the message whole. */
async function digesting(key: UsableKey, wish: Wish, end: Digested): Promise<Parts | undefined> {
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = signatureMechanism(key, parameters, false)
  const { streams } = key.keystore
  const overDigest = signatureRow(mechanism.scheme).input === 'digest'
  if (streams === undefined || mechanism.hash === undefined || !overDigest) return undefined
  if (key.keystore.cannot({ signature: mechanism.scheme }) !== undefined) return undefined
  const operation = await streams.digest(mechanism.hash)
  let length = 0
  return {
    id: wish.id,
    async update(_context, data) {
      length += data.length
      await operation.update(data)
      return NOTHING
    },
    async final(now, proof) {
      return end(now, { ...mechanism, digested: true }, await operation.final(), length, proof)
    },
    end() {},
  }
}

export async function macParts(context: Context, wish: Wish): Promise<Parts> {
  return macOf(context, wish, USES.mac, async (now, code, length, object) => {
    return { data: await spent(now, object, length, code) }
  })
}

export async function macVerifyParts(context: Context, wish: Wish): Promise<Parts> {
  return macOf(context, wish, USES.macVerify, async (_now, code, _length, _object, proof) => {
    const expected = needed(proof, 'the MAC Data is missing')
    return { data: NOTHING, valid: sameBytes(await code(), expected) }
  })
}

type Coded = (
  context: Context,
  code: () => Awaitable<Uint8Array>,
  length: number,
  object: UsableKey['object'],
  proof: Uint8Array | undefined,
) => Awaitable<Outcome>

async function macOf(context: Context, wish: Wish, use: Use, end: Coded): Promise<Parts> {
  const { id } = wish
  const key = await usableKey(context, id, use)
  const mechanism = macMechanism(key, effectiveParameters(key.object, wish.parameters))
  const { streams } = key.keystore
  if (streams === undefined) {
    return gathered(context, id, undefined, async (now, data, proof) => {
      if (use === USES.mac) return { data: (await mac(now, { ...wish, data })).mac }
      const expected = needed(proof, 'the MAC Data is missing')
      const { valid } = await macVerify(now, { ...wish, data, mac: expected })
      return { data: NOTHING, valid }
    })
  }
  const operation = await streams.mac(key.key, mechanism)
  let length = 0
  return {
    id,
    async update(_context, data) {
      length += data.length
      await operation.update(data)
      return NOTHING
    },
    async final(now, proof) {
      const { object } = await usableKey(now, id, use)
      return end(now, () => operation.final(), length, object, proof)
    },
    end() {},
  }
}

/** @throws {@link KmsError} `parametersMissing` when no hash is named. */
export async function hashParts(
  context: Context,
  parameters: CryptographicParameters,
): Promise<Parts> {
  const { streams } = context.services.keystores.forNew(undefined)
  if (parameters.hashingAlgorithm === undefined || streams === undefined) {
    return gathered(context, undefined, undefined, async (now, data) => {
      return { data: await hash(now, parameters, data) }
    })
  }
  const operation = await streams.digest(hashNamed(parameters.hashingAlgorithm))
  return {
    id: undefined,
    async update(_context, data) {
      await operation.update(data)
      return NOTHING
    },
    final: async () => ({ data: await operation.final() }),
    end() {},
  }
}

/** Keeps the parts until the last one has come, and then works on all of it. */
function gathered(
  { services }: Context,
  id: string | undefined,
  iv: Uint8Array | undefined,
  work: (context: Context, data: Uint8Array, proof?: Uint8Array) => Awaitable<Outcome>,
): Parts {
  const { bufferedBytesMax } = services.limits
  const chunks: Uint8Array[] = []
  let length = 0
  const forget = (): void => {
    for (const chunk of chunks) chunk.fill(0)
    chunks.length = 0
  }
  return {
    id,
    iv,
    async update(_context, data) {
      length += data.length
      if (length > bufferedBytesMax) {
        const what = `they must be gathered and have ${length} bytes or more`
        const allowed = `${bufferedBytesMax} are allowed (limits.bufferedBytesMax)`
        throw new KmsError('limitExceeded', `Cannot take data in parts: ${what}, ${allowed}`)
      }
      // A copy: what came from the network is overwritten.
      chunks.push(Uint8Array.from(data))
      return NOTHING
    },
    async final(now, proof) {
      const whole = Buffer.concat(chunks)
      forget()
      try {
        return await work(now, whole, proof)
      } finally {
        whole.fill(0)
      }
    },
    end: forget,
  }
}

function needed(proof: Uint8Array | undefined, why: string): Uint8Array {
  if (proof !== undefined) return proof
  throw new KmsError('missingField', `Cannot do it: ${why}`)
}
