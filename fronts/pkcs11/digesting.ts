/**
 * Digests that run, and copies of them.
 *
 * PKCS#11 3.2 §5.12 and §5.6.4 (operation state). Where a keystore does not digest in parts they
 * are gathered up to `bufferedBytesMax`.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable, CopyableDigest, Keystore } from '#core/keystore.ts'
import type { Limits } from '#core/limits.ts'
import { type Hash, hashRow } from '#spec/algorithms.ts'
import { Gathered, type Running } from './running.ts'

/** An operation that digests. */
export interface Digesting extends Running {
  readonly keystore: Keystore
  readonly hash: Hash
  readonly length: number
  readonly bufferedBytesMax: number
  run?: CopyableDigest
}

export function newDigesting(
  keystore: Keystore,
  hash: Hash,
  { bufferedBytesMax }: Pick<Limits, 'bufferedBytesMax'>,
): Digesting {
  return { keystore, hash, length: hashRow(hash).bytes, bufferedBytesMax, inParts: false }
}

/** The digest of the parts, from the first one on. */
export function runOf(digesting: Digesting): Awaitable<CopyableDigest> {
  digesting.inParts = true
  if (digesting.run !== undefined) return digesting.run
  const { keystore, hash, bufferedBytesMax } = digesting
  const begun = keystore.streams?.digest(hash) ?? gathering(keystore, hash, bufferedBytesMax)
  return after(begun, (run) => {
    digesting.run = run
    return run
  })
}

function gathering(
  keystore: Keystore,
  hash: Hash,
  max: number,
  gathered: Gathered = new Gathered(max),
): CopyableDigest {
  return {
    update: (part) => gathered.add(part),
    final: () => keystore.digest(hash, gathered.whole()),
    copy() {
      const twin = new Gathered(max)
      twin.add(gathered.whole())
      return gathering(keystore, hash, max, twin)
    },
  }
}

/** The same digest once more; both go on by themselves. */
export function copyOf(digesting: Digesting): Digesting {
  const { run, ...rest } = digesting
  return run === undefined ? rest : { ...rest, run: run.copy() }
}
