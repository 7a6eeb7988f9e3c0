/**
 * Who may set, change and delete which attribute: every row of the registry, in every state.
 *
 * KMIP 1.4 §3 and KMIP 2.1 §4. The columns are the registry's; what they mean is written down here
 * once more, by the states and dates that decide.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ATTRIBUTES, type AttributeKey } from '#spec/kmip/attributes.ts'
import { LinkType, State, UsageLimitsUnit } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { AttributeBag } from './attribute-bag.ts'
import {
  asGiven,
  assertCount,
  assertDates,
  assertMayAdd,
  assertMayChange,
  assertMayDelete,
  assertMayGive,
  KEEPER_WISH,
  LOCAL,
  withConsequences,
  withUsageCount,
} from './attribute-rules.ts'
import { limitsWith } from './limits.ts'

const NOW = 1_700_000_000
const KEYS = Object.keys(ATTRIBUTES) as AttributeKey[]
/** Values that may be given, where a plain number may not. */
const SAMPLES: Partial<Record<AttributeKey, unknown>> = {
  applicationSpecificInformation: { applicationNamespace: 'ssl', applicationData: 'example.com' },
  link: { linkType: LinkType.ParentLink, linkedObjectIdentifier: 'another' },
  usageLimits: { usageLimitsTotal: 1n, usageLimitsUnit: UsageLimitsUnit.Object },
}
const LIVING = [State.PreActive, State.Active, State.Deactivated, State.Compromised]
const DESTROYED = [State.Destroyed, State.DestroyedCompromised]

function codeOf(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    const { code } = error as { code?: string }
    assert.ok(code !== undefined, String(error))
    return code
  }
}

function inState(state: State): AttributeBag {
  return AttributeBag.EMPTY.set('state', state)
}

