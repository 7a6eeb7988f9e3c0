/**
 * Signatures and MACs: what the functions that sign and verify have in common.
 *
 * PKCS#11 3.2 §5.13 to §5.16 and §6. Both kinds of mechanisms go through the same functions. A
 * signature over a hash is worked out part by part; a scheme that takes the message whole (EdDSA,
 * ML-DSA) has it gathered up to `bufferedBytesMax`.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import { sameBytes } from '#core/bytes.ts'
import type {
  Awaitable,
  DigestOperation,
  MacMechanism,
  SignatureMechanism,
} from '#core/keystore.ts'
import { macWith, signWith, spent } from '#core/operations/mechanism.ts'
import { curveRow, isPair, type KeySpec, macRow, pairRow, signatureRow } from '#spec/algorithms.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import { type Offered, offeredFor } from './mechanisms.ts'
import { type HeldKey, keyFor, use } from './objects/use.ts'
import { assertContextFits, assertSaltFits, macMeaning, signatureMeaning } from './parameters.ts'
import { consent, Gathered, NOTHING, type Running } from './running.ts'
import type { Session } from './session.ts'
import { type TlsMac, tlsMac, tlsMacOf } from './tls-mac.ts'

/** What is asked of the keystore. */
type Work =
  | { readonly kind: 'signature'; readonly mechanism: SignatureMechanism }
  | { readonly kind: 'mac'; readonly mechanism: MacMechanism }
  | ({ readonly kind: 'tlsMac' } & TlsMac)

/** An operation that signs or verifies. */
export interface Signing extends Running {
  readonly held: HeldKey
  readonly work: Work
  /** Bytes of a signature; the most that there can be where `isExact` is false. */
  readonly length: number
  readonly isExact: boolean
  parts?: Parts | undefined
}

type SignService =
  | 'sign'
  | 'verify'
  | 'signRecover'
  | 'verifyRecover'
  | 'messageSign'
  | 'messageVerify'

/**
 * Begins to sign or verify.
 *
 * @throws `CryptokiError` `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID` and those of
 * {@link keyFor}.
 */
export function newSigning(
  session: Session,
  mechanism: Mechanism,
  handle: number,
  service: SignService,
): Awaitable<Signing> {
  const offered = offeredFor(session, mechanism, service)
  const work = workOf(offered, service, mechanism)
  return after(keyFor(session, handle, service, offered), (held) => {
    const { spec } = held.key
    if (work.kind === 'signature' && spec !== undefined) {
      assertSaltFits(offered, work.mechanism, spec.bits)
      assertContextFits(offered, work.mechanism, spec)
    }
    const length = lengthOf(work, spec)
    const exact = { length: length ?? DSA_BYTES_MAX, isExact: length !== undefined }
    const end = function (this: Signing): void {
      this.parts?.end()
    }
    return { held, work, ...exact, inParts: false, end, ...consent(held) }
  })
}

function workOf(offered: Offered, service: SignService, { parameter }: Mechanism): Work {
  const does = offered.does[service]
  if (does?.kind === 'signature') {
    return { kind: 'signature', mechanism: signatureMeaning(offered, does, parameter) }
  }
  if (does?.kind === 'mac' && does.ofHandshake) {
    return { kind: 'tlsMac', ...tlsMac(offered, parameter) }
  }
  if (does?.kind === 'mac') {
    return { kind: 'mac', mechanism: macMeaning(offered, does, parameter) }
  }
  throw new CryptokiError(CKR.MECHANISM_INVALID, `CKM_${offered.name} does not ${service}`)
}

/** The longest q of FIPS 186-4, twice: of a DSA key only the keystore knows it. */
const DSA_BYTES_MAX = 64

function lengthOf(work: Work, spec: KeySpec | undefined): number | undefined {
  if (work.kind === 'tlsMac') return work.bytes
  if (work.kind === 'mac') return work.mechanism.bytes ?? macRow(work.mechanism.mac).bytes
  if (spec === undefined || !isPair(spec.algorithm)) return undefined
  if (spec.curve !== undefined) return Math.ceil(curveRow(spec.curve).bits / 8) * 2
  if (spec.algorithm === 'RSA') return modulusBytes(spec)
  return pairRow(spec.algorithm).signatureBytes
}

export function modulusBytes({ bits }: KeySpec): number {
  return Math.ceil(bits / 8)
}

/** What SignInit tells our module. */
export function signResults({ held, length, isExact }: Signing): InitResults {
  const rule = isExact ? 'fixed' : 'ask'
  return { rule, length: isExact ? length : 0, isRepeatable: !held.alwaysAuthenticates }
}

/** What VerifyInit tells our module. */
export function verifyResults({ held }: Signing): InitResults {
  return { rule: 'ask', length: 0, isRepeatable: !held.alwaysAuthenticates }
}

