/**
 * A house with an HSM beside its software keystore, for the tests of keys that are kept wrapped.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from '#core/context.ts'
import type { KmsError } from '#core/errors.ts'
import type { ManagedObject } from '#core/objects.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { decrypt, encrypt } from '#core/operations/cryptography.ts'
import { get } from '#core/operations/get.ts'
import { register } from '#core/operations/register.ts'
import type { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  ProtectionStorageMask,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

export const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
export const HARDWARE = [ProtectionStorageMask.Hardware]
export const USE = Mask.Encrypt | Mask.Decrypt | Mask.DeriveKey | Mask.MACGenerate
export const KEEP = Mask.WrapKey | Mask.UnwrapKey
export const GCM = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }
export const IV = Buffer.alloc(12, 7)
export const TEXT = Buffer.from('letter')

type Listed = readonly ListedAttribute[]

export function under(id: string, vendor = 'cosmian'): ListedAttribute {
  const value = { tag: Tag.AttributeValue, type: ItemType.TextString, value: id }
  return { id: `${vendor}:wrapping_key_id`, value }
}

export function attributes(algorithm: number, bits: number, mask: number): Listed {
  return [
    { id: 'cryptographicAlgorithm', value: algorithm },
    { id: 'cryptographicLength', value: bits },
    { id: 'cryptographicUsageMask', value: mask },
    { id: 'activationDate', value: 1 },
  ]
}

/** What the configuration says of a token, but for its PIN. */
interface Token {
  readonly module: string
  readonly label: string
  readonly environment?: Readonly<Record<string, string>>
  readonly reserved?: string
}

function softHsm(folder: string): Token {
  const environment = { ...newSoftHsmToken(folder, 'app') }
  return { module: SOFTHSM as string, label: 'app', environment }
}

/** A house with an HSM beside its software keystore. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'claviger-wrapped-'))
  readonly #token: Token
  house!: House

  /** @param newToken Default: one of SoftHSM2. */
  constructor(newToken: (folder: string) => Token = softHsm) {
    this.#token = newToken(this.folder)
  }

  async open(limits: Readonly<Record<string, number>> = {}): Promise<void> {
    writeFileSync(join(this.folder, 'pin'), SOFTHSM_PIN)
    const path = join(this.folder, 'claviger.yaml')
    const hsm = {
      name: 'vault',
      type: 'pkcs11',
      ...this.#token,
      pinFile: join(this.folder, 'pin'),
      sessions: 2,
    }
    const keystores = [{ name: 'software', type: 'software' }, hsm]
    writeFileSync(path, JSON.stringify({ keystores, limits, log: { level: 'silent' } }))
    const config = readConfig(path, {})
    const log = createLog(config.log)
    this.house = await House.open({ dataDir: join(this.folder, 'data'), config, log })
  }

  async reopen(limits: Readonly<Record<string, number>> = {}): Promise<void> {
    await this.house.close()
    await this.open(limits)
  }

  async close(): Promise<void> {
    await this.house.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  context(operation = 'Test', scope = 'admin'): Context {
    const now = Math.floor(Date.now() / 1_000)
    const principal = { name: scope, scope }
    return { services: this.house.services, principal, front: 'test', operation, now }
  }

  get hsm(): Pkcs11Keystore {
    return this.house.services.keystores.named('vault') as Pkcs11Keystore
  }

  /** How often the device has been asked to unwrap or decrypt. */
  get unwrappings(): number {
    const { calls } = this.hsm.status()
    return (calls['C_UnwrapKey'] ?? 0) + (calls['C_Decrypt'] ?? 0)
  }

  async aesKeeper(mode?: number, place: 'vault' | 'software' = 'vault'): Promise<string> {
    const own: Listed =
      mode === undefined
        ? []
        : [{ id: 'cryptographicParameters', value: { blockCipherMode: mode } }]
    const given = { attributes: [...attributes(CryptographicAlgorithm.AES, 256, KEEP), ...own] }
    const storageMasks = place === 'vault' ? HARDWARE : undefined
    const wish = { objectType: ObjectType.SymmetricKey, given, storageMasks }
    return (await create(this.context(), wish)).id
  }

  async rsaKeeper(): Promise<{ readonly publicId: string; readonly privateId: string }> {
    const { RSA } = CryptographicAlgorithm
    const { privateKey, publicKey } = await createKeyPair(this.context(), {
      privateKey: { attributes: attributes(RSA, 2_048, Mask.UnwrapKey) },
      publicKey: { attributes: attributes(RSA, 2_048, Mask.WrapKey) },
      storageMasks: HARDWARE,
    })
    return { publicId: publicKey.id, privateId: privateKey.id }
  }

  /** An AES key of these bytes, or a new one. */
  async key(keeper: string | undefined, bytes?: Buffer): Promise<ManagedObject> {
    const wish = keeper === undefined ? [] : [under(keeper)]
    const list = [...attributes(CryptographicAlgorithm.AES, 256, USE), ...wish]
    const objectType = ObjectType.SymmetricKey
    const given = { attributes: list }
    if (bytes === undefined) return create(this.context(), { objectType, given })
    const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: bytes }
    const keyBlock = { keyFormatType: KeyFormatType.Raw, keyValue: { keyMaterial, attributes: [] } }
    const object = { tag: Tag.SymmetricKey, value: { keyBlock } } as ObjectInMessage
    return register(this.context(), { objectType, given, object })
  }

  async roundTrip(id: string): Promise<void> {
    const wish = { id, parameters: GCM, iv: IV }
    const { data, tag } = await encrypt(this.context(), { ...wish, data: TEXT })
    const opened = await decrypt(this.context(), { ...wish, data, tag })
    deepEqual(Buffer.from(opened.data), TEXT)
  }

  async valueOf(id: string): Promise<Buffer> {
    const { value } = await get(this.context('Get'), {
      id,
      encodeKeyValue: () => new Uint8Array(0),
    })
    const { keyValue } = (value.value as { keyBlock: { keyValue: unknown } }).keyBlock
    const { keyMaterial } = keyValue as { keyMaterial: { value: Uint8Array } }
    return Buffer.from(keyMaterial.value)
  }

  /** Whether any file of the data directory has these bytes, as they are, in hex or in base64. */
  holds(bytes: Buffer): boolean {
    const folder = join(this.folder, 'data')
    const names = readdirSync(folder).filter((name) => name.startsWith('claviger.db'))
    ok(names.includes('claviger.db-wal'), 'the write-ahead log is there while the house is open')
    const texts = [bytes.toString('hex'), bytes.toString('hex').toUpperCase()]
    const forms = [bytes, ...[...texts, bytes.toString('base64')].map((text) => Buffer.from(text))]
    return names.some((name) => {
      const content = readFileSync(join(folder, name))
      return forms.some((form) => content.includes(form))
    })
  }

  /** Takes the device away, until what is returned is called. */
  async unplug(): Promise<() => void> {
    const tokens = join(dirname(String(this.#token.environment?.['SOFTHSM2_CONF'])), 'tokens')
    renameSync(tokens, `${tokens}.away`)
    process.kill(this.hsm.status().process as number, 'SIGKILL')
    while (this.hsm.status().state === 'running') await delay(10)
    return () => renameSync(`${tokens}.away`, tokens)
  }
}

export async function refused(work: () => unknown, code: string, message: RegExp): Promise<void> {
  await rejects(
    async () => work(),
    (error: KmsError) => {
      equal(error.code, code, error.message)
      match(error.message, message)
      return true
    },
  )
}
