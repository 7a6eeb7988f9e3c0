/**
 * The work-bench of the keystore contract: keys at hand, and what a refusal looks like.
 *
 * Used by `contract.ts`, its parts, and tests that drive a keystore with published vectors. It
 * talks to a keystore through `core/keystore.ts` only.
 *
 * @module
 */
import { ok, rejects } from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type FailureCode, KmsError } from '#core/errors.ts'
import type { Ability, KeyInUse, Keystore, MaterialKind } from '#core/keystore.ts'
import {
  CURVES,
  type CurveRow,
  type EcCurve,
  type KeyAlgorithm,
  type KeySpec,
  PAIRS,
  type PairRow,
  SECRET_KEYS,
  type SecretKeyRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'

export const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog, all 64 bytes of it.')
export const RSA: KeySpec = { algorithm: 'RSA', bits: 2048 }
export const AES: KeySpec = { algorithm: 'AES', bits: 256 }
export const P256: KeySpec = { algorithm: 'EC', bits: 256, curve: 'P_256' }

/** The bench of the suite that runs: there is none yet when tests are declared. */
export type The = () => Bench

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** A refusal of a mechanism, by whichever rule applies first. */
export const UNFIT = ['parametersUnsupported', 'parametersMissing', 'illegalOperation'] as const

export interface Pair {
  readonly privateKey: KeyInUse
  readonly publicKey: KeyInUse
}

/** Every kind of secret key that has a row, in every length of the row. */
export function secretSpecs(): readonly KeySpec[] {
  return Object.entries<SecretKeyRow>(SECRET_KEYS).flatMap(([name, { bits }]) => {
    return bits.map((length) => ({ algorithm: name as KeyAlgorithm, bits: length }))
  })
}

/** Every kind of pair that has a row, in its default length or on every curve. */
export function pairSpecs(): readonly KeySpec[] {
  return Object.entries<PairRow>(PAIRS).flatMap(([name, { bits }]): readonly KeySpec[] => {
    const algorithm = name as KeyAlgorithm
    if (algorithm !== 'EC') return [{ algorithm, bits: bits[0] as number }]
    return Object.entries<CurveRow>(CURVES).map(([curve, row]) => {
      return { algorithm, bits: row.bits, curve: curve as EcCurve }
    })
  })
}

export function nameOfSpec({ algorithm, bits, curve }: KeySpec): string {
  return `${algorithm} ${curve ?? bits}`
}

/** Another value of the same length. */
export function altered(bytes: Uint8Array, at = 0): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at < 0 ? copy.length + at : at]! ^= 0x01
  return copy
}

/** The call fails with a `KmsError`, of one of these codes where any are named. */
export async function refuses(
  call: () => unknown,
  codes: readonly FailureCode[] = [],
): Promise<void> {
  await rejects(
    async () => call(),
    (error: unknown) => {
      ok(error instanceof KmsError, `not a KmsError: ${error}`)
      ok(codes.length === 0 || codes.includes(error.code), `${error.code}: ${error.message}`)
      ok(error.message.startsWith('Cannot '), error.message)
      return true
    },
  )
}

/** Keys of one keystore; each is made once for all tests that only use it. */
export class Bench {
  readonly keystore: Keystore
  readonly #pairs = new Map<string, Promise<Pair>>()
  #next = 1

  constructor(keystore: Keystore) {
    this.keystore = keystore
  }

  id(): string {
    return `contract-${this.#next++}`
  }

  /** Skips the test where the keystore says that it cannot; true when it was skipped. */
  lacks(context: TestContext, ...abilities: readonly Ability[]): boolean {
    const why = abilities.map((ability) => this.keystore.cannot(ability)).find(Boolean)
    if (why !== undefined) context.skip(why)
    return why !== undefined
  }

  async secret(spec: KeySpec): Promise<KeyInUse> {
    const id = this.id()
    const { handle, format } = await this.keystore.generate({ id, spec })
    return { id, kind: 'secret', spec, format, handle }
  }

  /** The same pair for the same specification. */
  pair(spec: KeySpec): Promise<Pair> {
    return this.shared(nameOfSpec(spec), () => this.newPair(spec))
  }

  /** The pair of this name, made when it is first asked for. */
  shared(name: string, make: () => Promise<Pair>): Promise<Pair> {
    const pair = this.#pairs.get(name) ?? make()
    this.#pairs.set(name, pair)
    return pair
  }

  async newPair(spec: KeySpec): Promise<Pair> {
    const [privateId, publicId] = [this.id(), this.id()]
    const made = await this.keystore.generatePair({ privateId, publicId, spec })
    return {
      privateKey: { id: privateId, kind: 'private', spec, ...made.privateKey },
      publicKey: { id: publicId, kind: 'public', spec, ...made.publicKey },
    }
  }

  async imported(
    kind: MaterialKind,
    spec: KeySpec | undefined,
    format: KeyFormatType,
    bytes: Uint8Array,
  ): Promise<KeyInUse> {
    const id = this.id()
    const { handle } = await this.keystore.import({ id, kind, spec, format, bytes })
    return { id, kind, spec, format, handle }
  }

  /** A secret key of known bytes. */
  known(algorithm: KeyAlgorithm, bytes: Uint8Array): Promise<KeyInUse> {
    const spec = { algorithm, bits: bytes.length * 8 }
    return this.imported('secret', spec, KeyFormatType.Raw, bytes)
  }

  /** A pair that signs; undefined where the keystore makes none. */
  async somePair(): Promise<Pair | undefined> {
    const spec = [P256, RSA].find((one) => this.keystore.cannot({ generate: one }) === undefined)
    return spec && this.pair(spec)
  }

  /** A private key, where there is one, is refused with one of the codes. */
  async refusesPrivate(
    call: (privateKey: KeyInUse) => unknown,
    codes: readonly FailureCode[] = UNFIT,
  ): Promise<void> {
    const pair = await this.somePair()
    if (pair !== undefined) await refuses(() => call(pair.privateKey), codes)
  }
}

/** Known answers need keys of known bytes: skips the test where none are taken in. */
export function cannotTryKnown({ keystore }: Bench, context: TestContext): boolean {
  if (keystore.can.imports !== false) return false
  context.skip('keys can only be made inside')
  return true
}
