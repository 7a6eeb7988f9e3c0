/**
 * Private keys of ML-DSA and ML-KEM that are brought as PKCS#11 3.2 §6 (private key objects) has
 * them: by CKA_VALUE, the expanded key, with or without CKA_SEED.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKK, CKM, CKO, CKP, CKR } from '#spec/pkcs11/constants.ts'

const DATA = Buffer.from('what is signed')
const SETS = [
  ['ml-dsa-44', CKK.ML_DSA, CKP.ML_DSA_44, 2560],
  ['ml-dsa-87', CKK.ML_DSA, CKP.ML_DSA_87, 4896],
  ['ml-kem-768', CKK.ML_KEM, CKP.ML_KEM_768, 2400],
] as const

/** The expanded form of a key, which OpenSSL tells and node:crypto does not. */
function expanded(key: KeyObject): Buffer {
  const ffi = createRequire(import.meta.url)('node:ffi') as typeof import('node:ffi')
  const { functions } = ffi.dlopen(null, {
    d2i_AutoPrivateKey: { arguments: ['pointer', 'buffer', 'i64'], return: 'pointer' },
    EVP_PKEY_get_octet_string_param: {
      arguments: ['pointer', 'string', 'buffer', 'u64', 'buffer'],
      return: 'i32',
    },
    EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },
  })
  const der = key.export({ format: 'der', type: 'pkcs8' })
  const [place, length, out] = [Buffer.alloc(8), Buffer.alloc(8), Buffer.alloc(8_192)]
  place.writeBigUInt64LE(ffi.getRawPointer(der))
  const found = functions.d2i_AutoPrivateKey(0n, place, BigInt(der.length))
  const size = BigInt(out.length)
  equal(functions.EVP_PKEY_get_octet_string_param(found, 'priv', out, size, length), 1)
  functions.EVP_PKEY_free(found)
  return out.subarray(0, Number(length.readBigUInt64LE()))
}

function absent(): string | false {
  try {
    createRequire(import.meta.url)('node:ffi')
    return false
  } catch {
    return 'this Node has no node:ffi, which tells an expanded key'
  }
}

describe('post-quantum private keys', { skip: absent(), timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  for (const [type, KEY_TYPE, PARAMETER_SET, bytes] of SETS) {
    const { privateKey, publicKey } = generateKeyPairSync(type as 'ml-dsa-44')
    const SEED = privateKey.export({ format: 'raw-seed' })
    const readable = { SENSITIVE: false, EXTRACTABLE: true, TOKEN: true }
    const parts = { CLASS: CKO.PRIVATE_KEY, KEY_TYPE, PARAMETER_SET, ...readable }

    it(`${type}: CKA_VALUE alone is a key, and is told as it came`, async () => {
      const VALUE = expanded(privateKey)
      equal(VALUE.length, bytes)
      const key = await bench.create(session, { ...parts, VALUE })
      const read = await bench.read(session, key, 'VALUE', 'SEED', 'PUBLIC_KEY_INFO')
      deepEqual(Buffer.from(read.VALUE as Uint8Array), VALUE)
      equal(read.SEED?.length, 0)
      const spki = publicKey.export({ format: 'der', type: 'spki' })
      deepEqual(Buffer.from(read.PUBLIC_KEY_INFO as Uint8Array), spki)
      if (KEY_TYPE !== CKK.ML_DSA) return
      const pMechanism = { type: CKM.ML_DSA, parameter: undefined }
      await bench.call.C_SignInit(bench.app, { hSession: session, pMechanism, hKey: key })
      const args = { hSession: session, pData: DATA, pSignature: 8_192 }
      const { pSignature } = await bench.call.C_Sign(bench.app, args)
      equal(verify(undefined, DATA, publicKey, pSignature as Uint8Array), true)
    })

    it(`${type}: one that is made here tells both, and its CKA_VALUE is the same key`, async () => {
      const generator = KEY_TYPE === CKK.ML_DSA ? CKM.ML_DSA_KEY_PAIR_GEN : CKM.ML_KEM_KEY_PAIR_GEN
      const [, key] = await bench.generatePair(
        session,
        generator,
        { PARAMETER_SET, TOKEN: true },
        readable,
      )
      const { SEED, VALUE } = await bench.read(session, key, 'SEED', 'VALUE')
      const spki = (await bench.read(session, key, 'PUBLIC_KEY_INFO')).PUBLIC_KEY_INFO
      equal(VALUE?.length, bytes)
      for (const brought of [{ SEED: SEED as Uint8Array }, { VALUE: VALUE as Uint8Array }]) {
        const again = await bench.create(session, { ...parts, ...brought })
        const read = await bench.read(session, again, 'PUBLIC_KEY_INFO', 'VALUE')
        deepEqual(read, { PUBLIC_KEY_INFO: spki, VALUE })
      }
    })

    it(`${type}: one that is sensitive tells neither`, async () => {
      const generator = KEY_TYPE === CKK.ML_DSA ? CKM.ML_DSA_KEY_PAIR_GEN : CKM.ML_KEM_KEY_PAIR_GEN
      const [, key] = await bench.generatePair(session, generator, { PARAMETER_SET }, {})
      for (const name of ['SEED', 'VALUE'] as const) {
        equal(await bench.code(session, key, name), 'CKR_ATTRIBUTE_SENSITIVE')
      }
    })

    it(`${type}: CKA_SEED and CKA_VALUE are of one key`, async () => {
      const VALUE = expanded(privateKey)
      const key = await bench.create(session, { ...parts, VALUE, SEED })
      const both = await bench.read(session, key, 'SEED', 'VALUE')
      deepEqual(Buffer.from(both.SEED as Uint8Array), SEED)
      deepEqual(Buffer.from(both.VALUE as Uint8Array), VALUE)
      const other = expanded(generateKeyPairSync(type as 'ml-dsa-44').privateKey)
      for (const wrong of [other, VALUE.subarray(1), SEED]) {
        await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => {
          return bench.create(session, { ...parts, VALUE: wrong, SEED })
        })
      }
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => {
        return bench.create(session, { ...parts, VALUE: SEED })
      })
      await refuses(CKR.TEMPLATE_INCOMPLETE, () => bench.create(session, parts))
    })
  }
})
