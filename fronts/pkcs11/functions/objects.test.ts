/**
 * Objects by the functions of PKCS#11: what programs do with them, rule by rule, and the same
 * objects by the operations of KMIP.
 *
 * PKCS#11 3.2 §4 and §5.7.
 *
 * @module
 */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { RO, RW, refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import {
  addAttribute,
  getAttributes,
  modifyAttribute,
  setAttribute,
} from '#core/operations/attributes.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { activate, destroy, revoke } from '#core/operations/lifecycle.ts'
import { register } from '#core/operations/register.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CertificateType,
  CryptographicAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  NameType,
  ObjectType,
  RevocationReasonCode,
  State,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKC, CKK, CKM, CKO, CKP, CKR } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { curveOfParams } from '../objects/classes.ts'
import { pointOf } from '../objects/import.ts'

/** A certificate that there always is: the authority's own. */
function certificateOf({ house }: Workbench): Uint8Array {
  return new X509Certificate(house.authority.certificate).raw
}

function bigInteger(base64url: string | undefined): Buffer {
  return Buffer.from(base64url as string, 'base64url')
}

/** The numbers of an RSA key as Java's keytool gives them. */
function rsaParts(key: KeyObject): Wishes {
  const jwk = key.export({ format: 'jwk' })
  return {
    MODULUS: bigInteger(jwk.n),
    PUBLIC_EXPONENT: bigInteger(jwk.e),
    PRIVATE_EXPONENT: bigInteger(jwk.d),
    PRIME_1: bigInteger(jwk.p),
    PRIME_2: bigInteger(jwk.q),
    EXPONENT_1: bigInteger(jwk.dp),
    EXPONENT_2: bigInteger(jwk.dq),
    COEFFICIENT: bigInteger(jwk.qi),
  }
}