/** The signature of data in one part. */
export function signWhole({ held, work }: Signing, data: Uint8Array): Awaitable<Uint8Array> {
  return use(held, (key) => {
    if (work.kind === 'tlsMac') {
      return spent(key.context, key.object, data.length, () => handshakeMac(key, work, data))
    }
    return work.kind === 'mac'
      ? macWith(key.context, key, work.mechanism, data)
      : signWith(key.context, key, work.mechanism, data)
  })
}

/** Whether this is the signature of data in one part. */
export function verifyWhole(
  { held, work }: Signing,
  data: Uint8Array,
  signature: Uint8Array,
): Awaitable<boolean> {
  return use(held, (key) => {
    if (work.kind === 'tlsMac') {
      return after(handshakeMac(key, work, data), (mac) => sameBytes(mac, signature))
    }
    if (work.kind === 'mac') {
      const code = key.keystore.mac(key.key, work.mechanism, data)
      return after(code, (mac) => sameBytes(mac, signature))
    }
    return key.keystore.verify(key.key, work.mechanism, data, signature)
  })
}

function handshakeMac(held: HeldKey, mac: TlsMac, data: Uint8Array): Awaitable<Uint8Array> {
  return tlsMacOf(mac, data, (part) => held.keystore.mac(held.key, mac.mechanism, part))
}

/** @throws `CryptokiError` `CKR_SIGNATURE_LEN_RANGE`. */
export function assertSignatureLength({ length, isExact }: Signing, signature: Uint8Array): void {
  const right = isExact ? signature.length === length : signature.length <= length
  if (right) return
  const what = `a signature of ${signature.length} bytes, the key's have ${length}`
  throw new CryptokiError(CKR.SIGNATURE_LEN_RANGE, what)
}

/** @throws `CryptokiError` `CKR_SIGNATURE_INVALID`. */
export function assertValid(valid: boolean): void {
  if (!valid)
    throw new CryptokiError(CKR.SIGNATURE_INVALID, 'the signature is not that of the data')
}

/** Data in parts on its way to a signature. */
export interface Parts {
  update(part: Uint8Array): Awaitable<void>
  sign(): Awaitable<Uint8Array>
  verify(signature: Uint8Array): Awaitable<boolean>
  end(): void
}

/** The parts of an operation, from the first one on. */
export function partsOf(signing: Signing): Awaitable<Parts> {
  signing.inParts = true
  if (signing.parts !== undefined) return signing.parts
  return after(newParts(signing), (parts) => {
    signing.parts = parts
    return parts
  })
}

function newParts(signing: Signing): Awaitable<Parts> {
  const { held, work } = signing
  const { streams } = held.keystore
  if (work.kind === 'mac' && streams !== undefined) {
    return after(streams.mac(held.key, work.mechanism), (mac) => macParts(held, mac))
  }
  const digested = work.kind === 'signature' ? digestedForm(work.mechanism) : undefined
  const cannot = digested && held.keystore.cannot({ signature: digested.scheme })
  if (digested?.hash === undefined || streams === undefined || cannot !== undefined) {
    return gatheredParts(signing)
  }
  return after(streams.digest(digested.hash), (digest) => digestParts(held, digested, digest))
}

/** The same mechanism over the digest; undefined where it takes the message or the block whole. */
function digestedForm(mechanism: SignatureMechanism): SignatureMechanism | undefined {
  const { scheme, hash, digested } = mechanism
  const hashes = hash !== undefined && digested !== true
  const overDigest = signatureRow(scheme).input === 'digest' || signatureRow(scheme).ckmHash
  return hashes && overDigest ? { ...mechanism, digested: true } : undefined
}

function macParts(held: HeldKey, mac: DigestOperation): Parts {
  let length = 0
  return {
    update(part) {
      length += part.length
      return mac.update(part)
    },
    sign: () => use(held, (key) => spent(key.context, key.object, length, () => mac.final())),
    verify: (signature) =>
      use(held, () => after(mac.final(), (code) => sameBytes(code, signature))),
    end() {},
  }
}

function digestParts(held: HeldKey, mechanism: SignatureMechanism, digest: DigestOperation): Parts {
  let length = 0
  return {
    update(part) {
      length += part.length
      return digest.update(part)
    },
    sign: () =>
      use(held, (key) =>
        after(digest.final(), (hash) => signWith(key.context, key, mechanism, hash, length)),
      ),
    verify: (signature) =>
      use(held, ({ key, keystore }) =>
        after(digest.final(), (hash) => keystore.verify(key, mechanism, hash, signature)),
      ),
    end() {},
  }
}

function gatheredParts(signing: Signing): Parts {
  const gathered = new Gathered(signing.held.context.services.limits.bufferedBytesMax)
  return {
    update: (part) => gathered.add(part),
    sign: () => signWhole(signing, gathered.whole()),
    verify: (signature) => verifyWhole(signing, gathered.whole(), signature),
    end: () => gathered.clear(),
  }
}

/** Ends what was given in parts; of no parts at all the message is empty. */
export function finished(signing: Signing): Awaitable<Parts> {
  return (
    signing.parts ?? after(partsOf(signing), (parts) => after(parts.update(NOTHING), () => parts))
  )
}
