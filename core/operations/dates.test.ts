/**
 * Dates that time has overtaken: Activate and Revoke set dates of their own, and what else is asked
 * of the object afterwards must not fail because of their order.
 *
 * KMIP 1.4 §3.22 to §3.27, §4.4, §4.19, §4.20.
 *
 * @module
 */
import { equal, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import {
  CryptographicAlgorithm,
  ObjectType,
  RevocationReasonCode,
  State,
} from '#spec/kmip/enumerations.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import type { Context } from '../context.ts'
import { addAttribute, getAttributes, modifyAttribute } from './attributes.ts'
import { create } from './create.ts'
import { activate, revoke } from './lifecycle.ts'
import { reKey } from './rekey.ts'

const START = 1_000_000
const LATER = START + 100
const CESSATION = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }

describe('Dates that time has overtaken', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const at = (now: number, operation: string): Context => ({ ...own.context(operation), now })
  const created = async (dates: Readonly<Record<string, number>>): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 12 },
      ...Object.entries(dates).map(([id, value]) => ({ id, value }) as never),
    ] as const
    const wish = { objectType: ObjectType.SymmetricKey, given: { attributes } }
    return (await create(at(START, 'Create'), wish)).id
  }
  const seen = async (id: string): Promise<AttributeBag> =>
    (await getAttributes(at(LATER, 'GetAttributes'), id)).attributes
  const describeIt = async (id: string, value: string): Promise<void> => {
    await addAttribute(at(LATER, 'AddAttribute'), id, { id: 'description', value })
    equal((await seen(id)).get('description'), value)
  }

  it('leave a key changeable that is activated after its Process Start Date', async () => {
    const id = await created({ processStartDate: START + 10 })
    await activate(at(LATER, 'Activate'), id)
    equal((await seen(id)).get('state'), State.Active)
    await describeIt(id, 'in use')
  })

  it('leave a key changeable that is revoked before its Protect Stop Date', async () => {
    const id = await created({ activationDate: START, protectStopDate: LATER + 1_000 })
    await revoke(at(LATER, 'Revoke'), { id, reason: CESSATION })
    equal((await seen(id)).get('state'), State.Deactivated)
    await describeIt(id, 'retired')
    const replacement = await reKey(at(LATER, 'ReKey'), { id, given: { attributes: [] } })
    equal(replacement.attributes.get('protectStopDate'), LATER + 1_000)
  })

  it('do not let a key be activated whose Deactivation Date has passed', async () => {
    const id = await created({ deactivationDate: START + 10 })
    equal((await seen(id)).get('state'), State.PreActive)
    await rejects(activate(at(LATER, 'Activate'), id), {
      code: 'wrongState',
      message: /its Deactivation Date 1970-01-12T13:46:50Z has passed; set a later one first/,
    })
    const attribute = { id: 'deactivationDate', value: LATER + 1_000 } as const
    await modifyAttribute(at(LATER, 'ModifyAttribute'), { id, attribute })
    await activate(at(LATER, 'Activate'), id)
    equal((await seen(id)).get('state'), State.Active)
  })

  it('still have an order, where they are given', async () => {
    const id = await created({ activationDate: START, deactivationDate: LATER + 1_000 })
    const stop = { id: 'protectStopDate', value: LATER + 2_000 } as const
    await rejects(addAttribute(at(LATER, 'AddAttribute'), id, stop), { code: 'attributeValue' })
  })
})
