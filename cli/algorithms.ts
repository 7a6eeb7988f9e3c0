/**
 * Algorithms, curves and usages as people write them.
 *
 * Names are those of `spec/algorithms.ts` and of the standards; capitals, hyphens, underscores and
 * dots do not matter: `ml-dsa-65`, `ML_DSA_65` and `MLDSA65` are one. A length may follow the name
 * (`AES-128`, `RSA-3072`) and the name of a curve alone means EC on it (`P-256`).
 *
 * @module
 */
import {
  CURVES,
  type CurveRow,
  type EcCurve,
  isPair,
  type KeyAlgorithm,
  PAIRS,
  pairRow,
  SECRET_KEYS,
  secretKeyRow,
} from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { UsageError } from './output.ts'

/** What key somebody wishes for. */
export interface KeyWish {
  readonly algorithm: KeyAlgorithm
  readonly bits?: number | undefined
  readonly curve?: EcCurve | undefined
}

const ALGORITHMS = [...Object.keys(SECRET_KEYS), ...Object.keys(PAIRS)] as KeyAlgorithm[]

function plain(name: string): string {
  return name.replace(/[-_. ]/g, '').toUpperCase()
}

/** The one of these names that is meant, or undefined. */
export function named<N extends string>(names: readonly N[], text: string): N | undefined {
  return names.find((name) => plain(name) === plain(text))
}

/** The one of these that is meant. @throws `UsageError` with all that are allowed. */
export function chosen<N extends string>(names: readonly N[], text: string, option: string): N {
  const name = named(names, text)
  if (name !== undefined) return name
  throw new UsageError(`${option} ${text}: not known; allowed are ${names.join(', ')}`)
}

const CURVE_NAMES = Object.keys(CURVES) as EcCurve[]

/** @throws `UsageError` naming what is allowed. */
export function keyWish(text: string, length?: number, curveText?: string): KeyWish {
  const curve =
    curveText === undefined ? named(CURVE_NAMES, text) : chosen(CURVE_NAMES, curveText, '--curve')
  if (curve !== undefined) {
    if (curveText !== undefined && plain(text) !== 'EC') {
      throw new UsageError(`--curve ${curveText}: only EC keys have one, not ${text}`)
    }
    return { algorithm: 'EC', bits: length, curve }
  }
  const whole = named(ALGORITHMS, text)
  if (whole !== undefined) return { algorithm: whole, bits: length }
  const parts = /^(.*[A-Za-z])[-_ ]?(\d+)$/.exec(text)
  const algorithm = parts === null ? undefined : named(ALGORITHMS, parts[1] as string)
  if (algorithm === undefined) {
    const allowed = [...ALGORITHMS, ...CURVE_NAMES].join(', ')
    throw new UsageError(`--algorithm ${text}: not known; allowed are ${allowed}`)
  }
  return { algorithm, bits: length ?? Number(parts?.[2]) }
}

/** The attributes that ask for a key. */
export function wishAttributes({ algorithm, bits, curve }: KeyWish): ListedAttribute[] {
  if (!isPair(algorithm)) {
    const { kmip, bits: lengths } = secretKeyRow(algorithm)
    return [attribute('cryptographicAlgorithm', kmip[0]), lengthOf(bits ?? (lengths[0] as number))]
  }
  const row = pairRow(algorithm)
  const ec: CurveRow | undefined = curve && CURVES[curve]
  const recommendedCurve = ec?.kmip ?? (row.kmip.length > 1 ? row.curve : undefined)
  const length = bits ?? ec?.bits ?? row.bits[0]
  return [
    attribute('cryptographicAlgorithm', row.kmip[0]),
    ...(length === undefined ? [] : [lengthOf(length)]),
    ...(recommendedCurve === undefined
      ? []
      : [attribute('cryptographicDomainParameters', { recommendedCurve })]),
  ]
}

function lengthOf(bits: number): ListedAttribute {
  return attribute('cryptographicLength', bits)
}

function attribute(id: ListedAttribute['id'], value: unknown): ListedAttribute {
  return { id, value }
}

interface UsageRow {
  /** Bits of a secret key, of a private and of a public key. */
  readonly secret: number
  readonly private: number
  readonly public: number
}

// biome-ignore format: a table
const USAGES = {
  encrypt:       { secret: Mask.Encrypt,      private: Mask.Decrypt,         public: Mask.Encrypt },
  decrypt:       { secret: Mask.Decrypt,      private: Mask.Decrypt,         public: Mask.Encrypt },
  sign:          { secret: Mask.Sign,         private: Mask.Sign,            public: Mask.Verify },
  verify:        { secret: Mask.Verify,       private: Mask.Sign,            public: Mask.Verify },
  mac:           { secret: Mask.MACGenerate,  private: 0,                    public: 0 },
  'mac-verify':  { secret: Mask.MACVerify,    private: 0,                    public: 0 },
  wrap:          { secret: Mask.WrapKey,      private: Mask.UnwrapKey,       public: Mask.WrapKey },
  unwrap:        { secret: Mask.UnwrapKey,    private: Mask.UnwrapKey,       public: Mask.WrapKey },
  derive:        { secret: Mask.DeriveKey,    private: Mask.DeriveKey,       public: Mask.DeriveKey },
  agree:         { secret: Mask.KeyAgreement, private: Mask.KeyAgreement,    public: Mask.KeyAgreement },
  'cert-sign':   { secret: 0,                 private: Mask.CertificateSign, public: Mask.Verify },
} as const satisfies Record<string, UsageRow>
export type Usage = keyof typeof USAGES

export const USAGE_NAMES = Object.keys(USAGES) as Usage[]

/** Usages of a list such as `encrypt,decrypt`. @throws `UsageError`. */
export function usagesOf(text: string): readonly Usage[] {
  return text.split(',').map((word) => chosen(USAGE_NAMES, word.trim(), '--usage'))
}

/** What a key is for where nobody says. */
export function usualUsages(algorithm: KeyAlgorithm): readonly Usage[] {
  if (!isPair(algorithm)) {
    const { hash } = secretKeyRow(algorithm)
    const authenticates = hash !== undefined || algorithm === 'Poly1305'
    return authenticates ? ['mac', 'mac-verify'] : ['encrypt', 'decrypt']
  }
  const words = { sign: 'sign', encrypt: 'encrypt', agree: 'agree', encapsulate: 'agree' } as const
  return pairRow(algorithm).does.map((what) => words[what])
}

/** Cryptographic Usage Mask of one kind of key. */
export function usageMask(usages: readonly Usage[], kind: keyof UsageRow): ListedAttribute {
  const bits = usages.reduce((mask, usage) => mask | USAGES[usage][kind], 0)
  return attribute('cryptographicUsageMask', bits)
}
