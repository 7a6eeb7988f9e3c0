/**
 * A host of an HSM's module that does not keep to the protocol, for tests: the real host is behind
 * it, and what that answers goes on as the first word of a file says.
 *
 * `node conformance/hsm/hostile-host.ts MANNERS LANES PROGRAM ARGUMENTS…`, the lanes from
 * descriptor 3 on. MANNERS is the file, `MANNER SEED`; it is read at each answer.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const FIRST_DESCRIPTOR = 3
const HEADER_BYTES = 12
const LENGTH_AT = 8
const FLOOD_BYTES = 1_048_576
const LONG_BYTES = 0x3f0_0000

type Say = (bytes: Uint8Array) => boolean
/** @param frame A whole answer. */
type Manner = (frame: Buffer, say: Say, random: () => number, lane: Socket) => void

/** Header of another length, and the rest as it was. */
function announced(frame: Buffer, bytes: number): Buffer {
  const changed = Buffer.from(frame)
  changed.writeUInt32BE(bytes, LENGTH_AT)
  return changed
}

/** As much as is taken, for ever. */
function flood(say: Say, lane: Socket): void {
  const block = Buffer.alloc(FLOOD_BYTES)
  const more = (): void => {
    while (!lane.destroyed && say(block));
    if (!lane.destroyed) lane.once('drain', more)
  }
  more()
}

const MANNERS: Readonly<Record<string, Manner>> = {
  honest: (frame, say) => say(frame),
  silent: () => {},
  noise: (frame, say, random) => say(Buffer.from(frame.map(() => random()))),
  half: (frame, say) => say(frame.subarray(0, frame.length / 2)),
  header: (frame, say) => say(frame.subarray(0, HEADER_BYTES - 1)),
  cut: (frame, say) => {
    const body = Math.floor((frame.length - HEADER_BYTES) / 2)
    say(announced(frame, body).subarray(0, HEADER_BYTES + body))
  },
  empty: (frame, say) => say(announced(frame, 0).subarray(0, HEADER_BYTES)),
  huge: (frame, say) => say(announced(frame, 0xffff_ffff)),
  long: (frame, say, _random, lane) => {
    say(announced(frame, LONG_BYTES))
    flood(say, lane)
  },
  flood: (_frame, say, _random, lane) => flood(say, lane),
  another: (frame, say) => {
    const changed = Buffer.from(frame)
    changed.writeUInt32BE((frame.readUInt32BE(0) + 7) >>> 0, 0)
    say(changed)
  },
  twice: (frame, say) => {
    say(frame)
    say(frame)
  },
  end: (_frame, _say, _random, lane) => lane.destroy(),
  exit: () => process.kill(process.pid, 'SIGKILL'),
  /** Bits of the body are others: lengths, counts, return values, handles, data. */
  altered: (frame, say, random) => {
    const changed = Buffer.from(frame)
    const room = changed.length - HEADER_BYTES
    for (let times = 1 + (random() % 3); times > 0 && room > 0; times--) {
      const at = HEADER_BYTES + ((random() * 256 + random()) % room)
      changed[at] = random() % 4 === 0 ? 0xff : random()
    }
    say(changed)
  },
}

/** Numbers from 0 to 255, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state & 0xff
  }
}

function main([file, lanes, program, ...args]: readonly string[]): void {
  if (file === undefined || lanes === undefined || program === undefined) {
    throw new Error('usage: hostile-host MANNERS LANES PROGRAM ARGUMENTS…')
  }
  const count = Number(lanes)
  const pipes = Array.from({ length: count }, () => 'pipe' as const)
  const host = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', ...pipes] })
  for (let lane = 0; lane < count; lane++) between(file, host, lane)
}

function between(file: string, host: ChildProcess, index: number): void {
  const server = new Socket({ fd: FIRST_DESCRIPTOR + index })
  const real = host.stdio[FIRST_DESCRIPTOR + index] as unknown as Duplex
  let random: (() => number) | undefined
  let pending = Buffer.alloc(0)
  let hasVersion = false
  server.on('data', (bytes: Buffer) => real.write(bytes))
  server.on('error', () => {})
  real.on('error', () => {})
  server.once('close', () => real.destroy())
  // Without them this process has nothing to do, and ends.
  host.once('exit', () => server.destroy())
  const say: Say = (bytes) => (server.destroyed ? false : server.write(bytes))
  real.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes])
    const [name = '', seed = '1'] = readFileSync(file, 'utf8').split(' ')
    const manner = MANNERS[name] as Manner
    random ??= randomOf(Number(seed) + index)
    if (!hasVersion && pending.length > 0) {
      hasVersion = true
      if (name !== 'silent') say(pending.subarray(0, 1))
      pending = pending.subarray(1)
    }
    for (;;) {
      const length = pending.length < HEADER_BYTES ? Infinity : lengthOf(pending)
      if (pending.length < length) return
      manner(pending.subarray(0, length), say, random, server)
      pending = pending.subarray(length)
    }
  })
}

function lengthOf(frame: Buffer): number {
  return HEADER_BYTES + frame.readUInt32BE(4) + frame.readUInt32BE(LENGTH_AT)
}

main(process.argv.slice(2))
