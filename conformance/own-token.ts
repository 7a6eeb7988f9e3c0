/**
 * A token of our own for tests: the PKCS#11 engine over a software keystore, all in memory, and
 * keys as the operations of the core make them.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { AttributeBag } from '#core/attribute-bag.ts'
import { type AuditEntry, Journal } from '#core/audit.ts'
import type { Context, Services } from '#core/context.ts'
import { Destructions } from '#core/destructions.ts'
import { Grants } from '#core/grants.ts'
import type { Keystore, MaterialKind } from '#core/keystore.ts'
import { Keystores } from '#core/keystores.ts'
import { type Limits, limitsWith } from '#core/limits.ts'
import type { ManagedObject } from '#core/objects.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { findPlaced } from '#core/operations/placed.ts'
import { register } from '#core/operations/register.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { Settings } from '#core/settings.ts'
import { Store } from '#core/store.ts'
import { MemoryDatabase } from '#databases/memory/memory.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import { Pkcs11Engine } from '#fronts/pkcs11/engine.ts'
import { RULE_NAMES } from '#fronts/pkcs11/rule-table.ts'
import { Token } from '#fronts/pkcs11/token.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { curveRow, isPair, type KeySpec, pairRow, secretKeyRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  type KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKF, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import { ItemType } from '#wire/ttlv/item.ts'

/** Every use that a key can be put to. */
const EVERY_USE = Object.values(Mask).reduce<number>((sum, bit) => sum | bit, 0) & 0x7fff_ffff

export interface OwnTokenOptions {
  readonly limits?: Partial<Limits>
  /** Puts another keystore in the place of the software keystore. */
  readonly keystore?: (software: SoftwareKeystore) => Keystore
}

/** A token with one application and one session. */
export interface OwnToken {
  readonly engine: Pkcs11Engine
  readonly handlers: Pkcs11Engine['handlers']
  readonly application: Application
  readonly token: Token
  readonly services: Services
  readonly hSession: number
  /** What the audit trail has, in the order of writing. */
  readonly entries: AuditEntry[]
  /** Moves the clock. */
  passSeconds(seconds: number): void
  context(operation: string): Context
  newSession(): Promise<number>
  handle(object: ManagedObject): number
  /** Handle of a new secret key. */
  secret(spec: KeySpec, options?: KeyOptions): Promise<number>
  /** Handles of a new pair. */
  pair(spec: KeySpec, options?: KeyOptions): Promise<{ privateKey: number; publicKey: number }>
  /** Handle of a key with this material. */
  imported(
    kind: MaterialKind,
    spec: KeySpec,
    format: KeyFormatType,
    bytes: Uint8Array,
  ): Promise<number>
  close(): Promise<void>
}

export interface KeyOptions {
  readonly mask?: number
  /** Default: now. */
  readonly activationDate?: number | undefined
  /** Attributes of the server's own, such as `y:CKA_ALWAYS_AUTHENTICATE`. */
  readonly more?: readonly ListedAttribute[]
}

