/**
 * AES-GCM of devices that make the IV themselves, as encryption of messages.
 *
 * Such a device takes C_EncryptInit with an IV of zeros and writes its own there, some at once and
 * some not before C_Encrypt; others put it behind the tag. The parameter has to lie where it is
 * until then, and what it holds has to come back, which C_EncryptInit of PKCS#11 RPC has no room
 * for. C_EncryptMessage of PKCS#11 3.x has (§5.9, CK_GCM_MESSAGE_PARAMS): so the host is asked for
 * that, whatever the module itself has, and does it with C_EncryptInit and C_Encrypt.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { CKG, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'
import type { Arguments, Fields, RemoteFunction, Results } from '#spec/pkcs11/types.ts'
import type { DeviceSession, KeyAndMechanism } from './device.ts'
import type { Handles } from './handles.ts'
import { layoutOf, Memory, type Piece, readWord, writeWord } from './memory.ts'
import type { Native } from './native.ts'

/** RFC 5116 §5.3: what GCM is made for, and what devices make. */
export const OWN_IV_BYTES = 12
const WORD = 8

/** What comes of encryption with an IV of the device's own. */
export interface SealedByDevice {
  readonly data: Uint8Array
  readonly tag: Uint8Array
  readonly iv: Uint8Array
}

/**
 * Encrypts with an IV that the device makes.
 *
 * @param init The parameter of the mechanism is not looked at.
 * @throws `CryptokiError`; `KmsError` `cryptographicFailure` when the device has made no IV.
 */
export async function encryptOwnIv(
  session: DeviceSession,
  { pMechanism: { type }, hKey }: KeyAndMechanism,
  data: Uint8Array,
  tagBytes: number,
  aad: Uint8Array | undefined,
): Promise<SealedByDevice> {
  await session.call('C_MessageEncryptInit', { pMechanism: { type, parameter: undefined }, hKey })
  const fields = {
    pIv: new Uint8Array(OWN_IV_BYTES),
    ulIvFixedBits: 0,
    ivGenerator: CKG.GENERATE_RANDOM,
    pTag: new Uint8Array(tagBytes),
    ulTagBits: tagBytes * 8,
  }
  const { pParameter, pCiphertext } = await session.call('C_EncryptMessage', {
    pParameter: { mechanism: CKM.AES_GCM, fields },
    pAssociatedData: aad,
    pPlaintext: data,
    pCiphertext: data.length,
  })
  const back = pParameter !== undefined && 'fields' in pParameter ? pParameter.fields : {}
  const { pIv: iv, pTag: tag } = back
  const isWhole = iv instanceof Uint8Array && tag instanceof Uint8Array
  // An IV of zeros would be the same for every message.
  if (isWhole && iv.some(Boolean) && pCiphertext instanceof Uint8Array) {
    return { data: pCiphertext, tag, iv }
  }
  const what = 'the HSM has made no IV, which the file of its model (gcmIv) says it does'
  throw new KmsError('cryptographicFailure', `Cannot use AES_GCM: ${what}`)
}

type Begun = Pick<Arguments<'C_MessageEncryptInit'>, 'pMechanism' | 'hKey'>

/** The side of the host. */
export class OwnIv {
  readonly #find: (name: FunctionName) => Native | undefined
  readonly #handles: Handles
  readonly #memory = new Memory()
  readonly #begun = new Map<number, Begun>()

  constructor(find: (name: FunctionName) => Native | undefined, handles: Handles) {
    this.#find = find
    this.#handles = handles
  }

  /** Undefined where the function is the module's own affair. */
  call(name: RemoteFunction, args: object): object | undefined {
    if (name === 'C_MessageEncryptInit') {
      const { hSession, pMechanism, hKey } = args as Arguments<typeof name>
      this.#begun.set(hSession, { pMechanism, hKey })
      return { rule: 'ask', length: 0, isRepeatable: false }
    }
    if (name !== 'C_EncryptMessage') return undefined
    try {
      return this.#encrypt(args as Arguments<typeof name>)
    } finally {
      this.#memory.clear()
    }
  }

