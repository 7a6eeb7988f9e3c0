/**
 * Grants by themselves: how many there may be, and in which order their records are written.
 *
 * @module
 */
import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { type Grant, Grants } from './grants.ts'
import { DATA_KEY_BYTES, Sealer } from './sealer.ts'
import { Secret } from './secret.ts'

const GRANTS_MAX = 100_000

describe('Grants', { timeout: 60_000 }, () => {
  let now = 0
  let grants: Grants
  beforeEach(() => {
    now = 1_000_000
    const sealer = new Sealer(new Map([[1, new Secret(Buffer.alloc(DATA_KEY_BYTES, 1))]]))
    const known = async (): Promise<boolean> => true
    grants = new Grants(sealer, { clock: () => now, known, sharers: ['admin'] })
  })

  const grantOf = (object: string, principal = 'app'): Grant => {
    return { object, principal, deeds: 1, by: 'admin', time: 0 }
  }

  it('refuses one more than are allowed, but changes and ends those that there are', () => {
    for (let index = 0; index < GRANTS_MAX; index++) {
      grants.settle([grants.changeTo(grantOf(`object-${index}`))])
    }
    const code = 'limitExceeded'
    throws(() => grants.changeTo(grantOf('another')), { code })
    throws(() => grants.changeTo(grantOf('object-0', 'other')), { code })
    grants.settle([grants.changeTo({ ...grantOf('object-0'), deeds: 3 })])
    equal(grants.of('object-0', 'app'), 3)
    throws(() => grants.changeTo(grantOf('another')), { code })
    grants.settle(grants.endingsOn('object-0'))
    grants.settle([grants.changeTo(grantOf('another'))])
    throws(() => grants.changeTo(grantOf('one more')), { code })
  })

  it('writes every change under a greater revision, whatever the clock says', () => {
    const first = grants.changeTo(grantOf('key'))
    deepEqual([first.previous, first.revision], [0, now])
    grants.settle([first])
    now -= 10
    const second = grants.changeTo({ ...grantOf('key'), deeds: 2 })
    deepEqual([second.previous, second.revision], [first.revision, first.revision + 1])
    grants.settle([second])
    const [end] = grants.endingsOn('key')
    equal(end?.bytes, undefined)
    ok((end?.revision ?? 0) > second.revision)
  })

  it('takes no other records for its own', () => {
    const change = grants.changeTo(grantOf('key'))
    grants.settle([{ ...change, kind: 'setting' }])
    deepEqual(grants.on('key'), [])
    grants.settle([{ ...change, kind: 'setting', id: 'no JSON' }, change])
    deepEqual(grants.on('key'), [grantOf('key')])
  })
})