/** A token that whoever connects may use. */
export async function newOwnToken(options: OwnTokenOptions = {}): Promise<OwnToken> {
  const dataKey = new Secret(randomBytes(DATA_KEY_BYTES))
  const sealer = new Sealer(new Map([[1, dataKey]]))
  const limits = limitsWith(options.limits)
  const software = new SoftwareKeystore('software', sealer, limits.wrapBytesMax)
  const keystores = new Keystores([options.keystore?.(software) ?? software])
  const entries: AuditEntry[] = []
  let ahead = 0
  const clock = (): number => Date.now() + ahead * 1000
  const journal = new Journal(async (more) => void entries.push(...more), {
    clock,
    flushMilliseconds: 10,
    queueMax: 10_000,
    failed: () => {},
  })
  const log = { info() {}, warn() {}, error() {} }
  const services = (): Services => {
    const database = new MemoryDatabase(undefined, async (more) => void entries.push(...more))
    const store = new Store(database, sealer, limits.objectCacheMax)
    const grants = new Grants(sealer, { clock, known: async () => true, sharers: [] })
    const destructions = new Destructions(database, sealer)
    const found = { destructions, findCalled: findPlaced }
    return { store, keystores, journal, grants, ...found, limits, clock, log }
  }
  const lasting = services()
  const principal = { name: 'tester', scope: 'default' }
  const settings = new Settings(new MemoryDatabase(), sealer)
  const tokenOptions = { name: 'own', slot: 0, label: 'own', principal, readOnly: false }
  const rules = new Set(RULE_NAMES)
  const token = await Token.open({ ...tokenOptions, login: 'none', rules }, lasting, settings)
  const engine = new Pkcs11Engine({ tokens: [token], newVolatile: services }, lasting)
  const application = engine.open({
    peer: { uid: undefined, gid: undefined, pid: undefined },
    processId: undefined,
    isStock: false,
    reserved: undefined,
  })
  const newSession = async (): Promise<number> => {
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    return (await engine.handlers.C_OpenSession(application, { slotID: 0, flags })).phSession
  }
  const context = (operation: string): Context => {
    const now = Math.floor(clock() / 1000)
    return { services: lasting, principal, front: 'test', operation, now }
  }
  const handle = ({ id }: ManagedObject): number => application.handleOf(token, id)
  const finished = async (object: ManagedObject, { more }: KeyOptions): Promise<number> => {
    if (more !== undefined) {
      const given = new Set(more.map(({ id }) => id))
      const others = [...object.attributes.list()].filter(({ id }) => !given.has(id))
      const attributes = AttributeBag.of([...others, ...more])
      const after = { ...object, revision: object.revision + 1, attributes }
      await lasting.store.commit([{ before: object, after }], [])
    }
    return handle(object)
  }
  const given = (spec: KeySpec, options: KeyOptions) => ({
    attributes: attributesOf(spec, options),
  })
  return {
    engine,
    handlers: engine.handlers,
    application,
    token,
    services: lasting,
    hSession: await newSession(),
    entries,
    passSeconds(seconds) {
      ahead += seconds
    },
    context,
    newSession,
    handle,
    async secret(spec, keyOptions = {}) {
      const wish = { objectType: ObjectType.SymmetricKey, given: given(spec, keyOptions) }
      return finished(await create(context('Create'), wish), keyOptions)
    },
    async pair(spec, keyOptions = {}) {
      const wish = { common: given(spec, keyOptions) }
      const { privateKey, publicKey } = await createKeyPair(context('CreateKeyPair'), wish)
      return {
        privateKey: await finished(privateKey, keyOptions),
        publicKey: await finished(publicKey, keyOptions),
      }
    },
    async imported(kind, spec, format, bytes) {
      const wish = {
        objectType: OBJECT_TYPES[kind],
        // A copy: registering wipes what it is given.
        object: bodyOf(kind, spec, format, Uint8Array.from(bytes)),
        given: given(spec, {}),
      }
      return handle(await register(context('Register'), wish))
    },
    async close() {
      engine.close()
      await journal.flush()
    },
  }
}

const OBJECT_TYPES = {
  secret: ObjectType.SymmetricKey,
  private: ObjectType.PrivateKey,
  public: ObjectType.PublicKey,
  data: ObjectType.SecretData,
} as const

/** What a request says of such a key. */
function attributesOf({ algorithm, bits, curve }: KeySpec, options: KeyOptions): ListedAttribute[] {
  const row = isPair(algorithm) ? pairRow(algorithm) : secretKeyRow(algorithm)
  const recommendedCurve = isPair(algorithm) ? pairRow(algorithm).curve : undefined
  const number = curve === undefined ? recommendedCurve : curveRow(curve).kmip
  const activation = 'activationDate' in options ? options.activationDate : 0
  return [
    { id: 'cryptographicAlgorithm', value: row.kmip[0] },
    { id: 'cryptographicLength', value: bits },
    { id: 'cryptographicUsageMask', value: options.mask ?? EVERY_USE },
    ...(activation === undefined ? [] : [{ id: 'activationDate', value: activation } as const]),
    ...(number === undefined
      ? []
      : [{ id: 'cryptographicDomainParameters', value: { recommendedCurve: number } } as const]),
  ]
}

function bodyOf(
  kind: MaterialKind,
  { algorithm, bits }: KeySpec,
  keyFormatType: KeyFormatType,
  bytes: Uint8Array,
): ObjectInMessage {
  const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: bytes } as const
  const row = isPair(algorithm) ? pairRow(algorithm) : secretKeyRow(algorithm)
  const keyBlock = {
    keyFormatType,
    keyValue: { keyMaterial, attributes: [] },
    cryptographicAlgorithm: row.kmip[0],
    cryptographicLength: bits,
  }
  switch (kind) {
    case 'secret':
      return { tag: Tag.SymmetricKey, value: { keyBlock } }
    case 'private':
      return { tag: Tag.PrivateKey, value: { keyBlock } }
    case 'public':
      return { tag: Tag.PublicKey, value: { keyBlock } }
    default:
      return { tag: Tag.SecretData, value: { secretDataType: SecretDataType.Seed, keyBlock } }
  }
}

/** Name of the return value that comes of a call. */
export async function rvOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return rvName(CKR.OK)
  } catch (error) {
    if (error instanceof CryptokiError) return rvName(error.rv)
    throw error
  }
}
