/**
 * What was acknowledged is there after a power cut, and a disk that fails loses nothing.
 *
 * A server is killed (SIGKILL) again and again while several connections create, register and
 * destroy. After each start, over KMIP: every acknowledged object has its material, every
 * acknowledged destruction has happened, nothing is half made, and the database verifies. What was
 * in flight when the power went may have happened or not, but only whole.
 *
 * `CLAVIGER_CRASH_ROUNDS` (default 40) and `CLAVIGER_CRASH_SEED` (printed) choose how often and
 * how. SIGKILL leaves the page cache to the kernel: this shows the order of writes, not what a disk
 * does with them.
 *
 * @module
 */
import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectOptions, KmipClient, KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { askServer } from '#server/control.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask,
  ObjectType,
  type OpaqueDataType,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'

const ROUNDS = Number(process.env['CLAVIGER_CRASH_ROUNDS'] ?? 40)
const SEED = Number(process.env['CLAVIGER_CRASH_SEED'] ?? Date.now() % 1_000_000)
const CONNECTIONS = 4
/** Rounds on one data directory: everything in it is read after each of them. */
const ROUNDS_EACH = 50
/** Requests under way while everything is read. */
const AT_ONCE = 64
/** A server is killed this long after its clients have begun, in milliseconds. */
const KILL_AFTER = { min: 5, max: 250 } as const

const AES = [
  { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
  { id: 'cryptographicLength', value: 256 },
  {
    id: 'cryptographicUsageMask',
    value: CryptographicUsageMask.Encrypt | CryptographicUsageMask.Decrypt,
  },
] as const

const LOCATE_ALL = { attribute: [] } as const

/** Numbers from 0 to 1 that a seed repeats. */
function numbersOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** All bytes of an object, as text. */
function bytesOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value === null || typeof value !== 'object') return ''
  return Object.values(value).map(bytesOf).join('')
}

const materialOf = async (client: KmipClient, uniqueIdentifier: string): Promise<string> => {
  return bytesOf((await client.call('Get', { uniqueIdentifier })).object.value)
}

const createKey = async (client: KmipClient): Promise<string> => {
  const attributes = { attributes: AES }
  const { uniqueIdentifier } = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes,
  })
  return String(uniqueIdentifier)
}

const register = async (client: KmipClient, material: Uint8Array): Promise<string> => {
  const value = { opaqueDataType: 0x80000001 as OpaqueDataType, opaqueDataValue: material }
  const { uniqueIdentifier } = await client.call('Register', {
    objectType: ObjectType.OpaqueObject,
    attributes: { attributes: [] },
    object: { tag: Tag.OpaqueObject, value },
  })
  return String(uniqueIdentifier)
}

/** What the clients know: acknowledged, or asked for without an answer. */
class Ledger {
  /** Acknowledged objects; the material is undefined where a created key was not read yet. */
  readonly live = new Map<string, string | undefined>()
  readonly destroyed = new Set<string>()
  /** Their destruction was asked for, and no answer came. */
  readonly undecided = new Set<string>()
  /** Materials whose registration was asked for, and no answer came. */
  readonly unanswered = new Set<string>()
  /** Creations without an answer. */
  creating = 0
}

/** Works until the connection breaks. */
async function work(client: KmipClient, ledger: Ledger, random: () => number): Promise<void> {
  const mine: string[] = []
  for (;;) {
    const wish = random()
    if (wish < 0.4) {
      ledger.creating++
      const id = await createKey(client)
      ledger.creating--
      ledger.live.set(id, undefined)
      ledger.live.set(id, await materialOf(client, id))
      mine.push(id)
    } else if (wish < 0.75 || mine.length === 0) {
      const material = Uint8Array.from({ length: 48 }, () => Math.floor(random() * 256))
      const text = bytesOf(material)
      ledger.unanswered.add(text)
      const id = await register(client, material)
      ledger.unanswered.delete(text)
      ledger.live.set(id, text)
      mine.push(id)
    } else {
      const [id = ''] = mine.splice(Math.floor(random() * mine.length), 1)
      ledger.undecided.add(id)
      await client.call('Destroy', { uniqueIdentifier: id })
      ledger.undecided.delete(id)
      ledger.live.delete(id)
      ledger.destroyed.add(id)
    }
  }
}

/** Kills the server while clients work; resolves when all have noticed. */
async function crash(server: OwnServer, ledger: Ledger, random: () => number): Promise<void> {
  const connect = server.client('crash')
  const clients = Array.from({ length: CONNECTIONS }, () => {
    return new KmipClient({ ...connect, connectionsMax: 1, version: 21 })
  })
  await Promise.all(
    clients.map((client) => client.call('DiscoverVersions', { protocolVersion: [] })),
  )
  const ended = clients.map((client, index) => {
    return rejects(work(client, ledger, numbersOf(random() * 2 ** 32 + index)), {
      name: 'KmipConnectionError',
    })
  })
  await sleep(KILL_AFTER.min + random() * (KILL_AFTER.max - KILL_AFTER.min))
  await server.kill()
  await Promise.all(ended)
  for (const client of clients) client.close()
}

