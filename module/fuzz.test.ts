/**
 * libclaviger.so against a peer that answers anything: compiled with AddressSanitizer and
 * UndefinedBehaviorSanitizer, called with buffers that are exactly as long as they say.
 *
 * Answers are those of the peer of the other tests, most of them changed: bits, lengths, return
 * values, ends. The seed is printed; `CLAVIGER_SEED` repeats it.
 *
 * @module
 */
import { ok, strictEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import { CKR } from '#spec/pkcs11/constants.ts'
import { HEADER_BYTES } from '#wire/pkcs11-rpc/frames.ts'
import { buildModule, buildScenarios, COMPILER, Folder, needsSanitizer } from './testing/build.ts'
import { Peer } from './testing/peer.ts'

/** How many groups of calls are made, or for how long on a machine that is busy. */
const CALLS = 4000
const SECONDS = 12
const CALLS_MIN = 200
const MILLISECONDS = 60_000
const SANITIZERS = [
  '-g',
  '-O1',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-fno-omit-frame-pointer',
]

/** With it the answer to C_Initialize says that calls carry less than a part has. */
const TAKES_NOTHING = 885_521_911

const givenSeed = (): number => Number(process.env['CLAVIGER_SEED'] ?? randomInt(2 ** 31))

/** Numbers below `below`, the same for the same seed. */
type Numbers = (below: number) => number

function numbers(seed: number): Numbers {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Places of the lengths of a body in its header. */
const LENGTH_AT = 8

function resized(frame: Buffer): Buffer {
  frame.writeUInt32BE(frame.length - HEADER_BYTES, LENGTH_AT)
  return frame
}

const EXTREMES = [0, 1, 2, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]
const VALUES = [CKR.OK, CKR.BUFFER_TOO_SMALL, CKR.ATTRIBUTE_SENSITIVE, CKR.KEY_HANDLE_INVALID]

type Change = (frame: Buffer, next: Numbers) => Buffer

const CHANGES: readonly Change[] = [
  function bits(frame, next) {
    for (let count = 1 + next(4); count > 0; count--) {
      const at = HEADER_BYTES + next(frame.length - HEADER_BYTES)
      frame[at] = (frame[at] as number) ^ (1 << next(8))
    }
    return frame
  },
  function word(frame, next) {
    const at = HEADER_BYTES + next(frame.length - HEADER_BYTES - 3)
    frame.writeUInt32BE(EXTREMES[next(EXTREMES.length)] as number, at)
    return frame
  },
  function value(frame, next) {
    frame.writeUInt32BE(VALUES[next(VALUES.length)] as number, HEADER_BYTES + 4)
    return frame
  },
  function shorter(frame, next) {
    return resized(frame.subarray(0, HEADER_BYTES + next(frame.length - HEADER_BYTES)))
  },
  function longer(frame, next) {
    return resized(Buffer.concat([frame, Buffer.alloc(1 + next(64), next(256))]))
  },
  /** What looks like bytes with their length: more of them, all in order. */
  function more(frame, next) {
    const places: number[] = []
    for (let at = HEADER_BYTES + 8; at + 4 <= frame.length; at++) {
      const length = frame.readUInt32BE(at)
      if (length > 0 && at + 4 + length <= frame.length) places.push(at)
    }
    const at = places[next(places.length || 1)]
    if (at === undefined) return frame
    const added = Buffer.alloc(1 + next(40), 0x2b)
    frame.writeUInt32BE(frame.readUInt32BE(at) + added.length, at)
    return resized(Buffer.concat([frame.subarray(0, at + 4), added, frame.subarray(at + 4)]))
  },
  /** Where only a length was asked for, or there was too little room: all the bytes. */
  function output(frame, next) {
    const body = frame.subarray(HEADER_BYTES)
    if (body.length !== 17 || body[8] !== 0) return frame
    const count = next(64)
    // Bytes, or numbers of eight bytes each.
    const output = Buffer.alloc(5 + count * (next(2) === 0 ? 1 : 8), 0x2b)
    output.writeUInt8(1, 0)
    output.writeUInt32BE(count, 1)
    return resized(Buffer.concat([frame.subarray(0, HEADER_BYTES + 8), output]))
  },
  function twice(frame) {
    return resized(Buffer.concat([frame, frame.subarray(HEADER_BYTES + 8)]))
  },
  function header(frame, next) {
    frame.writeUInt32BE(EXTREMES[next(EXTREMES.length)] as number, 4 * next(3))
    return frame
  },
]

describe(
  'libclaviger.so with a peer that answers anything',
  needsSanitizer('address,undefined'),
  () => {
    const folder = new Folder()
    const module = folder.file('libclaviger.so')
    const program = folder.file('scenarios')
    const socket = folder.file('peer.sock')

    before(() => {
      buildModule(module, COMPILER as string, SANITIZERS)
      buildScenarios(program, COMPILER as string, SANITIZERS)
    })
    after(() => folder.remove())

    it('writes nowhere but where the caller has room', (test) => run(test, givenSeed()))

    it('ends its calls where a peer takes next to nothing', (test) => run(test, TAKES_NOTHING))

    const run = async (test: TestContext, seed: number): Promise<void> => {
      test.diagnostic(`seed ${seed}`)
      const next = numbers(seed)
      let changed = 0
      const change = (frame: Buffer, name: string): Buffer | undefined => {
        if (next(name === 'C_Initialize' ? 40 : 3) > 0 || frame.length < HEADER_BYTES + 8)
          return frame
        changed++
        return CHANGES[next(CHANGES.length)]?.(Buffer.from(frame), next)
      }
      const peer = new Peer({ change })
      await peer.listen(socket)
      const child = spawn(program, [module, 'fuzz'], {
        env: {
          CLAVIGER_PKCS11: socket,
          CLAVIGER_TIMEOUT_SECONDS: '1',
          SEED: String(seed),
          SECONDS: String(SECONDS),
          CALLS: String(CALLS),
          ASAN_OPTIONS: 'detect_leaks=1',
          UBSAN_OPTIONS: 'print_stacktrace=1',
        },
        timeout: MILLISECONDS,
        killSignal: 'SIGKILL',
      })
      let output = ''
      let errors = ''
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk
      })
      child.stderr.on('data', (chunk: Buffer) => {
        errors += chunk
      })
      const code = await new Promise((resolve) => child.once('close', resolve))
      await peer.stop()
      strictEqual(errors, '')
      strictEqual(code, 0)
      const calls = Number.parseInt(output, 10)
      test.diagnostic(`${calls} groups of calls, ${changed} answers changed`)
      ok(calls >= CALLS_MIN, `only ${calls} groups of calls were made`)
      ok(changed >= CALLS_MIN / 10, `only ${changed} answers were changed`)
    }
  },
)
