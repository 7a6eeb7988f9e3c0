/**
 * Credentials: who may connect, under which name and scope.
 *
 * A credential is a TLS client certificate that this server has issued or been told of, known by
 * the SHA-256 fingerprint of its DER. Being signed by a trusted authority lets a client shake
 * hands; having a credential that is not revoked lets it in. Records are authenticated like
 * objects, so that nobody can write himself one into the database.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { setImmediate as pause } from 'node:timers/promises'
import { entryOf } from './audit.ts'
import { sameBytes } from './bytes.ts'
import type { Principal } from './context.ts'
import type { Database, RecordChange, StoredRecord, Term } from './database.ts'
import { isTampered, KmsError } from './errors.ts'
import { MAC_BYTES, type Sealer } from './sealer.ts'

export interface Credential {
  /** What the audit trail calls the principal. */
  readonly name: string
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string
  /** Serial number of the certificate, hexadecimal. */
  readonly serial: string
  /** Objects are shared with all credentials of the same scope. */
  readonly scope: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly expires: number
  readonly revoked?: number | undefined
}

/** Whether the certificate is from our own authority or was brought to us. */
export type Origin = 'issued' | 'registered'

/** Told when a credential is revoked, so that its connections and grants end. */
export type OnRevoked = (credential: Credential) => void | Promise<void>

const LIST_MAX = 100_000
/** Credentials that are read before others have their turn. */
const LIST_STRIDE = 200
/** Scope of the records themselves: credentials belong to the server. */
const RECORD_SCOPE = ''

export class Credentials {
  readonly #database: Database
  readonly #sealer: Sealer
  readonly #clock: () => number
  readonly #listeners = new Set<OnRevoked>()

  /** @param clock Milliseconds since the epoch. */
  constructor(database: Database, sealer: Sealer, clock: () => number) {
    this.#database = database
    this.#sealer = sealer
    this.#clock = clock
  }

  onRevoked(listener: OnRevoked): void {
    this.#listeners.add(listener)
  }

  /** @throws {@link KmsError} `exists` when the name or the certificate is taken. */
  async add(credential: Credential, by: string, origin: Origin = 'issued'): Promise<void> {
    const known = await this.#holderOf(credential.fingerprint)
    if (known !== undefined) {
      const what = `Cannot add credential "${credential.name}": its certificate is that of "${known}"`
      throw new KmsError('exists', what)
    }
    const operation = origin === 'issued' ? 'CreateCredential' : 'RegisterCredential'
    await this.#write(undefined, credential, operation, by)
  }

  async named(name: string): Promise<Credential | undefined> {
    const record = await this.#database.read('credential', name)
    return record && this.#opened(record).credential
  }

  /**
   * Newest first.
   *
   * @param altered Told of one whose record is not what was written; it is left out.
   */
  async list(altered: (name: string, error: KmsError) => void): Promise<readonly Credential[]> {
    const { ids } = await this.#database.find({
      kind: 'credential',
      conditions: [],
      limit: LIST_MAX,
    })
    const all: Credential[] = []
    for (const [index, id] of ids.entries()) {
      if (index % LIST_STRIDE === LIST_STRIDE - 1) await pause()
      try {
        const credential = await this.named(id)
        if (credential !== undefined) all.push(credential)
      } catch (error) {
        if (!isTampered(error)) throw error
        altered(id, error)
      }
    }
    return all
  }

  /**
   * Ends a credential at once and for ever: its connections are closed.
   *
   * @throws {@link KmsError} `notFound`.
   */
  async revoke(name: string, by: string): Promise<Credential> {
    const record = await this.#database.read('credential', name)
    if (record === undefined) {
      throw new KmsError(
        'notFound',
        `Cannot revoke credential "${name}": there is none of this name`,
      )
    }
    const before = this.#opened(record)
    if (before.credential.revoked !== undefined) return before.credential
    const revoked = { ...before.credential, revoked: this.#seconds() }
    await this.#write(before.revision, revoked, 'RevokeCredential', by)
    // Async: one that fails at once keeps none of the others from hearing of it.
    await Promise.all([...this.#listeners].map(async (listener) => listener(revoked)))
    return revoked
  }

  /**
   * Who has this certificate.
   *
   * @throws {@link KmsError} `notAuthenticated` when nobody has, or not any more.
   */
  async principalOf(fingerprint: string): Promise<Principal> {
    const name = await this.#holderOf(fingerprint)
    const credential = name === undefined ? undefined : await this.named(name)
    if (credential === undefined) {
      const what = 'Cannot let client in: its certificate is not a credential of this server'
      throw new KmsError('notAuthenticated', what)
    }
    return principalFor(credential)
  }

  /**
   * In whose name clients work that cannot show a certificate.
   *
   * @throws {@link KmsError} `notAuthenticated` when there is no such credential, or not any more.
   */
  async principalNamed(name: string): Promise<Principal> {
    const credential = await this.named(name)
    if (credential !== undefined) return principalFor(credential)
    const what = `Cannot let client in: there is no credential "${name}"`
    throw new KmsError('notAuthenticated', what)
  }

  /** Name of the credential with this certificate, revoked or not. */
  async #holderOf(fingerprint: string): Promise<string | undefined> {
    const conditions = [{ is: termOf(fingerprint) }]
    const found = await this.#database.find({ kind: 'credential', conditions, limit: 1 })
    return found.ids[0]
  }

  #seconds(): number {
    return Math.floor(this.#clock() / 1000)
  }

  async #write(
    previous: number | undefined,
    credential: Credential,
    operation: string,
    by: string,
  ): Promise<void> {
    const revision = (previous ?? 0) + 1
    const content = Buffer.from(JSON.stringify(credential))
    const term = [termOf(credential.fingerprint)]
    const isNew = previous === undefined
    const change: RecordChange = {
      kind: 'credential',
      id: credential.name,
      scope: RECORD_SCOPE,
      previous: previous ?? 0,
      revision,
      bytes: Buffer.concat([content, this.#mac(credential.name, revision, content)]),
      terms: { add: isNew ? term : [], remove: [] },
      claims: { add: isNew ? term : [], remove: [] },
    }
    const event = { principal: by, front: 'control', operation, object: credential.name } as const
    const entry = entryOf({ ...event, outcome: 'success' }, this.#clock())
    await this.#database.commit([change], [entry])
  }

  #opened(record: StoredRecord): { readonly credential: Credential; readonly revision: number } {
    const { id, revision, bytes } = record
    const content = bytes.subarray(0, Math.max(0, bytes.length - MAC_BYTES))
    if (!sameBytes(this.#mac(id, revision, content), bytes.subarray(content.length))) {
      throw new KmsError('tampered', `Cannot use credential "${id}": its record was altered`)
    }
    return { credential: JSON.parse(Buffer.from(content).toString()) as Credential, revision }
  }

  #mac(name: string, revision: number, content: Uint8Array): Uint8Array {
    return this.#sealer.authenticate('credential', name, String(revision), content)
  }
}

/** @throws {@link KmsError} `notAuthenticated` when it is revoked. */
function principalFor({ name, scope, revoked }: Credential): Principal {
  if (revoked === undefined) return { name, scope }
  throw new KmsError('notAuthenticated', `Cannot let "${name}" in: it is revoked`)
}

function termOf(fingerprint: string): Term {
  return createHash('sha256').update(`fingerprint ${fingerprint}`).digest()
}
