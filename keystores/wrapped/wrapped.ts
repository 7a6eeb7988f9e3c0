/**
 * Keys that are stored only as another key has wrapped them, worked with in software.
 *
 * A keystore around the software keystore. Keys of its own it leaves alone. Of a key that is kept
 * under another one (the keeper, usually in an HSM) the reference is what the keeper has wrapped,
 * and neither the key nor a digest of it is written down. To be used it is unwrapped by its keeper,
 * once, and remembered for a time (`opened.ts`); from then on it is as fast as any other.
 *
 * Who may keep keys under what is the core's to say (`core/operations/keep.ts`).
 *
 * @module
 */
import type { Awaitable } from '#core/awaitable.ts'
import type {
  Ability,
  Capabilities,
  CipherMechanism,
  DerivationMechanism,
  Encapsulated,
  Encrypted,
  ImportRequest,
  Ingredient,
  Keeper,
  KeyInUse,
  Keystore,
  MacMechanism,
  Made,
  MakePairRequest,
  MakeRequest,
  Maker,
  Remains,
  SignatureMechanism,
  Streams,
  WrapMechanism,
} from '#core/keystore.ts'
import type { KeptKey, Unwrapped } from '#core/operations/keep.ts'
import type { Secret } from '#core/secret.ts'
import type { Hash } from '#spec/algorithms.ts'
import type { KeyFormatType } from '#spec/kmip/enumerations.ts'
import type { Opened, OpenedKeys } from './opened.ts'
import { isReference, parsed, type References } from './reference.ts'

/** A keystore whose references are keys, and which can forget what it knows of one. */
export interface Forgetful extends Keystore {
  readonly streams: Streams
  forget(handle: Uint8Array): void
}

/** Has a key unwrapped by its keeper. */
export type Unwrap = (kept: KeptKey) => Promise<Unwrapped>

/** What keystores of a server may share. */
export interface Wrappings {
  readonly opened: OpenedKeys
  readonly references: References
  readonly unwrap: Unwrap
}

export class WrappedKeystore implements Keystore {
  readonly name: string
  readonly can: Capabilities
  readonly streams: Streams = {
    encrypt: (key, mechanism) => this.#with(key, (own) => this.#streams.encrypt(own, mechanism)),
    decrypt: (key, mechanism) => this.#with(key, (own) => this.#streams.decrypt(own, mechanism)),
    mac: (key, mechanism) => this.#with(key, (own) => this.#streams.mac(own, mechanism)),
    digest: (hash) => this.#streams.digest(hash),
  }
  readonly #inner: Forgetful
  readonly #opened: OpenedKeys
  readonly #references: References
  readonly #unwrap: Unwrap

  constructor(inner: Forgetful, { opened, references, unwrap }: Wrappings) {
    this.name = inner.name
    this.can = inner.can
    this.#inner = inner
    this.#opened = opened
    this.#references = references
    this.#unwrap = unwrap
  }

