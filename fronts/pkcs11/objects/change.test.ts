/**
 * C_SetAttributeValue by several at once: rules hold for what the object is when the change
 * is written, not for what it was when the call came.
 *
 * PKCS#11 3.2 §5.7.6; §4.4 (footnotes 11 and 12 of the tables: what stays true, what stays false).
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { objectCalls } from '#conformance/pkcs11-objects.ts'
import { Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKR } from '#spec/pkcs11/constants.ts'

describe('an object that several change at once', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())
  const { set, aes } = objectCalls(() => ({ bench, session }))

  const rvOf = async (call: unknown): Promise<number> => {
    try {
      await call
      return CKR.OK
    } catch (error) {
      return (error as { rv: number }).rv
    }
  }

  for (const [name, one, other, code] of [
    ['sensitive', { SENSITIVE: true }, { SENSITIVE: false }, CKR.ATTRIBUTE_READ_ONLY],
    ['never to leave', { EXTRACTABLE: false }, { EXTRACTABLE: true }, CKR.ATTRIBUTE_READ_ONLY],
    ['not to be copied', { COPYABLE: false }, { COPYABLE: true }, CKR.ATTRIBUTE_READ_ONLY],
  ] as const) {
    it(`stays ${name}, whoever says meanwhile that it is not`, async () => {
      const key = await aes({ TOKEN: true, SENSITIVE: false, EXTRACTABLE: true })
      const codes = await Promise.all([
        rvOf(set(key, one)),
        rvOf(set(key, { LABEL: 'x', ...other })),
      ])
      const [flag] = Object.keys(one) as [keyof typeof one]
      equal(await bench.flag(session, key, flag), Object.values(one)[0])
      deepEqual(codes, [CKR.OK, code])
    })
  }
})
