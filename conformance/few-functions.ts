/**
 * The PKCS#11 listener with an engine of a few functions behind it, and raw bytes to send there:
 * what tests of the listener share.
 *
 * It listens in a folder of its own; whoever starts one calls {@link stopAll} in the end.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pkcs11Client, type Pkcs11ClientOptions } from '#clients/pkcs11-rpc/client.ts'
import { type Limits, limitsWith } from '#core/limits.ts'
import type { Application, ApplicationInfo, Engine } from '#fronts/pkcs11/contract.ts'
import { Pkcs11Server } from '#fronts/pkcs11/server.ts'
import { CKA, CKF, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes, paddedText, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { AttributeAnswer, AttributeWish, Handlers } from '#spec/pkcs11/types.ts'

/** The slot, the session and the object that the engine knows. */
export const SLOT = 7
export const SESSION = 11
export const OBJECT = 5
const hex = (text: string): string => Buffer.from(text).toString('hex')
const MAGIC = hex('PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1')
/** Body of p11-kit's C_Initialize: call, signature, the handshake and nothing in pReserved. */
export const HANDSHAKE = `0000000100000005${hex('ayyay')}0100000029${MAGIC}00010000000100`

/** What an application is for the engine below. */
interface Counted extends Application {
  readonly info: ApplicationInfo
  calls: number
}

const ATTRIBUTES = new Map<number, Uint8Array>([
  [CKA.CLASS, ulongBytes(CKO.DATA)],
  [CKA.TOKEN, boolBytes(true)],
  [CKA.PRIVATE, boolBytes(false)],
  [CKA.LABEL, Buffer.from('a label')],
  [CKA.APPLICATION, Buffer.from('claviger')],
  [CKA.VALUE, Buffer.from('some data')],
])

function answerOf({ type, capacity }: AttributeWish): AttributeAnswer {
  const value = ATTRIBUTES.get(type)
  if (value === undefined) return { type }
  return capacity === undefined ? { type, length: value.length } : { type, value }
}

function needsSlot(slotID: number): void {
  if (slotID !== SLOT) throw new CryptokiError(CKR.SLOT_ID_INVALID, `there is only slot ${SLOT}`)
}

/** An engine of a few functions, and no more. */
export class FewFunctions implements Engine<Counted> {
  readonly opened: Counted[] = []
  closed = 0
  waiting = 0
  /** What functions were given that a person has typed, and what it was then. */
  readonly typed: { readonly view: Uint8Array; readonly text: string }[] = []
  /** Calls that were too long. */
  readonly long: unknown[] = []
  #found = false

  open(info: ApplicationInfo): Counted {
    const application = { info, calls: 0, close: () => void this.closed++ }
    this.opened.push(application)
    return application
  }

