/**
 * Frames, readers and writers of PKCS#11 RPC.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RpcError } from './errors.ts'
import { type Frame, FrameSplitter } from './frames.ts'
import { highHalf, joinHalves, lowHalf } from './integers.ts'
import { DEPTH_MAX, Reader } from './reader.ts'
import { Writer } from './writer.ts'

const LIMITS = { optionsBytesMax: 100, bodyBytesMax: 1_000 }

function frames(splitter: FrameSplitter): Frame[] {
  const found: Frame[] = []
  for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) found.push(frame)
  return found
}

/** Three messages: with options, without a body, and a longer one. */
function stream(): Buffer {
  const w = new Writer()
  w.beginFrame(16, Buffer.from('client'))
  w.raw(Buffer.from('first'))
  w.endFrame()
  w.beginFrame(17, undefined)
  w.endFrame()
  w.beginFrame(0xffff_ffff, undefined)
  w.raw(Buffer.alloc(1_000, 1))
  w.endFrame()
  return w.take()
}

describe('messages', () => {
  it('are found wherever the stream is split', () => {
    const whole = stream()
    for (let size = 1; size <= whole.length; size++) {
      const splitter = new FrameSplitter(LIMITS)
      const found: Frame[] = []
      for (let at = 0; at < whole.length; at += size) {
        splitter.push(Buffer.from(whole.subarray(at, at + size)))
        found.push(...frames(splitter))
      }
      deepStrictEqual(
        found.map(({ callCode, body }) => [callCode, body.length]),
        [
          [16, 5],
          [17, 0],
          [0xffff_ffff, 1_000],
        ],
      )
      strictEqual(splitter.pending, 0)
    }
  })

  it('may follow a byte that is none', () => {
    const splitter = new FrameSplitter(LIMITS)
    strictEqual(splitter.takeByte(), undefined)
    splitter.push(Buffer.concat([Buffer.of(2), stream()]))
    strictEqual(splitter.takeByte(), 2)
    strictEqual(frames(splitter).length, 3)
  })

  it('are refused by their header when they are too long', () => {
    for (const [options, body] of [
      [101, 0],
      [0, 1_001],
      [0xffff_ffff, 0xffff_ffff],
    ] as const) {
      const header = Buffer.alloc(12)
      header.writeUInt32BE(options, 4)
      header.writeUInt32BE(body, 8)
      const splitter = new FrameSplitter(LIMITS)
      splitter.push(header)
      throws(() => splitter.next(), RpcError)
    }
  })
})

describe('messages that are too long', () => {
  const LONG = { ...LIMITS, droppedBytesMax: 2_000 }
  const long = (bytes: number): Buffer => {
    const w = new Writer()
    w.beginFrame(18, Buffer.from('client'))
    w.raw(Buffer.alloc(bytes, 2))
    w.endFrame()
    return w.take()
  }

  it('are dropped but for their beginning, wherever the stream is split', () => {
    const whole = Buffer.concat([long(1_001), stream(), long(2_000), stream()])
    for (let size = 1; size <= whole.length; size += 7) {
      const splitter = new FrameSplitter(LONG)
      const found: Frame[] = []
      for (let at = 0; at < whole.length; at += size) {
        if (at > 0) strictEqual(splitter.pending > 0, !ENDS.has(at), `${size} ${at}`)
        splitter.push(Buffer.from(whole.subarray(at, at + size)))
        found.push(...frames(splitter))
      }
      deepStrictEqual(
        found.map(({ callCode, body, droppedBytes }) => [callCode, body.length, droppedBytes]),
        [[18, 128, 1_001], ...REST, [18, 128, 2_000], ...REST],
      )
      deepStrictEqual(found[0]?.body, Buffer.alloc(128, 2))
      strictEqual(splitter.pending, 0)
    }
  })
  const REST = [
    [16, 5, undefined],
    [17, 0, undefined],
    [0xffff_ffff, 1_000, undefined],
  ]
  const LENGTHS = [1_019, 23, 12, 1_012, 2_018, 23, 12, 1_012]
  const ENDS = new Set(LENGTHS.map((_, at) => LENGTHS.slice(0, at).reduce((a, b) => a + b, 0)))

  it('are not kept meanwhile, and nothing of them stays', () => {
    const splitter = new FrameSplitter({ ...LIMITS, droppedBytesMax: 1_000_000 })
    const chunks = [long(1_000_000)].flatMap((one) => [one.subarray(0, 500), one.subarray(500)])
    for (const chunk of chunks) {
      splitter.push(chunk)
      const frame = splitter.next()
      if (frame === undefined) strictEqual(splitter.pending, 128)
    }
    for (const chunk of chunks) ok(chunk.subarray(-400).every((byte) => byte === 0))
  })

  it('are refused by their header beyond what is dropped', () => {
    const splitter = new FrameSplitter(LONG)
    splitter.push(long(2_001).subarray(0, 12))
    throws(() => splitter.next(), /allowed are 2000/)
  })
})

