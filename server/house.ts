/**
 * The house: a data directory with everything in it open.
 *
 * The only place that knows all parts and puts them together: lock, root key, database, keystores,
 * credentials, certificate authority. `serve` adds the fronts; offline commands use it as it is.
 *
 * @module
 */

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { entryOf, Journal } from '#core/audit.ts'
import { retried } from '#core/change.ts'
import type { Services } from '#core/context.ts'
import { type Credential, Credentials } from '#core/credentials.ts'
import type { Database } from '#core/database.ts'
import { Destructions } from '#core/destructions.ts'
import { KmsError } from '#core/errors.ts'
import { EVERYBODY, Grants } from '#core/grants.ts'
import type { Keystore } from '#core/keystore.ts'
import { Keystores } from '#core/keystores.ts'
import { AnnouncedMakings, heldMakings } from '#core/makings.ts'
import { Meter } from '#core/meter.ts'
import { findPlaced } from '#core/operations/placed.ts'
import { Sealer } from '#core/sealer.ts'
import type { Secret } from '#core/secret.ts'
import { Settings } from '#core/settings.ts'
import { Store } from '#core/store.ts'
import { MemoryDatabase } from '#databases/memory/memory.ts'
import { openSqlite } from '#databases/sqlite/sqlite.ts'
import type { Token } from '#fronts/pkcs11/token.ts'
import { complaint } from './complaint.ts'
import { type Config, ConfigError } from './config.ts'
import { assertNotLost } from './folder.ts'
import { hsmKeystore, type KekSource, pinOfObject } from './hsm.ts'
import { kekCopy } from './hsm-kek.ts'
import { startKeystores } from './hsm-start.ts'
import { lockFolder, type Unlock } from './lock.ts'
import type { Logger } from './log.ts'
import { openTokens } from './pkcs11.ts'
import { Authority, clientCertificate, fingerprintOf, isIssuedBy, writeFile } from './pki.ts'
import { assertOwnFolder } from './private-files.ts'
import {
  adoptNext,
  dropNext,
  eraseFile,
  newFileKey,
  newPassphraseKey,
  nextPath,
  type RootKey,
  type RootName,
  rootNameText,
  writeFileKey,
} from './rootkey.ts'
import {
  assertNoObject,
  describeRoot,
  HsmDevices,
  type HsmWish,
  newHsmKey,
  reserve,
} from './rootkey-hsm.ts'
import { SoftwareKeystores } from './software.ts'
import { rootKeyPath, sealed, type UnsealOptions, unsealed } from './unsealing.ts'

const ADMIN = 'admin'
const ADMIN_DAYS = 3_650
const DAY_MILLISECONDS = 86_400_000

export interface HouseOptions extends UnsealOptions {
  readonly log: Logger
}

interface CredentialWish {
  readonly name: string
  readonly scope?: string | undefined
  readonly days: number
  readonly out?: string | undefined
}

/** Where the files of a credential are. */
interface CredentialFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** Where a new root key comes from. */
export type RootWish =
  | { readonly to: 'file' }
  | { readonly to: 'passphrase'; readonly passphrase: string | undefined }
  | ({ readonly to: 'hsm' } & HsmWish)

export class House {
  readonly dataDir: string
  readonly config: Config
  readonly services: Services
  readonly credentials: Credentials
  readonly authority: Authority
  readonly database: Database
  /** Small secrets of the server itself. */
  readonly settings: Settings
  readonly #sealer: Sealer
  readonly #software: SoftwareKeystores
  readonly #options: HouseOptions
  readonly #unlock: Unlock
  readonly #devices: HsmDevices
  #isRotating = false
  #creating: Promise<unknown> = Promise.resolve()
  #tokens: Promise<readonly Token[]> | undefined
  #root: RootKey
  #dataKeys: ReadonlyMap<number, Secret>

  /**
   * Opens a data directory, and furnishes a new one.
   *
   * @throws `LockedError` when another process has it; `KmsError` `tampered` when the root key is
   * wrong.
   */
  static async open(options: HouseOptions): Promise<House> {
    const dataDir = resolve(options.dataDir)
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    assertOwnFolder(dataDir, options.log)
    const unlock = lockFolder(dataDir)
    try {
      return await House.#open({ ...options, dataDir }, unlock)
    } catch (error) {
      unlock()
      throw error
    }
  }