/** Everything that the server has, by identifier; objects that are destroyed have no material. */
async function everything(connect: ConnectOptions): Promise<Map<string, string | undefined>> {
  await using client = new KmipClient({ ...connect, version: 21 })
  const found = new Map<string, string | undefined>()
  const { uniqueIdentifier } = await client.call('Locate', LOCATE_ALL)
  const ids = uniqueIdentifier.map(String)
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    const materials = some.map((id) => materialOf(client, id).catch(undefinedWhenDestroyed))
    for (const [index, material] of (await Promise.all(materials)).entries()) {
      found.set(some[index] as string, material)
    }
  }
  return found
}

function undefinedWhenDestroyed(error: unknown): undefined {
  if (error instanceof KmipError && error.reasonName === 'ObjectDestroyed') return
  throw error
}

/** What was acknowledged is as it was; what was not is whole, and from now on known. */
function assertKept(found: ReadonlyMap<string, string | undefined>, ledger: Ledger): void {
  for (const [id, material] of ledger.live) {
    const there = found.get(id)
    if (there === undefined && ledger.undecided.has(id)) {
      ledger.live.delete(id)
      ledger.destroyed.add(id)
      continue
    }
    ok(there !== undefined, `${id} was acknowledged, and is gone`)
    if (material !== undefined) strictEqual(there, material, `${id} has other material`)
    else strictEqual(there.length, 64, `${id} is no AES key of 256 bits`)
    ledger.live.set(id, there)
  }
  for (const id of ledger.destroyed) strictEqual(found.get(id), undefined, `${id} was destroyed`)
  for (const [id, material] of found) {
    if (material === undefined) ok(ledger.destroyed.has(id), `${id} has no material`)
    else if (!ledger.live.has(id)) adopt(id, material, ledger)
  }
  ledger.undecided.clear()
  ledger.unanswered.clear()
  ledger.creating = 0
}

/** An object whose answer the power cut has swallowed. */
function adopt(id: string, material: string, ledger: Ledger): void {
  if (!ledger.unanswered.delete(material)) {
    ok(ledger.creating-- > 0, `${id} is there, and nobody has asked for it`)
    strictEqual(material.length, 64, `${id} is no AES key of 256 bits`)
  }
  ledger.live.set(id, material)
}

async function assertVerifies(dataDir: string): Promise<void> {
  const { problems } = (await askServer(dataDir, 'verify', {})) as { problems: unknown }
  deepStrictEqual(problems, [])
}

describe('a server that is killed', { timeout: 60_000 + ROUNDS * 10_000 }, () => {
  const random = numbersOf(SEED)
  for (let first = 1; first <= ROUNDS; first += ROUNDS_EACH) {
    const last = Math.min(ROUNDS, first + ROUNDS_EACH - 1)
    it(`has kept what it acknowledged, rounds ${first} to ${last} (seed ${SEED})`, async (test) => {
      const ledger = await crashes(first, last, random)
      ok(ledger.live.size + ledger.destroyed.size > last - first, 'hardly anything was done')
      const { live, destroyed } = ledger
      test.diagnostic(`seed ${SEED}: ${live.size} objects kept, ${destroyed.size} destroyed`)
    })
  }
})

