/**
 * Keys that C_CreateObject is given and that are none: numbers of the right form alone.
 *
 * PKCS#11 3.2 §5.7.1 and §6.1.2, §6.3.3.
 *
 * @module
 */
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKK, CKO, CKR } from '#spec/pkcs11/constants.ts'

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

describe('keys that are no keys', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  it('RSA public keys that encrypt nothing, or with which nobody can do anything', async () => {
    const rsa = (MODULUS: Buffer, PUBLIC_EXPONENT: Buffer) => () => {
      const what = { CLASS: CKO.PUBLIC_KEY, KEY_TYPE: CKK.RSA, ENCRYPT: true }
      return bench.create(session, { ...what, MODULUS, PUBLIC_EXPONENT })
    }
    const modulus = Buffer.alloc(256, 0xff)
    await rsa(modulus, Buffer.of(1, 0, 1))()
    for (const exponent of [Buffer.of(), Buffer.of(0), Buffer.of(1), Buffer.of(2)]) {
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, rsa(modulus, exponent))
    }
    for (const none of [Buffer.of(), Buffer.alloc(256), Buffer.alloc(8, 0xff)]) {
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, rsa(none, Buffer.of(3)))
    }
  })

  it('a public point at infinity, whose reading would fail what comes next', async () => {
    const what = { CLASS: CKO.PUBLIC_KEY, KEY_TYPE: CKK.EC, EC_PARAMS: P256 }
    for (const EC_POINT of [Buffer.of(0), Buffer.of(4, 1, 0)]) {
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => bench.create(session, { ...what, EC_POINT }))
    }
  })

  it('private values on a curve that are zero', async () => {
    const ec = (VALUE: Buffer) => () => {
      const what = { CLASS: CKO.PRIVATE_KEY, KEY_TYPE: CKK.EC, EC_PARAMS: P256 }
      return bench.create(session, { ...what, VALUE })
    }
    await ec(Buffer.of(1))()
    for (const none of [Buffer.of(), Buffer.alloc(32), Buffer.alloc(33), Buffer.alloc(40)]) {
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, ec(none))
      await ec(Buffer.of(1))()
    }
  })
})
