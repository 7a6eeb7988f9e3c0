/**
 * C_DestroyObject: the end of a token object is one step, whoever else is at it.
 *
 * PKCS#11 3.2 §5.7.4. An active object is revoked and destroyed; were these two steps, others would
 * find it deactivated in between, and so it would stay where the second fails.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import type { AuditEntry } from '#core/audit.ts'
import { KmsError } from '#core/errors.ts'
import { getAttributes } from '#core/operations/attributes.ts'
import { runCommand } from '#server/control.ts'
import { RevocationReasonCode, State } from '#spec/kmip/enumerations.ts'
import { CKM, CKR } from '#spec/pkcs11/constants.ts'

describe('a token object that is destroyed', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const key = () => {
    const wishes = { VALUE_LEN: 16, TOKEN: true, ENCRYPT: true, SENSITIVE: false }
    return bench.generate(session, CKM.AES_KEY_GEN, wishes)
  }
  const idOf = async (hObject: number): Promise<string> => {
    const { UNIQUE_ID } = await bench.read(session, hObject, 'UNIQUE_ID')
    return Buffer.from(UNIQUE_ID as Uint8Array).toString()
  }
  const destroy = async (hObject: number) => {
    await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
  }
  const attributesOf = async (id: string) => {
    return (await getAttributes(bench.context('GetAttributes'), id)).attributes
  }

  it('is revoked and destroyed for KMIP, and one entry of the audit trail says so', async () => {
    const hObject = await key()
    const id = await idOf(hObject)
    await destroy(hObject)
    const attributes = await attributesOf(id)
    equal(attributes.get('state'), State.Destroyed)
    const reason = attributes.get('revocationReason')
    equal(reason?.revocationReasonCode, RevocationReasonCode.CessationOfOperation)
    ok(attributes.get('deactivationDate') !== undefined)
    equal(attributes.get('destroyDate'), attributes.get('deactivationDate'))
    const { house } = bench
    const entries = (await runCommand({ house }, 'audit.list', {})) as readonly AuditEntry[]
    const ends = entries.filter(
      ({ object, operation }) => object === id && /oy|oke/.test(operation),
    )
    const told = ends.map(({ operation, detail }) => [operation, detail])
    deepEqual(told, [['Destroy', 'CessationOfOperation']])
  })

  it('stays as it is where its keystore does not let it go', async () => {
    const hObject = await key()
    const { keystores } = bench.app.token(0).services
    const [keystore] = [...keystores.all()] as unknown as { assertDestroys?: () => void }[]
    ok(keystore !== undefined)
    keystore.assertDestroys = () => {
      throw new KmsError('keystoreUnavailable', 'Cannot destroy: the device is away')
    }
    await refuses(CKR.DEVICE_ERROR, () => destroy(hObject))
    delete keystore.assertDestroys
    equal((await attributesOf(await idOf(hObject))).get('state'), State.Active)
    const pMechanism = { type: CKM.AES_ECB, parameter: undefined }
    await bench.call.C_EncryptInit(bench.app, { hSession: session, pMechanism, hKey: hObject })
    await destroy(hObject)
  })

  it('is gone for all but one of those who destroy it at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const hObject = await key()
      const codes: number[] = await Promise.all(
        Array.from({ length: 6 }, () => destroy(hObject).then(() => CKR.OK, rvOf)),
      )
      deepEqual(
        codes.sort((one, other) => one - other),
        [CKR.OK, ...Array(5).fill(CKR.OBJECT_HANDLE_INVALID)],
      )
    }
  })

  it('is never seen deactivated by those who copy it meanwhile', async () => {
    for (let round = 0; round < 5; round++) {
      const hObject = await key()
      const copy = async () => {
        return bench.call.C_CopyObject(bench.app, { hSession: session, hObject, pTemplate: [] })
      }
      const end = destroy(hObject)
      const copies: Promise<{ phNewObject: number } | undefined>[] = []
      for (let at = 0; at < 12; at++) {
        copies.push(copy().catch(() => undefined))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await end
      for (const copied of await Promise.all(copies)) {
        if (copied === undefined) continue
        const attributes = await attributesOf(await idOf(copied.phNewObject))
        equal(attributes.get('state'), State.Active)
      }
    }
  })
})

function rvOf(error: unknown): number {
  return (error as { rv: number }).rv
}
