/**
 * Working with keys, in KMIP.
 *
 * KMIP 1.4 §4.29 to §4.37, KMIP 2.1 §6.1: between the payloads and the operations of the core. Data
 * in several parts (Init and Final Indicator, Correlation Value) is refused until it is offered; a
 * request that is first and last at once is data in one part.
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
import { DataEnumeration as From, ValidityIndicator } from '#spec/kmip/enumerations.ts'
import type { DataOrReference } from '#spec/kmip/structures.ts'
import { type Call, dataOf, idOf, neededData } from '../call.ts'
import { handler } from '../handler.ts'

/** First version in which the tag of an AEAD has a field of its own. */
const TAG_FIELD = 14

interface Streaming {
  readonly correlationValue?: Uint8Array | undefined
  readonly initIndicator?: boolean | undefined
  readonly finalIndicator?: boolean | undefined
}

function assertWhole({ correlationValue, initIndicator, finalIndicator }: Streaming): void {
  const parts = correlationValue !== undefined || initIndicator === true || finalIndicator === true
  if (!parts || (initIndicator === true && finalIndicator === true)) return
  const what =
    'Cannot work on data in parts: streaming is not offered; send the data in one request'
  throw new KmsError('featureNotSupported', what)
}

export const Encrypt = handler('Encrypt', 'use', (request, call) => {
  assertWhole(request)
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
  assertWhole(request)
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
  assertWhole(request)
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
  assertWhole(request)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const signature = neededData(call, request.signatureData)
  const wish = { id, parameters, signature, ...message(call, request) }
  const { valid } = await signatureVerify(call.context, wish)
  return { payload: { uniqueIdentifier: id, validityIndicator: validity(valid) }, ids: [id] }
})

export const MAC = handler('MAC', 'use', async (request, call) => {
  assertWhole(request)
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
  assertWhole(request)
  const id = idOf(call, request.uniqueIdentifier)
  const parameters = request.cryptographicParameters
  const [data, code] = [neededData(call, request.data), neededData(call, request.macData)]
  const { valid } = await macVerify(call.context, { id, parameters, data, mac: code })
  return { payload: { uniqueIdentifier: id, validityIndicator: validity(valid) }, ids: [id] }
})

export const Hash = handler('Hash', 'use', async (request, call) => {
  assertWhole(request)
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