  #encrypt(args: Arguments<'C_EncryptMessage'>): Results<'C_EncryptMessage'> {
    const { hSession, pParameter, pAssociatedData, pPlaintext = new Uint8Array(0) } = args
    const begun = this.#begun.get(hSession)
    this.#begun.delete(hSession)
    const fields =
      pParameter !== undefined && 'fields' in pParameter ? pParameter.fields : undefined
    const { pIv, pTag } = fields ?? {}
    const isGcm = pIv instanceof Uint8Array && pTag instanceof Uint8Array
    if (begun?.pMechanism === undefined || fields === undefined || !isGcm) {
      throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, 'there is no message to encrypt')
    }
    const place = this.#parameter(pIv.length, pTag.length, pAssociatedData)
    const session = this.#handles.handle(hSession)
    this.#run('C_EncryptInit', [
      session,
      this.#mechanism(begun.pMechanism.type, place),
      this.#handles.handle(begun.hKey),
    ])
    const data = this.#memory.take(Math.max(pPlaintext.length, 1))
    data.bytes.set(pPlaintext)
    const whole = pPlaintext.length + pTag.length
    const out = this.#memory.take(whole + pIv.length)
    const length = this.#memory.take(WORD)
    writeWord(length.bytes, 0, out.bytes.length)
    const given = [data.address, BigInt(pPlaintext.length), out.address, length.address]
    this.#run('C_Encrypt', [session, ...given])
    const written = readWord(length.bytes, 0)
    const isBehind = written === whole + pIv.length
    if (written !== whole && !isBehind) {
      throw new CryptokiError(CKR.FUNCTION_FAILED, `C_Encrypt gives ${written} bytes, not ${whole}`)
    }
    const made: Fields = {
      ...fields,
      pIv: Buffer.from(isBehind ? out.bytes.subarray(whole) : place.iv),
      pTag: Buffer.from(out.bytes.subarray(pPlaintext.length, whole)),
    }
    const pCiphertext = Buffer.from(out.bytes.subarray(0, pPlaintext.length))
    return { pParameter: { mechanism: CKM.AES_GCM, fields: made }, pCiphertext }
  }

  /** CK_GCM_PARAMS with an IV of zeros, and where that lies. */
  #parameter(ivBytes: number, tagBytes: number, aad: Uint8Array | undefined) {
    const { size, members } = layoutOf('CK_GCM_PARAMS')
    const piece = this.#memory.take(size)
    const iv = this.#memory.take(ivBytes)
    const at = (name: string): number => members.get(name)?.at ?? 0
    piece.bytes.writeBigUInt64LE(iv.address, at('pIv'))
    writeWord(piece.bytes, at('ulIvLen'), ivBytes)
    writeWord(piece.bytes, at('ulIvBits'), ivBytes * 8)
    writeWord(piece.bytes, at('ulTagBits'), tagBytes * 8)
    if (aad !== undefined && aad.length > 0) {
      piece.bytes.writeBigUInt64LE(this.#memory.put(aad).address, at('pAAD'))
      writeWord(piece.bytes, at('ulAADLen'), aad.length)
    }
    return { piece, iv: iv.bytes }
  }

  #mechanism(type: number, { piece }: { readonly piece: Piece }): bigint {
    const mechanism = this.#memory.take(3 * WORD)
    writeWord(mechanism.bytes, 0, type)
    mechanism.bytes.writeBigUInt64LE(piece.address, WORD)
    writeWord(mechanism.bytes, 2 * WORD, piece.bytes.length)
    return mechanism.address
  }

  #run(name: 'C_EncryptInit' | 'C_Encrypt', values: readonly bigint[]): void {
    const native = this.#find(name)
    const rv = native === undefined ? CKR.FUNCTION_NOT_SUPPORTED : Number(native(...values))
    if (rv !== CKR.OK) throw new CryptokiError(rv, `the module refuses ${name}`)
  }
}