  get #streams(): Streams {
    return this.#inner.streams
  }

  cannot(ability: Ability): string | undefined {
    return this.#inner.cannot(ability)
  }

  generate(request: MakeRequest): Awaitable<Made> {
    return this.#inner.generate(request)
  }

  generatePair(request: MakePairRequest): ReturnType<Keystore['generatePair']> {
    return this.#inner.generatePair(request)
  }

  import(request: ImportRequest): Awaitable<Made> {
    return this.#inner.import(request)
  }

  under(keeper: Keeper): Maker {
    const inner = this.#inner
    return {
      generate: async (request) => {
        const made = await inner.generate(request)
        return this.#keep(keeper, { ...request, kind: 'secret' }, made)
      },
      generatePair: async (request) => {
        const { privateKey, publicKey } = await inner.generatePair(request)
        const { privateId: id, spec } = request
        const kept = await this.#keep(keeper, { id, kind: 'private', spec }, privateKey)
        return { privateKey: kept, publicKey }
      },
      import: async (request) => this.#keep(keeper, request, await inner.import(request)),
    }
  }

  keeperOf(handle: Uint8Array): string | undefined {
    return isReference(handle) ? parsed(handle).keeper : undefined
  }

  /** What has just been made, wrapped; what it was made as is erased. */
  async #keep(
    keeper: Keeper,
    { id, kind, spec }: Pick<KeyInUse, 'id' | 'kind' | 'spec'>,
    { handle, format }: Made,
  ): Promise<Made> {
    const key = { id, kind, spec, format, handle }
    try {
      using material = await this.#inner.export(key)
      const place = placeOf(key)
      const kept = { keeper: keeper.id, ...(await keeper.wrap(place, material)) }
      return { handle: this.#references.write(kept, place), format }
    } finally {
      this.#inner.forget(handle)
    }
  }

  /**
   * Work with a key, once it is unwrapped; at once where it is remembered.
   *
   * @param work Must begin to use it before it waits for anything: it may be forgotten then.
   */
  #with<T>(key: KeyInUse, work: (own: KeyInUse) => Awaitable<T>): Awaitable<T> {
    if (!isReference(key.handle)) return work(key)
    const known = this.#opened.find(key)
    if (known !== undefined) return work(known)
    return this.#open(key).then(work)
  }

  async #open(key: KeyInUse): Promise<KeyInUse> {
    const { id } = key
    const place = placeOf(key)
    const reference = this.#references.read(key.handle, place)
    return this.#opened.open(key, reference.keeper, async (): Promise<Opened> => {
      const { material, until } = await this.#unwrap({ id, place, ...reference })
      using bytes = material
      const { handle } = await this.#inner.import({ ...key, bytes: bytes.expose() })
      return { own: { ...key, handle }, until, forget: () => this.#inner.forget(handle) }
    })
  }

  export(key: KeyInUse, format: KeyFormatType = key.format): Awaitable<Secret> {
    return this.#with(key, (own) => this.#inner.export(own, format))
  }

  destroy(handle: Uint8Array): Awaitable<Remains> {
    return this.#inner.destroy(handle)
  }

  encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Awaitable<Encrypted> {
    return this.#with(key, (own) => this.#inner.encrypt(own, mechanism, data))
  }

  decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Awaitable<Uint8Array> {
    return this.#with(key, (own) => this.#inner.decrypt(own, mechanism, data, tag))
  }

  sign(key: KeyInUse, mechanism: SignatureMechanism, data: Uint8Array): Awaitable<Uint8Array> {
    return this.#with(key, (own) => this.#inner.sign(own, mechanism, data))
  }

  verify(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    data: Uint8Array,
    signature: Uint8Array,
  ): Awaitable<boolean> {
    return this.#with(key, (own) => this.#inner.verify(own, mechanism, data, signature))
  }

  recover(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    signature: Uint8Array,
  ): Awaitable<Uint8Array> {
    return this.#with(key, (own) => this.#inner.recover(own, mechanism, signature))
  }

  mac(key: KeyInUse, mechanism: MacMechanism, data: Uint8Array): Awaitable<Uint8Array> {
    return this.#with(key, (own) => this.#inner.mac(own, mechanism, data))
  }

  digest(hash: Hash, data: Uint8Array): Awaitable<Uint8Array> {
    return this.#inner.digest(hash, data)
  }

  wrap(key: KeyInUse, mechanism: WrapMechanism, material: Secret): Awaitable<Uint8Array> {
    return this.#with(key, (own) => this.#inner.wrap(own, mechanism, material))
  }

  unwrap(key: KeyInUse, mechanism: WrapMechanism, wrapped: Uint8Array): Awaitable<Secret> {
    return this.#with(key, (own) => this.#inner.unwrap(own, mechanism, wrapped))
  }

  derive(key: KeyInUse, mechanism: DerivationMechanism, length: number): Awaitable<Secret> {
    const kept = ingredientsOf(mechanism).filter(({ kind, handle }) => {
      return kind === 'secret' && isReference(handle)
    })
    if (kept.length > 0) return this.#deriveWith(key, kept, mechanism, length)
    return this.#with(key, (own) => this.#inner.derive(own, mechanism, length))
  }

  /** The keys that go into it are held in clear for as long as it takes. */
  async #deriveWith(
    key: KeyInUse,
    kept: readonly KeyInUse[],
    mechanism: DerivationMechanism,
    length: number,
  ): Promise<Secret> {
    const values = new Map<KeyInUse, Secret>()
    try {
      for (const one of kept) values.set(one, await this.export(one))
      const plain = (part: unknown): unknown => values.get(part as KeyInUse)?.expose() ?? part
      const changed = mapped(mechanism, plain)
      // The base comes last: it may be forgotten as soon as something else is waited for.
      return await this.#with(key, (own) => this.#inner.derive(own, changed, length))
    } finally {
      for (const value of values.values()) value[Symbol.dispose]()
    }
  }

  expand(key: KeyInUse): Awaitable<Secret | undefined> {
    return this.#with(key, (own) => this.#inner.expand?.(own))
  }

  encapsulate(key: KeyInUse): Awaitable<Encapsulated> {
    return this.#with(key, (own) => this.#inner.encapsulate(own))
  }

  decapsulate(key: KeyInUse, ciphertext: Uint8Array): Awaitable<Secret> {
    return this.#with(key, (own) => this.#inner.decapsulate(own, ciphertext))
  }

  random(length: number): Awaitable<Uint8Array> {
    return this.#inner.random(length)
  }

  seed(bytes: Uint8Array): Awaitable<number> {
    return this.#inner.seed(bytes)
  }

  health(): Awaitable<void> {
    return this.#inner.health()
  }

  close(): Awaitable<void> {
    this.#opened.clear()
    return this.#inner.close()
  }
}

/** What a wrapped key is bound to: moved elsewhere, it does not open. */
function placeOf({ id, kind, format }: Pick<KeyInUse, 'id' | 'kind' | 'format'>): Uint8Array {
  return Buffer.from(`claviger ${kind} ${format} of ${id}`)
}

function ingredientsOf(mechanism: DerivationMechanism): readonly KeyInUse[] {
  const found: KeyInUse[] = []
  mapped(mechanism, (part) => {
    if (typeof part === 'object' && part !== null && 'handle' in part) found.push(part as KeyInUse)
    return part
  })
  return found
}

/** The same with other ingredients. */
function mapped(
  mechanism: DerivationMechanism,
  change: (part: unknown) => unknown,
): DerivationMechanism {
  const changed: Record<string, unknown> = { ...mechanism }
  if ('salt' in mechanism) changed['salt'] = change(mechanism.salt as Ingredient)
  if ('parts' in mechanism) changed['parts'] = mechanism.parts.map(change)
  if ('input' in mechanism) changed['input'] = mechanism.input.map(change)
  return changed as unknown as DerivationMechanism
}