describe('the rules of attributes', () => {
  it('let a client give a new object what is not the server’s alone', () => {
    for (const id of KEYS) {
      const expected = ATTRIBUTES[id].setter === 'server' ? 'readOnlyAttribute' : undefined
      assert.equal(
        codeOf(() => assertMayGive([{ id, value: SAMPLES[id] ?? 1 }])),
        expected,
        id,
      )
    }
  })

  it('take a single attribute once, and a multiple one more often', () => {
    for (const id of KEYS.filter((key) => ATTRIBUTES[key].setter !== 'server')) {
      const code = codeOf(() =>
        assertMayGive([
          { id, value: SAMPLES[id] ?? 1 },
          { id, value: SAMPLES[id] ?? 2 },
        ]),
      )
      assert.equal(code, ATTRIBUTES[id].multiple ? undefined : 'attributeTwice', id)
    }
  })

  it('let a client add what it or either may set', () => {
    for (const id of KEYS) {
      const { setter, multiple } = ATTRIBUTES[id]
      const own = setter === 'client' || setter === 'either'
      const object = inState(State.Active)
      if (id === 'state') continue
      assert.equal(
        codeOf(() => assertMayAdd(object, id)),
        own ? undefined : 'readOnlyAttribute',
        id,
      )
      const again = own ? (multiple ? undefined : 'attributeExists') : 'readOnlyAttribute'
      assert.equal(
        codeOf(() => assertMayAdd(object.add(id, 1), id)),
        again,
        id,
      )
    }
  })

  it('change each attribute in the states that its row allows', () => {
    for (const id of KEYS) {
      const { change } = ATTRIBUTES[id]
      for (const state of LIVING) {
        const open = state === State.PreActive || state === State.Active
        const expected = {
          never: 'attributeReadOnly',
          always: undefined,
          preActive: state === State.PreActive ? undefined : 'wrongState',
          untilDeactivated: open ? undefined : 'wrongState',
          untilReached: open ? undefined : 'wrongState',
          untilAllocated: undefined,
        }[change]
        const work = () => assertMayChange(inState(state), id, 1, NOW)
        assert.equal(codeOf(work), expected, `${id} in state ${state}`)
      }
    }
  })

  it('delete what its row says may go', () => {
    for (const id of KEYS) {
      const expected = ATTRIBUTES[id].deletable ? undefined : 'attributeReadOnly'
      assert.equal(
        codeOf(() => assertMayDelete(inState(State.Active), id)),
        expected,
        id,
      )
    }
  })

  it('leave a destroyed object as it is', () => {
    for (const state of DESTROYED) {
      for (const id of KEYS) {
        const object = inState(state)
        assert.equal(
          codeOf(() => assertMayAdd(object, id)),
          'destroyed',
          id,
        )
        assert.equal(
          codeOf(() => assertMayChange(object, id, 1, NOW)),
          'destroyed',
          id,
        )
        assert.equal(
          codeOf(() => assertMayDelete(object, id)),
          'destroyed',
          id,
        )
      }
    }
  })

  it('keep a date that has been reached', () => {
    for (const id of ['processStartDate', 'protectStopDate'] as const) {
      const change = (date: number) => () =>
        assertMayChange(inState(State.Active).set(id, date), id, NOW + 50, NOW)
      assert.equal(codeOf(change(NOW)), 'wrongState')
      assert.equal(codeOf(change(NOW + 1)), undefined)
    }
  })

  it('see the state that the clock has brought, not the one that is stored', () => {
    const due = inState(State.PreActive).set('activationDate', NOW)
    const change = (now: number) => () => assertMayChange(due, 'activationDate', NOW + 9, now)
    assert.equal(codeOf(change(NOW - 1)), undefined)
    assert.equal(codeOf(change(NOW)), 'wrongState')
  })

  it('keep Usage Limits of which part has been used', () => {
    const limits = (count: bigint) =>
      inState(State.Active).set('usageLimits', {
        usageLimitsTotal: 10n,
        usageLimitsCount: count,
        usageLimitsUnit: 1,
      })
    for (const [count, expected] of [
      [10n, undefined],
      [9n, 'attributeReadOnly'],
    ] as const) {
      const object = limits(count)
      assert.equal(
        codeOf(() => assertMayChange(object, 'usageLimits', 1, NOW)),
        expected,
      )
      assert.equal(
        codeOf(() => assertMayDelete(object, 'usageLimits')),
        expected,
      )
    }
  })

  it('begin to count usage at the total, unless a count is given', () => {
    const given = { usageLimitsTotal: 10n, usageLimitsUnit: 1 } as const
    const counted = withUsageCount(inState(State.Active).set('usageLimits', given))
    assert.equal(counted.get('usageLimits')?.usageLimitsCount, 10n)
    const part = { ...given, usageLimitsCount: 4n }
    const kept = withUsageCount(inState(State.Active).set('usageLimits', part))
    assert.equal(kept.get('usageLimits')?.usageLimitsCount, 4n)
    assert.equal(withUsageCount(inState(State.Active)).has('usageLimits'), false)
  })

  it('never loosen Sensitive and Extractable', () => {
    const object = inState(State.Active)
    const change = (id: 'sensitive' | 'extractable', from: boolean, to: boolean) =>
      codeOf(() => assertMayChange(object.set(id, from), id, to, NOW))
    assert.equal(change('sensitive', true, false), 'attributeReadOnly')
    assert.equal(change('sensitive', false, true), undefined)
    assert.equal(change('extractable', false, true), 'attributeReadOnly')
    assert.equal(change('extractable', true, false), undefined)
  })

  it('take attributes of a client, keep those of the server, and know no others', () => {
    const object = inState(State.Active)
    const value = { tag: 0x42000b, type: ItemType.Integer, value: 1 } as const
    const rows = [
      ['x:own', undefined],
      ['y:ours', 'readOnlyAttribute'],
      [':Nonsense', 'unknownAttribute'],
    ] as const
    const held = rows.reduce((bag, [id]) => bag.set(id, value), object)
    for (const [id, expected] of rows) {
      const changed = expected === 'readOnlyAttribute' ? 'attributeReadOnly' : expected
      assert.equal(
        codeOf(() => assertMayChange(held, id, value, NOW)),
        changed,
        id,
      )
      const deleted = expected === 'unknownAttribute' ? 'unknownToDelete' : changed
      assert.equal(
        codeOf(() => assertMayDelete(held, id)),
        deleted,
        id,
      )
      assert.equal(
        codeOf(() => assertMayGive([{ id, value }])),
        expected,
        id,
      )
      assert.equal(
        codeOf(() => assertMayAdd(object, id)),
        expected,
        id,
      )
    }
  })

  it('take the wish for a keeper with a new object, and never after', () => {
    const id = `vendor:${KEEPER_WISH}` as const
    const value = { tag: 0x42000b, type: ItemType.TextString, value: 'hsm::4::kek' } as const
    const object = inState(State.Active)
    assertMayGive([{ id, value }])
    const add = () => assertMayAdd(object, id)
    const change = () => assertMayChange(object, id, value, NOW)
    assert.deepEqual([codeOf(add), codeOf(change)], ['readOnlyAttribute', 'readOnlyAttribute'])
  })

  it('look at values, also of a new object', () => {
    const smallest = [{ id: 'activationDate', value: -Infinity }] as const
    assert.equal(
      codeOf(() => assertMayGive(smallest)),
      'attributeValue',
    )
  })

  it('make an object whose date of origin was given one of elsewhere', () => {
    const given = asGiven(inState(State.Active), 'originalCreationDate')
    assert.deepEqual(given.get(LOCAL), {
      tag: Tag.AttributeValue,
      type: ItemType.Boolean,
      value: false,
    })
    assert.equal(asGiven(inState(State.Active), 'activationDate').has(LOCAL), false)
  })

  it('move the state and the history with what was changed', () => {
    const active = withConsequences(inState(State.PreActive).set('activationDate', NOW), NOW)
    assert.equal(active.get('state'), State.Active)
    const dates = { activationDate: NOW - 2, deactivationDate: NOW - 1 }
    const ended = withConsequences(inState(State.PreActive).setAll(dates), NOW)
    assert.equal(ended.get('state'), State.Deactivated)
    const open = inState(State.Active).setAll({ sensitive: false, extractable: true })
    assert.equal(withConsequences(open, NOW).get('alwaysSensitive'), false)
    assert.equal(withConsequences(open, NOW).get('neverExtractable'), false)
  })

  it('refuse dates in an order without sense', () => {
    const dates = (first: AttributeKey, second: AttributeKey) => (a: number, b: number) =>
      codeOf(() => assertDates(AttributeBag.EMPTY.set(first, a).set(second, b)))
    for (const pair of [
      dates('activationDate', 'deactivationDate'),
      dates('activationDate', 'processStartDate'),
      dates('protectStopDate', 'deactivationDate'),
    ]) {
      assert.deepEqual(
        [pair(1, 2), pair(2, 2), pair(3, 2)],
        [undefined, undefined, 'attributeValue'],
      )
    }
  })

  it('count the values of an object up to attributeInstancesMax', () => {
    const limits = limitsWith({ attributeInstancesMax: 3 })
    let object = inState(State.Active).add('objectGroup', 'a').add('objectGroup', 'b')
    assertCount(object, limits)
    object = object.add('objectGroup', 'c')
    assert.equal(
      codeOf(() => assertCount(object, limits)),
      'tooManyInstances',
    )
  })
})
