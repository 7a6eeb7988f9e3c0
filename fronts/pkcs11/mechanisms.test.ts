/**
 * Every mechanism that the token lists, in every function of data that its flags claim.
 *
 * A key of an algorithm that fits is made; data goes there and back in one part, in parts of random
 * lengths, and as messages. What comes of parts is what comes of one part.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { generateKeyPairSync, randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import {
  HASHES,
  type HashRow,
  isPair,
  type KeySpec,
  pairRow,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKF, CKM } from '#spec/pkcs11/constants.ts'
import type { Service } from '#spec/pkcs11/mechanisms.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import { flagsOf, keystoreOf, mechanismsOf, type Offered } from './mechanisms.ts'

const ROOM = 100_000
/** A multiple of every block. */
const DATA_BYTES = 192
const DATA = Buffer.from(Array.from({ length: DATA_BYTES }, (_, index) => (index * 7) % 256))

const CHACHA_NONCE = { pNonce: Buffer.alloc(12, 3) }

/** What fits each structure. */
const PARAMETERS: Readonly<Record<string, Mechanism['parameter']>> = {
  ulong: ulongBytes(8),
  CK_AES_CTR_PARAMS: { ulCounterBits: 128, cb: Buffer.alloc(16, 5) },
  CK_GCM_PARAMS: { pIv: Buffer.alloc(12, 1), ulIvBits: 96, pAAD: Buffer.from('a'), ulTagBits: 128 },
  CK_CCM_PARAMS: { ulDataLen: DATA_BYTES, pNonce: Buffer.alloc(12), pAAD: undefined, ulMACLen: 16 },
  CK_CHACHA20_PARAMS: {
    pBlockCounter: Buffer.alloc(4),
    blockCounterBits: 32,
    ...CHACHA_NONCE,
    ulNonceBits: 96,
  },
  CK_SALSA20_CHACHA20_POLY1305_PARAMS: { ...CHACHA_NONCE, pAAD: Buffer.from('a') },
  CK_RSA_PKCS_OAEP_PARAMS: { hashAlg: CKM.SHA256, mgf: 2, source: 1, pSourceData: undefined },
  CK_TLS_MAC_PARAMS: { prfHashMechanism: CKM.SHA256, ulMacLength: 12, ulServerOrClient: 2 },
  CK_HASH_SIGN_ADDITIONAL_CONTEXT: {
    hedgeVariant: 0,
    pContext: Buffer.from('context'),
    hash: CKM.SHA256,
  },
}

const MESSAGE_FIELDS = {
  CK_GCM_MESSAGE_PARAMS: {
    pIv: Buffer.alloc(12, 1),
    ulIvFixedBits: 32,
    ivGenerator: 2,
    pTag: Buffer.alloc(16),
    ulTagBits: 128,
  },
  CK_CCM_MESSAGE_PARAMS: {
    ulDataLen: DATA_BYTES,
    pNonce: Buffer.alloc(12, 1),
    ulNonceFixedBits: 0,
    nonceGenerator: 3,
    pMAC: Buffer.alloc(16),
  },
  CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS: { ...CHACHA_NONCE, pTag: Buffer.alloc(16) },
}

function parameterOf({ row, name }: Offered): Mechanism['parameter'] {
  if (row.parameter === 'iv' && !row.isOptional) {
    return Buffer.alloc(name.startsWith('DES') ? 8 : 16, 9)
  }
  if (row.parameter !== 'CK_RSA_PKCS_PSS_PARAMS') {
    return row.isOptional ? undefined : PARAMETERS[row.parameter]
  }
  const own = Object.entries<HashRow>(HASHES).find(([hash]) => {
    return name === `${hash.replace(/^SHA_/, 'SHA')}_RSA_PKCS_PSS`
  })
  const { ckm, ckg, bytes } = own?.[1] ?? HASHES.SHA_256
  return { hashAlg: ckm, mgf: ckg ?? 0, sLen: bytes }
}

/** Data that the mechanism takes: a digest, where it signs digests. */
function dataFor({ row, name }: Offered): Buffer {
  const short = /^(RSA_PKCS|RSA_PKCS_OAEP|ECDSA|DSA)$/.test(name)
  const digest = row.parameter === 'CK_HASH_SIGN_ADDITIONAL_CONTEXT' || name === 'RSA_PKCS_PSS'
  return short || digest ? DATA.subarray(0, 32) : DATA
}

