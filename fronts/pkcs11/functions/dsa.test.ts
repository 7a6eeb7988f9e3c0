/**
 * DSA keys that applications bring, and AES-XTS keys of both lengths.
 *
 * PKCS#11 3.2 §6.2 (DSA) and §6.15 (AES-XTS).
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createCipheriv, createHash, generateKeyPairSync, verify } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { dsaPrivateNumbers, dsaPublicNumbers } from '#core/dsa-numbers.ts'
import { CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'

const DATA = Buffer.from('what is signed')

// biome-ignore format: a table
const HASHED: readonly (readonly [number, string])[] = [
  [CKM.DSA_SHA1, 'sha1'], [CKM.DSA_SHA224, 'sha224'], [CKM.DSA_SHA256, 'sha256'],
  [CKM.DSA_SHA384, 'sha384'], [CKM.DSA_SHA512, 'sha512'], [CKM.DSA_SHA3_256, 'sha3-256'],
  [CKM.DSA_SHA3_512, 'sha3-512'],
]

describe('DSA keys', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const pair = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
  const spki = pair.publicKey.export({ format: 'der', type: 'spki' })
  const pkcs8 = pair.privateKey.export({ format: 'der', type: 'pkcs8' })
  const { value: y, prime: PRIME, subprime: SUBPRIME, base: BASE } = dsaPublicNumbers(spki)
  const { value: x } = dsaPrivateNumbers(pkcs8)
  const parts: Wishes = { KEY_TYPE: CKK.DSA, PRIME, SUBPRIME, BASE }

  const sign = async (hKey: number, type: number, pData: Uint8Array): Promise<Uint8Array> => {
    const pMechanism = { type, parameter: undefined }
    await bench.call.C_SignInit(bench.app, { hSession: session, pMechanism, hKey })
    const args = { hSession: session, pData, pSignature: 100 }
    return (await bench.call.C_Sign(bench.app, args)).pSignature as Uint8Array
  }
  const verified = async (hKey: number, type: number, pData: Uint8Array, sig: Uint8Array) => {
    const pMechanism = { type, parameter: undefined }
    await bench.call.C_VerifyInit(bench.app, { hSession: session, pMechanism, hKey })
    return bench.call.C_Verify(bench.app, { hSession: session, pData, pSignature: sig })
  }

  it('are brought by their numbers, told by them, and sign with every hash', async () => {
    const priv = { CLASS: CKO.PRIVATE_KEY, SENSITIVE: false, EXTRACTABLE: true, VALUE: x }
    const privateKey = await bench.create(session, { ...parts, ...priv, TOKEN: true })
    const publicKey = await bench.create(session, { ...parts, CLASS: CKO.PUBLIC_KEY, VALUE: y })
    for (const [handle, value] of [
      [privateKey, x],
      [publicKey, y],
    ] as const) {
      const read = await bench.read(session, handle, 'PRIME', 'SUBPRIME', 'BASE', 'VALUE')
      const hex = Object.values(read).map((one) => Buffer.from(one ?? []).toString('hex'))
      deepEqual(
        hex,
        [PRIME, SUBPRIME, BASE, value].map((one) => Buffer.from(one).toString('hex')),
      )
      equal(await bench.number(session, handle, 'KEY_TYPE'), CKK.DSA)
      const { PUBLIC_KEY_INFO } = await bench.read(session, handle, 'PUBLIC_KEY_INFO')
      deepEqual(Buffer.from(PUBLIC_KEY_INFO as Uint8Array), spki)
    }
    deepEqual(await bench.find(session, { CLASS: CKO.PRIVATE_KEY, PRIME }), [privateKey])
    for (const [type, hash] of HASHED) {
      const signature = await sign(privateKey, type, DATA)
      equal(signature.length, 40)
      const key = { key: pair.publicKey, dsaEncoding: 'ieee-p1363' } as const
      ok(verify(hash, DATA, key, signature), hash)
      await verified(publicKey, type, DATA, signature)
      signature[3] = (signature[3] as number) ^ 1
      await refuses(CKR.SIGNATURE_INVALID, () => verified(publicKey, type, DATA, signature))
    }
    const digest = createHash('sha1').update(DATA).digest()
    const bare = await sign(privateKey, CKM.DSA, digest)
    ok(verify('sha1', DATA, { key: pair.publicKey, dsaEncoding: 'ieee-p1363' }, bare))
  })

  it('are not shown where they are sensitive, and not made of half their numbers', async () => {
    const wishes = { ...parts, CLASS: CKO.PRIVATE_KEY, VALUE: x }
    const hidden = await bench.create(session, wishes)
    equal(await bench.code(session, hidden, 'VALUE'), 'CKR_ATTRIBUTE_SENSITIVE')
    ok((await bench.read(session, hidden, 'PRIME')).PRIME)
    const { BASE: _, ...less } = wishes
    await refuses(CKR.TEMPLATE_INCOMPLETE, () => bench.create(session, less))
  })

  it('are not made here: their parameters come from elsewhere', async () => {
    await refuses(CKR.MECHANISM_INVALID, () => {
      return bench.generatePair(session, CKM.DSA_KEY_PAIR_GEN, { PRIME, SUBPRIME, BASE }, {})
    })
  })
})

describe('AES-XTS keys', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const IV = Buffer.alloc(16, 9)
  const encrypt = async (hKey: number, type: number, pData: Uint8Array) => {
    const pMechanism = { type, parameter: IV }
    await bench.call.C_EncryptInit(bench.app, { hSession: session, pMechanism, hKey })
    const args = { hSession: session, pData, pEncryptedData: 100 }
    return (await bench.call.C_Encrypt(bench.app, args)).pEncryptedData as Uint8Array
  }

  for (const bytes of [32, 64]) {
    it(`of ${bytes} bytes are brought, made and used`, async () => {
      const VALUE = Buffer.from(Array.from({ length: bytes }, (_, index) => index))
      const type = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES_XTS }
      const brought = await bench.create(session, { ...type, VALUE, TOKEN: true })
      equal(await bench.number(session, brought, 'KEY_TYPE'), CKK.AES_XTS)
      equal(await bench.number(session, brought, 'VALUE_LEN'), bytes)
      deepEqual(await bench.find(session, { ...type, TOKEN: true }), [brought])
      const cipher = createCipheriv(`aes-${bytes * 4}-xts`, VALUE, IV)
      const expected = Buffer.concat([cipher.update(Buffer.alloc(40)), cipher.final()])
      deepEqual(Buffer.from(await encrypt(brought, CKM.AES_XTS, Buffer.alloc(40))), expected)
      const made = await bench.generate(session, CKM.AES_XTS_KEY_GEN, { VALUE_LEN: bytes })
      equal(await bench.number(session, made, 'KEY_GEN_MECHANISM'), CKM.AES_XTS_KEY_GEN)
      equal((await encrypt(made, CKM.AES_XTS, Buffer.alloc(40))).length, 40)
      // One half would be known from the other: such keys are for XTS alone.
      const code = bytes === 32 ? CKR.KEY_TYPE_INCONSISTENT : CKR.KEY_SIZE_RANGE
      await refuses(code, () => encrypt(made, CKM.AES_CBC, Buffer.alloc(16)))
      await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject: brought })
    })
  }
})
