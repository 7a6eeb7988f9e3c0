/**
 * Encapsulating and decapsulating keys.
 *
 * PKCS#11 3.2 §5.18.8 (`C_EncapsulateKey`), §5.18.9 (`C_DecapsulateKey`). The shared secret becomes
 * a secret key: of as many bytes as its key type or `CKA_VALUE_LEN` says, else all of them. Asked
 * only for the length of the ciphertext, or given too little room for it, nothing is made.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { Awaitable, Expansion, KeyInUse } from '#core/keystore.ts'
import { newId } from '#core/operations/make.ts'
import { Secret } from '#core/secret.ts'
import type { KeySpec } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Attribute, Handlers, Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { agreedBytes, expansionOf } from '../derivations/agreement.ts'
import {
  ciphertextBytes,
  type Encapsulation,
  encapsulationOf,
  SHARED_BYTES,
} from '../encapsulations.ts'
import { type Offered, offeredFor } from '../mechanisms.ts'
import { fixedBytes } from '../objects/classes.ts'
import { makeSecret } from '../objects/make.ts'
import { templateOf } from '../objects/rules.ts'
import { Template } from '../objects/template.ts'
import { assertNeedsNoConsent, type HeldKey, keyFor, use } from '../objects/use.ts'
import { assertNoParameter, parameterInvalid } from '../parameters.ts'
import type { Session } from '../session.ts'
import { withoutLength } from './wrap.ts'

export const kem = {
  C_EncapsulateKey: async (application, args) => {
    const { hSession, pMechanism, hPublicKey, pTemplate, pCiphertext: capacity } = args
    const session = application.session(hSession)
    const { offered, row, mechanism } = askedFor(session, pMechanism, 'encapsulate')
    const held = await keyFor(session, hPublicKey, 'encapsulate', offered)
    const spec = held.key.spec as KeySpec
    const needed = ciphertextBytes(spec)
    if (capacity === undefined || capacity < needed) return { pCiphertext: needed, phKey: 0 }
    const list = wholeTemplate(held, pTemplate, CKA.ENCAPSULATE_TEMPLATE)
    const bytes = wantedBytes(list)
    const agreement = row.agrees ? agreementOf(offered, mechanism, spec, bytes) : undefined
    if (agreement === undefined) assertPlain(offered, mechanism, bytes)
    return use(held, async () => {
      const { ciphertext, secret } = await (agreement === undefined
        ? encapsulated(held)
        : agreedAnew(held, spec, agreement))
      const phKey = await made(session, held, list, secret, bytes, agreement)
      return { pCiphertext: ciphertext, phKey }
    })
  },

  C_DecapsulateKey: async (application, args) => {
    const { hSession, pMechanism, hPrivateKey, pTemplate, pCiphertext: ciphertext } = args
    const session = application.session(hSession)
    const { offered, row, mechanism } = askedFor(session, pMechanism, 'decapsulate')
    if (ciphertext === undefined) {
      throw new CryptokiError(CKR.ARGUMENTS_BAD, 'pCiphertext is NULL')
    }
    const held = await keyFor(session, hPrivateKey, 'decapsulate', offered)
    assertNeedsNoConsent(held)
    const spec = held.key.spec as KeySpec
    const list = wholeTemplate(held, pTemplate, CKA.DECAPSULATE_TEMPLATE)
    const bytes = wantedBytes(list)
    const agreement = row.agrees ? agreementOf(offered, mechanism, spec, bytes) : undefined
    if (agreement === undefined) assertPlain(offered, mechanism, bytes)
    assertLength(ciphertext, ciphertextBytes(spec))
    return use(held, async ({ keystore, key }) => {
      const secret = await opened(() => {
        if (agreement === undefined) return keystore.decapsulate(key, ciphertext)
        const { expand, askedBytes } = agreement
        return keystore.derive(key, { kdf: 'DH', peer: ciphertext, expand }, askedBytes)
      })
      return { phKey: await made(session, held, list, secret, bytes, agreement) }
    })
  },
} satisfies Partial<Handlers<Application>>

interface Asked {
  readonly offered: Offered
  readonly row: Encapsulation
  readonly mechanism: Mechanism
}

function askedFor(
  session: Session,
  mechanism: Mechanism | undefined,
  service: 'encapsulate' | 'decapsulate',
): Asked {
  if (mechanism === undefined) throw new CryptokiError(CKR.ARGUMENTS_BAD, 'pMechanism is NULL')
  const offered = offeredFor(session, mechanism, service)
  return { offered, mechanism, row: encapsulationOf(mechanism.type) as Encapsulation }
}

type List = readonly Attribute[]

/** The template with what the key's own says. */
function wholeTemplate({ seen }: HeldKey, list: List, type: number): List {
  return new Template(list).and(templateOf(seen, type)).list()
}

