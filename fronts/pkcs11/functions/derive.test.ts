/**
 * Deriving keys by PKCS#11: what comes out, against node:crypto and published answers; lengths,
 * what is inherited, and refusals.
 *
 * PKCS#11 3.2 §5.18.5. That the functions themselves are right is tested by the keystore contract.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { deriving, fieldsOf, hex, OPEN } from '#conformance/pkcs11-deriving.ts'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKD, CKK, CKM, CKO, CKP, CKR, CKZ } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Fields } from '#spec/pkcs11/types.ts'

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const X25519 = Buffer.from('06032b656e', 'hex')

describe('keys that are derived', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const { answer, derive, bytesIn, derived, secret } = deriving(() => ({ bench, session }))

  describe('by agreement', () => {
    const peer = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const point = peer.publicKey.export({ format: 'raw-public' } as never) as unknown as Buffer
    let key: number
    let shared: Buffer

    before(async () => {
      const [open, hidden] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: P256 },
        { DERIVE: true },
      )
      key = hidden
      const { PUBLIC_KEY_INFO } = await bench.read(session, open, 'PUBLIC_KEY_INFO')
      const spki = { key: Buffer.from(PUBLIC_KEY_INFO as Uint8Array), format: 'der', type: 'spki' }
      const publicKey = crypto.createPublicKey(spki as crypto.PublicKeyInput)
      shared = crypto.diffieHellman({ privateKey: peer.privateKey, publicKey })
    })
    const ecdh = (fields: Fields = {}): Fields => {
      return { kdf: CKD.NULL, pSharedData: undefined, pPublicData: point, ...fields }
    }

    it('give the shared secret, or what is left of it without its leading bytes', async () => {
      deepEqual(await derived(CKM.ECDH1_DERIVE, ecdh(), key), shared)
      deepEqual(await derived(CKM.ECDH1_COFACTOR_DERIVE, ecdh(), key), shared)
      const short = await derived(CKM.ECDH1_DERIVE, ecdh(), key, { VALUE_LEN: 10 })
      deepEqual(short, shared.subarray(22))
      const wrapped = ecdh({ pPublicData: Buffer.concat([Buffer.of(4, 65), point]) })
      deepEqual(await derived(CKM.ECDH1_DERIVE, wrapped, key), shared)
      const aes = await derive(CKM.ECDH1_DERIVE, ecdh(), key, { KEY_TYPE: CKK.AES, VALUE_LEN: 16 })
      equal(await bench.number(session, aes, 'KEY_TYPE'), CKK.AES)
      ok(!(await bench.flag(session, aes, 'LOCAL')))
      ok(!(await bench.flag(session, aes, 'NEVER_EXTRACTABLE')))
    })
    it('go through the functions of X9.63 and SP 800-56C', async () => {
      const info = Buffer.from('info')
      const [one, two] = [hex('00000001'), hex('00000002')]
      const sha = (...parts: readonly Buffer[]) =>
        crypto.createHash('sha256').update(Buffer.concat(parts)).digest()
      const x963 = Buffer.concat([sha(shared, one, info), sha(shared, two, info)])
      const fields = ecdh({ kdf: CKD.SHA256_KDF, pSharedData: info })
      const long = await derived(CKM.ECDH1_DERIVE, fields, key, { VALUE_LEN: 48 })
      deepEqual(long, x963.subarray(0, 48))
      const nist = ecdh({ kdf: CKD.SHA256_KDF_SP800, pSharedData: info })
      const made = await derived(CKM.ECDH1_DERIVE, nist, key, { VALUE_LEN: 16 })
      deepEqual(made, sha(one, shared, info).subarray(0, 16))
      await refuses(CKR.TEMPLATE_INCOMPLETE, () => derive(CKM.ECDH1_DERIVE, nist, key))
    })
    it('are refused for points that are none, and lengths there are not', async () => {
      const call =
        (fields: Fields, wishes: Wishes = {}) =>
        () =>
          derive(CKM.ECDH1_DERIVE, ecdh(fields), key, wishes)
      const off = Buffer.from(point)
      off[64]! ^= 1
      await refuses(CKR.PUBLIC_KEY_INVALID, call({ pPublicData: off }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ pPublicData: point.subarray(1) }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ pPublicData: undefined }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ kdf: 0x99 }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ pSharedData: point }))
      await refuses(CKR.KEY_SIZE_RANGE, call({}, { VALUE_LEN: 33 }))
      const none = { type: CKM.ECDH1_DERIVE, parameter: undefined }
      await refuses(CKR.MECHANISM_PARAM_INVALID, () => derive(none.type, none.parameter, key))
      const wrong = await secret(crypto.randomBytes(32))
      await refuses(CKR.KEY_TYPE_INCONSISTENT, () => derive(CKM.ECDH1_DERIVE, ecdh(), wrong))
      await refuses(CKR.KEY_HANDLE_INVALID, () => derive(CKM.ECDH1_DERIVE, ecdh(), 99_999))
    })
    it('are refused where each use needs consent, which nobody can give here', async () => {
      const [, asking] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: P256 },
        { DERIVE: true, ALWAYS_AUTHENTICATE: true },
      )
      await refuses(CKR.USER_NOT_LOGGED_IN, () => derive(CKM.ECDH1_DERIVE, ecdh(), asking))
    })
    it('work with X25519', async () => {
      const [open, hidden] = await bench.generatePair(
        session,
        CKM.EC_MONTGOMERY_KEY_PAIR_GEN,
        { EC_PARAMS: X25519 },
        { DERIVE: true },
      )
      const { PUBLIC_KEY_INFO } = await bench.read(session, open, 'PUBLIC_KEY_INFO')
      const der = Buffer.from(PUBLIC_KEY_INFO as Uint8Array)
      const publicKey = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' })
      const other = crypto.generateKeyPairSync('x25519')
      const raw = other.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
      const expected = crypto.diffieHellman({ privateKey: other.privateKey, publicKey })
      const parameter = ecdh({ pPublicData: raw })
      deepEqual(await derived(CKM.ECDH1_DERIVE, parameter, hidden), expected)
      const zero = ecdh({ pPublicData: Buffer.alloc(32) })
      await refuses(CKR.PUBLIC_KEY_INVALID, () => derive(CKM.ECDH1_DERIVE, zero, hidden))
    })
  })

  describe('of their private half', () => {
    const publicOf = async (hBaseKey: number, wishes: Wishes, parameter?: Uint8Array) => {
      const pMechanism = { type: CKM.PUB_KEY_FROM_PRIV_KEY, parameter }
      const args = { hSession: session, pMechanism, hBaseKey, pTemplate: template(wishes) }
      return (await bench.call.C_DeriveKey(bench.app, args)).phKey
    }
    const kinds = [
      ['EC', CKM.EC_KEY_PAIR_GEN, { EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex') }],
      ['RSA', CKM.RSA_PKCS_KEY_PAIR_GEN, { MODULUS_BITS: 2048 }],
      ['Ed25519', CKM.EC_EDWARDS_KEY_PAIR_GEN, { EC_PARAMS: Buffer.from('06032b6570', 'hex') }],
    ] as const
    for (const [name, generator, wishes] of kinds) {
      it(`are public keys: ${name}`, async () => {
        const kept = { TOKEN: true, ...wishes }
        const forPrivate = { TOKEN: true, DERIVE: true }
        const [open, hidden] = await bench.generatePair(session, generator, kept, forPrivate)
        await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject: open })
        const made = await publicOf(hidden, { TOKEN: true, LABEL: 'again', VERIFY: true })
        const [one, two] = [
          await bench.read(session, made, 'PUBLIC_KEY_INFO', 'ID'),
          await bench.read(session, hidden, 'PUBLIC_KEY_INFO', 'ID'),
        ]
        deepEqual(one, two)
        equal(await bench.number(session, made, 'CLASS'), CKO.PUBLIC_KEY)
        ok(!(await bench.flag(session, made, 'LOCAL')))
        ok(!(await bench.flag(session, made, 'PRIVATE')))
        const told = { EC_PARAMS: Buffer.from('06032b6570', 'hex') }
        await refuses(CKR.TEMPLATE_INCONSISTENT, () => publicOf(hidden, told))
        await refuses(CKR.TEMPLATE_INCONSISTENT, () => publicOf(hidden, { CLASS: CKO.DATA }))
        await refuses(CKR.MECHANISM_PARAM_INVALID, () => publicOf(hidden, {}, Buffer.of(1)))
      })
    }

    it('are not made by keys that do not derive', async () => {
      const [, hidden] = await bench.generatePair(
        session,
        CKM.RSA_PKCS_KEY_PAIR_GEN,
        { MODULUS_BITS: 2048 },
        { DERIVE: false },
      )
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => publicOf(hidden, {}))
    })
  })

  it('join, cut, combine and digest values as the standard shows', async () => {
    const data = hex('89abcdef')
    const [key, other] = [await secret(hex('01234567')), await secret(data)]
    const given = { pData: data }
    equal(
      (await derived(CKM.CONCATENATE_BASE_AND_KEY, ulongBytes(other), key)).toString('hex'),
      '0123456789abcdef',
    )
    equal(
      (await derived(CKM.CONCATENATE_BASE_AND_DATA, given, key)).toString('hex'),
      '0123456789abcdef',
    )
    equal(
      (await derived(CKM.CONCATENATE_DATA_AND_BASE, given, key)).toString('hex'),
      '89abcdef01234567',
    )
    equal((await derived(CKM.XOR_BASE_AND_DATA, given, key)).toString('hex'), '88888888')
    const base = await secret(hex('329f84a9'))
    const cut = await derived(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(21), base, { VALUE_LEN: 2 })
    equal(cut.toString('hex'), '9526')
    const digest = await derived(CKM.SHA256_KEY_DERIVATION, undefined, key)
    deepEqual(digest, crypto.createHash('sha256').update(hex('01234567')).digest())
    await refuses(CKR.KEY_SIZE_RANGE, () => {
      return derive(CKM.CONCATENATE_BASE_AND_DATA, given, key, { VALUE_LEN: 9 })
    })
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => {
      return derive(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(32), base, { VALUE_LEN: 2 })
    })
  })

  it('are ciphertexts, and DES keys have their parity', async () => {
    const wishes = { VALUE_LEN: 16, DERIVE: true, ENCRYPT: false, ...OPEN }
    const key = await bench.generate(session, CKM.AES_KEY_GEN, wishes)
    const data = crypto.randomBytes(32)
    const iv = crypto.randomBytes(16)
    const cipher = crypto.createCipheriv('aes-128-cbc', await bytesIn(key), iv)
    cipher.setAutoPadding(false)
    const expected = Buffer.concat([cipher.update(data), cipher.final()])
    const cbc = { iv, pData: data }
    deepEqual(await derived(CKM.AES_CBC_ENCRYPT_DATA, cbc, key), expected)
    const ecb = await derived(CKM.AES_ECB_ENCRYPT_DATA, { pData: data }, key, { VALUE_LEN: 24 })
    equal(ecb.length, 24)
    const des = await derived(CKM.AES_ECB_ENCRYPT_DATA, { pData: data }, key, {
      KEY_TYPE: CKK.DES3,
    })
    for (const [index, byte] of des.entries()) {
      equal(byte & 0xfe, (ecb[index] as number) & 0xfe)
      equal(byte.toString(2).replaceAll('0', '').length % 2, 1)
    }
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => {
      return derive(CKM.AES_CBC_ENCRYPT_DATA, { iv, pData: data.subarray(1) }, key)
    })
  })

  it('are the master secret of TLS 1.2, and tell its version', async () => {
    const premaster = Buffer.concat([hex('0303'), crypto.randomBytes(46)])
    const base = await secret(premaster)
    const [client, server] = [crypto.randomBytes(32), crypto.randomBytes(32)]
    const prf = (label: string, seed: Buffer): Buffer => {
      const whole = Buffer.concat([Buffer.from(label), seed])
      const hmac = (data: Buffer) => crypto.createHmac('sha256', premaster).update(data).digest()
      const [one, two] = [hmac(whole), hmac(hmac(whole))]
      const blocks = [one, two].map((chain) => hmac(Buffer.concat([chain, whole])))
      return Buffer.concat(blocks).subarray(0, 48)
    }
    const random = { pClientRandom: client, pServerRandom: server }
    const parameter = {
      RandomInfo: random,
      pVersion: { major: 0, minor: 0 },
      prfHashMechanism: CKM.SHA256,
    }
    const { phKey, pMechanism } = await answer(CKM.TLS12_MASTER_KEY_DERIVE, parameter, base, OPEN)
    deepEqual(await bytesIn(phKey), prf('master secret', Buffer.concat([client, server])))
    deepEqual(fieldsOf(pMechanism)['pVersion'], { major: 3, minor: 3 })
    const pSessionHash = crypto.randomBytes(32)
    const extended = { prfHashMechanism: CKM.SHA256, pSessionHash, pVersion: undefined }
    deepEqual(
      await derived(CKM.TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, extended, base),
      prf('extended master secret', pSessionHash),
    )
    const exporter = {
      prfMechanism: CKM.SHA256,
      pLabel: Buffer.from('EXPORTER'),
      RandomInfo: random,
      pContextData: Buffer.from('ab'),
    }
    const seed = Buffer.concat([client, server, hex('0002'), Buffer.from('ab')])
    const exported = await derived(CKM.TLS_KDF, exporter, base, { VALUE_LEN: 48 })
    deepEqual(exported, prf('EXPORTER', seed))
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
      return derive(CKM.TLS12_MASTER_KEY_DERIVE, parameter, base, { VALUE_LEN: 32 })
    })
  })

  it('are made of passwords, as RFC 6070 and RFC 8018 have it', async () => {
    const parameter = {
      saltSource: CKZ.SALT_SPECIFIED,
      pSaltSourceData: Buffer.from('salt'),
      iterations: 4096,
      prf: CKP.PKCS5_PBKD2_HMAC_SHA1,
      pPrfData: undefined,
      pPassword: Buffer.from('password'),
    }
    const make = async (fields: Fields, wishes: Wishes) => {
      const pMechanism = { type: CKM.PKCS5_PBKD2, parameter: { ...parameter, ...fields } }
      const pTemplate = template({ ...OPEN, ...wishes })
      const args = { hSession: session, pMechanism, pTemplate }
      return (await bench.call.C_GenerateKey(bench.app, args)).phKey
    }
    const key = await make({}, { VALUE_LEN: 20 })
    equal((await bytesIn(key)).toString('hex'), '4b007901b765489abead49d926f721d065a429c1')
    ok(!(await bench.flag(session, key, 'NEVER_EXTRACTABLE')))
    const sha512 = { prf: CKP.PKCS5_PBKD2_HMAC_SHA512, iterations: 1000 }
    const aes = await make(sha512, { KEY_TYPE: CKK.AES, VALUE_LEN: 32 })
    equal(await bench.number(session, aes, 'KEY_TYPE'), CKK.AES)
    deepEqual(await bytesIn(aes), crypto.pbkdf2Sync('password', 'salt', 1000, 32, 'sha512'))
    await refuses(CKR.TEMPLATE_INCOMPLETE, () => make({}, {}))
    for (const wrong of [
      { prf: 99 },
      { saltSource: 2 },
      { iterations: 0 },
      { pPassword: undefined },
    ]) {
      await refuses(CKR.MECHANISM_PARAM_INVALID, () => make(wrong, { VALUE_LEN: 20 }))
    }
  })

  it('were always sensitive, and never extractable, if all that went into them were', async () => {
    const kept = { SENSITIVE: true, EXTRACTABLE: false, DERIVE: true, VALUE_LEN: 32 }
    const hidden = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, kept)
    const open = await secret(crypto.randomBytes(32))
    const join = async (base: number, other: number) => {
      const wishes = { SENSITIVE: true, EXTRACTABLE: false }
      const key = await derive(CKM.CONCATENATE_BASE_AND_KEY, ulongBytes(other), base, wishes)
      return Promise.all([
        bench.flag(session, key, 'ALWAYS_SENSITIVE'),
        bench.flag(session, key, 'NEVER_EXTRACTABLE'),
      ])
    }
    deepEqual(await join(hidden, hidden), [true, true])
    deepEqual(await join(hidden, open), [false, false])
    deepEqual(await join(open, hidden), [false, false])
  })

  it('become what the template of the base says', async () => {
    const DERIVE_TEMPLATE = template({ KEY_TYPE: CKK.AES, VALUE_LEN: 16, SENSITIVE: true })
    const base = await secret(crypto.randomBytes(32), { DERIVE_TEMPLATE })
    const make = (wishes: Wishes) => answer(CKM.SHA256_KEY_DERIVATION, undefined, base, wishes)
    const { phKey } = await make({})
    equal(await bench.number(session, phKey, 'KEY_TYPE'), CKK.AES)
    equal(await bench.number(session, phKey, 'VALUE_LEN'), 16)
    ok(await bench.flag(session, phKey, 'SENSITIVE'))
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => make({ SENSITIVE: false }))
  })
})
