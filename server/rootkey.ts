/**
 * The root key: the one secret that is not in the database.
 *
 * It seals the data keys (`core/sealer.ts`). It is read from a file, or made of a passphrase with
 * Argon2id (RFC 9106, with the parameters of its second recommended option), or unwrapped by an HSM
 * (`server/rootkey-hsm.ts`). The database remembers which kind it was and, for a passphrase, the
 * salt, for an HSM, the wrapped key; never the key.
 *
 * Rotation seals the data keys under a new root key. The new file is on the disk before the
 * database speaks of it, and the old one goes when the database does: whenever the machine stops in
 * between, one of the two files fits. A key file that goes is overwritten with zeros first; what a
 * file system with copies of its own, or a drive that spreads its writes, keeps of it, stays.
 *
 * @module
 */
import { argon2, createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { KmsError } from '#core/errors.ts'
import { Secret } from '#core/secret.ts'
import type { Envelope, WrappingName } from '#keystores/pkcs11/wrapping.ts'

const deriveArgon2 = promisify(argon2)

const ROOT_KEY_BYTES = 32
const HEADER = 'claviger root key 1'

/** RFC 9106 §4: 64 MiB, three passes, four lanes. */
const ARGON2 = { memory: 65_536, passes: 3, parallelism: 4 } as const

/** What the database remembers of the root key. */
export type RootName =
  | { readonly kind: 'file'; readonly id: string }
  | {
      readonly kind: 'passphrase'
      readonly salt: string
      readonly memory: number
      readonly passes: number
      readonly parallelism: number
      /** Identifier of a file's key that it has replaced. */
      readonly replaces?: string | undefined
    }
  | HsmName

/** The root key, wrapped by a key of an HSM; and which that is. */
export interface HsmName {
  readonly kind: 'hsm'
  readonly id: string
  readonly keystore: string
  /** Label and serial number of the token, for people: a copy of it is as good. */
  readonly token: string
  readonly serial: string
  readonly key: WrappingName
  readonly envelope: Envelope
  readonly replaces?: string | undefined
}

export interface RootKey {
  readonly name: RootName
  readonly key: Secret
}

export function parseRootName(text: string): RootName {
  return JSON.parse(text) as RootName
}

export function rootNameText(name: RootName): string {
  return JSON.stringify(name)
}

/** Says which key it is, without giving it away. */
export function idOf(key: Secret): string {
  return createHash('sha256')
    .update('claviger root id')
    .update(key.expose())
    .digest('hex')
    .slice(0, 16)
}

/** A key of which nobody knows yet. */
export function newRootKey(): Secret {
  return new Secret(randomBytes(ROOT_KEY_BYTES))
}

export function newFileKey(): RootKey {
  const key = newRootKey()
  return { name: { kind: 'file', id: idOf(key) }, key }
}

const NO_KEY = 'it is no root key file, or not the whole of one; put back the one of the backup'

/** @throws {@link KmsError} `storageUnavailable` when the file cannot be used, with the remedy. */
export function readFileKey(path: string): RootKey {
  let text: string
  try {
    const mode = statSync(path).mode & 0o077
    if (mode !== 0) throw new Error(`others may read it; do: chmod 600 ${path}`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const what = `Cannot read root key ${path}: ${(error as Error).message}`
    throw new KmsError('storageUnavailable', what)
  }
  const [header, base64 = ''] = text.trim().split('\n')
  const bytes = Buffer.from(base64, 'base64')
  if (header !== HEADER || bytes.length !== ROOT_KEY_BYTES) {
    throw new KmsError('storageUnavailable', `Cannot read root key ${path}: ${NO_KEY}`)
  }
  const key = new Secret(bytes)
  return { name: { kind: 'file', id: idOf(key) }, key }
}

/** Writes the key so that it survives the machine, readable by its owner alone. */
export function writeFileKey(path: string, { key }: RootKey): void {
  if (existsSync(path)) throw new Error(`there is a root key already: ${path}`)
  // Beside, and renamed: a machine that stops leaves no half a key that the next start would read.
  const part = `${path}.part`
  rmSync(part, { force: true })
  const file = openSync(part, 'wx', 0o600)
  try {
    writeSync(file, `${HEADER}\n${Buffer.from(key.expose()).toString('base64')}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  chmodSync(part, 0o600)
  renameSync(part, path)
  syncFolder(path)
}

function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** The file beside the key file in which a rotation puts the new key first. */
export function nextPath(path: string): string {
  return `${path}.new`
}

/** The new key takes the place of the old one, which is overwritten with zeros and removed. */
export function adoptNext(path: string): void {
  if (!existsSync(nextPath(path))) return
  // Under another name first: `path` itself must never hold zeros, whenever the machine stops.
  if (existsSync(path)) renameSync(path, oldPath(path))
  renameSync(nextPath(path), path)
  syncFolder(path)
  eraseFile(oldPath(path))
}

/** Where the old key is while the new one takes its place. */
function oldPath(path: string): string {
  return `${path}.old`
}

/**
 * Finishes a rotation away from a file that was interrupted: the file goes if it holds the key that
 * was replaced, and so does one that was never used. Another key is somebody else's.
 */
export function dropReplaced(path: string, replaces: string | undefined): void {
  dropNext(path)
  for (const one of replaces === undefined ? [] : [path, oldPath(path)]) {
    try {
      const { name, key } = readFileKey(one)
      key[Symbol.dispose]()
      if (name.kind === 'file' && name.id === replaces) eraseFile(one)
    } catch {
      // It is not there, or no key file.
    }
  }
}

export function dropNext(path: string): void {
  eraseFile(nextPath(path))
}

/**
 * Overwrites a key file with zeros, on the disk, and removes it; where there is one.
 *
 * A link goes without the file that it leads to: that may be somebody's backup.
 */
export function eraseFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (found.isFile() && found.nlink === 1) overwrite(path, found.size)
  rmSync(path)
  syncFolder(path)
}

function overwrite(path: string, bytes: number): void {
  chmodSync(path, 0o600)
  const file = openSync(path, 'r+')
  try {
    writeSync(file, Buffer.alloc(bytes), 0, bytes, 0)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

type FileName = Extract<RootName, { kind: 'file' }>

/**
 * The key of the file that the database speaks of; finishes a rotation that was interrupted.
 *
 * @throws {@link KmsError} `storageUnavailable` when neither file fits.
 */
export function findFileKey(path: string, name: FileName): RootKey {
  if (!existsSync(path) && existsSync(oldPath(path))) renameSync(oldPath(path), path)
  const next = existsSync(nextPath(path)) ? nextKey(path, name) : undefined
  if (next !== undefined) {
    adoptNext(path)
    return next
  }
  if (!existsSync(path)) {
    const what = `Cannot read root key ${path}: it is not there; put back the one with the id`
    throw new KmsError('storageUnavailable', `${what} ${name.id}`)
  }
  const found = readFileKey(path)
  if (fits(found, name)) {
    dropNext(path)
    eraseFile(oldPath(path))
    return found
  }
  const what = `Cannot open the database: ${path} holds another root key than it was sealed with`
  throw new KmsError(
    'storageUnavailable',
    `${what}; put the right file there (its id is ${name.id})`,
  )
}

function fits({ name: found }: RootKey, { id }: FileName): boolean {
  return found.kind === 'file' && found.id === id
}

/** The key beside, where it is the one; a machine may have stopped while it was written. */
function nextKey(path: string, name: FileName): RootKey | undefined {
  try {
    const found = readFileKey(nextPath(path))
    return fits(found, name) ? found : undefined
  } catch {
    return undefined
  }
}

/** @param replaces Identifier of a file's key that it replaces. */
export async function newPassphraseKey(passphrase: string, replaces?: string): Promise<RootKey> {
  const salt = randomBytes(16).toString('base64')
  const old = replaces === undefined ? {} : { replaces }
  const name = { kind: 'passphrase', salt, ...ARGON2, ...old } as const
  return { name, key: await passphraseKey(passphrase, name) }
}

export async function passphraseKey(
  passphrase: string,
  name: Extract<RootName, { kind: 'passphrase' }>,
): Promise<Secret> {
  const { salt, memory, passes, parallelism } = name
  const message = Buffer.from(passphrase.normalize('NFC'), 'utf8')
  const nonce = Buffer.from(salt, 'base64')
  const options = { message, nonce, memory, passes, parallelism, tagLength: ROOT_KEY_BYTES }
  const key = await deriveArgon2('argon2id', options)
  message.fill(0)
  return new Secret(key)
}
