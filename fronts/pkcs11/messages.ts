/**
 * Parameters of messages: nonces that are given or made, and tags beside the data.
 *
 * PKCS#11 3.2 §5.9 and §5.11, `CK_GCM_MESSAGE_PARAMS`, `CK_CCM_MESSAGE_PARAMS` and
 * `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS` of §6. A nonce that is made keeps the first
 * `ulIvFixedBits` of what is given; the rest is random, or a counter that starts at a random place
 * (it would repeat itself with the same key otherwise), or a counter from 0 that is added by
 * exclusive or, which is what TLS 1.3 does.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type CipherRow, cipherRow } from '#spec/algorithms.ts'
import { CKG, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Fields, MessageParameter, StructureFields } from '#spec/pkcs11/types.ts'
import type { Does, Offered } from './mechanisms.ts'
import { type CipherMeaning, NONCE_BYTES_MAX, parameterInvalid, tagBytesOf } from './parameters.ts'

/** A message's parameter, whatever its structure. */
interface Message {
  readonly nonce: Uint8Array
  readonly fixedBits: number
  readonly generator: number
  readonly tag: Uint8Array | undefined
  readonly tagBytes: number
  readonly dataBytes?: number
  /** The parameter as it comes back. */
  written(nonce: Uint8Array, tag: Uint8Array | undefined): MessageParameter
}

type Read = (offered: Offered, fields: Fields, mechanism: number) => Message

const READERS: Readonly<Record<string, Read>> = {
  CK_GCM_MESSAGE_PARAMS: (offered, fields, mechanism) => {
    const given = fields as unknown as StructureFields<'CK_GCM_MESSAGE_PARAMS'>
    return {
      nonce: needed(offered, given.pIv),
      fixedBits: given.ulIvFixedBits,
      generator: given.ivGenerator,
      tag: given.pTag,
      tagBytes: given.ulTagBits / 8,
      written: (pIv, pTag) => ({ mechanism, fields: { ...fields, pIv, pTag } }),
    }
  },

  CK_CCM_MESSAGE_PARAMS: (offered, fields, mechanism) => {
    const given = fields as unknown as StructureFields<'CK_CCM_MESSAGE_PARAMS'>
    return {
      nonce: needed(offered, given.pNonce),
      fixedBits: given.ulNonceFixedBits,
      generator: given.nonceGenerator,
      tag: given.pMAC,
      tagBytes: given.pMAC?.length ?? 0,
      dataBytes: given.ulDataLen,
      written: (pNonce, pMAC) => ({ mechanism, fields: { ...fields, pNonce, pMAC } }),
    }
  },

  CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS: (offered, fields, mechanism) => {
    const name = 'CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS'
    const given = fields as unknown as StructureFields<typeof name>
    return {
      nonce: needed(offered, given.pNonce),
      fixedBits: 0,
      generator: CKG.NO_GENERATE,
      tag: given.pTag,
      tagBytes: 16,
      written: (pNonce, pTag) => ({ mechanism, fields: { ...fields, pNonce, pTag } }),
    }
  },
}

function needed(offered: Offered, nonce: Uint8Array | undefined): Uint8Array {
  if (nonce !== undefined && nonce.length > 0) return nonce
  throw parameterInvalid(offered, 'the nonce is missing')
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function messageOf(
  offered: Offered,
  { cipher }: Extract<Does, { kind: 'cipher' }>,
  parameter: MessageParameter,
): Message {
  const read = READERS[offered.row.message ?? '']
  if (read === undefined || parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, `${offered.row.message} is needed`)
  }
  const message = read(offered, parameter.fields, parameter.mechanism)
  assertFits(offered, cipherRow(cipher), message)
  return message
}

function assertFits(offered: Offered, row: CipherRow, { nonce, tag, tagBytes }: Message): void {
  const any = row.anyIv === true && nonce.length <= NONCE_BYTES_MAX
  if (!any && !row.ivBytes.includes(nonce.length)) {
    throw parameterInvalid(offered, `a nonce of ${nonce.length} bytes`)
  }
  tagBytesOf(offered, row, tagBytes)
  if (tag !== undefined && tag.length !== tagBytes) {
    throw parameterInvalid(offered, `a tag of ${tagBytes} bytes, not ${tag.length}`)
  }
}

/** What the messages of one operation have in common. */
export class Nonces {
  #count = 0n
  #start: bigint | undefined

  /** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`, `CKR_KEY_EXHAUSTED`. */
  next(offered: Offered, { nonce, fixedBits, generator }: Message): Uint8Array {
    if (generator === CKG.NO_GENERATE) return nonce
    const bits = nonce.length * 8 - fixedBits
    if (bits < 1 || fixedBits < 0) {
      throw parameterInvalid(offered, `${fixedBits} fixed bits leave nothing to generate`)
    }
    const space = 1n << BigInt(bits)
    const made = this.#made(offered, generator, numberOf(nonce) % space, space)
    return bytesOf(numberOf(nonce) - (numberOf(nonce) % space) + made, nonce.length)
  }

  #made(offered: Offered, generator: number, given: bigint, space: bigint): bigint {
    switch (generator) {
      case CKG.GENERATE:
      case CKG.GENERATE_RANDOM:
        return randomBelow(space)
      case CKG.GENERATE_COUNTER:
        this.#start ??= randomBelow(space)
        return (this.#start + this.#counted(offered, space)) % space
      case CKG.GENERATE_COUNTER_XOR:
        return given ^ this.#counted(offered, space)
      default:
        throw parameterInvalid(offered, `there is no generator ${generator}`)
    }
  }

  #counted({ name }: Offered, space: bigint): bigint {
    if (this.#count < space) return this.#count++
    const what = `CKM_${name}: every nonce with these fixed bits has been used`
    throw new CryptokiError(CKR.KEY_EXHAUSTED, what)
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function bytesOf(value: bigint, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex')
}

/** A power of two. */
function randomBelow(space: bigint): bigint {
  const bytes = Math.ceil((space.toString(2).length - 1) / 8)
  return numberOf(randomBytes(bytes)) % space
}

/** What a message means to a cipher. */
export function meaningOfMessage(
  { cipher }: Extract<Does, { kind: 'cipher' }>,
  { tagBytes, dataBytes }: Message,
  iv: Uint8Array,
  aad: Uint8Array,
): CipherMeaning {
  const mechanism = { cipher, iv, aad, tagBytes }
  return dataBytes === undefined ? { mechanism } : { mechanism, dataBytes }
}

export type { Message }
