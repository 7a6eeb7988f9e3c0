/**
 * The ledger: a tree that says which revision of every record is the last one.
 *
 * A record authenticates itself, but an old row authenticates itself as well as a new one. So the
 * last revision of every record stands a second time in a tree of three levels: 65,536 leaves with
 * the revisions of the records whose hash begins with the leaf's number, 256 pages with the codes
 * of 256 leaves each, and the root with the codes of those pages. The root carries a code of its
 * own (HMAC-SHA-256 under a key that the root key protects). Whoever puts an old row back must put
 * back the whole path, and with it every other record: a single row, or any set of them, cannot be
 * rolled back. What remains is the whole database file, which nothing inside it can tell from a
 * restored backup. Writing checks every page that it builds upon, or it would vouch for what others
 * have put there.
 *
 * The root also says where the audit trail begins and ends, so that its newest entries cannot be
 * cut off, nor more of the oldest than we have removed ourselves.
 *
 * Pure but for the pages, which the caller keeps.
 *
 * @module
 */
import { createHmac, hash as nodeHash } from 'node:crypto'
import { sameBytes } from '#core/bytes.ts'
import { KmsError } from '#core/errors.ts'

const FAN_OUT = 256
/** Bytes of a code within a page. */
const CODE_BYTES = 16
/** First bytes of the hash of kind and identifier. */
const KEY_BYTES = 10
const REVISION_BYTES = 6
const ENTRY_BYTES = KEY_BYTES + REVISION_BYTES
const CODES_BYTES = FAN_OUT * CODE_BYTES
/** Bytes of the number of an audit entry in the root. */
const NUMBER_BYTES = 6

const ROOT = 0
const middlePage = (first: number): number => 1 + first
const leafPage = (first: number, second: number): number => 1 + FAN_OUT + first * FAN_OUT + second

/** Between which entries the audit trail is. */
export interface Trail {
  /** Number of the last entry that was removed because of its age; 0 when none was. */
  readonly removed: number
  /** Number of the newest entry; 0 when there is none. */
  readonly last: number
}

/** Undefined in a root that an older version of this program has written. */
function trailOf(root: Buffer): Trail | undefined {
  if (root.length !== CODES_BYTES + 2 * NUMBER_BYTES + CODE_BYTES) return undefined
  const number = (at: number): number => root.readUIntBE(at, NUMBER_BYTES)
  return { removed: number(CODES_BYTES), last: number(CODES_BYTES + NUMBER_BYTES) }
}

function trailBytes({ removed, last }: Trail): Buffer {
  const bytes = Buffer.alloc(2 * NUMBER_BYTES)
  bytes.writeUIntBE(removed, 0, NUMBER_BYTES)
  bytes.writeUIntBE(last, NUMBER_BYTES, NUMBER_BYTES)
  return bytes
}

/** Pages by number, as they are stored. */
export type ReadPage = (page: number) => Uint8Array | undefined

/** Where a record stands in the tree. */
interface Path {
  readonly key: Buffer
  readonly first: number
  readonly second: number
}

function pathOf(kind: string, id: string): Path {
  const hash = nodeHash('sha256', `${kind}\0${id}`, 'buffer')
  return {
    key: hash.subarray(2, 2 + KEY_BYTES),
    first: hash[0] as number,
    second: hash[1] as number,
  }
}

function codeOf(key: Uint8Array, page: number, bytes: Uint8Array): Buffer {
  const code = createHmac('sha256', key).update(`ledger ${page} `).update(bytes).digest()
  return code.subarray(0, CODE_BYTES)
}

function emptyCodes(): Buffer {
  return Buffer.alloc(CODES_BYTES)
}

const NO_CODE = Buffer.alloc(CODE_BYTES)

function codeAt(page: Uint8Array, index: number): Uint8Array {
  return page.subarray(index * CODE_BYTES, (index + 1) * CODE_BYTES)
}

/** Index of the entry with this key in a leaf, or -1. */
function entryIndex(leaf: Buffer, key: Buffer): number {
  for (let at = 0; at < leaf.length; at += ENTRY_BYTES) {
    if (key.equals(leaf.subarray(at, at + KEY_BYTES))) return at
  }
  return -1
}

