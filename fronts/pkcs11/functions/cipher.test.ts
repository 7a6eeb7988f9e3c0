/**
 * Encryption and decryption, rule by rule, and published answers.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { CIPHER_ANSWERS, type CipherAnswer } from '#keystores/contract-answers.ts'
import { cipherRow } from '#spec/algorithms.ts'
import {
  KeyFormatType,
  CryptographicUsageMask as Mask,
  UsageLimitsUnit,
} from '#spec/kmip/enumerations.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'

const IV = Buffer.alloc(16, 7)
const CBC: Mechanism = { type: CKM.AES_CBC, parameter: IV }
const CBC_PAD: Mechanism = { type: CKM.AES_CBC_PAD, parameter: IV }
const GCM_PARAMETER = { pIv: IV.subarray(0, 12), ulIvBits: 96, pAAD: undefined, ulTagBits: 128 }
const GCM: Mechanism = { type: CKM.AES_GCM, parameter: GCM_PARAMETER }
const CCM = {
  type: CKM.AES_CCM,
  parameter: { ulDataLen: 10, pNonce: IV.subarray(0, 12), pAAD: undefined, ulMACLen: 8 },
}
const OAEP = { hashAlg: CKM.SHA256, mgf: 2, source: 1, pSourceData: undefined }
const AES = { algorithm: 'AES', bits: 256 } as const

type Room = number | 'NULL'
const room = (bytes: Room) => (bytes === 'NULL' ? undefined : bytes)

/** The functions of one session, without what every call has in common. */
function calls({ handlers, application, hSession }: OwnToken) {
  return {
    init: (direction: 'encrypt' | 'decrypt', pMechanism: Mechanism | undefined, hKey: number) => {
      const args = { hSession, pMechanism, hKey }
      return direction === 'encrypt'
        ? handlers.C_EncryptInit(application, args)
        : handlers.C_DecryptInit(application, args)
    },
    encrypt: async (pData: Uint8Array, bytes: Room = 100_000) => {
      const args = { hSession, pData, pEncryptedData: room(bytes) }
      return (await handlers.C_Encrypt(application, args)).pEncryptedData
    },
    encryptUpdate: async (pPart: Uint8Array, bytes: Room = 100_000) => {
      const args = { hSession, pPart, pEncryptedPart: room(bytes) }
      return (await handlers.C_EncryptUpdate(application, args)).pEncryptedPart
    },
    encryptFinal: async (bytes: Room = 100_000) => {
      const args = { hSession, pLastEncryptedPart: room(bytes) }
      return (await handlers.C_EncryptFinal(application, args)).pLastEncryptedPart
    },
    decrypt: async (pEncryptedData: Uint8Array, bytes: Room = 100_000) => {
      const args = { hSession, pEncryptedData, pData: room(bytes) }
      return (await handlers.C_Decrypt(application, args)).pData
    },
    decryptUpdate: async (pEncryptedPart: Uint8Array, bytes: Room = 100_000) => {
      const args = { hSession, pEncryptedPart, pPart: room(bytes) }
      return (await handlers.C_DecryptUpdate(application, args)).pPart
    },
    decryptFinal: async (bytes: Room = 100_000) => {
      const args = { hSession, pLastPart: room(bytes) }
      return (await handlers.C_DecryptFinal(application, args)).pLastPart
    },
  }
}

const bytes = (value: Uint8Array | number): Buffer => {
  ok(typeof value !== 'number', 'only a length')
  return Buffer.from(value)
}

