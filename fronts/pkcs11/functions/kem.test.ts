/**
 * Encapsulation by PKCS#11: both sides have one key, against node:crypto too; refusals.
 *
 * PKCS#11 3.2 §5.18.8 and §5.18.9, FIPS 203.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKD, CKF, CKK, CKM, CKP, CKR } from '#spec/pkcs11/constants.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'

const OPEN = { EXTRACTABLE: true, SENSITIVE: false }
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const X25519 = Buffer.from('06032b656e', 'hex')
const ML_KEM = { type: CKM.ML_KEM, parameter: undefined }
const ecdh = (kdf: number): Mechanism => {
  const parameter = { kdf, pSharedData: undefined, pPublicData: undefined }
  return { type: CKM.ECDH1_DERIVE, parameter }
}

describe('keys that are encapsulated', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const mlKem = (parameterSet: number, wishes: Wishes = {}) => {
    const forPublic = { PARAMETER_SET: parameterSet, ...wishes }
    return bench.generatePair(session, CKM.ML_KEM_KEY_PAIR_GEN, forPublic, {})
  }
  const encapsulate = (
    pMechanism: Mechanism,
    hPublicKey: number,
    wishes: Wishes,
    room: number | 'none' = 2_000,
  ) => {
    const pCiphertext = room === 'none' ? undefined : room
    const args = { hSession: session, pMechanism, hPublicKey, pCiphertext }
    const pTemplate = template({ ...OPEN, ...wishes })
    return bench.call.C_EncapsulateKey(bench.app, { ...args, pTemplate })
  }
  const decapsulate = async (
    pMechanism: Mechanism,
    hPrivateKey: number,
    pCiphertext: Uint8Array,
    wishes: Wishes,
  ) => {
    const args = { hSession: session, pMechanism, hPrivateKey, pCiphertext }
    const pTemplate = template({ ...OPEN, ...wishes })
    return (await bench.call.C_DecapsulateKey(bench.app, { ...args, pTemplate })).phKey
  }
  const bytesIn = async (key: number) => {
    return Buffer.from((await bench.read(session, key, 'VALUE')).VALUE as Uint8Array)
  }
  const publicKeyOf = async (key: number) => {
    const { PUBLIC_KEY_INFO } = await bench.read(session, key, 'PUBLIC_KEY_INFO')
    const der = Buffer.from(PUBLIC_KEY_INFO as Uint8Array)
    return crypto.createPublicKey({ key: der, format: 'der', type: 'spki' })
  }

  const sets = [
    [CKP.ML_KEM_512, 768],
    [CKP.ML_KEM_768, 1_088],
    [CKP.ML_KEM_1024, 1_568],
  ] as const
  for (const [set, length] of sets) {
    it(`are the same on both sides of ML-KEM, parameter set ${set}`, async () => {
      const [open, hidden] = await mlKem(set)
      const asked = await encapsulate(ML_KEM, open, {}, 'none')
      deepEqual(asked, { pCiphertext: length, phKey: 0 })
      const before = (await bench.find(session, {})).length
      deepEqual(await encapsulate(ML_KEM, open, {}, length - 1), { pCiphertext: length, phKey: 0 })
      equal((await bench.find(session, {})).length, before)
      const { pCiphertext, phKey } = await encapsulate(ML_KEM, open, {}, length)
      ok(pCiphertext instanceof Uint8Array)
      equal(pCiphertext.length, length)
      const again = await decapsulate(ML_KEM, hidden, pCiphertext, {})
      deepEqual(await bytesIn(again), await bytesIn(phKey))
      equal((await bytesIn(phKey)).length, 32)
      const short = { KEY_TYPE: CKK.AES, VALUE_LEN: 16 }
      const aes = await decapsulate(ML_KEM, hidden, pCiphertext, short)
      deepEqual(await bytesIn(aes), (await bytesIn(phKey)).subarray(0, 16))
      for (const flag of ['LOCAL', 'ALWAYS_SENSITIVE', 'NEVER_EXTRACTABLE'] as const) {
        ok(!(await bench.flag(session, phKey, flag)), flag)
      }
      const { sharedKey, ciphertext } = crypto.encapsulate(await publicKeyOf(open))
      deepEqual(await bytesIn(await decapsulate(ML_KEM, hidden, ciphertext, {})), sharedKey)
      const broken = Buffer.from(ciphertext)
      broken[0]! ^= 1
      notDeepEqual(await bytesIn(await decapsulate(ML_KEM, hidden, broken, {})), sharedKey)
    })
  }
  it('are not made by keys whose flag is false, though another with the same bit is true', async () => {
    const pair = (forPublic: Wishes, forPrivate: Wishes) => {
      const params = { EC_PARAMS: P256, ...forPublic }
      return bench.generatePair(session, CKM.EC_KEY_PAIR_GEN, params, forPrivate)
    }
    const refused = CKR.KEY_FUNCTION_NOT_PERMITTED
    const [open, hidden] = await pair(
      { DERIVE: true, ENCAPSULATE: false },
      { DERIVE: true, DECAPSULATE: false },
    )
    await refuses(refused, () => encapsulate(ecdh(CKD.NULL), open, {}))
    await refuses(refused, () => decapsulate(ecdh(CKD.NULL), hidden, Buffer.alloc(65, 4), {}))
    const [other, only] = await pair({ ENCAPSULATE: true }, { DECAPSULATE: true, DERIVE: false })
    const { pCiphertext } = await encapsulate(ecdh(CKD.NULL), other, {})
    ok(await decapsulate(ecdh(CKD.NULL), only, pCiphertext as Uint8Array, {}))
    const parameter = { kdf: CKD.NULL, pSharedData: undefined, pPublicData: pCiphertext }
    const deriving = {
      hSession: session,
      pMechanism: { type: CKM.ECDH1_DERIVE, parameter } as Mechanism,
      hBaseKey: only,
      pTemplate: template({ ...OPEN, KEY_TYPE: CKK.GENERIC_SECRET, VALUE_LEN: 32 }),
    }
    await refuses(refused, () => bench.call.C_DeriveKey(bench.app, deriving))
    const [denied] = await mlKem(CKP.ML_KEM_512, { DERIVE: true, ENCAPSULATE: false })
    await refuses(refused, () => encapsulate(ML_KEM, denied, {}))
  })

  for (const [name, generator, params] of [
    ['P-256', CKM.EC_KEY_PAIR_GEN, P256],
    ['X25519', CKM.EC_MONTGOMERY_KEY_PAIR_GEN, X25519],
  ] as const) {
    it(`are the same on both sides of ECDH with ${name}`, async () => {
      const [open, hidden] = await bench.generatePair(
        session,
        generator,
        { EC_PARAMS: params, ENCAPSULATE: true },
        { DECAPSULATE: true },
      )
      const { pCiphertext, phKey } = await encapsulate(ecdh(CKD.NULL), open, {})
      ok(pCiphertext instanceof Uint8Array)
      equal(pCiphertext.length, name === 'P-256' ? 65 : 32)
      const again = await decapsulate(ecdh(CKD.NULL), hidden, pCiphertext, {})
      deepEqual(await bytesIn(again), await bytesIn(phKey))
      const sized = { VALUE_LEN: 48 }
      const one = await encapsulate(ecdh(CKD.SHA256_KDF), open, sized)
      ok(one.pCiphertext instanceof Uint8Array)
      const two = await decapsulate(ecdh(CKD.SHA256_KDF), hidden, one.pCiphertext, sized)
      deepEqual(await bytesIn(two), await bytesIn(one.phKey))
      equal((await bytesIn(two)).length, 48)
    })
  }

  it('are refused to keys, parameters and lengths that do not fit', async () => {
    const [open, hidden] = await mlKem(CKP.ML_KEM_768)
    await refuses(CKR.KEY_HANDLE_INVALID, () => encapsulate(ML_KEM, 99_999, {}))
    await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => encapsulate(ML_KEM, hidden, {}))
    await refuses(CKR.KEY_SIZE_RANGE, () => encapsulate(ML_KEM, open, { VALUE_LEN: 33 }))
    const with_ = { type: CKM.ML_KEM, parameter: Buffer.of(1) }
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => encapsulate(with_, open, {}))
    await refuses(CKR.MECHANISM_INVALID, () => {
      return encapsulate({ type: CKM.AES_GCM, parameter: undefined }, open, {})
    })
    await refuses(CKR.WRAPPED_KEY_LEN_RANGE, () => {
      return decapsulate(ML_KEM, hidden, new Uint8Array(1_087), {})
    })
    await refuses(CKR.KEY_TYPE_INCONSISTENT, () => encapsulate(ecdh(CKD.NULL), open, {}))
  })

  it('become what the template of the key says', async () => {
    const ENCAPSULATE_TEMPLATE = template({ KEY_TYPE: CKK.AES, VALUE_LEN: 32 })
    const [open] = await mlKem(CKP.ML_KEM_512, { ENCAPSULATE_TEMPLATE })
    const { phKey } = await encapsulate(ML_KEM, open, {})
    equal(await bench.number(session, phKey, 'KEY_TYPE'), CKK.AES)
    const other = { KEY_TYPE: CKK.GENERIC_SECRET }
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => encapsulate(ML_KEM, open, other))
  })

  it('are offered under the flags of their mechanisms', async () => {
    for (const type of [CKM.ML_KEM, CKM.ECDH1_DERIVE]) {
      const { pInfo } = await bench.call.C_GetMechanismInfo(bench.app, { slotID: 0, type })
      const flags = CKF.ENCAPSULATE | CKF.DECAPSULATE
      equal((pInfo.flags & flags) >>> 0, flags >>> 0)
    }
  })
})
