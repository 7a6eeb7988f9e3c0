/**
 * Keys that the token makes: what they are afterwards, and which templates are refused.
 *
 * PKCS#11 3.2 §5.18.1 and §5.18.2, §6.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, template, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKA, CKK, CKM, CKO, CKP, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { keystoreOf, mechanismsOf } from '../mechanisms.ts'

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

const HASHES = [
  ['SHA_1', 'sha1'],
  ['SHA224', 'sha224'],
  ['SHA256', 'sha256'],
  ['SHA384', 'sha384'],
  ['SHA512', 'sha512'],
  ['SHA512_224', 'sha512-224'],
  ['SHA512_256', 'sha512-256'],
  ['SHA3_224', 'sha3-224'],
  ['SHA3_256', 'sha3-256'],
  ['SHA3_384', 'sha3-384'],
  ['SHA3_512', 'sha3-512'],
] as const

describe('keys that are generated', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  it('an AES key is local, and neither sensitive nor extractable unless asked', async () => {
    const key = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 32, TOKEN: true })
    equal(await bench.number(session, key, 'CLASS'), CKO.SECRET_KEY)
    equal(await bench.number(session, key, 'KEY_TYPE'), CKK.AES)
    equal(await bench.number(session, key, 'VALUE_LEN'), 32)
    equal(await bench.number(session, key, 'KEY_GEN_MECHANISM'), CKM.AES_KEY_GEN)
    for (const name of ['LOCAL', 'TOKEN', 'PRIVATE', 'ENCRYPT', 'DECRYPT', 'SIGN'] as const) {
      ok(await bench.flag(session, key, name), name)
    }
    for (const name of ['SENSITIVE', 'EXTRACTABLE', 'WRAP', 'UNWRAP', 'DERIVE'] as const) {
      ok(!(await bench.flag(session, key, name)), name)
    }
    ok(await bench.flag(session, key, 'NEVER_EXTRACTABLE'))
    equal(await bench.code(session, key, 'VALUE'), 'CKR_ATTRIBUTE_SENSITIVE')
    equal((await bench.read(session, key, 'CHECK_VALUE')).CHECK_VALUE?.length, 3)
  })

  it('a session key is gone from others, and shown where it may be', async () => {
    const wishes = { VALUE_LEN: 16, EXTRACTABLE: true, SENSITIVE: false, LABEL: 'of the session' }
    const key = await bench.generate(session, CKM.AES_KEY_GEN, wishes)
    equal((await bench.read(session, key, 'VALUE')).VALUE?.length, 16)
    ok(!(await bench.flag(session, key, 'TOKEN')))
    deepEqual(await bench.find(session, { LABEL: 'of the session' }), [key])
    const other = bench.newApplication()
    const elsewhere = await bench.session(undefined, other)
    deepEqual(await bench.find(elsewhere, { LABEL: 'of the session' }, other), [])
  })

  it('a generic secret has any length and says who made it', async () => {
    const key = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, { VALUE_LEN: 20 })
    equal(await bench.number(session, key, 'KEY_TYPE'), CKK.GENERIC_SECRET)
    equal(await bench.number(session, key, 'VALUE_LEN'), 20)
    const hmac = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, {
      VALUE_LEN: 32,
      KEY_TYPE: CKK.SHA256_HMAC,
    })
    equal(await bench.number(session, hmac, 'KEY_TYPE'), CKK.SHA256_HMAC)
    equal(await bench.number(session, hmac, 'KEY_GEN_MECHANISM'), CKM.GENERIC_SECRET_KEY_GEN)
  })

  it('a key for HMAC is made by the mechanism of its hash, and makes MACs', async () => {
    for (const [hash, node] of HASHES) {
      const wishes = { VALUE_LEN: 40, EXTRACTABLE: true, SENSITIVE: false }
      const key = await bench.generate(session, CKM[`${hash}_KEY_GEN`], wishes)
      equal(await bench.number(session, key, 'KEY_TYPE'), CKK[`${hash}_HMAC`], hash)
      equal(await bench.number(session, key, 'KEY_GEN_MECHANISM'), CKM[`${hash}_KEY_GEN`])
      const pMechanism = { type: CKM[`${hash}_HMAC`], parameter: undefined }
      await bench.call.C_SignInit(bench.app, { hSession: session, pMechanism, hKey: key })
      const args = { hSession: session, pData: Buffer.from('data'), pSignature: 64 }
      const { pSignature } = await bench.call.C_Sign(bench.app, args)
      const { VALUE } = await bench.read(session, key, 'VALUE')
      const expected = createHmac(node, VALUE as Uint8Array)
        .update('data')
        .digest()
      deepEqual(Buffer.from(pSignature as Uint8Array), expected, hash)
    }
  })

  it('the halves of an RSA pair have one modulus, one identifier and one label', async () => {
    const [open, hidden] = await bench.generatePair(
      session,
      CKM.RSA_PKCS_KEY_PAIR_GEN,
      { MODULUS_BITS: 2048, PUBLIC_EXPONENT: Buffer.of(3), TOKEN: true, LABEL: 'pair' },
      { TOKEN: true, LABEL: 'pair', SIGN: true },
    )
    const [a, b] = [
      await bench.read(
        session,
        open,
        'MODULUS',
        'PUBLIC_EXPONENT',
        'ID',
        'LABEL',
        'PUBLIC_KEY_INFO',
      ),
      await bench.read(
        session,
        hidden,
        'MODULUS',
        'PUBLIC_EXPONENT',
        'ID',
        'LABEL',
        'PUBLIC_KEY_INFO',
      ),
    ]
    deepEqual(a, b)
    equal(a.MODULUS?.length, 256)
    deepEqual(a.PUBLIC_EXPONENT, Buffer.of(3))
    equal(Buffer.from(a.LABEL as Uint8Array).toString(), 'pair')
    equal(await bench.number(session, open, 'MODULUS_BITS'), 2048)
    equal(await bench.code(session, hidden, 'PRIVATE_EXPONENT'), 'CKR_ATTRIBUTE_SENSITIVE')
    ok(await bench.flag(session, hidden, 'ALWAYS_SENSITIVE'))
    deepEqual((await bench.find(session, { LABEL: 'pair' })).toSorted(), [open, hidden].toSorted())
    deepEqual((await bench.find(session, { ID: a.ID as Uint8Array })).length, 2)
    const ofClass = { ID: a.ID as Uint8Array, CLASS: CKO.PRIVATE_KEY, SIGN: true }
    deepEqual(await bench.find(session, ofClass), [hidden])
    deepEqual(await bench.find(session, { ...ofClass, SIGN: false }), [])
  })

  it('an EC pair has its curve and its point', async () => {
    const [open, hidden] = await bench.generatePair(
      session,
      CKM.EC_KEY_PAIR_GEN,
      { EC_PARAMS: P256 },
      { EXTRACTABLE: true, SENSITIVE: false },
    )
    const { EC_POINT, EC_PARAMS } = await bench.read(session, open, 'EC_POINT', 'EC_PARAMS')
    deepEqual(EC_PARAMS, P256)
    equal(EC_POINT?.length, 67)
    deepEqual([EC_POINT[0], EC_POINT[1], EC_POINT[2]], [0x04, 65, 0x04])
    equal((await bench.read(session, hidden, 'VALUE')).VALUE?.length, 32)
    equal(await bench.number(session, hidden, 'KEY_TYPE'), CKK.EC)
  })

  it('curves go by name as well, and Edwards and Montgomery keys know theirs', async () => {
    const name = Buffer.concat([Buffer.of(0x13, 12), Buffer.from('edwards25519')])
    const [open] = await bench.generatePair(
      session,
      CKM.EC_EDWARDS_KEY_PAIR_GEN,
      { EC_PARAMS: name },
      {},
    )
    const { EC_POINT, EC_PARAMS } = await bench.read(session, open, 'EC_POINT', 'EC_PARAMS')
    equal(Buffer.from(EC_PARAMS as Uint8Array).toString('hex'), '06032b6570')
    equal(EC_POINT?.length, 34)
    const x448 = Buffer.from('06032b656f', 'hex')
    const [, agree] = await bench.generatePair(
      session,
      CKM.EC_MONTGOMERY_KEY_PAIR_GEN,
      { EC_PARAMS: x448 },
      {},
    )
    ok(await bench.flag(session, agree, 'DERIVE'))
    ok(!(await bench.flag(session, agree, 'SIGN')))
  })

  it('post-quantum pairs have a parameter set', async () => {
    const sets = [
      [CKM.ML_DSA_KEY_PAIR_GEN, CKP.ML_DSA_65, 1952],
      [CKM.ML_KEM_KEY_PAIR_GEN, CKP.ML_KEM_768, 1184],
      [CKM.SLH_DSA_KEY_PAIR_GEN, CKP.SLH_DSA_SHA2_128F, 32],
    ] as const
    for (const [mechanism, PARAMETER_SET, bytes] of sets) {
      const [open, hidden] = await bench.generatePair(session, mechanism, { PARAMETER_SET }, {})
      equal(await bench.number(session, open, 'PARAMETER_SET'), PARAMETER_SET)
      equal(await bench.number(session, hidden, 'PARAMETER_SET'), PARAMETER_SET)
      equal((await bench.read(session, open, 'VALUE')).VALUE?.length, bytes)
      equal(await bench.flag(session, hidden, 'DECAPSULATE'), mechanism === CKM.ML_KEM_KEY_PAIR_GEN)
    }
  })

  it('keys have the lengths that C_GetMechanismInfo says, and no others', async () => {
    const refused = [CKR.ATTRIBUTE_VALUE_INVALID, CKR.TEMPLATE_INCONSISTENT] as readonly number[]
    for (const [type, { does, sizes, name }] of mechanismsOf(keystoreOf(bench.app.token(0)))) {
      if (does.generate === undefined || type === CKM.PKCS5_PBKD2) continue
      const unit = type === CKM.GENERIC_SECRET_KEY_GEN ? 8 : 1
      const [least, most] = [sizes.min / unit, sizes.max / unit]
      for (const VALUE_LEN of [least - 1, least, most, most + 1]) {
        const wishes = { VALUE_LEN, EXTRACTABLE: true, SENSITIVE: false }
        try {
          const key = await bench.generate(session, type, wishes)
          ok(VALUE_LEN >= least && VALUE_LEN <= most, `CKM_${name} makes ${VALUE_LEN} bytes`)
          equal((await bench.read(session, key, 'VALUE')).VALUE?.length, VALUE_LEN)
        } catch (error) {
          if (!(error instanceof CryptokiError)) throw error
          ok(VALUE_LEN < least || VALUE_LEN > most, `CKM_${name} makes no ${VALUE_LEN} bytes`)
          ok(refused.includes(error.rv), `CKM_${name}, ${VALUE_LEN} bytes: ${error.message}`)
        }
      }
    }
  })

  it('a key that is not private asks for no login of its own', async () => {
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
      const open = { PRIVATE: false, ALWAYS_AUTHENTICATE: true }
      return bench.generatePair(session, CKM.EC_KEY_PAIR_GEN, { EC_PARAMS: P256 }, open)
    })
  })

  it('templates that say too little, too much or nonsense have a code each', async () => {
    const aes = (wishes: object) => () => bench.generate(session, CKM.AES_KEY_GEN, wishes)
    await refuses(CKR.TEMPLATE_INCOMPLETE, aes({}))
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, aes({ VALUE_LEN: 17 }))
    await refuses(CKR.TEMPLATE_INCONSISTENT, aes({ VALUE_LEN: 16, CLASS: CKO.PUBLIC_KEY }))
    await refuses(CKR.TEMPLATE_INCONSISTENT, aes({ VALUE_LEN: 16, KEY_TYPE: CKK.DES3 }))
    await refuses(CKR.TEMPLATE_INCONSISTENT, aes({ VALUE_LEN: 16, VALUE: Buffer.alloc(16) }))
    await refuses(CKR.TEMPLATE_INCONSISTENT, aes({ VALUE_LEN: 16, MODULUS: Buffer.alloc(16) }))
    await refuses(CKR.TEMPLATE_INCONSISTENT, aes({ VALUE_LEN: 16, WRAP: true, DECRYPT: true }))
    await refuses(CKR.ATTRIBUTE_READ_ONLY, aes({ VALUE_LEN: 16, LOCAL: false }))
    await refuses(CKR.ATTRIBUTE_READ_ONLY, aes({ VALUE_LEN: 16, TRUSTED: true }))
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, aes({ VALUE_LEN: 16, TOKEN: Buffer.of(2) }))
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, aes({ VALUE_LEN: Buffer.of(16) }))
    const within = (DERIVE_TEMPLATE: ReturnType<typeof template>) => {
      return aes({ VALUE_LEN: 16, DERIVE_TEMPLATE })
    }
    await within(template({ KEY_TYPE: CKK.AES, DERIVE_TEMPLATE: template({ LABEL: 'x' }) }))()
    const short = template({ KEY_TYPE: Buffer.of(31, 0, 0, 0) })
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, within(short))
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, within(template({ DERIVE_TEMPLATE: short })))
    const unknown = [{ type: 0x7fff_0001, value: Buffer.alloc(1) }]
    await refuses(CKR.ATTRIBUTE_TYPE_INVALID, within(unknown))
    await refuses(CKR.MECHANISM_INVALID, () => bench.generate(session, CKM.AES_CBC, {}))
    const pTemplate = [
      { type: CKA.VALUE_LEN, value: Buffer.alloc(8, 0) },
      { type: 0x7fff_0001, value: Buffer.alloc(1) },
    ]
    const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
    await refuses(CKR.ATTRIBUTE_TYPE_INVALID, () => {
      return bench.call.C_GenerateKey(bench.app, { hSession: session, pMechanism, pTemplate })
    })
    await refuses(CKR.CURVE_NOT_SUPPORTED, () => {
      const wishes = { EC_PARAMS: Buffer.from('06032b6500', 'hex') }
      return bench.generatePair(session, CKM.EC_KEY_PAIR_GEN, wishes, {})
    })
  })
})
