/**
 * Objects that applications bring by C_CreateObject: keys in all their parts or few, data,
 * certificates, and templates that say too little or too much.
 *
 * PKCS#11 3.2 §4 and §5.7.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { certificateOf, objectCalls, rsaParts } from '#conformance/pkcs11-objects.ts'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { type CKA, CKC, CKK, CKO, CKP, CKR } from '#spec/pkcs11/constants.ts'
import { curveOfParams } from '../objects/classes.ts'
import { pointOf } from '../objects/import.ts'

describe('objects that applications bring', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())
  const { set } = objectCalls(() => ({ bench, session }))

  it('an RSA private key with all its numbers, as keytool gives it', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const parts = rsaParts(privateKey)
    const key = await bench.create(session, {
      CLASS: CKO.PRIVATE_KEY,
      KEY_TYPE: CKK.RSA,
      TOKEN: true,
      ID: 'alias',
      LABEL: 'alias',
      SUBJECT: Buffer.from('3000', 'hex'),
      SENSITIVE: false,
      EXTRACTABLE: true,
      ...parts,
    })
    const names = Object.keys(parts) as (keyof typeof CKA)[]
    deepEqual(await bench.read(session, key, ...names), parts)
    ok(!(await bench.flag(session, key, 'LOCAL')))
    ok(!(await bench.flag(session, key, 'ALWAYS_SENSITIVE')))
    ok(!(await bench.flag(session, key, 'NEVER_EXTRACTABLE')))
    equal(await bench.number(session, key, 'KEY_GEN_MECHANISM'), -1)
    deepEqual(await bench.find(session, { CLASS: CKO.PRIVATE_KEY, ID: 'alias' }), [key])
  })

  it('an RSA private key with nothing but modulus and exponents', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { MODULUS, PUBLIC_EXPONENT, PRIVATE_EXPONENT, PRIME_1 } = rsaParts(privateKey)
    const key = await bench.create(session, {
      CLASS: CKO.PRIVATE_KEY,
      KEY_TYPE: CKK.RSA,
      SENSITIVE: false,
      EXTRACTABLE: true,
      ...(MODULUS && { MODULUS }),
      ...(PUBLIC_EXPONENT && { PUBLIC_EXPONENT }),
      ...(PRIVATE_EXPONENT && { PRIVATE_EXPONENT }),
    })
    const { PRIME_1: p, PRIME_2: q } = await bench.read(session, key, 'PRIME_1', 'PRIME_2')
    ok(Buffer.compare(PRIME_1 as Buffer, p as Buffer) === 0 || q !== undefined)
    deepEqual((await bench.read(session, key, 'MODULUS')).MODULUS, MODULUS)
  })

  it('an EC private key with nothing but its value and curve, and its public key', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const EC_PARAMS = Buffer.from('06082a8648ce3d030107', 'hex')
    const VALUE = privateKey.export({ format: 'raw-private' })
    const hidden = await bench.create(session, {
      CLASS: CKO.PRIVATE_KEY,
      KEY_TYPE: CKK.EC,
      SENSITIVE: false,
      EXTRACTABLE: true,
      EC_PARAMS,
      VALUE,
    })
    deepEqual((await bench.read(session, hidden, 'VALUE')).VALUE, VALUE)
    const point = publicKey.export({ format: 'raw-public' })
    for (const EC_POINT of [Buffer.concat([Buffer.of(4, point.length), point]), point]) {
      const open = await bench.create(session, {
        CLASS: CKO.PUBLIC_KEY,
        KEY_TYPE: CKK.EC,
        EC_PARAMS,
        EC_POINT,
      })
      const read = await bench.read(session, open, 'EC_POINT', 'PUBLIC_KEY_INFO')
      deepEqual(read.EC_POINT, Buffer.concat([Buffer.of(4, 65), point]))
      const { PUBLIC_KEY_INFO } = await bench.read(session, hidden, 'PUBLIC_KEY_INFO')
      deepEqual(PUBLIC_KEY_INFO, read.PUBLIC_KEY_INFO)
    }
  })

  it('a bare point that looks like an OCTET STRING, which one in 256 does', () => {
    const curve = curveOfParams(Buffer.from('06082a8648ce3d030107', 'hex'))
    ok(curve !== undefined)
    const bare = Buffer.alloc(65, 9)
    bare.set([0x04, 63])
    deepEqual(pointOf(bare, curve), bare)
    deepEqual(pointOf(Buffer.concat([Buffer.of(0x04, 65), bare]), curve), bare)
    deepEqual(pointOf(Buffer.concat([Buffer.of(0x03, 66, 0), bare]), curve), bare)
  })

  it('Edwards, Montgomery and post-quantum keys', async () => {
    const sorts = [
      ['ed25519', CKK.EC_EDWARDS, { EC_PARAMS: Buffer.from('06032b6570', 'hex') }],
      ['x25519', CKK.EC_MONTGOMERY, { EC_PARAMS: Buffer.from('06032b656e', 'hex') }],
      ['ml-dsa-44', CKK.ML_DSA, { PARAMETER_SET: CKP.ML_DSA_44 }],
      ['ml-kem-512', CKK.ML_KEM, { PARAMETER_SET: CKP.ML_KEM_512 }],
    ] as const
    for (const [type, KEY_TYPE, parameters] of sorts) {
      const { privateKey, publicKey } = generateKeyPairSync(type as 'ed25519')
      const isPq = 'PARAMETER_SET' in parameters
      const point = publicKey.export({ format: 'raw-public' })
      const open = await bench.create(session, {
        CLASS: CKO.PUBLIC_KEY,
        KEY_TYPE,
        ...parameters,
        ...(isPq ? { VALUE: point } : { EC_POINT: point }),
      })
      const part = isPq
        ? { SEED: privateKey.export({ format: 'raw-seed' }) }
        : { VALUE: privateKey.export({ format: 'raw-private' }) }
      const hidden = await bench.create(session, {
        CLASS: CKO.PRIVATE_KEY,
        KEY_TYPE,
        SENSITIVE: false,
        EXTRACTABLE: true,
        ...parameters,
        ...part,
      })
      const name = isPq ? 'SEED' : 'VALUE'
      deepEqual((await bench.read(session, hidden, name))[name], (part as Wishes)[name], type)
      const info = await bench.read(session, open, 'PUBLIC_KEY_INFO')
      deepEqual(await bench.read(session, hidden, 'PUBLIC_KEY_INFO'), info, type)
    }
  })

  it('secret keys of every type, with their check values', async () => {
    const sorts = [
      [CKK.AES, 16, '66e94b'],
      [CKK.GENERIC_SECRET, 5, undefined],
      [CKK.SHA256_HMAC, 32, undefined],
      [CKK.DES3, 24, '8ca64d'],
      [CKK.CHACHA20, 32, undefined],
      [CKK.HKDF, 32, undefined],
    ] as const
    for (const [KEY_TYPE, bytes, check] of sorts) {
      const VALUE = Buffer.alloc(bytes)
      if (KEY_TYPE === CKK.DES3) VALUE.fill(1)
      const key = await bench.create(session, {
        CLASS: CKO.SECRET_KEY,
        KEY_TYPE,
        VALUE,
        EXTRACTABLE: true,
      })
      deepEqual((await bench.read(session, key, 'VALUE')).VALUE, VALUE)
      equal(await bench.number(session, key, 'KEY_TYPE'), KEY_TYPE)
      equal(await bench.number(session, key, 'VALUE_LEN'), bytes)
      const { CHECK_VALUE } = await bench.read(session, key, 'CHECK_VALUE')
      const sha1 = createHash('sha1').update(VALUE).digest().subarray(0, 3)
      const expected = check === undefined ? sha1.toString('hex') : check
      equal(Buffer.from(CHECK_VALUE as Uint8Array).toString('hex'), expected)
    }
  })

  it('data, which may be changed later', async () => {
    const data = await bench.create(session, {
      CLASS: CKO.DATA,
      TOKEN: true,
      LABEL: 'settings',
      APPLICATION: 'a program',
      OBJECT_ID: Buffer.from('06022a03', 'hex'),
      VALUE: 'one',
    })
    const text = async (name: 'VALUE' | 'APPLICATION' | 'LABEL'): Promise<string> => {
      return Buffer.from((await bench.read(session, data, name))[name] as Uint8Array).toString()
    }
    equal(await text('VALUE'), 'one')
    await set(data, { VALUE: 'another', APPLICATION: 'another program' })
    equal(await text('VALUE'), 'another')
    equal(await text('APPLICATION'), 'another program')
    deepEqual(await bench.find(session, { APPLICATION: 'another program' }), [data])
    deepEqual(await bench.find(session, { VALUE: 'another', CLASS: CKO.DATA }), [data])
  })

  it('a certificate, found by subject, issuer and serial number', async () => {
    const der = certificateOf(bench)
    const parts = { CLASS: CKO.CERTIFICATE, CERTIFICATE_TYPE: CKC.X_509, VALUE: der }
    const certificate = await bench.create(session, { ...parts, TOKEN: true, ID: 'ca' })
    const read = await bench.read(
      session,
      certificate,
      'SUBJECT',
      'ISSUER',
      'SERIAL_NUMBER',
      'CHECK_VALUE',
      'VALUE',
    )
    deepEqual(read.VALUE, der)
    deepEqual(read.SUBJECT, read.ISSUER)
    equal(read.CHECK_VALUE?.length, 3)
    const { SUBJECT, ISSUER, SERIAL_NUMBER } = read as Record<string, Uint8Array>
    const wishes = { SUBJECT, ISSUER, SERIAL_NUMBER, CLASS: CKO.CERTIFICATE } as Wishes
    deepEqual(await bench.find(session, wishes), [certificate])
    // Java gives the bare number, and looks for it in that form.
    const bare = (SERIAL_NUMBER as Uint8Array).subarray(2)
    const second = await bench.create(session, { ...parts, SERIAL_NUMBER: bare })
    deepEqual(await bench.find(session, { SERIAL_NUMBER: bare }), [second])
    const wrong = { ...parts, SUBJECT: Buffer.from('3000', 'hex') }
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => bench.create(session, wrong))
    const junk = { ...parts, VALUE: Buffer.from('3000', 'hex') }
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => bench.create(session, junk))
  })

  it('templates that say too little, too much or nonsense have a code each', async () => {
    const cases: readonly (readonly [number, Wishes])[] = [
      [CKR.TEMPLATE_INCOMPLETE, {}],
      [CKR.TEMPLATE_INCOMPLETE, { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES }],
      [CKR.TEMPLATE_INCOMPLETE, { CLASS: CKO.SECRET_KEY, VALUE: Buffer.alloc(16) }],
      [CKR.TEMPLATE_INCOMPLETE, { CLASS: CKO.PRIVATE_KEY, KEY_TYPE: CKK.RSA }],
      [CKR.TEMPLATE_INCOMPLETE, { CLASS: CKO.PUBLIC_KEY, KEY_TYPE: CKK.EC }],
      [CKR.TEMPLATE_INCOMPLETE, { CLASS: CKO.CERTIFICATE }],
      [CKR.ATTRIBUTE_VALUE_INVALID, { CLASS: CKO.HW_FEATURE }],
      [CKR.ATTRIBUTE_VALUE_INVALID, { CLASS: CKO.PROFILE }],
      [
        CKR.ATTRIBUTE_VALUE_INVALID,
        { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE: Buffer.alloc(17) },
      ],
      [
        CKR.ATTRIBUTE_VALUE_INVALID,
        { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.BLOWFISH, VALUE: Buffer.alloc(16) },
      ],
      [
        CKR.TEMPLATE_INCONSISTENT,
        { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE: Buffer.alloc(16), VALUE_LEN: 32 },
      ],
      [
        CKR.ATTRIBUTE_READ_ONLY,
        { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE: Buffer.alloc(16), LOCAL: true },
      ],
      [
        CKR.TEMPLATE_INCONSISTENT,
        { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE: Buffer.alloc(16), MODULUS: 'x' },
      ],
      [CKR.TEMPLATE_INCONSISTENT, { CLASS: CKO.DATA, START_DATE: '20260101' }],
      [CKR.ATTRIBUTE_VALUE_INVALID, { CLASS: CKO.DATA, START_DATE: '20260230' }],
    ]
    for (const [code, wishes] of cases) await refuses(code, () => bench.create(session, wishes))
    const twice = [...template({ CLASS: CKO.DATA }), ...template({ CLASS: CKO.SECRET_KEY })]
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
      return bench.call.C_CreateObject(bench.app, { hSession: session, pTemplate: twice })
    })
  })
})
