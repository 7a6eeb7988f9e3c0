/**
 * The known attacks, played: each row of the table of rules stops one.
 *
 * Sources are named in `attack-rules.ts`.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { create } from '#core/operations/create.ts'
import { type GetWish, get } from '#core/operations/get.ts'
import { activate } from '#core/operations/lifecycle.ts'
import { variableName } from '#server/config.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  EncodingOption,
  CryptographicUsageMask as Mask,
  ObjectType,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { CKG, CKK, CKM, CKO, CKR, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { paddedText, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import { isUsual, RULE_NAMES, RULES, type RuleName } from './rule-table.ts'

const KWP = { type: CKM.AES_KEY_WRAP_KWP, parameter: undefined }
const SECRET = { EXTRACTABLE: true, SENSITIVE: true }
const WRAPPING = { WRAP: true, UNWRAP: true, ENCRYPT: false, DECRYPT: false }
const AES = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES }

describe('attacks by way of the functions themselves', { timeout: 60_000 }, () => {
  const played = new Set<RuleName>()
  let bench: Workbench
  let session: number
  before(async () => {
    const usuallyOff = RULE_NAMES.filter((name) => !isUsual(name))
    const on = usuallyOff.map((name) => [variableName(['pkcs11', 'rules', name]), 'true'])
    bench = await Workbench.open('pin', Object.fromEntries(on))
    const pin = Buffer.from('12345678')
    const pLabel = paddedText('attacked', 32)
    await bench.call.C_InitToken(bench.app, { slotID: 0, pPin: pin, pLabel })
    session = await bench.session()
    const login = (userType: number) =>
      bench.call.C_Login(bench.app, { hSession: session, userType, pPin: pin })
    await login(CKU.SO)
    await bench.call.C_InitPIN(bench.app, { hSession: session, pPin: pin })
    const trusted = { ...AES, VALUE: crypto.randomBytes(32), ...WRAPPING, SENSITIVE: true }
    await bench.create(session, {
      ...trusted,
      TRUSTED: true,
      PRIVATE: false,
      TOKEN: true,
      LABEL: 'trusted',
    })
    await bench.call.C_Logout(bench.app, { hSession: session })
    await login(CKU.USER)
  })
  after(() => bench.close())

  /** The rule refuses, with its code and its name. */
  const stops = async (rule: RuleName, work: () => unknown) => {
    played.add(rule)
    await rejects(
      async () => work(),
      (error: unknown) => {
        ok(error instanceof CryptokiError, String(error))
        equal(error.rv, CKR[RULES[rule].rv], error.message)
        ok(error.message.includes(`rule ${rule}`), error.message)
        return true
      },
    )
  }
  const make = (wishes: Wishes) =>
    bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 32, ...wishes })
  const wrap = async (pMechanism: Mechanism, hWrappingKey: number, hKey: number) => {
    const args = { hSession: session, pMechanism, hWrappingKey, hKey, pWrappedKey: 9_000 }
    return (await bench.call.C_WrapKey(bench.app, args)).pWrappedKey as Uint8Array
  }
  const unwrap = async (
    pMechanism: Mechanism,
    hUnwrappingKey: number,
    pWrappedKey: Uint8Array,
    wishes: Wishes = {},
  ) => {
    const pTemplate = template({ ...AES, ...wishes })
    const args = { hSession: session, pMechanism, hUnwrappingKey, pWrappedKey, pTemplate }
    return (await bench.call.C_UnwrapKey(bench.app, args)).phKey
  }
  const derive = async (
    type: number,
    parameter: Mechanism['parameter'],
    base: number,
    wishes: Wishes,
  ) => {
    const args = { hSession: session, pMechanism: { type, parameter }, hBaseKey: base }
    return (await bench.call.C_DeriveKey(bench.app, { ...args, pTemplate: template(wishes) })).phKey
  }
  /** A key of KMIP, whose usage mask knows no rule. */
  const ofKmip = async (mask: number, LABEL: string) => {
    const context = bench.context('Create')
    const name = { nameValue: LABEL, nameType: 1 } as const
    const { id } = await create(context, {
      objectType: ObjectType.SymmetricKey,
      given: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: mask },
          { id: 'name', value: name },
        ],
      },
    })
    await activate(context, id)
    const [key] = await bench.find(session, { LABEL })
    return key as number
  }

  it('a key is made to wrap and to decrypt, or changed so', async () => {
    await stops('roles-apart', () => make({ WRAP: true, DECRYPT: true }))
    await stops('roles-apart', () => make({ UNWRAP: true, ENCRYPT: true }))
    const key = await make({ ...WRAPPING })
    await stops('roles-apart', () => {
      const args = { hSession: session, hObject: key }
      const pTemplate = template({ DECRYPT: true })
      return bench.call.C_SetAttributeValue(bench.app, { ...args, pTemplate })
    })
  })

  it('a secret is wrapped, and the result decrypted as if it were data', async () => {
    const secret = await make(SECRET)
    const both = await ofKmip(Mask.WrapKey | Mask.Decrypt, 'wraps and decrypts')
    await stops('wrap-and-decrypt', () => wrap(KWP, both, secret))
    const open = await make({ EXTRACTABLE: true, SENSITIVE: false })
    ok((await wrap(KWP, both, open)) instanceof Uint8Array, 'what can be read may be wrapped')
    const [publicKey] = await bench.generatePair(
      session,
      CKM.RSA_PKCS_KEY_PAIR_GEN,
      { MODULUS_BITS: 2048, WRAP: true, TOKEN: true },
      { DECRYPT: true, TOKEN: true },
    )
    await stops('wrap-and-decrypt', () => {
      return wrap({ type: CKM.RSA_PKCS, parameter: undefined }, publicKey, secret)
    })
  })

  it('a secret is wrapped with a key whose value is known', async () => {
    const readable = { WRAP: true, DECRYPT: true, EXTRACTABLE: true, SENSITIVE: false }
    const [secret, known] = [await make(SECRET), await make(readable)]
    await stops('wrap-and-decrypt', () => wrap(KWP, known, secret))
    const wraps = await make({ ...readable, DECRYPT: false })
    await stops('no-known-wrapping-key', () => wrap(KWP, wraps, secret))
    const open = await make({ EXTRACTABLE: true, SENSITIVE: false })
    ok((await wrap(KWP, wraps, open)) instanceof Uint8Array)
    // Everybody may know a public key: what it has wrapped is for its other half alone.
    const [publicKey] = await bench.generatePair(
      session,
      CKM.RSA_PKCS_KEY_PAIR_GEN,
      { MODULUS_BITS: 2048, WRAP: true, ENCRYPT: false },
      { UNWRAP: true, DECRYPT: false },
    )
    const pkcs1 = { type: CKM.RSA_PKCS, parameter: undefined }
    equal((await wrap(pkcs1, publicKey, secret)).length, 256)
  })

  it('known bytes are encrypted, and unwrapped as a key that passes for a secret', async () => {
    const both = await ofKmip(Mask.UnwrapKey | Mask.Encrypt, 'unwraps and encrypts')
    await stops('unwrap-and-encrypt', () => unwrap(KWP, both, Buffer.alloc(40)))
  })

  it('a sensitive key is wrapped, and comes back as one that is not', async () => {
    const secret = await make(SECRET)
    const wrapping = await make({ ...WRAPPING, SENSITIVE: true })
    const wrapped = await wrap(KWP, wrapping, secret)
    const open = { SENSITIVE: false, EXTRACTABLE: true }
    await stops('unwrapped-stays-hidden', () => unwrap(KWP, wrapping, wrapped, open))
    const again = await unwrap(KWP, wrapping, wrapped, { EXTRACTABLE: true })
    equal(await bench.code(session, again, 'VALUE'), 'CKR_ATTRIBUTE_SENSITIVE')
    const said = { EXTRACTABLE: true, SENSITIVE: true, WRAP: false, UNWRAP: false }
    const asked = await unwrap(KWP, wrapping, wrapped, said)
    equal(await bench.code(session, asked, 'VALUE'), 'CKR_ATTRIBUTE_SENSITIVE')
    const fixed = await unwrap(KWP, wrapping, wrapped, { SENSITIVE: false })
    equal(await bench.code(session, fixed, 'VALUE'), 'CKR_ATTRIBUTE_SENSITIVE')
    await refuses(CKR.KEY_UNEXTRACTABLE, () => wrap(KWP, wrapping, fixed))
    await refuses(CKR.ATTRIBUTE_READ_ONLY, () => {
      const args = { hSession: session, hObject: fixed }
      const pTemplate = template({ EXTRACTABLE: true })
      return bench.call.C_SetAttributeValue(bench.app, { ...args, pTemplate })
    })
  })

  it('one wrapped key is unwrapped twice, to wrap with and to decrypt with', async () => {
    const wrapping = await make({ ...WRAPPING, SENSITIVE: true })
    const wrapped = await wrap(KWP, wrapping, await make(SECRET))
    const decrypts = { DECRYPT: true, ENCRYPT: false, SENSITIVE: true }
    ok((await unwrap(KWP, wrapping, wrapped, decrypts)) > 0)
    for (const flag of ['WRAP', 'UNWRAP'] as const) {
      const wraps = { ...WRAPPING, WRAP: false, UNWRAP: false, [flag]: true }
      await stops('unwrapped-does-not-wrap', () => unwrap(KWP, wrapping, wrapped, wraps))
    }
  })

  it('a key for trusted keys only comes back without that wish', async () => {
    const [trusted] = await bench.find(session, { LABEL: 'trusted' })
    const secret = await make({ ...SECRET, WRAP_WITH_TRUSTED: true })
    const wrapped = await wrap(KWP, trusted as number, secret)
    const without = { WRAP_WITH_TRUSTED: false, SENSITIVE: true }
    await stops('trusted-stays-trusted', () => unwrap(KWP, trusted as number, wrapped, without))
    const again = await unwrap(KWP, trusted as number, wrapped, { EXTRACTABLE: true })
    const wrapping = await make({ ...WRAPPING })
    await refuses(CKR.KEY_NOT_WRAPPABLE, () => wrap(KWP, wrapping, again))
  })

  it('a key for trusted keys only is asked for by KMIP', async () => {
    const secret = await make({ ...SECRET, WRAP_WITH_TRUSTED: true, TOKEN: true })
    const any = await make({ ...WRAPPING, TOKEN: true })
    const [trusted] = await bench.find(session, { LABEL: 'trusted' })
    const idOf = async (key: number) => {
      const { UNIQUE_ID } = await bench.read(session, key, 'UNIQUE_ID')
      return Buffer.from(UNIQUE_ID as Uint8Array).toString()
    }
    const gets = async (wrapper: number) => {
      const uniqueIdentifier = await idOf(wrapper)
      const wrapping = {
        wrappingMethod: WrappingMethod.Encrypt,
        encryptionKeyInformation: {
          uniqueIdentifier,
          cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
        },
        attributeName: [],
        encodingOption: EncodingOption.NoEncoding,
      }
      const id = await idOf(secret)
      const encodeKeyValue = () => Buffer.alloc(0)
      return get(bench.context('Get'), { id, wrapping, encodeKeyValue } as GetWish)
    }
    await rejects(async () => gets(any), { code: 'permissionDenied' })
    await gets(trusted as number)
  })

  it('keys are put together of blocks of others', async () => {
    const wrapping = await make({ ...WRAPPING })
    const secret = await make(SECRET)
    const cbc = { type: CKM.AES_CBC, parameter: Buffer.alloc(16) }
    await stops('no-block-wrapping', () => wrap(cbc, wrapping, secret))
    for (const type of [CKM.AES_ECB, CKM.DES3_ECB, CKM.RSA_X_509]) {
      const mechanism = { type, parameter: undefined }
      await refuses(CKR.MECHANISM_INVALID, () => wrap(mechanism, wrapping, secret))
      await refuses(CKR.MECHANISM_INVALID, () => unwrap(mechanism, wrapping, Buffer.alloc(16)))
    }
  })

  it('a wrapped key is found out by asking about altered ones', async () => {
    const wrapping = await make({ ...WRAPPING })
    const mechanism = KWP
    const wrapped = await wrap(mechanism, wrapping, await make({ EXTRACTABLE: true }))
    const codes = new Set<number>()
    /** What is not refused is a key by accident, and tells nothing either. */
    const ask = async (work: () => Promise<unknown>) => {
      try {
        await work()
      } catch (error) {
        ok(error instanceof CryptokiError)
        codes.add(error.rv)
      }
    }
    for (let at = 0; at < wrapped.length; at++) {
      const altered = Uint8Array.from(wrapped)
      altered[at]! ^= 0x80
      await ask(() => unwrap(mechanism, wrapping, altered))
    }
    const [, unwrapping] = await bench.generatePair(
      session,
      CKM.RSA_PKCS_KEY_PAIR_GEN,
      { MODULUS_BITS: 2048, ENCRYPT: false },
      { UNWRAP: true, DECRYPT: false },
    )
    const pkcs1 = { type: CKM.RSA_PKCS, parameter: undefined }
    for (let round = 0; round < 20; round++) {
      const forged = crypto.randomBytes(256)
      forged[0] = 0
      await ask(() => unwrap(pkcs1, unwrapping, forged, { KEY_TYPE: CKK.DES3 }))
    }
    deepEqual([...codes], [CKR.WRAPPED_KEY_INVALID])
    played.add('one-answer')
  })

  it('blocks of a wrapped key are asked about: cut short, or by their padding', async () => {
    const wrapping = await make({ ...WRAPPING })
    const secret = await wrap(KWP, wrapping, await make(SECRET))
    const parameter = crypto.randomBytes(16)
    for (const type of [CKM.AES_CBC, CKM.AES_CBC_PAD]) {
      const piece = { KEY_TYPE: CKK.GENERIC_SECRET, ...(type === CKM.AES_CBC && { VALUE_LEN: 1 }) }
      await stops('no-block-unwrapping', () => {
        return unwrap({ type, parameter }, wrapping, secret.subarray(0, 16), piece)
      })
    }
  })

  it('a secret is wrapped under the IV of known bytes', async () => {
    const [wrapping, secret] = [await make({ ...WRAPPING }), await make(SECRET)]
    const pIv = Buffer.alloc(12, 7)
    const gcm = { pIv, ulIvBits: 96, pAAD: undefined, ulTagBits: 128 }
    const ccm = { ulDataLen: 32, pNonce: pIv, pAAD: undefined, ulMACLen: 16 }
    await stops('no-iv-twice', () => wrap({ type: CKM.AES_GCM, parameter: gcm }, wrapping, secret))
    await stops('no-iv-twice', () => wrap({ type: CKM.AES_CCM, parameter: ccm }, wrapping, secret))
    const made = async (hWrappingKey: number, ulIvFixedBits: number, ivGenerator: number) => {
      const iv = { pIv, ulIvFixedBits, ivGenerator }
      const parameter = { ...iv, pAAD: undefined, ulTagBits: 128 }
      const pMechanism = { type: CKM.AES_GCM, parameter }
      const args = { hSession: session, pMechanism, hWrappingKey, hKey: secret, pWrappedKey: 100 }
      const whole = { ...args, pAssociatedData: undefined }
      return (await bench.call.C_WrapKeyAuthenticated(bench.app, whole)).pWrappedKey
    }
    ok((await made(wrapping, 32, CKG.GENERATE_RANDOM)) instanceof Uint8Array)
    await stops('no-iv-twice', () => made(wrapping, 88, CKG.GENERATE_RANDOM))
    await stops('no-iv-twice', () => made(wrapping, 0, CKG.NO_GENERATE))
    for (const role of ['ENCRYPT', 'DERIVE'] as const) {
      const both = await make({ WRAP: true, ENCRYPT: false, DECRYPT: false, [role]: true })
      await stops('no-iv-twice', () => made(both, 0, CKG.GENERATE_RANDOM))
    }
    const open = await make({ EXTRACTABLE: true, SENSITIVE: false })
    ok((await wrap({ type: CKM.AES_GCM, parameter: gcm }, wrapping, open)) instanceof Uint8Array)
  })

  it('a secret is joined to known bytes, and read', async () => {
    const base = await make({ SENSITIVE: true, EXTRACTABLE: false, DERIVE: true })
    const data = { pData: Buffer.of(0) }
    const join = (wishes: Wishes) => derive(CKM.CONCATENATE_BASE_AND_DATA, data, base, wishes)
    await stops('derived-stays-sensitive', () => join({ SENSITIVE: false }))
    await stops('derived-stays-sensitive', () => join({ EXTRACTABLE: true }))
    const joined = await join({})
    ok(await bench.flag(session, joined, 'SENSITIVE'))
    ok(!(await bench.flag(session, joined, 'EXTRACTABLE')))
    const open = await make({ SENSITIVE: false, EXTRACTABLE: true, DERIVE: true })
    await stops('derived-stays-sensitive', () => {
      return derive(CKM.CONCATENATE_BASE_AND_KEY, ulongBytes(base), open, { SENSITIVE: false })
    })
  })

  it('a secret is searched piece by piece', async () => {
    const base = await make({ SENSITIVE: true, DERIVE: true })
    const piece = { VALUE_LEN: 1 }
    await stops('no-short-pieces', () => {
      return derive(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(0), base, piece)
    })
    await stops('no-short-pieces', () => {
      return derive(CKM.XOR_BASE_AND_DATA, { pData: Buffer.alloc(32) }, base, { VALUE_LEN: 13 })
    })
    ok((await derive(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(0), base, { VALUE_LEN: 14 })) > 0)
    const short = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, {
      VALUE_LEN: 8,
      SENSITIVE: true,
      DERIVE: true,
    })
    const mask = { pData: Buffer.alloc(8) }
    ok((await derive(CKM.XOR_BASE_AND_DATA, mask, short, { VALUE_LEN: 8 })) > 0)
    await stops('no-short-pieces', () => {
      return derive(CKM.XOR_BASE_AND_DATA, mask, short, { VALUE_LEN: 7 })
    })
    const open = await make({ SENSITIVE: false, EXTRACTABLE: true, DERIVE: true })
    ok((await derive(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(0), open, piece)) > 0)
  })

  it('what is derived by encryption is had by encrypting', async () => {
    const base = await make({ SENSITIVE: true, DERIVE: true, ENCRYPT: true, DECRYPT: false })
    await stops('encrypt-and-derive', () => {
      return derive(CKM.AES_ECB_ENCRYPT_DATA, { pData: Buffer.alloc(16) }, base, {})
    })
    const apart = await make({ SENSITIVE: true, DERIVE: true, ENCRYPT: false, DECRYPT: false })
    ok((await derive(CKM.AES_ECB_ENCRYPT_DATA, { pData: Buffer.alloc(16) }, apart, {})) > 0)
  })

  it('are all that the table has', () => {
    deepEqual([...played].toSorted(), Object.keys(RULES).toSorted())
  })
})
