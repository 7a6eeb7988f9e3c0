/**
 * Working with keys, in KMIP.
 *
 * KMIP 1.4 §4.29 to §4.37, KMIP 2.1 §6.1: between the payloads and the operations of the core. Data
 * in several parts (Init and Final Indicator, Correlation Value) waits in `streams.ts`; a request
 * that is first and last at once is data in one part.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import { KmsError } from '#core/errors.ts'
import {
  decrypt,
  encrypt,
  hash,
  mac,
  macVerify,
  random,
  seed,
  sign,
  signatureVerify,
} from '#core/operations/cryptography.ts'
import {
  decryptParts,
  encryptParts,
  hashParts,
  macParts,
  macVerifyParts,
  signatureVerifyParts,
  signParts,
} from '#core/operations/parts.ts'
import { DataEnumeration as From, ValidityIndicator } from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import type { DataOrReference } from '#spec/kmip/structures.ts'
import { type Call, dataOf, idOf, neededData } from '../call.ts'
import { type Answer, handler } from '../handler.ts'
import { doPart, isPart, type PartAnswer, type PartFields } from '../streams.ts'

/** First version in which the tag of an AEAD has a field of its own. */
const TAG_FIELD = 14

const NOTHING = new Uint8Array(0)

/** Data that a part may leave out. */
function partData(call: Call, { data }: { readonly data?: DataOrReference | undefined }) {
  return dataOf(call, data) ?? NOTHING
}

/** Digests are whole as they are. */
function assertNoDigest({ digestedData }: { readonly digestedData?: Uint8Array | undefined }) {
  if (digestedData === undefined) return
  throw new KmsError('invalidField', 'Cannot take a part: Digested Data comes in one request')
}

/** KMIP 1.4 §4.29: what is authenticated beside the data comes with the first part. */
function assertFirst(request: RequestOf<'Encrypt' | 'Decrypt'>): void {
  const { correlationValue, authenticatedEncryptionAdditionalData: aad } = request
  if (correlationValue === undefined || aad === undefined) return
  const what = 'Authenticated Encryption Additional Data comes with the first'
  throw new KmsError('invalidField', `Cannot take a later part: ${what}`)
}

/** Which key the first part is for; later ones need not say so. */
function cipherWish(call: Call, request: RequestOf<'Encrypt' | 'Decrypt'>) {
  assertFirst(request)
  return {
    id: idOf(call, request.uniqueIdentifier),
    parameters: request.cryptographicParameters,
    iv: request.ivCounterNonce,
    aad: request.authenticatedEncryptionAdditionalData,
  }
}

function keyWish(
  call: Call,
  request: PartFields & Pick<RequestOf<'MAC'>, 'cryptographicParameters'>,
) {
  const parameters = request.cryptographicParameters
  return { id: idOf(call, request.uniqueIdentifier), parameters }
}

/** Identifiers of an answer to a part: there is always a key but for Hash. */
function keyOf({ id }: PartAnswer) {
  const uniqueIdentifier = id as string
  return { uniqueIdentifier, ids: [uniqueIdentifier] }
}

/** Output of the last part, as later items of the batch may refer to it. */
function outputOf(from: From, { data, outcome }: PartAnswer) {
  return outcome === undefined || data === undefined ? {} : { output: [from, data] as const }
}

async function encryptPart(request: RequestOf<'Encrypt'>, call: Call): Promise<Answer<'Encrypt'>> {
  const begin = () => encryptParts(call.context, cipherWish(call, request))
  assertFirst(request)
  const done = await doPart(call, 'Encrypt', request, begin, partData(call, request))
  const { uniqueIdentifier, ids } = keyOf(done)
  const tag = done.outcome?.tag
  const joined = tag !== undefined && call.version < TAG_FIELD
  const data = joined ? Buffer.concat([done.data ?? NOTHING, tag]) : done.data
  const payload = {
    uniqueIdentifier,
    data,
    ivCounterNonce: done.iv,
    correlationValue: done.correlationValue,
    authenticatedEncryptionTag: joined ? undefined : tag,
  }
  return { payload, ids, ...outputOf(From.Encrypt, { ...done, data }) }
}

async function decryptPart(request: RequestOf<'Decrypt'>, call: Call): Promise<Answer<'Decrypt'>> {
  const begin = () => decryptParts(call.context, cipherWish(call, request))
  assertFirst(request)
  const tag = request.authenticatedEncryptionTag
  const done = await doPart(call, 'Decrypt', request, begin, partData(call, request), tag)
  const { uniqueIdentifier, ids } = keyOf(done)
  const { data, correlationValue } = done
  const payload = { uniqueIdentifier, data, correlationValue }
  return { payload, ids, ...outputOf(From.Decrypt, done) }
}

async function signPart(request: RequestOf<'Sign'>, call: Call): Promise<Answer<'Sign'>> {
  assertNoDigest(request)
  const begin = () => signParts(call.context, keyWish(call, request))
  const done = await doPart(call, 'Sign', request, begin, partData(call, request))
  const { uniqueIdentifier, ids } = keyOf(done)
  const payload = {
    uniqueIdentifier,
    signatureData: done.data,
    correlationValue: done.correlationValue,
  }
  return { payload, ids, ...outputOf(From.SignSignatureData, done) }
}

async function macPart(request: RequestOf<'MAC'>, call: Call): Promise<Answer<'MAC'>> {
  const begin = () => macParts(call.context, keyWish(call, request))
  const done = await doPart(call, 'MAC', request, begin, partData(call, request))
  const { uniqueIdentifier, ids } = keyOf(done)
  const payload = { uniqueIdentifier, macData: done.data, correlationValue: done.correlationValue }
  return { payload, ids, ...outputOf(From.MACMACData, done) }
}

