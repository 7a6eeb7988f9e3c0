/**
 * The life of an object: every pair of states, every date on both sides of its second, every
 * purpose.
 *
 * KMIP 1.4 §3.22 and KMIP 2.1 §4.57.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RevocationReasonCode as Reason, State } from '#spec/kmip/enumerations.ts'
import { AttributeBag } from './attribute-bag.ts'
import {
  assertTransition,
  assertUsable,
  isDestroyed,
  isoDate,
  mayFollow,
  nextDue,
  stateAfterRevoke,
  stateAt,
} from './lifecycle.ts'

const STATES = [
  State.PreActive,
  State.Active,
  State.Deactivated,
  State.Compromised,
  State.Destroyed,
  State.DestroyedCompromised,
] as const

/** Rows: from; columns: to, in the order of the enumeration. */
const MAY_FOLLOW = ['.++++.', '..++..', '...++.', '.....+', '.....+', '......']

const NOW = 1_700_000_000

function bag(state: State, dates: Parameters<AttributeBag['setAll']>[0] = {}): AttributeBag {
  return AttributeBag.EMPTY.setAll({ state, ...dates })
}

describe('the states of an object', () => {
  it('follow each other as the table says, and no other way', () => {
    STATES.forEach((from, row) => {
      STATES.forEach((to, column) => {
        const expected = MAY_FOLLOW[row]?.[column] === '+'
        assert.equal(mayFollow(from, to), expected, `${from} to ${to}`)
        if (expected) assertTransition('Cannot', from, to)
        else assert.throws(() => assertTransition('Cannot', from, to), { code: 'wrongState' })
      })
    })
  })

  it('say what has to be done first', () => {
    const what = (from: State, to: State) => () => assertTransition('Cannot destroy', from, to)
    assert.throws(what(State.Active, State.Destroyed), /Active; revoke it first/)
  })

  it('follow from the dates, on the second', () => {
    const activation = bag(State.PreActive, { activationDate: NOW })
    assert.equal(stateAt(activation, NOW - 1), State.PreActive)
    assert.equal(stateAt(activation, NOW), State.Active)
    const both = activation.set('deactivationDate', NOW + 10)
    assert.equal(stateAt(both, NOW + 9), State.Active)
    assert.equal(stateAt(both, NOW + 10), State.Deactivated)
    assert.equal(stateAt(bag(State.PreActive, { deactivationDate: NOW }), NOW), State.PreActive)
    for (const state of STATES.slice(2)) {
      const dated = bag(state, { activationDate: 1, deactivationDate: 2 })
      assert.equal(stateAt(dated, NOW), state)
    }
  })

  it('are due to be written down when the next date comes', () => {
    const dates = { activationDate: 5, deactivationDate: 9 }
    const due = STATES.map((state) => nextDue(bag(state, dates)))
    assert.deepEqual(due, [5, 9, undefined, undefined, undefined, undefined])
  })

  it('after Revoke depend on the reason', () => {
    for (const reason of Object.values(Reason)) {
      const compromise = reason === Reason.KeyCompromise || reason === Reason.CACompromise
      const active = stateAfterRevoke(State.Active, reason)
      assert.equal(active, compromise ? State.Compromised : State.Deactivated)
    }
    const after = stateAfterRevoke(State.Destroyed, Reason.KeyCompromise)
    assert.equal(after, State.DestroyedCompromised)
  })
})

describe('the uses of an object', () => {
  const usable = (attributes: AttributeBag, purpose: 'protect' | 'process', now = NOW): boolean => {
    try {
      assertUsable(() => 'Cannot use', attributes, purpose, now)
      return true
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'wrongState')
      return false
    }
  }

  it('are to protect while it is active, and to process until it is destroyed', () => {
    const protect = STATES.map((state) => usable(bag(state), 'protect'))
    const process = STATES.map((state) => usable(bag(state), 'process'))
    assert.deepEqual(protect, [false, true, false, false, false, false])
    assert.deepEqual(process, [false, true, true, true, false, false])
  })

  it('say why they are refused, and what has to be done first', () => {
    const refused = (state: State, purpose: 'protect' | 'process', dates = {}) => {
      return () => assertUsable(() => 'Cannot use "k"', bag(state, dates), purpose, NOW)
    }
    assert.throws(
      refused(State.PreActive, 'protect'),
      /"k": its state is Pre-Active, not Active; activate/,
    )
    assert.throws(refused(State.PreActive, 'process'), /Pre-Active; activate it first$/)
    assert.throws(refused(State.Destroyed, 'process'), /its state is Destroyed$/)
    const stop = { protectStopDate: NOW }
    assert.throws(refused(State.Active, 'protect', stop), /Date 2023-11-14T22:13:20Z has passed$/)
    const unknown = () => assertUsable(() => 'Cannot use', AttributeBag.EMPTY, 'process', NOW)
    assert.throws(unknown, /its state is unknown$/)
  })

  it('are over for what is destroyed, compromised before or not', () => {
    const destroyed = STATES.filter((state) => isDestroyed(state))
    assert.deepEqual(destroyed, [State.Destroyed, State.DestroyedCompromised])
    assert.equal(isDestroyed(undefined), false)
  })

  it('have dates that people read, and numbers where no calendar has them', () => {
    assert.equal(isoDate(0), '1970-01-01T00:00:00Z')
    assert.equal(isoDate(2 ** 60), String(2 ** 60))
  })

  it('end at the Protect Stop Date and begin at the Process Start Date', () => {
    const stop = bag(State.Active, { protectStopDate: NOW })
    assert.deepEqual([usable(stop, 'protect', NOW - 1), usable(stop, 'protect')], [true, false])
    assert.ok(usable(stop, 'process'))
    const start = bag(State.Active, { processStartDate: NOW })
    assert.deepEqual([usable(start, 'process', NOW - 1), usable(start, 'process')], [false, true])
    assert.ok(usable(start, 'protect', NOW - 1))
  })
})
