/**
 * Small secrets of the server itself, sealed: the key of its certificate authority, for one.
 *
 * @module
 */
import type { Database } from './database.ts'
import type { Sealer } from './sealer.ts'
import { Secret } from './secret.ts'

const SCOPE = ''

export class Settings {
  readonly #database: Database
  readonly #sealer: Sealer

  constructor(database: Database, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  async get(name: string): Promise<Secret | undefined> {
    const record = await this.#database.read('setting', name)
    return record && new Secret(this.#sealer.open(record.bytes, placeOf(name, record.revision)))
  }

  async put(name: string, value: Secret): Promise<void> {
    const previous = (await this.#database.read('setting', name))?.revision ?? 0
    const revision = previous + 1
    const bytes = this.#sealer.seal(value.expose(), placeOf(name, revision))
    const none = { add: [], remove: [] }
    const record = { kind: 'setting', id: name, scope: SCOPE, previous, revision, bytes } as const
    await this.#database.commit([{ ...record, terms: none, claims: none }], [])
  }
}

function placeOf(name: string, revision: number): string {
  return `setting ${name} ${revision}`
}
