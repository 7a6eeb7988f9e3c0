/**
 * Seals and secrets: what is altered, moved or opened with another key is refused, and nothing
 * prints.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { format, inspect } from 'node:util'
import fc from 'fast-check'
import { openDataKey, SEAL_OVERHEAD_BYTES, Sealer, sealDataKey } from './sealer.ts'
import { Secret } from './secret.ts'

const RUNS = { seed: Number(process.env['SEED'] ?? 20_240_611), numRuns: 100 }
const TAMPERED = { code: 'tampered' }

function key(fill: number): Secret {
  return new Secret(Buffer.alloc(32, fill))
}

describe('a seal', () => {
  const sealer = new Sealer(new Map([[1, key(1)]]))

  it('opens where it belongs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (plain, place) => {
        const sealed = sealer.seal(plain, place)
        assert.equal(sealed.length, plain.length + SEAL_OVERHEAD_BYTES)
        assert.deepEqual(Buffer.from(sealer.open(sealed, place)), Buffer.from(plain))
      }),
      RUNS,
    )
  })

  it('is refused with any bit changed, and cut off anywhere', () => {
    const sealed = sealer.seal(Buffer.from('secret'), 'here')
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const altered = Buffer.from(sealed)
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.throws(() => sealer.open(altered, 'here'), TAMPERED, `bit ${bit}`)
    }
    for (let length = 0; length < sealed.length; length++) {
      assert.throws(() => sealer.open(sealed.subarray(0, length), 'here'), TAMPERED)
    }
  })

  it('is refused in another place: another identifier or version', () => {
    const sealed = sealer.seal(Buffer.from('secret'), 'object a revision 1')
    assert.throws(() => sealer.open(sealed, 'object b revision 1'), TAMPERED)
    assert.throws(() => sealer.open(sealed, 'object a revision 2'), TAMPERED)
  })

  it('is refused under another data key, and opens under an older one that is still there', () => {
    const sealed = sealer.seal(Buffer.from('secret'), 'here')
    assert.throws(() => new Sealer(new Map([[1, key(2)]])).open(sealed, 'here'), TAMPERED)
    assert.throws(() => new Sealer(new Map([[2, key(1)]])).open(sealed, 'here'), TAMPERED)
    const newer = new Sealer(new Map([1, 2].map((number) => [number, key(number)])))
    assert.equal(Buffer.from(newer.open(sealed, 'here')).toString(), 'secret')
    assert.equal(Buffer.from(newer.seal(Buffer.from('x'), 'here')).readUInt32BE(1), 2)
  })

  it('never comes out the same twice', () => {
    const seals = Array.from({ length: 50 }, () => sealer.seal(Buffer.from('same'), 'here'))
    assert.equal(new Set(seals.map((one) => Buffer.from(one).toString('hex'))).size, 50)
  })

  it('of a data key opens with its root key and number alone', () => {
    const sealed = sealDataKey(key(5), 1, key(6))
    assert.deepEqual(openDataKey(key(5), 1, sealed).expose(), key(6).expose())
    assert.throws(() => openDataKey(key(7), 1, sealed), TAMPERED)
    assert.throws(() => openDataKey(key(5), 2, sealed), TAMPERED)
  })

  it('authenticates parts, not their concatenation', () => {
    assert.notDeepEqual(sealer.authenticate('ab', 'c'), sealer.authenticate('a', 'bc'))
  })
})

describe('a secret', () => {
  it('does not print, in any way that a log has', () => {
    const secret = new Secret(Buffer.from('hunter2-hunter2'))
    const hex = Buffer.from('hunter2-hunter2').toString('hex')
    const printed = [
      inspect(secret),
      inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
      JSON.stringify({ secret }),
      format('%s %o %O %j', secret, secret, secret, secret),
      String(secret),
      Object.keys(secret).join(),
    ].join('\n')
    assert.ok(!printed.includes('hunter2') && !printed.includes(hex))
    assert.ok(printed.includes('[secret]'))
  })

  it('is zeroed at the end of its block', () => {
    const bytes = Buffer.alloc(16, 9)
    {
      using secret = new Secret(bytes)
      assert.equal(secret.length, 16)
    }
    assert.deepEqual(bytes, Buffer.alloc(16))
  })
})