  static async #open(options: HouseOptions, unlock: Unlock): Promise<House> {
    let house: House | undefined
    // An HSM may be needed to open the database, before anything in it can be read.
    const devices = new HsmDevices(options.config, options.log, {
      ask: options.askPassphrase,
      object: async (id) => pinOfObject((house as House).services, id),
    })
    try {
      house = await House.#unsealed(options, unlock, devices)
      const opened = house
      await startKeystores(opened, async () => {
        await opened.#furnish()
        await opened.#loadGrants()
      })
      return opened
    } catch (error) {
      await devices.close()
      throw error
    }
  }

  static async #unsealed(
    options: HouseOptions,
    unlock: Unlock,
    devices: HsmDevices,
  ): Promise<House> {
    const { dataDir, config } = options
    assertNotLost(dataDir)
    const locked = openSqlite(join(dataDir, 'claviger.db'))
    const { root, dataKeys } = await unsealed(locked, options, devices)
    const sealer = new Sealer(dataKeys)
    const keys = { ledgerKey: sealer.subkey('ledger'), auditKey: sealer.subkey('audit') }
    const database = await locked.unlock(keys, { writeQueueMax: config.limits.writeQueueMax })
    return new House(options, unlock, root, dataKeys, sealer, database, devices)
  }

  private constructor(
    options: HouseOptions,
    unlock: Unlock,
    root: RootKey,
    dataKeys: ReadonlyMap<number, Secret>,
    sealer: Sealer,
    database: Database,
    devices: HsmDevices,
  ) {
    const { config, dataDir, log } = options
    const { limits } = config
    const clock = Date.now
    this.#options = options
    this.#unlock = unlock
    this.#root = root
    this.#dataKeys = dataKeys
    this.#devices = devices
    this.dataDir = dataDir
    this.config = config
    this.database = database
    this.settings = new Settings(database, sealer)
    this.#sealer = sealer
    this.credentials = new Credentials(database, sealer, clock)
    this.authority = new Authority(dataDir, this.settings, config.kmip.tls.days)
    this.#software = new SoftwareKeystores(sealer, limits, clock, () => this.services)
    const known = async (name: string): Promise<boolean> => {
      const credential = await this.credentials.named(name)
      return credential !== undefined && credential.revoked === undefined
    }
    const makings = new AnnouncedMakings(database, sealer)
    this.services = {
      grants: new Grants(sealer, { clock, known, sharers: config.access.sharers }),
      destructions: new Destructions(database, sealer),
      makings,
      findCalled: findPlaced,
      store: this.#software.watched(new Store(database, sealer, limits.objectCacheMax)),
      keystores: new Keystores(
        keystoresOf(
          config,
          this.#software,
          devices,
          (keystore, object) => {
            return kekCopy(this, keystore, object)
          },
          makings,
        ),
      ),
      journal: new Journal((entries) => database.commit([], entries), {
        clock,
        flushMilliseconds: limits.auditFlushMilliseconds,
        queueMax: limits.auditQueueMax,
        failed: complaint(() => log, 'the audit trail could not be written; it is kept'),
      }),
      limits,
      clock,
      log,
      meter: config.metrics.listen === undefined ? undefined : new Meter(),
    }
    reserve(devices, config, this.services.keystores, root.name)
  }

  /** Grants end with the credential that has them; also where the server ended in between. */
  async #loadGrants(): Promise<void> {
    const { grants, log } = this.services
    await grants.load(this.database, (err) => log.error({ err }, 'a grant was altered: it is void'))
    for (const name of grants.principals()) {
      if (name !== EVERYBODY && !(await grants.knows(name))) await this.#endGrants(name)
    }
    this.credentials.onRevoked(({ name }) => this.#endGrants(name))
  }

  async #endGrants(principal: string): Promise<void> {
    const { grants, store } = this.services
    await retried(async () => {
      const records = grants.endingsFor(principal)
      await store.commit([], [], records)
      grants.settle(records)
    })
  }

  /** An authority and an administrator, where there are none yet. */
  async #furnish(): Promise<void> {
    await this.authority.establish()
    if ((await this.credentials.named(ADMIN)) !== undefined) return
    await this.createCredential({ name: ADMIN, days: ADMIN_DAYS }, 'init')
  }

  /**
   * Issues a client certificate and writes it to the folder of the data directory, or another.
   *
   * @returns Where the files are.
   */
  createCredential(wish: CredentialWish, by: string): Promise<CredentialFiles> {
    // One at a time: two of one name would write the same files.
    const created = this.#creating.then(() => this.#createCredential(wish, by))
    this.#creating = created.catch(() => {})
    return created
  }

  async #createCredential(wish: CredentialWish, by: string): Promise<CredentialFiles> {
    const { name, scope = name, days } = wish
    await this.#assertNewName(name)
    const { certPem, keyPem, fingerprint, serial, expires } = await this.authority.issueClient(
      name,
      days,
    )
    const created = Math.floor(Date.now() / 1000)
    const folder = wish.out ?? join(this.dataDir, 'pki')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const files = {
      cert: join(folder, `${name}.pem`),
      key: join(folder, `${name}.key`),
      ca: join(this.dataDir, 'pki', 'ca.pem'),
    }
    // First the files: whenever the machine stops, a name that is taken has its certificate.
    writeFile(files.key, keyPem, 0o600)
    writeFile(files.cert, certPem, 0o644)
    try {
      await this.credentials.add({ name, fingerprint, serial, scope, created, expires }, by)
    } catch (error) {
      rmSync(files.key, { force: true })
      rmSync(files.cert, { force: true })
      throw error
    }
    return files
  }

  /**
   * Services whose objects are forgotten: those of the house, but with a database in memory. What
   * is done there is in the audit trail all the same.
   */
  volatile(services: Services = this.services): Services {
    const { database } = this
    const memory = new MemoryDatabase(undefined, (entries) => database.commit([], entries))
    const store = this.#software.watched(new Store(memory, this.#sealer, Number.MAX_SAFE_INTEGER))
    const makings = services.makings && heldMakings(services.makings)
    return { ...services, store, makings }
  }

  /** The tokens of PKCS#11, in the order of their slots. */
  tokens(): Promise<readonly Token[]> {
    this.#tokens ??= openTokens(this)
    return this.#tokens
  }

  /**
   * Lets a client in with a certificate that another authority has issued.
   *
   * @returns Whether an authority that this server trusts has issued it itself: else the client
   * must show the certificates in between, or cannot shake hands.
   * @throws `KmsError` `exists`, `invalidField`.
   */
  async registerCredential(
    wish: {
      readonly name: string
      readonly scope?: string | undefined
      readonly certificate: string
    },
    by: string,
  ): Promise<{ readonly credential: Credential; readonly trusted: boolean }> {
    const { name, scope = name } = wish
    await this.#assertNewName(name)
    const certificate = clientCertificate(name, wish.certificate)
    const now = Math.floor(this.services.clock() / 1000)
    const credential = {
      name,
      fingerprint: fingerprintOf(certificate),
      serial: certificate.serialNumber.toLowerCase(),
      scope,
      created: now,
      expires: Math.floor(Date.parse(certificate.validTo) / 1000),
    }
    if (credential.expires <= now) {
      const what = `Cannot register credential "${name}": its certificate has expired`
      throw new KmsError('invalidField', what)
    }
    await this.credentials.add(credential, by, 'registered')
    const trusted = this.clientAuthorities().some((pem) => isIssuedBy(certificate, pem))
    return { credential, trusted }
  }

  /** PEM of every authority whose certificates may be credentials. */
  clientAuthorities(): readonly string[] {
    const others = this.config.kmip.tls.clientCa.map((path) => readFileSync(path, 'utf8'))
    return [this.authority.certificate, ...others]
  }

  async #assertNewName(name: string): Promise<void> {
    assertName(name)
    if ((await this.credentials.named(name)) === undefined) return
    const what = `Cannot create credential "${name}": the name is taken, and names are not reused`
    throw new KmsError('exists', what)
  }

  /** What the root key is now, without the key. */
  get root(): object {
    return describeRoot(this.#root.name)
  }

  /**
   * Seals the data keys under a new root key; everything goes on working meanwhile.
   *
   * @param by Who wants it, for the audit trail; its entry is of the same transaction.
   */
  async rotateRootKey(wish: RootWish, by: string): Promise<object> {
    if (this.#isRotating) {
      throw new KmsError('conflict', 'Cannot rotate root key: another rotation is under way')
    }
    this.#isRotating = true
    try {
      await this.#rotate(wish, by)
      return this.root
    } finally {
      this.#isRotating = false
    }
  }

  async #rotate(wish: RootWish, by: string): Promise<void> {
    const next = await this.#nextRootKey(wish)
    try {
      await this.#adopt(next, by)
    } catch (error) {
      if (this.#root !== next) next.key[Symbol.dispose]()
      throw error
    }
  }

  async #adopt(next: RootKey, by: string): Promise<void> {
    const { services, config } = this
    const path = rootKeyPath(this.#options)
    const { key, name: before } = this.#root
    if (next.name.kind === 'hsm') {
      await assertNoObject(services, next.name)
      reserve(this.#devices, config, services.keystores, next.name)
    }
    if (next.name.kind === 'file') {
      dropNext(path)
      writeFileKey(nextPath(path), next)
    }
    const event = { principal: by, front: 'control', operation: 'RotateRootKey' } as const
    const detail = `from ${saidRoot(before)} to ${saidRoot(next.name)}`
    const entry = entryOf({ ...event, outcome: 'success', detail }, services.clock())
    const keys = sealed(this.#dataKeys, next)
    await this.database.replaceDataKeys(keys, rootNameText(next.name), [entry])
    key[Symbol.dispose]()
    this.#root = next
    if (next.name.kind === 'file') adoptNext(path)
    else if (before.kind === 'file') eraseFile(path)
  }

  async #nextRootKey(wish: RootWish): Promise<RootKey> {
    const { name } = this.#root
    const replaces = name.kind === 'file' ? name.id : undefined
    if (wish.to === 'file') return newFileKey()
    if (wish.to === 'passphrase') {
      if (wish.passphrase !== undefined && wish.passphrase !== '') {
        return newPassphraseKey(wish.passphrase, replaces)
      }
      throw new KmsError('invalidField', 'Cannot rotate root key: the new passphrase is missing')
    }
    const { rootKey } = this.config
    const keystore = wish.keystore ?? rootKey.keystore
    const key = wish.key ?? (wish.make ? freshLabel(rootKey.key) : rootKey.key)
    try {
      return await newHsmKey(this.#devices, { ...wish, keystore, key }, replaces)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      throw new KmsError('invalidField', `Cannot rotate root key: ${error.message}`)
    }
  }

  /** Removes audit entries that are too old or too many; that it did is an entry itself. */
  async trimAudit(): Promise<void> {
    const { auditDaysMax, auditEntriesMax } = this.config.limits
    const before = this.services.clock() - auditDaysMax * DAY_MILLISECONDS
    const removed = await this.database.trimAudit({ before, keep: auditEntriesMax })
    if (removed === 0) return
    const event = { principal: 'clock', front: 'clock', operation: 'TrimAudit' } as const
    const detail = `${removed} of the oldest entries were removed`
    await this.services.journal.record({ ...event, outcome: 'success', detail })
  }

  /** Writes what waits and lets go of everything. */
  async close(): Promise<void> {
    await this.services.journal.flush()
    for (const keystore of this.services.keystores.all()) await keystore.close()
    await this.database.close()
    this.#root.key[Symbol.dispose]()
    for (const key of this.#dataKeys.values()) key[Symbol.dispose]()
    this.#dataKeys = new Map()
    this.#unlock()
  }
}

function assertName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name)) return
  const allowed = 'up to 64 letters, digits and . _ @ -, beginning with a letter or digit'
  throw new KmsError('invalidField', `Cannot create credential "${name}": a name has ${allowed}`)
}

function keystoresOf(
  config: Config,
  software: SoftwareKeystores,
  devices: HsmDevices,
  kek: KekSource,
  makings: AnnouncedMakings,
): [Keystore, ...Keystore[]] {
  const keystores: Keystore[] = config.keystores.map((one) => {
    if (one.type === 'software') return software.open(one.name)
    return hsmKeystore(one, software.plain(one.name), devices.of(one), kek, makings)
  })
  return keystores as [Keystore, ...Keystore[]]
}

/** For the audit trail. */
function saidRoot(name: RootName): string {
  if (name.kind === 'passphrase') return 'a passphrase'
  if (name.kind === 'file') return `file key ${name.id}`
  return `key "${name.key.label}" of HSM "${name.keystore}"`
}

/** A label that no key of the device has yet. */
function freshLabel(usual: string): string {
  return `${usual}-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`
}