/** What a published answer needs of a mechanism's parameter. */
function parameterFor({ cipher, iv, aad, tag, plain }: CipherAnswer): Mechanism['parameter'] {
  const [nonce, pAAD] = [Buffer.from(iv ?? '', 'hex'), Buffer.from(aad ?? '', 'hex')]
  const tagBytes = (tag ?? '').length / 2
  switch (mechanismRow(cipherRow(cipher).ckm ?? -1)?.parameter) {
    case 'iv':
      return iv === undefined ? undefined : nonce
    case 'CK_AES_CTR_PARAMS':
      return { ulCounterBits: 128, cb: nonce }
    case 'CK_GCM_PARAMS':
      return { pIv: nonce, ulIvBits: 0, pAAD, ulTagBits: tagBytes * 8 }
    case 'CK_CCM_PARAMS':
      return { ulDataLen: plain.length / 2, pNonce: nonce, pAAD, ulMACLen: tagBytes }
    case 'CK_CHACHA20_PARAMS': {
      const [pBlockCounter, pNonce] = [nonce.subarray(0, 4), nonce.subarray(4)]
      return { pBlockCounter, blockCounterBits: 32, pNonce, ulNonceBits: 96 }
    }
    case 'CK_SALSA20_CHACHA20_POLY1305_PARAMS':
      return { pNonce: nonce, pAAD }
    default:
      return undefined
  }
}

