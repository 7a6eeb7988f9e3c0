/**
 * Attacks that take several steps, each of which is allowed by itself.
 *
 * S. Delaune, S. Kremer, G. Steel, Formal Analysis of PKCS#11, CSF 2008, and M. Bortolozzo and
 * others, CCS 2010: a key plays one role after the other, or its copy plays the second one.
 *
 * @module
 */
import { equal, ok, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'

const CBC_PAD = { type: CKM.AES_CBC_PAD, parameter: Buffer.alloc(16) }

describe('a key that changes its role', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const make = (wishes: Wishes) =>
    bench.generate(session, CKM.AES_KEY_GEN, {
      VALUE_LEN: 32,
      SENSITIVE: true,
      ENCRYPT: false,
      DECRYPT: false,
      WRAP: false,
      UNWRAP: false,
      ...wishes,
    })
  const change = (hObject: number, wishes: Wishes) => {
    const args = { hSession: session, hObject, pTemplate: template(wishes) }
    return bench.call.C_SetAttributeValue(bench.app, args)
  }
  const copy = async (hObject: number, wishes: Wishes) => {
    const args = { hSession: session, hObject, pTemplate: template(wishes) }
    return (await bench.call.C_CopyObject(bench.app, args)).phNewObject
  }
  const wrap = async (hWrappingKey: number, hKey: number) => {
    const args = { hSession: session, pMechanism: CBC_PAD, hWrappingKey, hKey }
    return (await bench.call.C_WrapKey(bench.app, { ...args, pWrappedKey: 200 }))
      .pWrappedKey as Uint8Array
  }
  const stops = async (work: () => unknown) => {
    await rejects(
      async () => work(),
      (error: unknown) => {
        ok(error instanceof CryptokiError, String(error))
        equal(error.rv, CKR.TEMPLATE_INCONSISTENT, error.message)
        ok(error.message.includes('rule roles-apart'), error.message)
        return true
      },
    )
  }

  const reads = async (hKey: number, pEncryptedData: Uint8Array) => {
    const args = { hSession: session, hKey, pMechanism: CBC_PAD }
    await bench.call.C_DecryptInit(bench.app, args)
    const decryption = { hSession: session, pEncryptedData, pData: 200 }
    return (await bench.call.C_Decrypt(bench.app, decryption)).pData
  }
  const target = () => make({ EXTRACTABLE: true })

  it('unwraps by CBC as programs do, but nothing short enough to be searched', async () => {
    const both = await make({ WRAP: true, UNWRAP: true })
    const wrapped = await wrap(both, await target())
    const unwrap = async (type: number, pWrappedKey: Uint8Array, wishes: Wishes) => {
      const asked = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.GENERIC_SECRET, ...wishes }
      const pMechanism = { type, parameter: CBC_PAD.parameter }
      const args = { hSession: session, pMechanism, hUnwrappingKey: both, pWrappedKey }
      return bench.call.C_UnwrapKey(bench.app, { ...args, pTemplate: template(asked) })
    }
    ok((await unwrap(CKM.AES_CBC_PAD, wrapped, {})).phKey > 0)
    const block = wrapped.subarray(0, 16)
    ok((await unwrap(CKM.AES_CBC, block, { VALUE_LEN: 14 })).phKey > 0)
    for (const length of [1, 13]) {
      await rejects(
        () => unwrap(CKM.AES_CBC, block, { VALUE_LEN: length }),
        (error: unknown) => {
          ok(error instanceof CryptokiError, String(error))
          equal(error.rv, CKR.KEY_SIZE_RANGE, error.message)
          return error.message.includes('rule no-short-pieces')
        },
      )
    }
  })

  it('has wrapped a secret, and shall decrypt it afterwards', async () => {
    const key = await make({ WRAP: true })
    ok((await wrap(key, await target())) instanceof Uint8Array)
    await stops(() => change(key, { WRAP: false, DECRYPT: true }))
    await change(key, { WRAP: false })
    await stops(() => change(key, { DECRYPT: true }))
    // What is no opposite may come and go.
    await change(key, { WRAP: true, UNWRAP: true })
    await stops(() => change(key, { ENCRYPT: true }))
  })

  it('has unwrapped or derived, and shall encrypt afterwards', async () => {
    for (const role of ['UNWRAP', 'DERIVE'] as const) {
      const key = await make({ [role]: true })
      await stops(() => change(key, { ENCRYPT: true, [role]: false }))
      await change(key, { [role]: false })
      await stops(() => change(key, { ENCRYPT: true }))
      await change(key, { DECRYPT: true })
    }
  })

  it('is copied, and the copy shall play the other part', async () => {
    const key = await make({ WRAP: true })
    await stops(() => copy(key, { WRAP: false, DECRYPT: true }))
    const other = await copy(key, { WRAP: false })
    await stops(() => change(other, { DECRYPT: true }))
    const plain = await make({})
    const [one, two] = [await copy(plain, {}), await copy(plain, {})]
    await stops(() => change(one, { WRAP: true }))
    await stops(() => change(two, { DECRYPT: true }))
    const third = await copy(two, {})
    await stops(() => change(third, { DECRYPT: true }))
  })

  it('is a private key that has unwrapped, and shall decrypt', async () => {
    const [, key] = await bench.generatePair(
      session,
      CKM.RSA_PKCS_KEY_PAIR_GEN,
      { MODULUS_BITS: 2048, ENCRYPT: false, WRAP: true },
      { UNWRAP: true, DECRYPT: false },
    )
    await stops(() => change(key, { DECRYPT: true }))
    await change(key, { UNWRAP: false })
    await stops(() => change(key, { DECRYPT: true }))
  })

  it('may do what tells nothing: take roles on, give them up, be readable', async () => {
    const key = await make({ ENCRYPT: true, DECRYPT: true })
    await change(key, { ENCRYPT: false })
    await change(key, { ENCRYPT: true, SIGN: true })
    const open = await make({ SENSITIVE: false, EXTRACTABLE: true, WRAP: true })
    const wrapped = await wrap(open, open)
    await change(open, { WRAP: false, DECRYPT: true })
    ok((await reads(open, wrapped)) instanceof Uint8Array)
    const copied = await copy(open, { ENCRYPT: true })
    ok(await bench.flag(session, copied, 'ENCRYPT'))
  })
})
