/**
 * How the data keys come open: which root key a data directory has, and where that is.
 *
 * A new directory gets what the configuration says; one that is there needs the root key that its
 * database names, whatever the configuration says now. `house.ts` moves from one to another.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { SealedDataKey } from '#core/database.ts'
import { KmsError } from '#core/errors.ts'
import { DATA_KEY_BYTES, openDataKey, sealDataKey } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import type { LockedDatabase } from '#databases/sqlite/sqlite.ts'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import { secretText } from './private-files.ts'
import {
  dropReplaced,
  findFileKey,
  newFileKey,
  newPassphraseKey,
  parseRootName,
  passphraseKey,
  type RootKey,
  type RootName,
  readFileKey,
  rootNameText,
  writeFileKey,
} from './rootkey.ts'
import { assertHsmName, type HsmDevices, newHsmKey, openHsmKey } from './rootkey-hsm.ts'

export interface UnsealOptions {
  readonly dataDir: string
  readonly config: Config
  readonly log?: Pick<Logger, 'warn'> | undefined
  /** Asks a person for the passphrase; absent where nobody can be asked. */
  readonly askPassphrase?: ((prompt?: string) => Promise<string>) | undefined
}

export function rootKeyPath({ config, dataDir }: UnsealOptions): string {
  return config.rootKey.file ?? join(dataDir, 'root.key')
}

export interface Unsealed {
  readonly root: RootKey
  readonly dataKeys: ReadonlyMap<number, Secret>
}

/** The root key, and the data keys that it opens; both new where the database is. */
export async function unsealed(
  locked: LockedDatabase,
  options: UnsealOptions,
  devices: HsmDevices,
): Promise<Unsealed> {
  if (locked.rootName === undefined) {
    const root = await firstRootKey(options, devices)
    const dataKeys = new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]])
    locked.initialise(sealed(dataKeys, root), rootNameText(root.name))
    return { root, dataKeys }
  }
  const root = await knownRootKey(parseRootName(locked.rootName), options, devices)
  const dataKeys = locked.dataKeys.map(({ number, sealed: bytes }) => {
    return [number, openedDataKey(root, number, bytes)] as const
  })
  if (root.name.kind !== 'file') dropReplaced(rootKeyPath(options), root.name.replaces)
  return { root, dataKeys: new Map(dataKeys) }
}

function openedDataKey({ name, key }: RootKey, number: number, bytes: Uint8Array): Secret {
  try {
    return openDataKey(key, number, bytes)
  } catch (cause) {
    if (name.kind !== 'passphrase') throw cause
    const what = 'Cannot open the database: the passphrase is wrong, or the data key was altered'
    throw new KmsError('tampered', what, { cause })
  }
}

async function firstRootKey(options: UnsealOptions, devices: HsmDevices): Promise<RootKey> {
  const { rootKey } = options.config
  if (rootKey.source === 'passphrase') return newPassphraseKey(await passphraseFor(options))
  if (rootKey.source === 'hsm') return newHsmKey(devices, rootKey)
  const path = rootKeyPath(options)
  // A file that is there already was put there to be used.
  if (existsSync(path)) return readFileKey(path)
  const root = newFileKey()
  writeFileKey(path, root)
  return root
}

async function knownRootKey(
  name: RootName,
  options: UnsealOptions,
  devices: HsmDevices,
): Promise<RootKey> {
  if (name.kind === 'file') return findFileKey(rootKeyPath(options), name)
  if (name.kind === 'hsm') {
    assertHsmName(name)
    return openHsmKey(devices, options.config, name)
  }
  return { name, key: await passphraseKey(await passphraseFor(options), name) }
}

async function passphraseFor({ config, askPassphrase, log }: UnsealOptions): Promise<string> {
  const { passphraseFile } = config.rootKey
  if (passphraseFile !== undefined) return secretText(passphraseFile, log)
  const given = process.env['CLAVIGER_PASSPHRASE']
  if (given !== undefined && given !== '') return given
  if (askPassphrase !== undefined) return askPassphrase()
  const where = 'set CLAVIGER_PASSPHRASE or rootKey.passphraseFile'
  throw new KmsError(
    'storageUnavailable',
    `Cannot open the database: its passphrase is missing; ${where}`,
  )
}

/** The data keys, as they are stored. */
export function sealed(
  dataKeys: ReadonlyMap<number, Secret>,
  root: RootKey,
): readonly SealedDataKey[] {
  return [...dataKeys].map(([number, key]) => ({
    number,
    sealed: sealDataKey(root.key, number, key),
  }))
}