describe('numbers', () => {
  it('are the same on both sides', () => {
    const numbers = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 32, 2 ** 53 - 1, -1]
    const w = new Writer()
    for (const number of numbers) w.u64(number)
    const r = new Reader(w.take())
    deepStrictEqual(
      numbers.map(() => r.u64()),
      numbers,
    )
    for (const number of numbers) strictEqual(joinHalves(highHalf(number), lowHalf(number)), number)
  })

  it('that JavaScript has no room for are the largest that it has', () => {
    const r = new Reader(Buffer.from('8000000000000000' + 'fffffffffffffffe', 'hex'))
    strictEqual(r.u64(), Number.MAX_SAFE_INTEGER)
    strictEqual(r.u64(), Number.MAX_SAFE_INTEGER)
  })

  it('are reversed for the memory of a little-endian machine, and back', () => {
    const bytes = Buffer.from('0102030405060708', 'hex')
    const w = new Writer()
    w.reversedUlong(bytes)
    const sent = w.take()
    strictEqual(sent.toString('hex'), '0807060504030201')
    deepStrictEqual(new Reader(sent).reversedUlong(), bytes)
  })
})

describe('a reader', () => {
  it('never reads beyond the end, whatever a length says', () => {
    const bytes = Buffer.from('7fffffff01', 'hex')
    throws(() => new Reader(bytes).byteArray(), RpcError)
    throws(() => new Reader(bytes).count(1), RpcError)
    throws(() => new Reader(bytes).u64(), RpcError)
    throws(() => new Reader(Buffer.alloc(0)).u8(), RpcError)
    strictEqual(new Reader(Buffer.alloc(4, 0xff)).byteArray(), undefined)
  })

  it('stops at a depth', () => {
    const r = new Reader()
    for (let depth = 0; depth < DEPTH_MAX; depth++) r.enter()
    throws(() => r.enter(), RpcError)
  })

  it('takes nothing but 0 and 1 for a boolean, and leaves nothing over', () => {
    throws(() => new Reader(Buffer.of(2)).bool(), RpcError)
    throws(() => new Reader(Buffer.of(1)).finish(), RpcError)
  })
})

describe('a writer', () => {
  it('leaves what was taken as it is', () => {
    const w = new Writer()
    const taken: Buffer[] = []
    for (let index = 0; index < 100; index++) {
      w.byteArray(Buffer.alloc(1_000, index))
      taken.push(w.take())
    }
    taken.forEach((bytes, index) => {
      deepStrictEqual(bytes.subarray(4), Buffer.alloc(1_000, index))
    })
  })

  it('grows for what is longer than its memory', () => {
    const w = new Writer()
    w.u8(1)
    w.beginFrame(2, undefined)
    w.byteArray(Buffer.alloc(100_000, 3))
    w.endFrame()
    const bytes = w.take()
    strictEqual(bytes.length, 1 + 12 + 4 + 100_000)
    strictEqual(bytes.readUInt32BE(1 + 8), 100_004)
  })

  it('forgets what was written after a mark', () => {
    const w = new Writer()
    w.u32(1)
    const mark = w.length
    w.raw(Buffer.alloc(50_000))
    w.truncate(mark)
    w.u8(2)
    strictEqual(w.take().toString('hex'), '0000000102')
  })
})
