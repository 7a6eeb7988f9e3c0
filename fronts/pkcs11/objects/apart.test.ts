/**
 * Pairs whose halves are kept in different places, as their two templates say.
 *
 * PKCS#11 3.2 §5.18.2. Java with `attributes(generate, CKO_PRIVATE_KEY, *) = { CKA_TOKEN = true }`
 * asks for such pairs, and so do signers that keep no public keys.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKM, CKO } from '#spec/pkcs11/constants.ts'

const EC_PARAMS = Buffer.from('06082a8648ce3d030107', 'hex')
const LABEL = 'of two places'

describe('a pair whose halves are in different places', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const DATA = Buffer.from('what is signed')
  const sign = async (hSession: number, hKey: number): Promise<Uint8Array> => {
    const pMechanism = { type: CKM.ECDSA_SHA256, parameter: undefined }
    await bench.call.C_SignInit(bench.app, { hSession, pMechanism, hKey })
    const args = { hSession, pData: DATA, pSignature: 64 }
    return (await bench.call.C_Sign(bench.app, args)).pSignature as Uint8Array
  }

  for (const [name, isPublicKept] of [
    ['keeps its private key, and the public one is the session’s', false],
    ['keeps its public key, and the private one is the session’s', true],
  ] as const) {
    it(name, async () => {
      const own = await bench.session()
      const ID = Buffer.from([7, isPublicKept ? 1 : 2])
      const [publicKey, privateKey] = await bench.generatePair(
        own,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS, LABEL, ID, TOKEN: isPublicKept },
        { LABEL, ID, TOKEN: !isPublicKept },
      )
      equal(await bench.flag(own, publicKey, 'TOKEN'), isPublicKept)
      equal(await bench.flag(own, privateKey, 'TOKEN'), !isPublicKept)
      for (const half of [publicKey, privateKey]) {
        ok(await bench.flag(own, half, 'LOCAL'))
        const read = await bench.read(own, half, 'LABEL', 'ID')
        deepEqual(Buffer.from(read.LABEL as Uint8Array).toString(), LABEL)
        deepEqual(Buffer.from(read.ID as Uint8Array), ID)
      }
      const { PUBLIC_KEY_INFO } = await bench.read(own, publicKey, 'PUBLIC_KEY_INFO')
      const same = await bench.read(own, privateKey, 'PUBLIC_KEY_INFO')
      deepEqual(same.PUBLIC_KEY_INFO, PUBLIC_KEY_INFO)
      const key = Buffer.from(PUBLIC_KEY_INFO as Uint8Array)
      const spki = createPublicKey({ key, format: 'der', type: 'spki' })
      const signature = await sign(own, privateKey)
      const dsaEncoding = 'ieee-p1363'
      ok(verify('sha256', DATA, { key: spki, dsaEncoding }, signature))

      // When its session has ended, one half is all that there is.
      const inBoth = await bench.find(session, { ID })
      equal(inBoth.length, 2)
      await bench.call.C_CloseSession(bench.app, { hSession: own })
      const left = await bench.find(session, { ID })
      equal(left.length, 1)
      const CLASS = isPublicKept ? CKO.PUBLIC_KEY : CKO.PRIVATE_KEY
      equal(await bench.number(session, left[0] as number, 'CLASS'), CLASS)
      const application = bench.newApplication()
      equal((await bench.find(await bench.session(6, application), { ID }, application)).length, 1)
      await bench.call.C_DestroyObject(bench.app, {
        hSession: session,
        hObject: left[0] as number,
      })
      equal((await bench.find(session, { ID })).length, 0)
    })
  }

  it('knows each other by the identifier that the private key has, where none is given', async () => {
    const [publicKey, privateKey] = await bench.generatePair(
      session,
      CKM.EC_KEY_PAIR_GEN,
      { EC_PARAMS, TOKEN: false },
      { TOKEN: true },
    )
    const [one, other] = [
      await bench.read(session, publicKey, 'ID'),
      await bench.read(session, privateKey, 'ID'),
    ]
    ok((one.ID as Uint8Array).length > 0)
    deepEqual(one.ID, other.ID)
  })
})