/** Bytes of the new key; undefined: as many as there are. */
function wantedBytes(list: List): number | undefined {
  const template = new Template(list)
  const keyType = template.number(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET
  return fixedBytes(keyType) ?? template.number(CKA.VALUE_LEN)
}

function assertPlain(offered: Offered, { parameter }: Mechanism, bytes: number | undefined): void {
  assertNoParameter(offered, parameter)
  assertEnough(bytes, SHARED_BYTES)
}

function assertEnough(bytes: number | undefined, most: number): void {
  if (bytes === undefined || (bytes >= 1 && bytes <= most)) return
  const what = `a key of ${bytes} bytes, the shared secret has ${most}`
  throw new CryptokiError(CKR.KEY_SIZE_RANGE, what)
}

/** ECDH with its function. */
interface Agreement {
  readonly expand: Expansion | undefined
  /** What the keystore is asked for. */
  readonly askedBytes: number
}

/** The other side's public key is the ciphertext, and not in the parameter. */
function agreementOf(
  offered: Offered,
  { parameter }: Mechanism,
  spec: KeySpec,
  bytes: number | undefined,
): Agreement {
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_ECDH1_DERIVE_PARAMS is needed')
  }
  const fields = parameter as StructureFields<'CK_ECDH1_DERIVE_PARAMS'>
  if (fields.pPublicData !== undefined && fields.pPublicData.length > 0) {
    throw parameterInvalid(offered, 'pPublicData shall be NULL: the ciphertext is it')
  }
  const expand = expansionOf(offered, fields.kdf, fields.pSharedData)
  const most = agreedBytes(spec)
  if (expand === undefined) {
    assertEnough(bytes, most)
    return { expand, askedBytes: most }
  }
  if (bytes !== undefined && bytes >= 1) return { expand, askedBytes: bytes }
  throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_VALUE_LEN is missing')
}

interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly secret: Secret
}

async function encapsulated({ keystore, key }: HeldKey): Promise<Encapsulated> {
  const { ciphertext, sharedSecret } = await keystore.encapsulate(key)
  return { ciphertext, secret: sharedSecret }
}

/** Agrees with a pair that is made for it and forgotten. */
async function agreedAnew(
  { keystore, key }: HeldKey,
  spec: KeySpec,
  { expand, askedBytes }: Agreement,
): Promise<Encapsulated> {
  const [privateId, publicId] = [newId(), newId()]
  const pair = await keystore.generatePair({ privateId, publicId, spec })
  const ours: KeyInUse = { id: privateId, kind: 'private', spec, ...pair.privateKey }
  const shown: KeyInUse = { id: publicId, kind: 'public', spec, ...pair.publicKey }
  try {
    using peer = await keystore.export(key, KeyFormatType.X_509)
    const mechanism = { kdf: 'DH', peer: peer.expose(), expand } as const
    const secret = await keystore.derive(ours, mechanism, askedBytes)
    // The public key is the end of SubjectPublicKeyInfo.
    using info = await keystore.export(shown, KeyFormatType.X_509)
    const ciphertext = Uint8Array.from(info.expose().subarray(-ciphertextBytes(spec)))
    return { ciphertext, secret }
  } finally {
    await keystore.destroy(ours.handle)
    await keystore.destroy(shown.handle)
  }
}

function assertLength({ length }: Uint8Array, expected: number): void {
  if (length === expected) return
  const what = `the ciphertext has ${length} bytes, and should have ${expected}`
  throw new CryptokiError(CKR.WRAPPED_KEY_LEN_RANGE, what)
}

async function opened(work: () => Awaitable<Secret>): Promise<Secret> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof KmsError) || error.code !== 'cryptographicFailure') throw error
    throw new CryptokiError(CKR.WRAPPED_KEY_INVALID, error.message, { cause: error })
  }
}

/** The key: of ML-KEM the first bytes, of ECDH without a function the last ones. */
async function made(
  session: Session,
  { seen }: HeldKey,
  list: List,
  secret: Secret,
  bytes: number | undefined,
  agreement: Agreement | undefined,
): Promise<number> {
  using whole = secret
  const length = bytes ?? whole.length
  const from = agreement === undefined ? 0 : whole.length - length
  const value = new Secret(Uint8Array.from(whole.expose().subarray(from, from + length)))
  const provenance = { origin: 'encapsulated', base: seen } as const
  return makeSecret(session, withoutLength(list), value, provenance, CKK.GENERIC_SECRET)
}
