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

/** What an earlier Claviger has written: 'secret' at 'here', and a data key. */
const SEALED = [
  '01000000012afdb5417f22a903da29e1b4f20e4874c863984e1553fbb97135e2e358206c2d9c96d8013b53' +
    'eab1863077144304e9a78bf2',
  '0100000001fcb3f2ed0f91ebefba9535d151b1698db297592bb83de34c8761c1e6e30eb1c79017c2330d35' +
    '1c87eb3631c1eb9639d4fdaaf4fe73adafe8ceaf13655e7c7f4d4f74589c1c725ca859d93983',
]
const AUTHENTICATED = 'ff95148595e2a5013c5c8afa6e6d2f45a22aeb6783e00b6b2b23c16a97509017'
const SUBKEY = 'bff20a74f0fed98884acdcc7b6a20487e32ec161e0b5ad92b8234d41ae6428d4'

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
    assert.notDeepEqual(sealer.authenticate('a', 'b'), sealer.authenticate('a\0\0\0\0b'))
    assert.notDeepEqual(sealer.authenticate('é', 'b'), sealer.authenticate('éb', ''))
  })

  it('is what it has been since the first version, so that databases open', () => {
    const sealed = SEALED.map((hex) => Buffer.from(hex, 'hex'))
    const [seal, dataKey] = sealed as [Buffer, Buffer]
    assert.equal(Buffer.from(sealer.open(seal, 'here')).toString(), 'secret')
    assert.deepEqual(openDataKey(key(5), 1, dataKey).expose(), key(6).expose())
    assert.equal(sealer.seal(Buffer.alloc(0), 'here').length, 1 + 4 + 16 + 12 + 16)
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
    assert.equal(hex(sealer.authenticate('ab', Buffer.from('c'))), AUTHENTICATED)
    assert.equal(hex(sealer.subkey('ledger')), SUBKEY)
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
