/**
 * Programs that work with a token in the manner of an HSM on the network, for tests: a server with
 * two HSMs of SoftHSM2 behind it, and applications of several threads that speak to it.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import { socketPath } from '#server/sockets.ts'
import { APPLICATION_ID_BYTES } from '#spec/pkcs11/calls.ts'
import { CKA, CKM, CKU } from '#spec/pkcs11/constants.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { RW, template, type Wishes } from './pkcs11-workbench.ts'

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const P256_BYTES = 64
/** Passwords; with both of the characters that mean something in a PIN. */
export const ALICE = 'pass:word@home'
export const BOB = 'bobs-word'
/** Wrong PINs until one is locked. */
export const ATTEMPTS = 3

/** What makes a token one of this manner. */
const NETWORK = {
  label: 'Dinamo HSM',
  slot: 1,
  pinFormat: 'user:password@address',
  beforeLogin: 'nothing',
  readOnlySessions: 'write',
  operations: 'one',
  officer: 'user',
  setUp: 'operator',
  export: 'never-sensitive',
} as const

export interface Surroundings {
  readonly server: OwnServer
  /** SoftHSM2's own surroundings of each HSM, by the name of the keystore. */
  readonly devices: Readonly<Record<string, { readonly SOFTHSM2_CONF: string }>>
  setPin(user: string, pin: string): Promise<unknown>
  close(): Promise<void>
}

/** A server with two HSMs and one token. */
export async function surroundings(token: object): Promise<Surroundings> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-network-token-'))
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, SOFTHSM_PIN)
  const devices = {
    north: newSoftHsmToken(folder, 'north'),
    south: newSoftHsmToken(folder, 'south'),
  }
  const addresses = { north: ['10.0.0.1', 'Hsm-North.Example:4433'], south: ['[fd00::2]'] }
  const hsm = (name: 'north' | 'south') => ({
    name,
    type: 'pkcs11',
    module: SOFTHSM,
    environment: devices[name],
    label: name,
    addresses: addresses[name],
    pinFile,
    sessions: 2,
    extractable: true,
  })
  const config = join(folder, 'claviger.yaml')
  const keystores = [hsm('north'), hsm('south'), { name: 'software', type: 'software' }]
  const limits = { pinAttemptsMax: ATTEMPTS }
  const pkcs11 = { tokens: [{ name: 'network', ...NETWORK, ...token }] }
  writeFileSync(config, JSON.stringify({ keystores, pkcs11, limits }))
  const server = await startOwnServer({ config })
  return {
    server,
    devices,
    setPin: (user, pin) => askServer(server.dataDir, 'token.pin', { user, so: false, pin }),
    close: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** An application with a session; further connections of it are further threads. */
export class Program {
  readonly id: Uint8Array
  readonly client: Pkcs11Client
  hSession = 0

  private constructor(id: Uint8Array, client: Pkcs11Client) {
    this.id = id
    this.client = client
  }

  static async start({ server }: Surroundings, flags = RW, of?: Program): Promise<Program> {
    const id = of?.id ?? randomBytes(APPLICATION_ID_BYTES)
    const client = await Pkcs11Client.connect(socketPath(server.dataDir, 'pkcs11'))
    const processId = process.pid
    await client.call('C_Initialize', { application: id, processId, reserved: undefined })
    const program = new Program(id, client)
    const opened = await client.call('C_OpenSession', { slotID: 1, flags })
    program.hSession = opened.phSession
    return program
  }

  login(pin: string, userType: number = CKU.USER): Promise<unknown> {
    const { hSession, client } = this
    return client.call('C_Login', { hSession, userType, pPin: Buffer.from(pin) })
  }

  logout(): Promise<unknown> {
    return this.client.call('C_Logout', { hSession: this.hSession })
  }

  async find(wishes: Wishes = {}): Promise<readonly number[]> {
    const { hSession, client } = this
    await client.call('C_FindObjectsInit', { hSession, pTemplate: template(wishes) })
    const { phObject } = await client.call('C_FindObjects', { hSession, phObject: 100 })
    await client.call('C_FindObjectsFinal', { hSession })
    return phObject
  }

  async secret(wishes: Wishes): Promise<number> {
    const pTemplate = template({ TOKEN: true, VALUE_LEN: 16, ...wishes })
    const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
    const { hSession } = this
    return (await this.client.call('C_GenerateKey', { hSession, pMechanism, pTemplate })).phKey
  }

  async pair(label: string): Promise<readonly [number, number]> {
    const answer = await this.client.call('C_GenerateKeyPair', {
      hSession: this.hSession,
      pMechanism: { type: CKM.EC_KEY_PAIR_GEN, parameter: undefined },
      pPublicKeyTemplate: template({ TOKEN: true, LABEL: label, EC_PARAMS: P256 }),
      pPrivateKeyTemplate: template({ TOKEN: true, LABEL: label, SIGN: true }),
    })
    return [answer.phPublicKey, answer.phPrivateKey]
  }

  async flags(hObject: number, ...names: readonly (keyof typeof CKA)[]): Promise<boolean[]> {
    const pTemplate = names.map((name) => ({ type: CKA[name], capacity: 1 }))
    const args = { hSession: this.hSession, hObject, pTemplate }
    const answer = await this.client.call('C_GetAttributeValue', args)
    return answer.pTemplate.map(({ value }) => (value as Uint8Array)[0] === 1)
  }

  digestInit(): Promise<unknown> {
    const pMechanism = { type: CKM.SHA256, parameter: undefined }
    return this.client.call('C_DigestInit', { hSession: this.hSession, pMechanism })
  }

  signInit(hKey: number): Promise<unknown> {
    const pMechanism = { type: CKM.ECDSA_SHA256, parameter: undefined }
    return this.client.call('C_SignInit', { hSession: this.hSession, pMechanism, hKey })
  }

  /** C_SignInit and C_Sign with a key of {@link pair}. */
  async sign(hKey: number): Promise<void> {
    const { client, hSession } = this
    const given = { hSession, pData: Buffer.from('data'), pSignature: P256_BYTES }
    await this.signInit(hKey)
    const { pSignature } = await client.call('C_Sign', given)
    equal((pSignature as Uint8Array).length, P256_BYTES)
  }

  random(): Promise<unknown> {
    return this.client.call('C_GenerateRandom', { hSession: this.hSession, pRandomData: 8 })
  }

  async state(): Promise<number> {
    const { hSession } = this
    return (await this.client.call('C_GetSessionInfo', { hSession })).pInfo.state
  }
}

/** Waits until the server has logged this. */
export async function logged({ server }: Surroundings, text: string): Promise<void> {
  const last = Date.now() + 5_000
  while (!server.log().includes(text)) {
    ok(Date.now() < last, `the log does not say "${text}":\n${server.log()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