function broken(what: string): KmsError {
  return new KmsError('tampered', `Cannot trust the database: ${what} was altered or rolled back`)
}

/** A page above the leaves that has been checked, and in which state of the database last. */
interface Middle {
  readonly bytes: Buffer
  readonly code: Buffer
  state: number | undefined
}

/** Checks records against the tree; remembers which pages it has checked already. */
export class LedgerReader {
  readonly #key: Uint8Array
  readonly #read: ReadPage
  #state: number | undefined
  #root: Buffer = Buffer.alloc(0)
  #rootState: number | undefined
  readonly #middles = new Map<number, Middle>()

  constructor(key: Uint8Array, read: ReadPage) {
    this.#key = key
    this.#read = read
  }

  /**
   * Says that the database stays in this state until the next call: what was checked in the same is
   * not read again. Without a state every page is read each time.
   */
  enter(state: number | undefined): void {
    this.#state = state
  }

  /**
   * The last revision of a record; undefined when there never was one or it was removed.
   *
   * Must be called in the same transaction in which the record is read.
   *
   * @throws `KmsError` `tampered` when the tree does not hold together.
   */
  revisionOf(kind: string, id: string): number | undefined {
    const { key, first, second } = pathOf(kind, id)
    const middle = this.#middle(first)
    const leaf = this.#leaf(first, second, middle)
    if (leaf === undefined) return undefined
    const at = entryIndex(leaf, key)
    return at < 0 ? undefined : leaf.readUIntBE(at + KEY_BYTES, REVISION_BYTES)
  }