describe('ciphers', { timeout: 60_000 }, () => {
  let own: OwnToken
  let call: ReturnType<typeof calls>
  let aes: number
  let rsa: { privateKey: number; publicKey: number }
  before(async () => {
    own = await newOwnToken()
    call = calls(own)
    aes = await own.secret(AES)
    rsa = await own.pair({ algorithm: 'RSA', bits: 2048 })
  })
  after(() => own.close())

  const encrypted = async (mechanism: Mechanism, data: Uint8Array, key = aes): Promise<Buffer> => {
    await call.init('encrypt', mechanism, key)
    return bytes(await call.encrypt(data))
  }

  it('answers at once, and tells how long the result is', () => {
    const { handlers, application, hSession } = own
    const begin = (pMechanism: Mechanism, hKey = aes) => {
      const answer = handlers.C_EncryptInit(application, { hSession, pMechanism, hKey })
      handlers.C_EncryptInit(application, { hSession, pMechanism: undefined, hKey: 0 })
      return answer
    }
    deepEqual(begin(GCM), { rule: 'added', length: 16, isRepeatable: true })
    deepEqual(begin(CBC_PAD), { rule: 'padded', length: 16, isRepeatable: true })
    const pkcs = { type: CKM.RSA_PKCS, parameter: undefined }
    deepEqual(begin(pkcs, rsa.publicKey), { rule: 'fixed', length: 256, isRepeatable: true })
    handlers.C_EncryptInit(application, { hSession, pMechanism: GCM, hKey: aes })
    const args = { hSession, pData: IV, pEncryptedData: 32 }
    ok(!(handlers.C_Encrypt(application, args) instanceof Promise))
  })

  it('gives lengths, and goes on after a buffer that is too small', async () => {
    const data = randomBytes(20)
    await call.init('encrypt', CBC_PAD, aes)
    equal(await call.encrypt(data, 'NULL'), 32)
    equal(await call.encrypt(data, 31), 32)
    const once = bytes(await call.encrypt(data, 32))
    equal(await rvOf(() => call.encrypt(data)), 'CKR_OPERATION_NOT_INITIALIZED')
    await call.init('decrypt', CBC_PAD, aes)
    equal(await call.decrypt(once, 'NULL'), 32)
    equal(await call.decrypt(once, 19), 20)
    deepEqual(bytes(await call.decrypt(once, 20)), data)
    equal(await rvOf(() => call.decrypt(once)), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('consumes nothing in parts where there is no room', async () => {
    const data = randomBytes(50)
    const whole = await encrypted(CBC_PAD, data)
    await call.init('encrypt', CBC_PAD, aes)
    equal(await call.encryptUpdate(data, 'NULL'), 48)
    equal(await call.encryptUpdate(data, 47), 48)
    const first = bytes(await call.encryptUpdate(data, 48))
    equal(await call.encryptFinal('NULL'), 16)
    equal(await call.encryptFinal(15), 16)
    const last = bytes(await call.encryptFinal(16))
    deepEqual(Buffer.concat([first, last]), whole)
    await call.init('decrypt', CBC_PAD, aes)
    const begin = bytes(await call.decryptUpdate(whole, 48))
    equal(await call.decryptFinal('NULL'), 16)
    equal(await call.decryptFinal(1), 2)
    deepEqual(Buffer.concat([begin, bytes(await call.decryptFinal(2))]), data)
    equal(await rvOf(() => call.decryptFinal()), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('does not mix one part with parts, and has one operation of a kind', async () => {
    await call.init('encrypt', CBC, aes)
    equal(await rvOf(() => call.init('encrypt', CBC, aes)), 'CKR_OPERATION_ACTIVE')
    await call.encryptUpdate(IV)
    equal(await rvOf(() => call.encrypt(IV)), 'CKR_OPERATION_ACTIVE')
    equal(bytes(await call.encryptUpdate(IV)).length, 16)
    equal(bytes(await call.encryptFinal()).length, 0)
    await call.init('encrypt', CBC, aes)
    await call.init('encrypt', undefined, 0)
    equal(await rvOf(() => call.encryptUpdate(IV)), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('tells wrong lengths from wrong data, and ends either way', async () => {
    const pkcs = { type: CKM.RSA_PKCS, parameter: undefined }
    const oaep = { type: CKM.RSA_PKCS_OAEP, parameter: OAEP }
    const raw = { type: CKM.RSA_X_509, parameter: undefined }
    for (const [mechanism, key, length, rv] of [
      [CBC, aes, 17, 'CKR_DATA_LEN_RANGE'],
      [{ type: CKM.AES_ECB, parameter: undefined }, aes, 1, 'CKR_DATA_LEN_RANGE'],
      [pkcs, rsa.publicKey, 246, 'CKR_DATA_LEN_RANGE'],
      [pkcs, rsa.publicKey, 257, 'CKR_DATA_LEN_RANGE'],
      [oaep, rsa.publicKey, 191, 'CKR_DATA_LEN_RANGE'],
      [raw, rsa.publicKey, 257, 'CKR_DATA_LEN_RANGE'],
      [{ type: CKM.AES_XTS, parameter: IV }, aes, 15, 'CKR_DATA_LEN_RANGE'],
      [CCM, aes, 11, 'CKR_DATA_LEN_RANGE'],
      [
        { type: CKM.AES_CTR, parameter: { ulCounterBits: 1, cb: IV } },
        aes,
        33,
        'CKR_DATA_LEN_RANGE',
      ],
    ] as const) {
      await call.init('encrypt', mechanism, key)
      equal(
        await rvOf(() => call.encrypt(Buffer.alloc(length, 1))),
        rv,
        `${mechanism.type} ${length}`,
      )
      equal(await rvOf(() => call.encrypt(IV)), 'CKR_OPERATION_NOT_INITIALIZED')
    }
    for (const [mechanism, key, length, rv] of [
      [CBC, aes, 17, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
      [CBC_PAD, aes, 0, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
      [CBC_PAD, aes, 31, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
      [GCM, aes, 15, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
      [GCM, aes, 16, 'CKR_ENCRYPTED_DATA_INVALID'],
      [GCM, aes, 40, 'CKR_ENCRYPTED_DATA_INVALID'],
      [pkcs, rsa.privateKey, 255, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
      [oaep, rsa.privateKey, 256, 'CKR_ENCRYPTED_DATA_INVALID'],
      [{ type: CKM.AES_KEY_WRAP, parameter: undefined }, aes, 24, 'CKR_ENCRYPTED_DATA_INVALID'],
    ] as const) {
      await call.init('decrypt', mechanism, key)
      equal(
        await rvOf(() => call.decrypt(Buffer.alloc(length, 1))),
        rv,
        `${mechanism.type} ${length}`,
      )
      equal(await rvOf(() => call.decrypt(IV)), 'CKR_OPERATION_NOT_INITIALIZED')
    }
  })

  it('says so as well where the data came in parts', async () => {
    for (const mechanism of [CBC, { type: CKM.AES_XTS, parameter: IV }]) {
      await call.init('encrypt', mechanism, aes)
      await call.encryptUpdate(IV.subarray(0, 9))
      equal(await rvOf(() => call.encryptFinal()), 'CKR_DATA_LEN_RANGE')
    }
    await call.init('decrypt', CBC_PAD, aes)
    await call.decryptUpdate(IV.subarray(0, 9))
    equal(await rvOf(() => call.decryptFinal()), 'CKR_ENCRYPTED_DATA_LEN_RANGE')
    const whole = await encrypted(CBC, Buffer.alloc(16, 0xff))
    await call.init('decrypt', CBC_PAD, aes)
    await call.decryptUpdate(whole)
    equal(await rvOf(() => call.decryptFinal()), 'CKR_ENCRYPTED_DATA_INVALID')
  })

  it('releases nothing of an AEAD before its tag is right', async () => {
    const data = randomBytes(100)
    const whole = await encrypted(GCM, data)
    await call.init('decrypt', GCM, aes)
    for (let at = 0; at < whole.length; at += 29) {
      equal(await call.decryptUpdate(whole.subarray(at, at + 29), 'NULL'), 0)
      equal(bytes(await call.decryptUpdate(whole.subarray(at, at + 29), 0)).length, 0)
    }
    equal(await call.decryptFinal('NULL'), 100)
    equal(await call.decryptFinal(99), 100)
    deepEqual(bytes(await call.decryptFinal(100)), data)
    whole.writeUInt8(whole.readUInt8(110) ^ 1, 110)
    await call.init('decrypt', GCM, aes)
    await call.decryptUpdate(whole)
    equal(await rvOf(() => call.decryptFinal()), 'CKR_ENCRYPTED_DATA_INVALID')
    equal(await rvOf(() => call.decryptFinal()), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('refuses parameters that do not fit', async () => {
    for (const [type, parameter] of [
      [CKM.AES_ECB, IV],
      [CKM.AES_CBC, undefined],
      [CKM.AES_CBC, IV.subarray(1)],
      [CKM.AES_CBC, GCM_PARAMETER],
      [CKM.AES_GCM, undefined],
      [CKM.AES_GCM, IV],
      [CKM.AES_GCM, { ...GCM_PARAMETER, pIv: undefined }],
      [CKM.AES_GCM, { ...GCM_PARAMETER, ulIvBits: 64 }],
      [CKM.AES_GCM, { ...GCM_PARAMETER, pIv: Buffer.alloc(129), ulIvBits: 129 * 8 }],
      [CKM.AES_GCM, { ...GCM_PARAMETER, ulTagBits: 24 }],
      [CKM.AES_GCM, { ...GCM_PARAMETER, ulTagBits: 129 }],
      [CKM.AES_CCM, { ...CCM.parameter, ulMACLen: 5 }],
      [CKM.AES_CCM, { ...CCM.parameter, pNonce: IV }],
      [CKM.AES_CTR, { ulCounterBits: 0, cb: IV }],
      [CKM.AES_CTR, { ulCounterBits: 129, cb: IV }],
    ] as const) {
      const refused = () => call.init('encrypt', { type, parameter }, aes)
      equal(await rvOf(refused), 'CKR_MECHANISM_PARAM_INVALID', `0x${type.toString(16)}`)
    }
    for (const wrong of [{ hashAlg: 1 }, { mgf: 99 }, { source: 2 }]) {
      const mechanism = { type: CKM.RSA_PKCS_OAEP, parameter: { ...OAEP, ...wrong } }
      const refused = () => call.init('encrypt', mechanism, rsa.publicKey)
      equal(await rvOf(refused), 'CKR_MECHANISM_PARAM_INVALID')
    }
    const sha = { type: CKM.SHA256, parameter: undefined }
    equal(await rvOf(() => call.init('encrypt', sha, aes)), 'CKR_MECHANISM_INVALID')
  })

  it('refuses keys that do not fit', async () => {
    const decrypts = await own.secret(AES, { mask: Mask.Decrypt })
    const long = await own.secret({ algorithm: 'AES', bits: 512 })
    const pkcs = { type: CKM.RSA_PKCS, parameter: undefined }
    equal(await rvOf(() => call.init('encrypt', CBC, 999)), 'CKR_KEY_HANDLE_INVALID')
    equal(await rvOf(() => call.init('encrypt', CBC, rsa.publicKey)), 'CKR_KEY_TYPE_INCONSISTENT')
    equal(await rvOf(() => call.init('encrypt', CBC, long)), 'CKR_KEY_SIZE_RANGE')
    equal(await rvOf(() => call.init('encrypt', CBC, decrypts)), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    equal(await rvOf(() => call.init('decrypt', CBC, decrypts)), 'CKR_OK')
    await call.init('decrypt', undefined, 0)
    const private_ = () => call.init('encrypt', pkcs, rsa.privateKey)
    equal(await rvOf(private_), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
  })

  it('counts data in parts as one use, or as its bytes', async () => {
    for (const [unit, left] of [
      [UsageLimitsUnit.Object, 9n],
      [UsageLimitsUnit.Byte, 10n - 6n],
    ] as const) {
      const usageLimits = { usageLimitsTotal: 10n, usageLimitsCount: 10n, usageLimitsUnit: unit }
      const key = await own.secret(AES, { more: [{ id: 'usageLimits', value: usageLimits }] })
      await call.init('encrypt', GCM, key)
      await call.encryptUpdate(IV.subarray(0, 4))
      await call.encryptUpdate(IV.subarray(0, 2))
      await call.encryptFinal()
      const session = own.application.session(own.hSession)
      const { object } = await own.application.object(session, key)
      equal(object.attributes.get('usageLimits')?.usageLimitsCount, left)
    }
  })

  it('gathers for a keystore that takes data in one part only', async () => {
    const limits = { bufferedBytesMax: 1_024 }
    const whole = await newOwnToken({
      limits,
      keystore: (software) =>
        new Proxy(software, {
          get: (target, name) => {
            if (name === 'streams') return undefined
            const value = Reflect.get(target, name, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        }),
    })
    const gathering = calls(whole)
    const key = await whole.secret(AES)
    const data = randomBytes(100)
    await gathering.init('encrypt', CBC_PAD, key)
    equal(bytes(await gathering.encryptUpdate(data)).length, 0)
    const result = bytes(await gathering.encryptFinal())
    await gathering.init('decrypt', CBC_PAD, key)
    await gathering.decryptUpdate(result.subarray(0, 3))
    await gathering.decryptUpdate(result.subarray(3))
    deepEqual(bytes(await gathering.decryptFinal()), data)
    await gathering.init('encrypt', CBC_PAD, key)
    const long = () => gathering.encryptUpdate(Buffer.alloc(1_025))
    equal(await rvOf(long), 'CKR_DEVICE_MEMORY')
    await whole.close()
  })

  it('gives the same in whatever parts', async () => {
    const mechanisms = [CBC_PAD, GCM, { type: CKM.AES_CFB8, parameter: IV }]
    for (let round = 0; round < 30; round++) {
      const data = randomBytes(randomInt(0, 200))
      for (const mechanism of mechanisms) {
        const whole = await encrypted(mechanism, data)
        await call.init('encrypt', mechanism, aes)
        const out: Buffer[] = []
        for (let at = 0; at < data.length; ) {
          const length = randomInt(0, 40)
          out.push(bytes(await call.encryptUpdate(data.subarray(at, at + length))))
          at += length
        }
        out.push(bytes(await call.encryptFinal()))
        deepEqual(Buffer.concat(out), whole)
      }
    }
  })

  for (const answer of CIPHER_ANSWERS.filter(({ cipher }) => cipherRow(cipher).ckm !== undefined)) {
    it(`gives the answer of ${answer.source} for ${answer.cipher}`, async () => {
      const { cipher, algorithm, key, plain, data, tag } = answer
      const { ckm: type = 0 } = cipherRow(cipher)
      const bits = algorithm === 'DES3' ? 168 : key.length * 4
      const material = Buffer.from(key, 'hex')
      const handle = await own.imported('secret', { algorithm, bits }, KeyFormatType.Raw, material)
      const mechanism = { type, parameter: parameterFor(answer) }
      const made = await encrypted(mechanism, Buffer.from(plain, 'hex'), handle)
      equal(made.toString('hex'), data + (tag ?? ''))
    })
  }
})
