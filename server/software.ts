/**
 * The software keystores of a house, with what they share: the keys that were unwrapped by others.
 *
 * @module
 */
import type { Services } from '#core/context.ts'
import type { Keystore } from '#core/keystore.ts'
import type { Limits } from '#core/limits.ts'
import { unwrapKept } from '#core/operations/keep.ts'
import type { Sealer } from '#core/sealer.ts'
import type { Store } from '#core/store.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { OpenedKeys } from '#keystores/wrapped/opened.ts'
import { References } from '#keystores/wrapped/reference.ts'
import { WrappedKeystore, type Wrappings } from '#keystores/wrapped/wrapped.ts'

export class SoftwareKeystores {
  readonly #sealer: Sealer
  readonly #wrapBytesMax: number
  readonly #wrappings: Wrappings

  /** @param services Asked for when a key is unwrapped; they are not there yet. */
  constructor(sealer: Sealer, limits: Limits, clock: () => number, services: () => Services) {
    const { unwrappedKeysMax: max, unwrappedSeconds: seconds } = limits
    this.#sealer = sealer
    this.#wrapBytesMax = limits.wrapBytesMax
    this.#wrappings = {
      opened: new OpenedKeys({ max, seconds, clock }),
      references: new References(sealer.subkey('wrapped')),
      unwrap: (kept) => unwrapKept(services(), kept),
    }
  }

  /** A keystore of this name. */
  open(name: string): Keystore {
    return new WrappedKeystore(this.plain(name), this.#wrappings)
  }

  /** One whose keys are under no other, such as what lies beside a device. */
  plain(name: string): SoftwareKeystore {
    return new SoftwareKeystore(name, this.#sealer, this.#wrapBytesMax)
  }

  /** The same store, whose changes make forget what was unwrapped. */
  watched(store: Store): Store {
    store.watch((change) => this.#wrappings.opened.changed(change))
    return store
  }
}
