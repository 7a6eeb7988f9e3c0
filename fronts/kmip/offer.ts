/**
 * What this front offers: what it can, narrowed by the operator.
 *
 * KMIP 1.4 §4.25, KMIP 2.1 §6.1.39 (Query). The operator can only take away: an operation or a kind
 * of object that he leaves out is refused as well as hidden, and a profile that needs it is not
 * claimed. What describes the server beyond that (destroy action, shredding and their like) may be
 * told less precisely, as the operator wishes.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import {
  DestroyAction,
  ObjectType,
  ProfileName,
  RNGMode,
  ShreddingAlgorithm,
  UnwrapMode,
} from '#spec/kmip/enumerations.ts'
import type { OperationName } from '#spec/kmip/operations.ts'
import { nameOf } from '#spec/kmip/table.ts'

/** Who answers. */
export const VENDOR = 'Claviger'

/** Section `kmip.query` of the configuration. */
export interface QuerySettings {
  /** Empty: Query Server Information is not answered. */
  readonly vendorIdentification: string
  /** Undefined: everything there is; the same below. */
  readonly operations?: readonly OperationName[] | undefined
  readonly objects?: readonly (keyof typeof ObjectType)[] | undefined
  readonly profiles?: readonly (keyof typeof ProfileName)[] | undefined
  readonly shreddingAlgorithm: keyof typeof ShreddingAlgorithm
  readonly destroyAction: keyof typeof DestroyAction
  readonly unwrapMode: keyof typeof UnwrapMode
  readonly rngMode: keyof typeof RNGMode
  /** Whether data in parts is taken. */
  readonly streaming: boolean
}

/** What is so, and what is answered where nobody says otherwise. */
const PLAIN_QUERY: QuerySettings = {
  vendorIdentification: VENDOR,
  shreddingAlgorithm: 'Cryptographic',
  destroyAction: 'KeyMaterialShredded',
  unwrapMode: 'NotProcessed',
  rngMode: 'SharedInstantiation',
  streaming: true,
}

const BASELINE: readonly OperationName[] = [
  'DiscoverVersions',
  'Query',
  'Locate',
  'Check',
  'Get',
  'GetAttributes',
  'GetAttributeList',
  'AddAttribute',
  'ModifyAttribute',
  'DeleteAttribute',
  'SetAttribute',
  'Activate',
  'Revoke',
  'Destroy',
]

/** Profiles of KMIP 2.1 that the operations fulfil, and what each needs beside the baseline. */
const PROFILES: readonly (readonly [keyof typeof ProfileName, readonly OperationName[]])[] = [
  ['BasicCryptographicServer', ['Encrypt', 'Decrypt']],
  [
    'AdvancedCryptographicServer',
    ['Encrypt', 'Decrypt', 'MAC', 'MACVerify', 'Sign', 'SignatureVerify', 'Hash'],
  ],
  ['RNGCryptographicServer', ['RNGRetrieve', 'RNGSeed']],
  ['SymmetricKeyLifecycleServer', ['Create']],
  ['AsymmetricKeyLifecycleServer', ['CreateKeyPair']],
  ['SymmetricKeyFoundryServer', ['Create']],
  ['OpaqueManagedObjectStoreServer', ['Register']],
  ['StorageArrayWithSelfEncryptingDriveServer', ['Register']],
  ['TapeLibraryServer', ['Create']],
]

/** Names of the profiles that may be claimed. */
export const PROFILE_NAMES = PROFILES.map(([name]) => name)

/** Operations that make both halves of a pair. */
const PAIRS: ReadonlySet<string> = new Set(['CreateKeyPair', 'ReKeyKeyPair'])

export class Offer {
  readonly #settings: QuerySettings
  readonly #operations: ReadonlySet<OperationName> | undefined
  readonly #objects: ReadonlySet<number> | undefined

  constructor(settings: QuerySettings = PLAIN_QUERY) {
    this.#settings = settings
    this.#operations = settings.operations && new Set(settings.operations)
    this.#objects = settings.objects && new Set(settings.objects.map((name) => ObjectType[name]))
  }

  /** Whether the operator leaves it in. */
  hasOperation(name: OperationName): boolean {
    return this.#operations?.has(name) ?? true
  }

  hasObject(type: number): boolean {
    return this.#objects?.has(type) ?? true
  }

  /** Whether data in parts is taken. */
  get streaming(): boolean {
    return this.#settings.streaming
  }

  /** Undefined: not told. */
  get vendorIdentification(): string | undefined {
    const { vendorIdentification } = this.#settings
    return vendorIdentification === '' ? undefined : vendorIdentification
  }

  get profiles(): readonly ProfileName[] {
    const { profiles } = this.#settings
    return PROFILES.filter(([name, operations]) => {
      const named = profiles?.includes(name) ?? true
      return named && [...BASELINE, ...operations].every((one) => this.hasOperation(one))
    }).map(([name]) => ProfileName[name])
  }

  /** The part of Capability Information that the operator may tell otherwise. */
  get capabilities() {
    const { unwrapMode, destroyAction, shreddingAlgorithm, rngMode } = this.#settings
    return {
      unwrapMode: UnwrapMode[unwrapMode],
      destroyAction: DestroyAction[destroyAction],
      shreddingAlgorithm: ShreddingAlgorithm[shreddingAlgorithm],
      rngMode: RNGMode[rngMode],
    }
  }

  /**
   * Refuses to make objects of a kind that is left out.
   *
   * @throws `KmsError` `featureNotSupported`.
   */
  assertObjects(operation: OperationName, request: unknown): void {
    if (this.#objects === undefined) return
    const { objectType } = request as { readonly objectType?: number }
    const pair = PAIRS.has(operation) ? [ObjectType.PrivateKey, ObjectType.PublicKey] : []
    const refused = (objectType === undefined ? pair : [objectType]).find((type) => {
      return !this.hasObject(type)
    })
    if (refused === undefined) return
    const what = `Cannot do ${operation}: this server does not offer objects of the type`
    throw new KmsError('featureNotSupported', `${what} ${nameOf(ObjectType, refused)}`)
  }
}