describe('objects', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())
  const set = (hObject: number, wishes: Wishes, hSession = session) => {
    return bench.call.C_SetAttributeValue(bench.app, {
      hSession,
      hObject,
      pTemplate: template(wishes),
    })
  }
  const copy = async (hObject: number, wishes: Wishes): Promise<number> => {
    const args = { hSession: session, hObject, pTemplate: template(wishes) }
    return (await bench.call.C_CopyObject(bench.app, args)).phNewObject
  }
  const destroyed = (hObject: number) => {
    return bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
  }
  const aes = (wishes: Wishes = {}) => {
    return bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...wishes })
  }

  describe('that applications bring', () => {
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

  describe('that are read', () => {
    it('every entry is answered, whatever becomes of the others', async () => {
      const key = await aes({ SENSITIVE: true, LABEL: 'four' })
      const pTemplate = [
        { type: CKA.VALUE, capacity: 100 },
        { type: CKA.LABEL, capacity: 2 },
        { type: CKA.MODULUS, capacity: 100 },
        { type: CKA.ID, capacity: undefined },
        { type: CKA.START_DATE, capacity: 8 },
        { type: CKA.LABEL, capacity: 100 },
      ]
      const answer = await bench.call.C_GetAttributeValue(bench.app, {
        hSession: session,
        hObject: key,
        pTemplate,
      })
      deepEqual(answer, {
        rv: CKR.ATTRIBUTE_SENSITIVE,
        pTemplate: [
          { type: CKA.VALUE },
          { type: CKA.LABEL },
          { type: CKA.MODULUS },
          { type: CKA.ID, length: 36 },
          { type: CKA.START_DATE, value: new Uint8Array(0) },
          { type: CKA.LABEL, value: Buffer.from('four') },
        ],
      })
    })

    it('templates within, and mechanisms that are allowed, come back as they were given', async () => {
      const inner = template({ KEY_TYPE: CKK.AES, EXTRACTABLE: false })
      const ALLOWED_MECHANISMS = Buffer.concat([ulongBytes(CKM.AES_CBC), ulongBytes(CKM.AES_GCM)])
      const key = await aes({ UNWRAP_TEMPLATE: inner, UNWRAP: true, ALLOWED_MECHANISMS })
      const read = await bench.read(session, key, 'ALLOWED_MECHANISMS')
      deepEqual(read.ALLOWED_MECHANISMS, ALLOWED_MECHANISMS)
      const ask = (wish: object) => {
        const pTemplate = [{ type: CKA.UNWRAP_TEMPLATE, capacity: undefined, ...wish }]
        const args = { hSession: session, hObject: key, pTemplate }
        return bench.call.C_GetAttributeValue(bench.app, args)
      }
      deepEqual((await ask({})).pTemplate, [{ type: CKA.UNWRAP_TEMPLATE, length: 48 }])
      equal((await ask({ capacity: 24 })).rv, CKR.BUFFER_TOO_SMALL)
      deepEqual((await ask({ capacity: 48 })).pTemplate[0]?.value, inner)
    })

    it('a size is told for every object', async () => {
      const key = await aes()
      const size = await bench.call.C_GetObjectSize(bench.app, { hSession: session, hObject: key })
      ok(size.pulSize > 16)
    })

    it('a handle that stands for nothing is said to be invalid', async () => {
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, 99_999, 'CLASS'))
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => destroyed(99_999))
    })
  })

  describe('that are changed', () => {
    it('flags that go one way only do so', async () => {
      const key = await aes({ SENSITIVE: false, EXTRACTABLE: true, TOKEN: true })
      await set(key, { SENSITIVE: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { SENSITIVE: false }))
      await set(key, { EXTRACTABLE: false })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { EXTRACTABLE: true }))
      ok(!(await bench.flag(session, key, 'ALWAYS_SENSITIVE')))
      ok(!(await bench.flag(session, key, 'NEVER_EXTRACTABLE')))
      await set(key, { WRAP_WITH_TRUSTED: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { WRAP_WITH_TRUSTED: false }))
      await set(key, { COPYABLE: false })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { COPYABLE: true }))
      await refuses(CKR.ACTION_PROHIBITED, () => copy(key, {}))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { TRUSTED: true }))
    })

    it('what the token sets, and what a key is, does not change', async () => {
      const key = await aes({ TOKEN: true })
      for (const wishes of [
        { CLASS: CKO.SECRET_KEY },
        { KEY_TYPE: CKK.AES },
        { TOKEN: false },
        { PRIVATE: false },
        { MODIFIABLE: false },
        { LOCAL: false },
        { UNIQUE_ID: 'x' },
        { VALUE: Buffer.alloc(16) },
      ] as const) {
        await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, wishes))
      }
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { MODULUS: 'x' }))
    })

    it('usage flags are the usage mask, and no key both wraps and decrypts', async () => {
      const key = await aes({ TOKEN: true })
      const id = Buffer.from(
        (await bench.read(session, key, 'UNIQUE_ID')).UNIQUE_ID as Uint8Array,
      ).toString()
      const mask = async (): Promise<number | undefined> => {
        const { attributes } = await getAttributes(bench.context('GetAttributes'), id)
        return attributes.get('cryptographicUsageMask')
      }
      const usual = Mask.Encrypt | Mask.Decrypt | Mask.MACGenerate | Mask.MACVerify
      equal(await mask(), usual)
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { WRAP: true }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { WRAP: true, DECRYPT: false }))
      await set(key, { UNWRAP: false, DECRYPT: false, SIGN: false })
      equal(await mask(), Mask.Encrypt | Mask.MACVerify)
      ok(await bench.flag(session, key, 'VERIFY'))
    })

    it('what is not modifiable, or not destroyable, says so', async () => {
      const key = await aes({ MODIFIABLE: false, DESTROYABLE: false })
      await refuses(CKR.ACTION_PROHIBITED, () => set(key, { LABEL: 'x' }))
      await refuses(CKR.ACTION_PROHIBITED, () => destroyed(key))
    })

    it('SIGN_RECOVER shares its bit with SIGN, and can still be another', async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const key = await bench.create(session, {
        CLASS: CKO.PRIVATE_KEY,
        KEY_TYPE: CKK.RSA,
        SIGN: true,
        SIGN_RECOVER: false,
        ...rsaParts(privateKey),
      })
      ok(await bench.flag(session, key, 'SIGN'))
      ok(!(await bench.flag(session, key, 'SIGN_RECOVER')))
      const pMechanism = { type: CKM.RSA_PKCS, parameter: undefined }
      const use = { hSession: session, hKey: key, pMechanism }
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => {
        return bench.call.C_SignRecoverInit(bench.app, use)
      })
      await set(key, { SIGN: false, SIGN_RECOVER: true })
      ok(!(await bench.flag(session, key, 'SIGN')))
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => bench.call.C_SignInit(bench.app, use))
      ok(await bench.flag(session, key, 'SIGN_RECOVER'))
    })

    it('dates are days from and to which a key is active', async () => {
      const key = await aes({ START_DATE: '20260101', END_DATE: '20991231', TOKEN: true })
      const read = await bench.read(session, key, 'START_DATE', 'END_DATE')
      deepEqual(read, { START_DATE: Buffer.from('20260101'), END_DATE: Buffer.from('20991231') })
      await set(key, { END_DATE: '' })
      equal((await bench.read(session, key, 'END_DATE')).END_DATE?.length, 0)
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => set(key, { START_DATE: '20990101' }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
        return aes({ START_DATE: '20260102', END_DATE: '20260101' })
      })
    })
  })

  describe('that are copied', () => {
    it('a session pair to the token, as Java does', async () => {
      const [, hidden] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex') },
        {},
      )
      const kept = await copy(hidden, { TOKEN: true, ID: 'java', LABEL: 'java' })
      notEqual(kept, hidden)
      for (const name of ['TOKEN', 'LOCAL', 'SENSITIVE', 'ALWAYS_SENSITIVE', 'SIGN'] as const) {
        ok(await bench.flag(session, kept, name), name)
      }
      const [a, b] = [
        await bench.read(session, hidden, 'PUBLIC_KEY_INFO'),
        await bench.read(session, kept, 'PUBLIC_KEY_INFO'),
      ]
      deepEqual(a, b)
      const app = bench.newApplication()
      equal((await bench.find(await bench.session(RO, app), { ID: 'java' }, app)).length, 1)
    })

    it('without losing what protects them', async () => {
      const key = await aes({ SENSITIVE: true, LABEL: 'twin', TOKEN: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { SENSITIVE: false }))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { EXTRACTABLE: true }))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { VALUE: Buffer.alloc(16) }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => copy(key, { PRIVATE: false }))
      const twin = await copy(key, { CLASS: CKO.SECRET_KEY, MODIFIABLE: false })
      deepEqual((await bench.find(session, { LABEL: 'twin' })).toSorted(), [key, twin].toSorted())
      deepEqual(
        await bench.read(session, twin, 'CHECK_VALUE', 'ID'),
        await bench.read(session, key, 'CHECK_VALUE', 'ID'),
      )
    })
  })

  describe('that are searched for', () => {
    it('one search at a time, and none without a beginning', async () => {
      const args = { hSession: session, pTemplate: [] }
      await refuses(CKR.OPERATION_NOT_INITIALIZED, () => {
        return bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 1 })
      })
      await bench.call.C_FindObjectsInit(bench.app, args)
      await refuses(CKR.OPERATION_ACTIVE, () => bench.call.C_FindObjectsInit(bench.app, args))
      const none = await bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 0 })
      deepEqual(none.phObject, [])
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      await refuses(CKR.OPERATION_NOT_INITIALIZED, () => {
        return bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      })
    })

    it('every attribute that can be read finds its object', async () => {
      const label = `every ${randomBytes(4).toString('hex')}`
      const key = await aes({ LABEL: label, ID: label, TOKEN: true, EXTRACTABLE: true })
      const names = (Object.keys(CKA) as (keyof typeof CKA)[]).filter((name) => {
        return CKA[name] < 0x4000_0000
      })
      for (const name of names) {
        const { [name]: value } = await bench.read(session, key, name)
        if (value === undefined) continue
        ok((await bench.find(session, { [name]: value })).includes(key), name)
        const both = await bench.find(session, { [name]: value, LABEL: label })
        deepEqual(both, [key], name)
      }
      deepEqual(await bench.find(session, { LABEL: label, MODULUS: 'x' }), [])
      deepEqual(await bench.find(session, { LABEL: label, ENCRYPT: false }), [])
      deepEqual(await bench.find(session, { LABEL: label.slice(1) }), [])
      const unknown = [{ type: 0xce53_4351, value: Buffer.from('NSS') }]
      await bench.call.C_FindObjectsInit(bench.app, { hSession: session, pTemplate: unknown })
      const found = await bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 9 })
      deepEqual(found.phObject, [])
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
    })

    it('a name or an identifier is one look at an index, whatever else is asked', async () => {
      const { store } = bench.app.token(0).services
      const queries: Parameters<typeof store.find>[0][] = []
      const { find } = store
      store.find = (query) => {
        queries.push(query)
        return find.call(store, query)
      }
      try {
        const more = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, TOKEN: true, ENCRYPT: true }
        for (const wishes of [{ LABEL: 'a' }, { ID: 'b' }, { UNIQUE_ID: 'c' }]) {
          await bench.find(session, { ...wishes, ...more })
        }
        await bench.find(session, {})
      } finally {
        store.find = find
      }
      for (const { conditions } of queries.slice(0, 4)) {
        deepEqual(
          conditions.map((one) => Object.keys(one)),
          [['is']],
        )
      }
      // A long list is read as far as it is wanted.
      for (const { conditions, limit } of queries.slice(4)) {
        ok('is' in (conditions[0] ?? {}) && limit < 1_000)
      }
    })

    it('a label that is no text is found all the same', async () => {
      const LABEL = Buffer.from('ff00fe', 'hex')
      const key = await aes({ LABEL })
      deepEqual((await bench.read(session, key, 'LABEL')).LABEL, LABEL)
      deepEqual(await bench.find(session, { LABEL }), [key])
    })

    it('what is destroyed meanwhile is left out, and what is made meanwhile', async () => {
      const LABEL = `many ${randomBytes(4).toString('hex')}`
      const keys: number[] = []
      for (let i = 0; i < 4; i++) keys.push(await aes({ LABEL, TOKEN: i % 2 === 0 }))
      const args = { hSession: session, pTemplate: template({ LABEL }) }
      await bench.call.C_FindObjectsInit(bench.app, args)
      const next = async (phObject: number): Promise<readonly number[]> => {
        return (await bench.call.C_FindObjects(bench.app, { hSession: session, phObject })).phObject
      }
      const first = await next(1)
      for (const key of first) await destroyed(key)
      const rest = [...(await next(1)), ...(await next(9)), ...(await next(9))]
      deepEqual([...first, ...rest].toSorted(), keys.toSorted())
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      deepEqual((await bench.find(session, { LABEL })).toSorted(), rest.toSorted())
    })
  })

  it('profiles are found, and nobody changes them', async () => {
    const found = await bench.find(session, { CLASS: CKO.PROFILE })
    const numbers = await Promise.all(found.map((one) => bench.number(session, one, 'PROFILE_ID')))
    deepEqual(numbers, [1, 2, 3, 4])
    const [first] = await bench.find(session, { PROFILE_ID: CKP.BASELINE_PROVIDER, TOKEN: true })
    equal(first, found[0])
    ok(!(await bench.flag(session, first as number, 'PRIVATE')))
    await refuses(CKR.ACTION_PROHIBITED, () => destroyed(first as number))
    await refuses(CKR.ACTION_PROHIBITED, () => set(first as number, { LABEL: 'x' }))
    await refuses(CKR.ACTION_PROHIBITED, () => copy(first as number, {}))
    deepEqual(await bench.find(session, { CLASS: CKO.PROFILE, TOKEN: false }), [])
  })

  it('mechanisms are found where they are asked for', async () => {
    const found = await bench.find(session, {
      CLASS: CKO.MECHANISM,
      MECHANISM_TYPE: CKM.AES_CBC,
    })
    equal(found.length, 1)
    equal(await bench.number(session, found[0] as number, 'MECHANISM_TYPE'), CKM.AES_CBC)
    const all = await bench.find(session, {})
    ok(!all.includes(found[0] as number))
  })

  describe('that KMIP sees too', () => {
    const id = async (handle: number): Promise<string> => {
      const { UNIQUE_ID } = await bench.read(session, handle, 'UNIQUE_ID')
      return Buffer.from(UNIQUE_ID as Uint8Array).toString()
    }
    const named = (nameValue: string) => {
      return { nameValue, nameType: NameType.UninterpretedTextString }
    }

    it('a key that KMIP makes is found, named and described as PKCS#11 does', async () => {
      const made = await create(bench.context('Create'), {
        objectType: ObjectType.SymmetricKey,
        given: {
          attributes: [
            { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
            { id: 'cryptographicLength', value: 256 },
            { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
            { id: 'name', value: named('by KMIP') },
          ],
        },
      })
      const [key, ...others] = await bench.find(session, { LABEL: 'by KMIP' })
      deepEqual(others, [])
      equal(await bench.number(session, key as number, 'KEY_TYPE'), CKK.AES)
      ok(await bench.flag(session, key as number, 'ENCRYPT'))
      ok(!(await bench.flag(session, key as number, 'SIGN')))
      ok(await bench.flag(session, key as number, 'LOCAL'))
      deepEqual(await bench.find(session, { ID: made.id }), [key])
      deepEqual((await bench.read(session, key as number, 'VALUE')).VALUE?.length, 32)
      await activate(bench.context('Activate'), made.id)
      await set(key as number, { LABEL: 'by PKCS#11' })
      const { attributes } = await getAttributes(bench.context('GetAttributes'), made.id)
      deepEqual(attributes.all('name'), [named('by PKCS#11')])
      await modifyAttribute(bench.context('ModifyAttribute'), {
        id: made.id,
        attribute: { id: 'name', value: named('by KMIP again') },
      })
      const { LABEL } = await bench.read(session, key as number, 'LABEL')
      equal(Buffer.from(LABEL as Uint8Array).toString(), 'by KMIP again')
    })

    it('a pair that KMIP makes has one CKA_ID', async () => {
      const { privateKey, publicKey } = await createKeyPair(bench.context('CreateKeyPair'), {
        common: {
          attributes: [
            { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.EC },
            { id: 'cryptographicUsageMask', value: Mask.Sign | Mask.Verify },
          ],
        },
      })
      const found = await bench.find(session, { ID: privateKey.id })
      deepEqual(
        (await Promise.all(found.map(id))).toSorted(),
        [privateKey.id, publicKey.id].toSorted(),
      )
    })

    it('a label that another has as its Name becomes an Alternative Name', async () => {
      const first = await aes({ LABEL: 'shared', TOKEN: true })
      const second = await aes({ LABEL: 'shared', TOKEN: true })
      const found = await bench.find(session, { LABEL: 'shared' })
      deepEqual(found.toSorted(), [first, second].toSorted())
      const other = await getAttributes(bench.context('GetAttributes'), await id(second))
      deepEqual(other.attributes.all('name'), [])
      equal(other.attributes.get('alternativeName')?.alternativeNameValue, 'shared')
      const third = await aes({ LABEL: 'third', TOKEN: true })
      await set(third, { LABEL: 'shared' })
      equal((await bench.find(session, { LABEL: 'shared' })).length, 3)
      await set(third, { LABEL: 'third again' })
      deepEqual(await bench.find(session, { LABEL: 'third again' }), [third])
    })

    it('what PKCS#11 destroys is destroyed in KMIP, and the reverse', async () => {
      const [one, two] = [await aes({ TOKEN: true }), await aes({ TOKEN: true })]
      const [oneId, twoId] = [await id(one), await id(two)]
      await destroyed(one)
      const { attributes } = await getAttributes(bench.context('GetAttributes'), oneId)
      equal(attributes.get('state'), State.Destroyed)
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, one, 'CLASS'))
      const reason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
      await revoke(bench.context('Revoke'), { id: twoId, reason })
      equal(await bench.number(session, two, 'CLASS'), CKO.SECRET_KEY)
      await destroy(bench.context('Destroy'), twoId)
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, two, 'CLASS'))
      deepEqual(await bench.find(session, { UNIQUE_ID: twoId }), [])
    })

    it('a key that a client of KMIP brings is not local, whatever date it gives', async () => {
      const originalCreationDate = bench.context('Register').now
      const keyMaterial = {
        tag: Tag.KeyMaterial,
        type: ItemType.ByteString,
        value: Buffer.alloc(16, 1),
      } as const
      const bring = (attributes: readonly ListedAttribute[]) => {
        return register(bench.context('Register'), {
          objectType: ObjectType.SymmetricKey,
          object: {
            tag: Tag.SymmetricKey,
            value: {
              keyBlock: {
                keyFormatType: KeyFormatType.Raw,
                keyValue: {
                  keyMaterial: { ...keyMaterial, value: Buffer.alloc(16, 1) },
                  attributes: [],
                },
              },
            },
          },
          given: {
            attributes: [
              { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
              { id: 'cryptographicUsageMask', value: Mask.Encrypt },
              ...attributes,
            ],
          },
        })
      }
      const date = { id: 'originalCreationDate', value: originalCreationDate } as const
      const [dated, later, set] = [await bring([date]), await bring([]), await bring([])]
      await addAttribute(bench.context('AddAttribute'), later.id, date)
      await setAttribute(bench.context('SetAttribute'), set.id, date)
      for (const made of [dated, later, set]) {
        const [key] = await bench.find(session, { ID: made.id })
        ok(!(await bench.flag(session, key as number, 'LOCAL')))
        equal(await bench.number(session, key as number, 'KEY_GEN_MECHANISM'), -1)
      }
    })

    it('clients of KMIP cannot set what protects an object here', async () => {
      const made = { objectType: ObjectType.OpaqueObject, id: 'y:CKA_PRIVATE' } as const
      const opaqueDataValue = Buffer.from('x')
      let message = ''
      try {
        await register(bench.context('Register'), {
          objectType: made.objectType,
          object: {
            tag: Tag.OpaqueObject,
            value: { opaqueDataType: 0x8000_0000, opaqueDataValue },
          },
          given: { attributes: [{ id: made.id, value: true }] },
        })
      } catch (error) {
        message = (error as Error).message
      }
      ok(message.includes('server alone'), message)
    })

    it('a certificate registered by KMIP is found without a login', async () => {
      const certificateValue = Uint8Array.from(certificateOf(bench))
      await register(bench.context('Register'), {
        objectType: ObjectType.Certificate,
        object: {
          tag: Tag.Certificate,
          value: { certificateType: CertificateType.X_509, certificateValue },
        },
        given: { attributes: [{ id: 'name', value: named('certificate by KMIP') }] },
      })
      const found = await bench.find(session, { LABEL: 'certificate by KMIP' })
      equal(found.length, 1)
      ok(!(await bench.flag(session, found[0] as number, 'PRIVATE')))
    })
  })

  describe('of sessions and logins', () => {
    it('a read-only session makes and changes session objects only', async () => {
      const token = await aes({ TOKEN: true })
      const readOnly = await bench.session(RO)
      const wishes = { CLASS: CKO.DATA, VALUE: 'x' } as const
      await refuses(CKR.SESSION_READ_ONLY, () => bench.create(readOnly, { ...wishes, TOKEN: true }))
      const own = await bench.create(readOnly, wishes)
      await refuses(CKR.SESSION_READ_ONLY, () => set(token, { LABEL: 'x' }, readOnly))
      await set(own, { LABEL: 'mine' }, readOnly)
      deepEqual(await bench.find(session, { LABEL: 'mine' }), [own])
      const { store } = bench.app.volatile(bench.app.token(0))
      const { ids } = await store.find({ conditions: [], limit: 10_000 })
      bench.call.C_CloseSession(bench.app, { hSession: readOnly })
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, own, 'CLASS'))
      deepEqual(await bench.find(session, { LABEL: 'mine' }), [])
      const left = await store.find({ conditions: [], limit: 10_000 })
      equal(left.ids.length, ids.length - 1)
    })

    it('without a login private objects are not there, and none is made', async () => {
      const locked = await Workbench.open('pin')
      try {
        const [so, user] = [Buffer.from('87654321'), Buffer.from('1234')]
        const pLabel = Buffer.from('locked'.padEnd(32))
        await locked.call.C_InitToken(locked.app, { slotID: 0, pPin: so, pLabel })
        const hSession = await locked.session(RW)
        await locked.call.C_Login(locked.app, { hSession, userType: 0, pPin: so })
        await locked.call.C_InitPIN(locked.app, { hSession, pPin: user })
        await locked.call.C_Logout(locked.app, { hSession })
        await refuses(CKR.USER_NOT_LOGGED_IN, () => {
          return locked.generate(hSession, CKM.AES_KEY_GEN, { VALUE_LEN: 16 })
        })
        await locked.call.C_Login(locked.app, { hSession, userType: 1, pPin: user })
        const [open, hidden] = await locked.generatePair(
          hSession,
          CKM.EC_KEY_PAIR_GEN,
          { EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex'), TOKEN: true, LABEL: 'pair' },
          { TOKEN: true, LABEL: 'pair' },
        )
        deepEqual((await locked.find(hSession, { LABEL: 'pair' })).length, 2)
        await locked.call.C_Logout(locked.app, { hSession })
        deepEqual(await locked.find(hSession, { LABEL: 'pair' }), [open])
        await refuses(CKR.OBJECT_HANDLE_INVALID, () => locked.read(hSession, hidden, 'CLASS'))
        // The security officer says whom to trust.
        await locked.call.C_Login(locked.app, { hSession, userType: 0, pPin: so })
        const pTemplate = template({ TRUSTED: true })
        await locked.call.C_SetAttributeValue(locked.app, { hSession, hObject: open, pTemplate })
        ok(await locked.flag(hSession, open, 'TRUSTED'))
      } finally {
        await locked.close()
      }
    })
  })
})