  #typed(view: Uint8Array | undefined): undefined {
    if (view !== undefined) this.typed.push({ view, text: Buffer.from(view).toString() })
    if (this.typed.at(-1)?.text === 'wrong') {
      throw new CryptokiError(CKR.PIN_INCORRECT, 'it is wrong')
    }
  }

  tooLong(application: Counted, name: string, hSession: number, bytes: number): CryptokiError {
    this.long.push([application, name, hSession, bytes])
    return new CryptokiError(CKR.DATA_LEN_RANGE, 'it is too long')
  }

  readonly handlers = {
    C_GetInfo: () => ({
      pInfo: {
        cryptokiVersion: { major: 3, minor: 2 },
        manufacturerID: paddedText('Claviger', 32),
        flags: 0,
        libraryDescription: paddedText('few functions', 32),
        libraryVersion: { major: 1, minor: 0 },
      },
    }),
    C_GetSlotList: () => ({ pSlotList: [SLOT] }),
    C_GetSlotInfo: (_, { slotID }) => {
      needsSlot(slotID)
      return {
        pInfo: {
          slotDescription: paddedText('a slot', 64),
          manufacturerID: paddedText('Claviger', 32),
          flags: CKF.TOKEN_PRESENT,
          hardwareVersion: { major: 0, minor: 0 },
          firmwareVersion: { major: 0, minor: 0 },
        },
      }
    },
    C_GetTokenInfo: (_, { slotID }) => {
      needsSlot(slotID)
      return {
        pInfo: {
          label: paddedText('a token', 32),
          manufacturerID: paddedText('Claviger', 32),
          model: paddedText('few', 16),
          serialNumber: paddedText('1', 16),
          flags: CKF.TOKEN_INITIALIZED | CKF.RNG,
          ulMaxSessionCount: 0,
          ulSessionCount: 0,
          ulMaxRwSessionCount: 0,
          ulRwSessionCount: 0,
          ulMaxPinLen: 255,
          ulMinPinLen: 4,
          ulTotalPublicMemory: -1,
          ulFreePublicMemory: -1,
          ulTotalPrivateMemory: -1,
          ulFreePrivateMemory: -1,
          hardwareVersion: { major: 0, minor: 0 },
          firmwareVersion: { major: 0, minor: 0 },
          utcTime: paddedText('', 16),
        },
      }
    },
    C_GetMechanismList: () => ({ pMechanismList: [CKM.SHA256, CKM.ML_DSA] }),
    C_GetMechanismInfo: (_, { type }) => {
      if (type !== CKM.SHA256) throw new CryptokiError(CKR.MECHANISM_INVALID, 'there is only one')
      return { pInfo: { ulMinKeySize: 0, ulMaxKeySize: 0, flags: CKF.DIGEST } }
    },
    C_Login: (_, { pPin }) => this.#typed(pPin),
    C_SetPIN: async (_, { pOldPin, pNewPin }) => {
      this.#typed(pOldPin)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return this.#typed(pNewPin)
    },
    C_OpenSession: async () => ({ phSession: SESSION }),
    C_CloseSession: () => undefined,
    C_FindObjectsInit: () => {
      this.#found = false
      return undefined
    },
    C_FindObjects: () => {
      const phObject = this.#found ? [] : [OBJECT]
      this.#found = true
      return { phObject }
    },
    C_FindObjectsFinal: () => undefined,
    C_GetAttributeValue: (_, { pTemplate }) => {
      const answers = pTemplate.map(answerOf)
      const isWhole = answers.every((answer) => 'value' in answer || 'length' in answer)
      return { rv: isWhole ? CKR.OK : CKR.ATTRIBUTE_TYPE_INVALID, pTemplate: answers }
    },
    C_GenerateRandom: async (application, { pRandomData }) => {
      application.calls++
      await new Promise((resolve) => setTimeout(resolve, 5))
      return { pRandomData: Buffer.alloc(pRandomData, application.calls) }
    },
    C_SignInit: () => ({ rule: 'fixed', length: 3, isRepeatable: true }),
    C_Sign: (_, { pData }) => {
      if (pData?.length === 0) throw new CryptokiError(CKR.DATA_LEN_RANGE, 'nothing to sign')
      return { pSignature: Buffer.from('sig') }
    },
    C_SignFinal: async () => ({ pSignature: Buffer.from('sig') }),
    C_WaitForSlotEvent: () => {
      this.waiting++
      return new Promise(() => {})
    },
    C_Verify: () => {
      throw new Error('a bug')
    },
  } satisfies Partial<Handlers<Counted>> as unknown as Handlers<Counted>
}

export const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

interface Running {
  readonly path: string
  readonly engine: FewFunctions
  readonly server: Pkcs11Server<Counted>
}

export const folder = mkdtempSync(join(tmpdir(), 'claviger-pkcs11-'))
let count = 0
export const running: Pkcs11Server<Counted>[] = []

/** Starts a listener; {@link stopAll} ends it. */
export async function start(limits: Partial<Limits> = {}): Promise<Running> {
  const path = join(folder, `${count++}`)
  const engine = new FewFunctions()
  const server = new Pkcs11Server({
    engine,
    limits: limitsWith({ drainSeconds: 1, ...limits }),
    log: SILENT,
  })
  running.push(server)
  await server.listen(path)
  return { path, engine, server }
}

/** Our client, initialized. */
export async function open(path: string, options: Pkcs11ClientOptions = {}): Promise<Pkcs11Client> {
  const client = await Pkcs11Client.connect(path, { requestMilliseconds: 5_000, ...options })
  await client.initialize()
  return client
}

/** Sends bytes; what comes back until it is so many bytes, or the server hangs up. */
export function exchange(
  path: string,
  hex: string,
  bytes = Infinity,
  milliseconds = 5_000,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    let received = Buffer.alloc(0)
    const done = (end: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(received.toString('hex') + end)
    }
    const timer = setTimeout(() => done(' late'), milliseconds)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= bytes) done('')
    })
    socket.on('error', () => done(' error'))
    socket.on('close', () => done(' closed'))
    socket.write(Buffer.from(hex, 'hex'))
  })
}

/** Header of a message: its code, no options, the length of its body. */
export const header = (code: string, bytes: number): string =>
  `${code}00000000${bytes.toString(16).padStart(8, '0')}`
export const isRv = (rv: number) => (error: unknown) =>
  error instanceof CryptokiError && error.rv === rv

/** Two ends of one connection. */
export function socketPair(): Promise<readonly [Socket, Socket]> {
  const path = join(folder, 'pair')
  return new Promise((resolve) => {
    const listener = createServer({ allowHalfOpen: true }, (socket) => {
      listener.close()
      resolve([socket, client])
    }).listen(path)
    const client = connect({ path })
  })
}

/** Waits for five seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < end, 'it did not come true within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Closes every listener of {@link start} and removes the folder. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.map((server) => server.close()))
  rmSync(folder, { recursive: true })
}