function specOf(offered: Offered, service: Service): KeySpec {
  const { algorithms = [], keyBits } = offered.does[service] ?? {}
  const algorithm = algorithms.find((one) => one.endsWith('_128f')) ?? algorithms[0]
  if (algorithm === undefined) return { algorithm: 'HMAC_SHA256', bits: 256 }
  if (algorithm === 'EC') return { algorithm, bits: 256, curve: 'P_256' }
  const row = isPair(algorithm) ? pairRow(algorithm) : secretKeyRow(algorithm)
  return { algorithm, bits: keyBits?.[0] ?? (row.bits[0] as number) }
}

/** Cuts at random places; some parts are empty. */
function cut(data: Buffer): readonly Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; ) {
    const length = randomInt(0, 50)
    parts.push(data.subarray(at, at + length))
    at += length
  }
  return parts
}

function bytesOf(value: Uint8Array | number): Buffer {
  ok(typeof value !== 'number', 'only a length')
  return Buffer.from(value)
}

describe('mechanisms', { timeout: 120_000 }, () => {
  let own: OwnToken
  let offered: readonly Offered[]
  const keys = new Map<string, Promise<{ privateKey: number; publicKey: number }>>()
  before(async () => {
    own = await newOwnToken()
    offered = [...mechanismsOf(keystoreOf(own.token)).values()]
  })
  after(() => own.close())

  /** Handles of a key or pair; a secret key is both. */
  function keyOf(spec: KeySpec): Promise<{ privateKey: number; publicKey: number }> {
    const name = JSON.stringify(spec)
    const known = keys.get(name) ?? newKey(spec)
    keys.set(name, known)
    return known
  }

  async function newKey(spec: KeySpec) {
    if (spec.algorithm === 'DSA') return dsaKey()
    if (isPair(spec.algorithm)) return own.pair(spec)
    const handle = await own.secret(spec)
    return { privateKey: handle, publicKey: handle }
  }

  async function dsaKey() {
    const made = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
    const spec = { algorithm: 'DSA', bits: 1024 } as const
    const pkcs8 = made.privateKey.export({ format: 'der', type: 'pkcs8' })
    const spki = made.publicKey.export({ format: 'der', type: 'spki' })
    const { PKCS_8, X_509 } = KeyFormatType
    return {
      privateKey: await own.imported('private', spec, PKCS_8, pkcs8),
      publicKey: await own.imported('public', spec, X_509, spki),
    }
  }

  /** Runs it for each mechanism that claims a service, and says which one failed. */
  async function each(
    service: Service,
    run: (
      one: Offered,
      mechanism: Mechanism,
      key: { privateKey: number; publicKey: number },
    ) => Promise<void>,
  ): Promise<void> {
    let count = 0
    for (const one of offered.filter(({ does }) => does[service] !== undefined)) {
      const mechanism = { type: one.type, parameter: parameterOf(one) }
      try {
        await run(one, mechanism, await keyOf(specOf(one, service)))
        count++
      } catch (error) {
        throw new Error(`CKM_${one.name}: ${(error as Error).message}`, { cause: error })
      }
    }
    ok(count > 0)
  }

  it('lists what it has, and says of each what it does', async () => {
    const { handlers, application } = own
    const count = await handlers.C_GetMechanismList(application, {
      slotID: 0,
      pMechanismList: undefined,
    })
    equal(count.pMechanismList, offered.length)
    const list = await handlers.C_GetMechanismList(application, { slotID: 0, pMechanismList: 999 })
    deepEqual(
      list.pMechanismList,
      offered.map(({ type }) => type),
    )
    for (const one of offered) {
      const { pInfo } = await handlers.C_GetMechanismInfo(application, {
        slotID: 0,
        type: one.type,
      })
      equal(pInfo.flags, flagsOf(one))
      ok(pInfo.ulMinKeySize <= pInfo.ulMaxKeySize, one.name)
    }
    const rsa = await handlers.C_GetMechanismInfo(application, { slotID: 0, type: CKM.RSA_PKCS })
    const both = CKF.SIGN | CKF.VERIFY_RECOVER | CKF.ENCRYPT | CKF.DECRYPT
    equal(rsa.pInfo.flags & both, both)
    const aes = await handlers.C_GetMechanismInfo(application, { slotID: 0, type: CKM.AES_GCM })
    deepEqual([aes.pInfo.ulMinKeySize, aes.pInfo.ulMaxKeySize], [16, 32])
  })

  it('signs and verifies with each that says so, in one part and in parts', async () => {
    const { handlers, application, hSession } = own
    await each('sign', async (one, pMechanism, { privateKey, publicKey }) => {
      const data = dataFor(one)
      const verifyOnce = async (pSignature: Buffer): Promise<void> => {
        await handlers.C_VerifyInit(application, { hSession, pMechanism, hKey: publicKey })
        await handlers.C_Verify(application, { hSession, pData: data, pSignature })
        await handlers.C_VerifyInit(application, { hSession, pMechanism, hKey: publicKey })
        for (const pPart of cut(data))
          await handlers.C_VerifyUpdate(application, { hSession, pPart })
        await handlers.C_VerifyFinal(application, { hSession, pSignature })
        const init = { hSession, pMechanism, hKey: publicKey, pSignature }
        await handlers.C_VerifySignatureInit(application, init)
        await handlers.C_VerifySignature(application, { hSession, pData: data })
      }
      await handlers.C_SignInit(application, { hSession, pMechanism, hKey: privateKey })
      const asked = await handlers.C_Sign(application, {
        hSession,
        pData: data,
        pSignature: undefined,
      })
      const answer = await handlers.C_Sign(application, { hSession, pData: data, pSignature: ROOM })
      const signature = bytesOf(answer.pSignature)
      if (!one.name.startsWith('DSA')) equal(signature.length, asked.pSignature)
      await verifyOnce(signature)
      await handlers.C_SignInit(application, { hSession, pMechanism, hKey: privateKey })
      for (const pPart of cut(data)) await handlers.C_SignUpdate(application, { hSession, pPart })
      const parts = await handlers.C_SignFinal(application, { hSession, pSignature: ROOM })
      await verifyOnce(bytesOf(parts.pSignature))
    })
  })

  it('signs and verifies messages with each that says so', async () => {
    const { handlers, application, hSession } = own
    await each('messageSign', async (one, pMechanism, { privateKey, publicKey }) => {
      const pData = dataFor(one)
      const pParameter = undefined
      await handlers.C_MessageSignInit(application, { hSession, pMechanism, hKey: privateKey })
      const whole = { hSession, pParameter, pData, pSignature: ROOM }
      const first = bytesOf((await handlers.C_SignMessage(application, whole)).pSignature)
      await handlers.C_SignMessageBegin(application, { hSession, pParameter })
      await handlers.C_SignMessageNext(application, { ...whole, isLast: false })
      const nothing = { ...whole, pData: undefined, isLast: true }
      const second = bytesOf((await handlers.C_SignMessageNext(application, nothing)).pSignature)
      await handlers.C_MessageSignFinal(application, { hSession })
      await handlers.C_MessageVerifyInit(application, { hSession, pMechanism, hKey: publicKey })
      for (const pSignature of [first, second]) {
        await handlers.C_VerifyMessage(application, { hSession, pParameter, pData, pSignature })
        await handlers.C_VerifyMessageBegin(application, { hSession, pParameter })
        const part = { hSession, pParameter, pData, pSignature: undefined }
        await handlers.C_VerifyMessageNext(application, part)
        const last = { hSession, pParameter, pData: undefined, pSignature }
        await handlers.C_VerifyMessageNext(application, last)
      }
      await handlers.C_MessageVerifyFinal(application, { hSession })
    })
  })

  it('signs and recovers with each that says so', async () => {
    const { handlers, application, hSession } = own
    await each('signRecover', async (one, pMechanism, { privateKey, publicKey }) => {
      const pData = dataFor(one)
      await handlers.C_SignRecoverInit(application, { hSession, pMechanism, hKey: privateKey })
      const args = { hSession, pData, pSignature: ROOM }
      const pSignature = bytesOf((await handlers.C_SignRecover(application, args)).pSignature)
      await handlers.C_VerifyRecoverInit(application, { hSession, pMechanism, hKey: publicKey })
      const back = await handlers.C_VerifyRecover(application, {
        hSession,
        pSignature,
        pData: ROOM,
      })
      deepEqual(bytesOf(back.pData).subarray(-pData.length), pData)
    })
  })

  it('encrypts and decrypts with each that says so, in one part and in parts', async () => {
    const { handlers, application, hSession } = own
    await each('encrypt', async (one, pMechanism, { privateKey, publicKey }) => {
      const data = dataFor(one)
      const decryptInParts = async (encrypted: Buffer): Promise<Buffer> => {
        await handlers.C_DecryptInit(application, { hSession, pMechanism, hKey: privateKey })
        const out: Buffer[] = []
        for (const pEncryptedPart of cut(encrypted)) {
          const query = { hSession, pEncryptedPart, pPart: undefined }
          const length = (await handlers.C_DecryptUpdate(application, query)).pPart
          const args = { hSession, pEncryptedPart, pPart: ROOM }
          out.push(bytesOf((await handlers.C_DecryptUpdate(application, args)).pPart))
          equal(out.at(-1)?.length, length)
        }
        const last = await handlers.C_DecryptFinal(application, { hSession, pLastPart: ROOM })
        return Buffer.concat([...out, bytesOf(last.pLastPart)])
      }
      await handlers.C_EncryptInit(application, { hSession, pMechanism, hKey: publicKey })
      const query = { hSession, pData: data, pEncryptedData: undefined }
      const asked = (await handlers.C_Encrypt(application, query)).pEncryptedData
      const args = { ...query, pEncryptedData: ROOM }
      const encrypted = bytesOf((await handlers.C_Encrypt(application, args)).pEncryptedData)
      equal(encrypted.length, asked)
      await handlers.C_DecryptInit(application, { hSession, pMechanism, hKey: privateKey })
      const back = { hSession, pEncryptedData: encrypted, pData: ROOM }
      const plain = bytesOf((await handlers.C_Decrypt(application, back)).pData)
      deepEqual(plain.subarray(-data.length), data)

      await handlers.C_EncryptInit(application, { hSession, pMechanism, hKey: publicKey })
      const out: Buffer[] = []
      for (const pPart of cut(data)) {
        const ask = { hSession, pPart, pEncryptedPart: undefined }
        const length = (await handlers.C_EncryptUpdate(application, ask)).pEncryptedPart
        const answer = await handlers.C_EncryptUpdate(application, { ...ask, pEncryptedPart: ROOM })
        out.push(bytesOf(answer.pEncryptedPart))
        equal(out.at(-1)?.length, length)
      }
      const last = { hSession, pLastEncryptedPart: ROOM }
      const { pLastEncryptedPart } = await handlers.C_EncryptFinal(application, last)
      const parts = Buffer.concat([...out, bytesOf(pLastEncryptedPart)])
      if (!/^RSA_PKCS/.test(one.name)) deepEqual(parts, encrypted)
      deepEqual((await decryptInParts(parts)).subarray(-data.length), data)
    })
  })

  it('encrypts and decrypts messages with each that says so', async () => {
    const { handlers, application, hSession } = own
    await each('messageEncrypt', async ({ row, type }, _, { privateKey: hKey }) => {
      const pMechanism = { type, parameter: undefined }
      const fields = MESSAGE_FIELDS[row.message as keyof typeof MESSAGE_FIELDS]
      const given = { mechanism: type, fields }
      const pAssociatedData = Buffer.from('associated')
      await handlers.C_MessageEncryptInit(application, { hSession, pMechanism, hKey })
      const whole = { hSession, pParameter: given, pAssociatedData }
      const first = await handlers.C_EncryptMessage(application, {
        ...whole,
        pPlaintext: DATA,
        pCiphertext: ROOM,
      })
      await handlers.C_EncryptMessageBegin(application, whole)
      const out: Buffer[] = []
      let pParameter: typeof first.pParameter = given
      for (const [index, half] of [DATA.subarray(0, 100), DATA.subarray(100)].entries()) {
        const answer = await handlers.C_EncryptMessageNext(application, {
          hSession,
          pParameter: given,
          pPlaintextPart: half,
          pCiphertextPart: ROOM,
          flags: index,
        })
        out.push(bytesOf(answer.pCiphertextPart))
        pParameter = answer.pParameter
      }
      await handlers.C_MessageEncryptFinal(application, { hSession })
      const second = { pParameter, pCiphertext: Buffer.concat(out) }

      await handlers.C_MessageDecryptInit(application, { hSession, pMechanism, hKey })
      for (const { pParameter, pCiphertext } of [first, second]) {
        const args = { hSession, pParameter, pAssociatedData }
        const encrypted = bytesOf(pCiphertext)
        const answer = await handlers.C_DecryptMessage(application, {
          ...args,
          pCiphertext: encrypted,
          pPlaintext: ROOM,
        })
        deepEqual(bytesOf(answer.pPlaintext), DATA)
        await handlers.C_DecryptMessageBegin(application, args)
        const last = await handlers.C_DecryptMessageNext(application, {
          hSession,
          pParameter,
          pCiphertextPart: encrypted,
          pPlaintextPart: ROOM,
          flags: CKF.END_OF_MESSAGE,
        })
        deepEqual(bytesOf(last.pPlaintextPart), DATA)
      }
      await handlers.C_MessageDecryptFinal(application, { hSession })
    })
  })

  it('digests with each that says so, in one part and in parts', async () => {
    const { handlers, application, hSession } = own
    await each('digest', async (_, pMechanism) => {
      await handlers.C_DigestInit(application, { hSession, pMechanism })
      const whole = await handlers.C_Digest(application, { hSession, pData: DATA, pDigest: ROOM })
      await handlers.C_DigestInit(application, { hSession, pMechanism })
      for (const pPart of cut(DATA)) await handlers.C_DigestUpdate(application, { hSession, pPart })
      const parts = await handlers.C_DigestFinal(application, { hSession, pDigest: ROOM })
      deepEqual(bytesOf(parts.pDigest), bytesOf(whole.pDigest))
    })
  })
})