/** Signature Verify and MAC Verify answer alike. */
function verified(done: PartAnswer) {
  const { uniqueIdentifier, ids } = keyOf(done)
  const valid = done.outcome?.valid
  const validityIndicator = valid === undefined ? undefined : validity(valid)
  const { correlationValue } = done
  return { payload: { uniqueIdentifier, validityIndicator, correlationValue }, ids }
}

async function signatureVerifyPart(request: RequestOf<'SignatureVerify'>, call: Call) {
  assertNoDigest(request)
  const begin = () => signatureVerifyParts(call.context, keyWish(call, request))
  const proof = dataOf(call, request.signatureData)
  const data = partData(call, request)
  return verified(await doPart(call, 'SignatureVerify', request, begin, data, proof))
}

async function macVerifyPart(request: RequestOf<'MACVerify'>, call: Call) {
  const begin = () => macVerifyParts(call.context, keyWish(call, request))
  const proof = dataOf(call, request.macData)
  const data = partData(call, request)
  return verified(await doPart(call, 'MACVerify', request, begin, data, proof))
}

async function hashPart(request: RequestOf<'Hash'>, call: Call): Promise<Answer<'Hash'>> {
  const begin = () => hashParts(call.context, request.cryptographicParameters)
  const done = await doPart(call, 'Hash', request, begin, partData(call, request))
  const { data, correlationValue } = done
  return { payload: { data, correlationValue }, ...outputOf(From.Hash, done) }
}

export const Encrypt = handler('Encrypt', 'use', (request, call) => {
  if (isPart(request)) return encryptPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const wish = {
    id,
    parameters: request.cryptographicParameters,
    data: neededData(call, request.data),
    iv: request.ivCounterNonce,
    aad: request.authenticatedEncryptionAdditionalData,
  }
  return after(encrypt(call.context, wish), (result) => {
    const apart = call.version >= TAG_FIELD
    const joined = result.tag !== undefined && !apart
    const data = joined ? Buffer.concat([result.data, result.tag]) : result.data
    const payload = {
      uniqueIdentifier: id,
      data,
      ivCounterNonce: result.iv,
      authenticatedEncryptionTag: apart ? result.tag : undefined,
    }
    return { payload, ids: [id], output: [From.Encrypt, data] }
  })
})

export const Decrypt = handler('Decrypt', 'use', (request, call) => {
  if (isPart(request)) return decryptPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const wish = {
    id,
    parameters: request.cryptographicParameters,
    data: neededData(call, request.data),
    iv: request.ivCounterNonce,
    aad: request.authenticatedEncryptionAdditionalData,
    tag: request.authenticatedEncryptionTag,
  }
  return after(decrypt(call.context, wish), ({ data }) => {
    return { payload: { uniqueIdentifier: id, data }, ids: [id], output: [From.Decrypt, data] }
  })
})

/** The message, or its digest. */
function message(
  call: Call,
  request: {
    readonly data?: DataOrReference | undefined
    readonly digestedData?: Uint8Array | undefined
  },
) {
  const { digestedData } = request
  if (digestedData === undefined) return { data: neededData(call, request.data), digested: false }
  if (request.data !== undefined) {
    throw new KmsError('invalidField', 'Cannot use data: Data and Digested Data are both given')
  }
  return { data: digestedData, digested: true }
}

export const Sign = handler('Sign', 'use', async (request, call) => {
  if (isPart(request)) return signPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const { signature } = await sign(call.context, { id, parameters, ...message(call, request) })
  const payload = { uniqueIdentifier: id, signatureData: signature }
  return { payload, ids: [id], output: [From.SignSignatureData, signature] }
})

function validity(valid: boolean): ValidityIndicator {
  return valid ? ValidityIndicator.Valid : ValidityIndicator.Invalid
}

export const SignatureVerify = handler('SignatureVerify', 'use', async (request, call) => {
  if (isPart(request)) return signatureVerifyPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const signature = neededData(call, request.signatureData, 'Signature Data')
  const wish = { id, parameters, signature, ...message(call, request) }
  const { valid } = await signatureVerify(call.context, wish)
  return { payload: { uniqueIdentifier: id, validityIndicator: validity(valid) }, ids: [id] }
})

export const MAC = handler('MAC', 'use', async (request, call) => {
  if (isPart(request)) return macPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const wish = { id, parameters, data: neededData(call, request.data) }
  const { mac: macData } = await mac(call.context, wish)
  return {
    payload: { uniqueIdentifier: id, macData },
    ids: [id],
    output: [From.MACMACData, macData],
  }
})

export const MACVerify = handler('MACVerify', 'use', async (request, call) => {
  if (isPart(request)) return macVerifyPart(request, call)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const [data, code] = [
    neededData(call, request.data),
    neededData(call, request.macData, 'MAC Data'),
  ]
  const { valid } = await macVerify(call.context, { id, parameters, data, mac: code })
  return { payload: { uniqueIdentifier: id, validityIndicator: validity(valid) }, ids: [id] }
})

export const Hash = handler('Hash', 'use', async (request, call) => {
  if (isPart(request)) return hashPart(request, call)
  const input = neededData(call, request.data)
  const data = await hash(call.context, request.cryptographicParameters, input)
  return { payload: { data }, output: [From.Hash, data] }
})

export const RNGRetrieve = handler('RNGRetrieve', 'use', async (request, call) => {
  const data = await random(call.context, request.dataLength)
  return { payload: { data }, output: [From.RNGRetrieve, data] }
})

export const RNGSeed = handler('RNGSeed', 'use', async (request, call) => {
  const bytes = dataOf(call, request.data) ?? new Uint8Array(0)
  return { payload: { dataLength: await seed(call.context, bytes) } }
})
