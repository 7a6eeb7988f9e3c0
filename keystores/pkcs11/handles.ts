/**
 * Handles of a module that no number of JavaScript holds: each has a name that one does.
 *
 * PKCS#11 3.2 §3.2: a handle is a CK_ULONG, and its value means nothing. Most modules count from 1;
 * tpm2-pkcs11 has the token in the first byte of a session, and others draw all 64 bits at random.
 * Those from 2^52 on get a name of the host's making, the same for all of its threads. The last
 * 32,768 names are known; an older one is refused as a handle that is not valid any more, and
 * whoever has it looks its object up again. The sessions of a thread stay known to it.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'

/** Names of one process: how many there have been, and behind that the handles of the last ones. */
export type NamedHandles = BigUint64Array

const NAMES_MAX = 32_768
const FIRST_NAME = 2 ** 52
const FIRST_LARGE = BigInt(FIRST_NAME)
/** CK_UNAVAILABLE_INFORMATION. */
const UNAVAILABLE = 0xffff_ffff_ffff_ffffn

export class Handles {
  readonly #named: NamedHandles
  /** Names that this thread has given. */
  readonly #names = new Map<bigint, number>()
  readonly #sessions = new Map<number, bigint>()

  /** Memory that the threads of a process share. */
  static shared(): NamedHandles {
    const bytes = (1 + NAMES_MAX) * BigUint64Array.BYTES_PER_ELEMENT
    return new BigUint64Array(new SharedArrayBuffer(bytes))
  }

  constructor(named: NamedHandles = Handles.shared()) {
    this.#named = named
  }

  /** The handle as a number; any other CK_ULONG, too. */
  name(handle: bigint): number {
    if (handle < FIRST_LARGE) return Number(handle)
    if (handle === UNAVAILABLE) return -1
    const known = this.#names.get(handle)
    if (known !== undefined && this.#isThere(known)) return known
    const index = Number(Atomics.add(this.#named, 0, 1n))
    Atomics.store(this.#named, placeOf(index), handle)
    const name = FIRST_NAME + index
    if (this.#names.size >= NAMES_MAX) this.#names.clear()
    this.#names.set(handle, name)
    return name
  }

  /** The name of a session, which is known for as long as this thread lives. */
  nameSession(handle: bigint): number {
    const name = this.name(handle)
    if (name >= FIRST_NAME) this.#sessions.set(name, handle)
    return name
  }

  /** @throws `CryptokiError` `CKR_OBJECT_HANDLE_INVALID` where the name is too old. */
  handle(name: number): bigint {
    const handle = this.known(BigInt.asUintN(64, BigInt(name)))
    if (handle !== undefined) return handle
    throw new CryptokiError(CKR.OBJECT_HANDLE_INVALID, 'the name of the handle is not known')
  }

  /** @returns Undefined where the name is too old. */
  known(word: bigint): bigint | undefined {
    if (word < FIRST_LARGE || word === UNAVAILABLE) return word
    const name = Number(word)
    const session = this.#sessions.get(name)
    if (session !== undefined) return session
    const handle = Atomics.load(this.#named, placeOf(name - FIRST_NAME))
    // Looked at last: another thread may have taken its place meanwhile.
    return this.#isThere(name) ? handle : undefined
  }

  #isThere(name: number): boolean {
    const age = Number(Atomics.load(this.#named, 0)) - (name - FIRST_NAME)
    return age > 0 && age <= NAMES_MAX
  }
}

function placeOf(index: number): number {
  return 1 + (index % NAMES_MAX)
}
