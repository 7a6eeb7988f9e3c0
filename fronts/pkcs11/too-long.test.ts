/**
 * What a call that was too long to be read leaves of the session that it was for.
 *
 * @module
 */
import { equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKM, CKR } from '#spec/pkcs11/constants.ts'

const BYTES = 5_000_000

describe('a call that is too long', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  let hKey: number
  before(async () => {
    bench = await Workbench.open('none', { CLAVIGER_METRICS_LISTEN: '127.0.0.1:0' })
    session = await bench.session()
    const uses = { ENCRYPT: true, DECRYPT: true, SIGN: true, VERIFY: true }
    hKey = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...uses })
  })
  after(() => bench.close())

  const tooLong = (name: Parameters<typeof bench.engine.tooLong>[1], hSession = session) =>
    bench.engine.tooLong(bench.app, name, hSession, BYTES).rv
  const begin = async (kind: 'Encrypt' | 'Decrypt' | 'Sign' | 'Verify') => {
    const isCipher = kind === 'Encrypt' || kind === 'Decrypt'
    const type = isCipher ? CKM.AES_ECB : CKM.AES_CMAC
    const args = { hSession: session, pMechanism: { type, parameter: undefined }, hKey }
    await bench.call[`C_${kind}Init`](bench.app, args)
  }

  for (const kind of ['Encrypt', 'Decrypt', 'Sign', 'Verify'] as const) {
    it(`has ended the operation of C_${kind} and of its parts`, async () => {
      for (const name of [`C_${kind}`, `C_${kind}Update`] as const) {
        await begin(kind)
        await refuses(CKR.OPERATION_ACTIVE, () => begin(kind))
        equal(tooLong(name), CKR.DATA_LEN_RANGE)
      }
      await begin(kind)
      tooLong(`C_${kind}`)
    })
  }

  it('has ended both operations of a combined function, and none that is not its own', async () => {
    for (const kind of ['Sign', 'Encrypt', 'Decrypt'] as const) await begin(kind)
    tooLong('C_SignEncryptUpdate')
    for (const kind of ['Sign', 'Encrypt'] as const) await begin(kind)
    await refuses(CKR.OPERATION_ACTIVE, () => begin('Decrypt'))
    tooLong('C_CreateObject')
    await refuses(CKR.OPERATION_ACTIVE, () => begin('Decrypt'))
  })

  it('is told of a session that is none', () => {
    equal(tooLong('C_Digest', 77), CKR.SESSION_HANDLE_INVALID)
    equal(tooLong('C_CreateObject', 77), CKR.DATA_LEN_RANGE)
  })

  it('is counted with its return value', () => {
    const tally = bench.house.services.meter?.pkcs11.of('C_SignUpdate')
    equal(tally?.outcomes.get('CKR_DATA_LEN_RANGE')?.count, 1)
  })
})