/** Crashes of a server with a data directory of its own, which are all looked into. */
async function crashes(first: number, last: number, random: () => number): Promise<Ledger> {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-crash-'))
  const ledger = new Ledger()
  let server = await startOwnServer({ dataDir })
  try {
    await askServer(dataDir, 'credential.create', { name: 'crash' })
    for (let round = first; round <= last; round++) {
      await crash(server, ledger, random)
      server = await server.restart()
      try {
        assertKept(await everything(server.client('crash')), ledger)
        await assertVerifies(dataDir)
      } catch (error) {
        const what = `seed ${SEED}, round ${round}: ${(error as Error).message}`
        throw new Error(what, { cause: error })
      }
    }
    return ledger
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

describe('the check of what was kept', () => {
  const kept = (found: readonly [string, string | undefined][], change: (to: Ledger) => void) => {
    const ledger = new Ledger()
    ledger.live.set('a', '0a')
    change(ledger)
    assertKept(new Map(found), ledger)
    return ledger
  }
  const nothing = (): void => undefined

  it('notices what is gone, altered, half made, unasked for or back', () => {
    throws(() => kept([], nothing), /a was acknowledged, and is gone/)
    throws(() => kept([['a', '0b']], nothing), /a has other material/)
    throws(() => kept([['a', undefined]], nothing), /a was acknowledged, and is gone/)
    throws(
      () =>
        kept(
          [
            ['a', '0a'],
            ['b', undefined],
          ],
          nothing,
        ),
      /b has no material/,
    )
    throws(
      () =>
        kept(
          [
            ['a', '0a'],
            ['b', '0b'],
          ],
          nothing,
        ),
      /nobody has asked for it/,
    )
    const short = (ledger: Ledger) => void ledger.creating++
    throws(
      () =>
        kept(
          [
            ['a', '0a'],
            ['b', '0b'],
          ],
          short,
        ),
      /b is no AES key/,
    )
    const destroyed = (ledger: Ledger) => void ledger.destroyed.add('c')
    throws(
      () =>
        kept(
          [
            ['a', '0a'],
            ['c', '0c'],
          ],
          destroyed,
        ),
      /c was destroyed/,
    )
  })

  it('takes what was in flight either way', () => {
    const undecided = (ledger: Ledger) => void ledger.undecided.add('a')
    deepStrictEqual([...kept([], undecided).destroyed], ['a'])
    deepStrictEqual([...kept([['a', '0a']], undecided).live.keys()], ['a'])
    const asked = (ledger: Ledger) => void ledger.unanswered.add('0b')
    deepStrictEqual(
      [
        ...kept(
          [
            ['a', '0a'],
            ['b', '0b'],
          ],
          asked,
        ).live.keys(),
      ],
      ['a', 'b'],
    )
  })
})

/** Why no disk of our own can be mounted; false when it can. */
function noMount(): string | false {
  if (process.getuid?.() !== 0) return 'a small disk can be mounted by root only'
  const folder = mkdtempSync(join(tmpdir(), 'claviger-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' })
    execFileSync('umount', [folder], { stdio: 'pipe' })
    return false
  } catch (error) {
    return `a small disk cannot be mounted here: ${(error as Error).message.split('\n')[0]}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Calls with a folder on a disk of this many MiB of its own. */
async function onSmallDisk(mib: number, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder])
  try {
    await run(folder)
  } finally {
    execFileSync('umount', [folder])
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Fills a disk to the last block; returns the file that does. */
function fill(folder: string): string {
  const path = join(folder, 'filler')
  const { bavail, bsize } = statfsSync(folder)
  // Some blocks are the file's own, so that the last ones are refused.
  throws(() => writeFileSync(path, Buffer.alloc((bavail + 1) * bsize)), { code: 'ENOSPC' })
  strictEqual(statfsSync(folder).bavail, 0)
  return path
}

describe('a disk that fails', { skip: noMount(), timeout: 120_000 }, () => {
  it('is refused clearly when full, loses nothing, and is used again when there is room', async () => {
    await onSmallDisk(24, async (folder) => {
      const dataDir = join(folder, 'data')
      const server = await startOwnServer({ dataDir })
      try {
        await using client = new KmipClient({ ...(await server.newClient()), version: 21 })
        const kept = new Map<string, string>()
        for (let count = 0; count < 20; count++) {
          const id = await createKey(client)
          kept.set(id, await materialOf(client, id))
        }
        const filler = fill(folder)
        const refusal = await untilRefused(client, kept)
        match(refusal.message, /disk of the database is full/)
        for (const [id, material] of kept) strictEqual(await materialOf(client, id), material)
        rmSync(filler)
        const id = await createKey(client)
        kept.set(id, await materialOf(client, id))
        const { uniqueIdentifier } = await client.call('Locate', LOCATE_ALL)
        deepStrictEqual(uniqueIdentifier.map(String).sort(), [...kept.keys()].sort())
        await assertVerifies(dataDir)
      } finally {
        await server.stop()
      }
    })
  })

  it('is refused at the start when read-only, and nothing is lost', async () => {
    await onSmallDisk(24, async (folder) => {
      const dataDir = join(folder, 'data')
      const first = await startOwnServer({ dataDir })
      await askServer(dataDir, 'credential.create', { name: 'reader' })
      const before = new KmipClient({ ...first.client('reader'), version: 21 })
      const id = await createKey(before)
      const material = await materialOf(before, id)
      before.close()
      await first.stop()
      execFileSync('mount', ['-o', 'remount,ro', folder])
      await rejects(startOwnServer({ dataDir }), /read-only|EROFS|cannot be (written|opened)/i)
      execFileSync('mount', ['-o', 'remount,rw', folder])
      const second = await startOwnServer({ dataDir })
      try {
        await using after = new KmipClient({ ...second.client('reader'), version: 21 })
        strictEqual(await materialOf(after, id), material)
        await assertVerifies(dataDir)
      } finally {
        await second.stop()
      }
    })
  })
})

/** Creates until the server refuses: what space its files have left is used up first. */
async function untilRefused(client: KmipClient, kept: Map<string, string>): Promise<KmipError> {
  for (let count = 0; count < 20_000; count++) {
    try {
      const id = await createKey(client)
      kept.set(id, await materialOf(client, id))
    } catch (error) {
      ok(error instanceof KmipError, `no refusal: ${(error as Error).message}`)
      strictEqual(error.reasonName, 'InternalServerError')
      return error
    }
  }
  throw new Error('the disk is full, and 20,000 keys were created')
}
