/**
 * An engine on a house of its own, for tests: one token without a PIN, or with one.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Context } from '#core/context.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import type { Pkcs11Engine } from '#fronts/pkcs11/engine.ts'
import { readConfig } from '#server/config.ts'
import { House } from '#server/house.ts'
import { createLog } from '#server/log.ts'
import { openEngine } from '#server/pkcs11.ts'
import { CKA, CKF } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes, ulongOf } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'

export const RW = CKF.SERIAL_SESSION | CKF.RW_SESSION
export const RO = CKF.SERIAL_SESSION

/** A template as a test writes it: numbers, flags, texts and bytes by the names of attributes. */
export type Wishes = {
  readonly [K in keyof typeof CKA]?: number | boolean | string | Uint8Array | readonly Attribute[]
}

export function template(wishes: Wishes): readonly Attribute[] {
  return Object.entries(wishes).map(([name, value]) => {
    return { type: CKA[name as keyof typeof CKA], value: cValue(value) }
  })
}

function cValue(value: Wishes[keyof Wishes]): Uint8Array | readonly Attribute[] {
  if (typeof value === 'number') return ulongBytes(value)
  if (typeof value === 'boolean') return boolBytes(value)
  if (typeof value === 'string') return Buffer.from(value)
  return value as Uint8Array | readonly Attribute[]
}

export async function refuses(code: number, work: () => unknown): Promise<void> {
  let rv: number | undefined
  try {
    await work()
  } catch (error) {
    ok(error instanceof CryptokiError, String(error))
    rv = error.rv
  }
  equal(rv === undefined ? 'CKR_OK' : rvName(rv), rvName(code))
}

export class Workbench {
  readonly house: House
  readonly engine: Pkcs11Engine
  readonly app: Application
  readonly #dataDir: string

  private constructor(dataDir: string, house: House, engine: Pkcs11Engine) {
    this.#dataDir = dataDir
    this.house = house
    this.engine = engine
    this.app = this.newApplication()
  }

  /**
   * @param login Whether the token asks for a PIN.
   * @param environment What the configuration has otherwise, as variables.
   */
  static async open(
    login: 'pin' | 'none' = 'none',
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Workbench> {
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-pkcs11-'))
    const defaults = readConfig(undefined, { CLAVIGER_LOG_LEVEL: 'silent', ...environment })
    const tokens = defaults.pkcs11.tokens.map((token) => ({ ...token, login }))
    const config = { ...defaults, pkcs11: { ...defaults.pkcs11, tokens } }
    const house = await House.open({ dataDir, config, log: createLog(config.log) })
    return new Workbench(dataDir, house, await openEngine(house))
  }

  newApplication(): Application {
    return this.engine.open({
      peer: { uid: undefined, gid: undefined, pid: undefined },
      processId: undefined,
      isStock: false,
      reserved: undefined,
    })
  }

  get call(): Pkcs11Engine['handlers'] {
    return this.engine.handlers
  }

  async session(flags: number = RW, app: Application = this.app): Promise<number> {
    return (await this.call.C_OpenSession(app, { slotID: 0, flags } as never)).phSession
  }

  /** What an operation of the core is given, in the name of the token's principal. */
  context(operation: string): Context {
    const { principal, services } = this.app.token(0)
    const now = Math.floor(services.clock() / 1000)
    return { services, principal, front: 'kmip', operation, now }
  }

  async create(hSession: number, wishes: Wishes): Promise<number> {
    const pTemplate = template(wishes)
    return (await this.call.C_CreateObject(this.app, { hSession, pTemplate })).phObject
  }

  /** Values by name; the code of the refusal where there is none. */
  async read<K extends keyof typeof CKA>(
    hSession: number,
    hObject: number,
    ...names: readonly K[]
  ): Promise<Record<K, Uint8Array | undefined>> {
    const pTemplate = names.map((name) => ({ type: CKA[name], capacity: 1 << 20 }))
    const answer = await this.call.C_GetAttributeValue(this.app, { hSession, hObject, pTemplate })
    return Object.fromEntries(
      names.map((name, index) => [name, answer.pTemplate[index]?.value]),
    ) as Record<K, Uint8Array | undefined>
  }

  async flag(hSession: number, hObject: number, name: keyof typeof CKA): Promise<boolean> {
    const { [name]: value } = await this.read(hSession, hObject, name)
    equal(value?.length, 1, `CKA_${name} is a flag`)
    return value[0] === 1
  }

  async number(hSession: number, hObject: number, name: keyof typeof CKA): Promise<number> {
    const { [name]: value } = await this.read(hSession, hObject, name)
    return ulongOf(value as Uint8Array) as number
  }

  /** Code of a read that names one attribute. */
  async code(hSession: number, hObject: number, name: keyof typeof CKA): Promise<string> {
    const pTemplate = [{ type: CKA[name], capacity: 1 << 20 }]
    return rvName(
      (await this.call.C_GetAttributeValue(this.app, { hSession, hObject, pTemplate })).rv,
    )
  }

  async find(hSession: number, wishes: Wishes, app = this.app): Promise<readonly number[]> {
    await this.call.C_FindObjectsInit(app, { hSession, pTemplate: template(wishes) })
    const found: number[] = []
    for (;;) {
      const { phObject } = await this.call.C_FindObjects(app, { hSession, phObject: 7 })
      if (phObject.length === 0) break
      found.push(...phObject)
    }
    await this.call.C_FindObjectsFinal(app, { hSession })
    return found
  }

  async generate(hSession: number, type: number, wishes: Wishes): Promise<number> {
    const pMechanism = { type, parameter: undefined }
    const args = { hSession, pMechanism, pTemplate: template(wishes) }
    return (await this.call.C_GenerateKey(this.app, args)).phKey
  }

  async generatePair(
    hSession: number,
    type: number,
    forPublic: Wishes,
    forPrivate: Wishes,
  ): Promise<readonly [number, number]> {
    const { phPublicKey, phPrivateKey } = await this.call.C_GenerateKeyPair(this.app, {
      hSession,
      pMechanism: { type, parameter: undefined },
      pPublicKeyTemplate: template(forPublic),
      pPrivateKeyTemplate: template(forPrivate),
    })
    return [phPublicKey, phPrivateKey]
  }

  async close(): Promise<void> {
    this.engine.close()
    await this.house.close()
    rmSync(this.#dataDir, { recursive: true, force: true })
  }
}