  /**
   * How many records the tree has, branch by branch: all of them take a while.
   *
   * @throws `KmsError` `tampered` when the tree does not hold together.
   */
  *counts(): Generator<number> {
    for (let first = 0; first < FAN_OUT; first++) {
      const middle = this.#middle(first)
      if (middle === undefined) continue
      let count = 0
      for (let second = 0; second < FAN_OUT; second++) {
        count += (this.#leaf(first, second, middle)?.length ?? 0) / ENTRY_BYTES
      }
      yield count
    }
  }

  /**
   * Where the audit trail begins and ends; undefined when an older version has written the root.
   *
   * @throws `KmsError` `tampered` when the root was altered.
   */
  trail(): Trail | undefined {
    const root = this.#checkedRoot()
    return root === undefined ? { removed: 0, last: 0 } : trailOf(root)
  }

  /**
   * A page that is what was written.
   *
   * @throws `KmsError` `tampered` when it is not.
   */
  page(number: number): Buffer | undefined {
    if (number === ROOT) return this.#checkedRoot()
    if (number <= FAN_OUT) return this.#middle(number - 1)
    const index = number - 1 - FAN_OUT
    const [first, second] = [Math.floor(index / FAN_OUT), index % FAN_OUT]
    return this.#leaf(first, second, this.#middle(first))
  }

  #middle(first: number): Buffer | undefined {
    const known = this.#middles.get(first)
    if (known !== undefined && this.#isSame(known.state)) return known.bytes
    const root = this.#checkedRoot()
    const code = root === undefined ? NO_CODE : codeAt(root, first)
    const page = this.#read(middlePage(first))
    if (page === undefined) {
      if (!NO_CODE.equals(code)) throw broken(`page ${middlePage(first)} of the ledger`)
      return undefined
    }
    if (known?.bytes.equals(page) && known.code.equals(code)) {
      known.state = this.#state
      return known.bytes
    }
    const bytes = Buffer.from(page)
    if (!sameBytes(codeOf(this.#key, middlePage(first), bytes), code)) {
      throw broken(`page ${middlePage(first)} of the ledger`)
    }
    this.#middles.set(first, { bytes, code: Buffer.from(code), state: this.#state })
    return bytes
  }

  #isSame(state: number | undefined): boolean {
    return state !== undefined && state === this.#state
  }

  #checkedRoot(): Buffer | undefined {
    if (this.#isSame(this.#rootState)) return this.#root
    const page = this.#read(ROOT)
    if (page === undefined) return undefined
    if (this.#root.equals(page)) {
      this.#rootState = this.#state
      return this.#root
    }
    const bytes = Buffer.from(page)
    const content = bytes.subarray(0, Math.max(0, bytes.length - CODE_BYTES))
    if (!sameBytes(codeOf(this.#key, ROOT, content), bytes.subarray(content.length))) {
      throw broken('the root of the ledger')
    }
    this.#root = bytes
    this.#rootState = this.#state
    return bytes
  }

  #leaf(first: number, second: number, middle: Buffer | undefined): Buffer | undefined {
    const number = leafPage(first, second)
    const code = middle === undefined ? NO_CODE : codeAt(middle, second)
    const page = this.#read(number)
    if (page === undefined) {
      if (!NO_CODE.equals(code)) throw broken(`page ${number} of the ledger`)
      return undefined
    }
    const bytes = Buffer.from(page.buffer, page.byteOffset, page.length)
    if (!sameBytes(codeOf(this.#key, number, bytes), code)) {
      throw broken(`page ${number} of the ledger`)
    }
    return bytes
  }
}

/** Gathers new revisions and gives the pages that hold them. */
export class LedgerWriter {
  readonly #key: Uint8Array
  readonly #reader: LedgerReader
  readonly #pages = new Map<number, Buffer>()
  #trail: Trail | undefined

  /** @param reader Of the pages as they are stored, which it checks. */
  constructor(key: Uint8Array, reader: LedgerReader) {
    this.#key = key
    this.#reader = reader
  }

  /** Where the audit trail begins and ends from now on. */
  setTrail(trail: Trail): void {
    this.#trail = trail
  }

  /** @param revision The last one from now on; undefined when the record is removed. */
  set(kind: string, id: string, revision: number | undefined): void {
    const { key, first, second } = pathOf(kind, id)
    const number = leafPage(first, second)
    const leaf = this.#page(number) ?? Buffer.alloc(0)
    const at = entryIndex(leaf, key)
    const others =
      at < 0 ? leaf : Buffer.concat([leaf.subarray(0, at), leaf.subarray(at + ENTRY_BYTES)])
    if (revision === undefined) {
      this.#pages.set(number, others)
      return
    }
    const entry = Buffer.alloc(ENTRY_BYTES)
    key.copy(entry)
    entry.writeUIntBE(revision, KEY_BYTES, REVISION_BYTES)
    this.#pages.set(number, Buffer.concat([others, entry]))
  }

  /** Pages to write, from the leaves up to the root. */
  pages(): ReadonlyMap<number, Uint8Array> {
    for (const number of [...this.#pages.keys()]) this.#codeInto(number)
    const firsts = new Set([...this.#pages.keys()].filter((n) => n > 0 && n <= FAN_OUT))
    const codes = Buffer.from(this.#page(ROOT)?.subarray(0, CODES_BYTES) ?? emptyCodes())
    for (const number of firsts) {
      const bytes = this.#pages.get(number) as Buffer
      codeOf(this.#key, number, bytes).copy(codes, (number - 1) * CODE_BYTES)
    }
    const trail = this.#trail ?? this.#reader.trail()
    const content = trail === undefined ? codes : Buffer.concat([codes, trailBytes(trail)])
    this.#pages.set(ROOT, Buffer.concat([content, codeOf(this.#key, ROOT, content)]))
    return this.#pages
  }

  /** Writes the code of a leaf into the page above it. */
  #codeInto(number: number): void {
    const index = number - 1 - FAN_OUT
    if (index < 0) return
    const [first, second] = [Math.floor(index / FAN_OUT), index % FAN_OUT]
    const middle = Buffer.from(this.#page(middlePage(first)) ?? emptyCodes())
    codeOf(this.#key, number, this.#pages.get(number) as Buffer).copy(middle, second * CODE_BYTES)
    this.#pages.set(middlePage(first), middle)
  }

  #page(number: number): Buffer | undefined {
    return this.#pages.get(number) ?? this.#reader.page(number)
  }
}
