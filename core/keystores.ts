/**
 * The keystores of a server, by name.
 *
 * @module
 */
import { KmsError } from './errors.ts'
import type { Keystore } from './keystore.ts'

export class Keystores {
  readonly #byName: ReadonlyMap<string, Keystore>
  readonly #first: Keystore

  /** @param keystores The first takes what nobody asks to have elsewhere. */
  constructor(keystores: readonly [Keystore, ...Keystore[]]) {
    this.#first = keystores[0]
    this.#byName = new Map(keystores.map((keystore) => [keystore.name, keystore]))
  }

  all(): Iterable<Keystore> {
    return this.#byName.values()
  }

  find(name: string): Keystore | undefined {
    return this.#byName.get(name)
  }

  /** @throws {@link KmsError} `keystoreUnavailable` when the configuration has no such keystore. */
  named(name: string): Keystore {
    const keystore = this.#byName.get(name)
    if (keystore !== undefined) return keystore
    const what = `Cannot use keystore "${name}": the configuration does not have it any more`
    throw new KmsError('keystoreUnavailable', what)
  }

  /**
   * Where a new object goes.
   *
   * @param masks Protection Storage Masks (KMIP 2.1 §7.26): alternatives, each of which a keystore
   * must fulfil in whole; none given means no wish.
   * @param kept Whether it is to be kept under another key.
   * @throws {@link KmsError} `protectionStorage` when no keystore fulfils any.
   */
  forNew(masks: readonly number[] | undefined, kept = false): Keystore {
    const isAny = masks === undefined || masks.length === 0
    if (isAny && !kept) return this.#first
    const all = [...this.all()].filter(({ under }) => !kept || under !== undefined)
    for (const mask of isAny ? [0] : masks) {
      for (const keystore of all) {
        if ((keystore.can.protectionStorageMask & mask) === mask) return keystore
      }
    }
    if (kept) {
      const what = 'Cannot keep a key wrapped: no keystore of those that are asked for does so'
      throw new KmsError('protectionStorage', `${what}; a software keystore does`)
    }
    const wanted = (masks ?? []).map((mask) => `0x${mask.toString(16)}`).join(', ')
    const what = `Cannot store object: no keystore fulfils the Protection Storage Mask ${wanted}`
    throw new KmsError('protectionStorage', what)
  }
}
