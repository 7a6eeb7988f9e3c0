/**
 * A peer for the module's tests: speaks the dialect on a socket and answers from a small token of
 * its own, so that a test can say what the server does, and when it does nothing.
 *
 * The token signs with a hash, finds 300 objects, and knows as much of sessions as an application
 * can tell from outside. It is no engine: `fronts/pkcs11` is.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { BATCH, DIALECT_BYTE } from '#spec/pkcs11/calls.ts'
import { CKA, CKF, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Values } from '#spec/pkcs11/rpc/codec.ts'
import { DIALECT, readBatch } from '#spec/pkcs11/rpc/dialect.ts'
import type { Attribute, Fields, Mechanism, RemoteFunction } from '#spec/pkcs11/types.ts'
import { FrameSplitter, HEADER_BYTES } from '#wire/pkcs11-rpc/frames.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'

/** A call that has arrived. */
export interface Seen {
  readonly name: RemoteFunction
  readonly args: Values
}

export interface PeerOptions {
  /** Socket for further connections, as C_Initialize tells it. */
  readonly further?: string
  /** Changes a whole answer, header included; undefined: nothing is answered. */
  readonly change?: (frame: Buffer, name: string) => Buffer | undefined
}

interface Session {
  readonly slot: number
  readonly active: Set<string>
  /** Objects that a search has told of; undefined: there is none. */
  found: number | undefined
}

/** What the connections of one application have in common. */
interface Application {
  connections: number
  readonly sessions: Map<number, Session>
}

type Answer = Values | Promise<Values>

export class Peer {
  readonly seen: Seen[] = []
  readonly sockets = new Set<Socket>()
  readonly revoked = new Set<number>()
  /** Messages that have arrived; a batch is one. */
  frames = 0
  /** Most connections at the same time. */
  connectionsMax = 0
  accepted = 0
  options: PeerOptions
  #server: Server | undefined
  #epoch = randomBytes(4).readUInt32BE()
  #next = 100
  readonly #applications = new Map<string, Application>()

  constructor(options: PeerOptions = {}) {
    this.options = options
  }

  /** Calls of one function. */
  calls(name: RemoteFunction): readonly Values[] {
    return this.seen.filter((one) => one.name === name).map(({ args }) => args)
  }

  async listen(path: string): Promise<void> {
    const server = createServer((socket) => this.serve(socket))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(path, resolve))
  }

  /** Ends it: another epoch, and nothing is known. */
  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
    this.#epoch++
    this.#applications.clear()
  }

  serve(socket: Socket): void {
    this.sockets.add(socket)
    this.accepted++
    this.connectionsMax = Math.max(this.connectionsMax, this.sockets.size)
    const splitter = new FrameSplitter({ optionsBytesMax: 0, bodyBytesMax: 1 << 26 })
    const link: Link = { application: undefined, id: '' }
    let hasVersion = false
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.sockets.delete(socket)
      this.#leave(link)
    })
    socket.on('data', (chunk: Buffer) => {
      splitter.push(chunk)
      if (!hasVersion) {
        hasVersion = true
        socket.write(Buffer.of(splitter.takeByte() === DIALECT_BYTE ? DIALECT_BYTE : 0))
      }
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        const { callCode, body } = frame
        this.frames++
        void this.#answer(link, callCode, Buffer.from(body)).then(({ answer, name }) => {
          const changed = this.options.change ? this.options.change(answer, name) : answer
          if (changed === undefined || !socket.writable) return
          // A message that is cut off: its end would be waited for until the deadline.
          if (changed.readUInt32BE(8) > changed.length - HEADER_BYTES) socket.end(changed)
          else socket.write(changed)
        })
      }
    })
  }

  #leave(link: Link): void {
    const { application } = link
    if (application !== undefined && --application.connections === 0) {
      this.#applications.delete(link.id)
    }
  }

  async #answer(
    link: Link,
    callCode: number,
    body: Buffer,
  ): Promise<{ readonly answer: Buffer; readonly name: string }> {
    const writer = new Writer()
    const reader = new Reader(body)
    let name = 'batch'
    writer.beginFrame(callCode, undefined)
    if (DIALECT.openRequest(reader) === null) {
      const { stop, bodies } = readBatch(reader)
      const answers: Buffer[] = []
      for (const one of bodies) {
        const { answer } = await this.#one(link, one)
        answers.push(answer)
        if (stop && answer.readUInt32BE(4) !== CKR.OK) break
      }
      writer.u32(BATCH)
      writer.u32(CKR.OK)
      writer.u32(answers.length)
      for (const one of answers) writer.byteArray(one)
    } else {
      const one = await this.#one(link, body)
      name = one.name
      writer.raw(one.answer)
    }
    writer.endFrame()
    return { answer: Buffer.from(writer.take()), name }
  }

  async #one(link: Link, body: Buffer): Promise<{ answer: Buffer; name: string }> {
    const writer = new Writer()
    const reader = new Reader(body)
    const codec = DIALECT.openRequest(reader)
    if (codec === null) throw new Error('Cannot answer a batch in a batch')
    const args = codec.readRequest(reader)
    this.seen.push({ name: codec.name, args })
    try {
      const results = await this.#run(link, codec.name, args)
      DIALECT.writeAnswer(writer, codec, results, args)
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error
      writer.truncate(0)
      DIALECT.writeFailure(writer, codec.id, error.rv)
    }
    return { answer: Buffer.from(writer.take()), name: codec.name }
  }

  #run(link: Link, name: RemoteFunction, args: Values): Answer {
    if (name === 'C_Initialize') return this.#join(link, args)
    const { application } = link
    if (application === undefined) throw refusal(CKR.CRYPTOKI_NOT_INITIALIZED)
    if (name === 'C_Finalize') {
      this.#applications.delete(link.id)
      application.sessions.clear()
      return {}
    }
    const plain = PLAIN[name]
    if (plain !== undefined) return plain(args)
    if (name === 'C_OpenSession') {
      const handle = this.#next++
      application.sessions.set(handle, {
        slot: args['slotID'] as number,
        active: new Set(),
        found: undefined,
      })
      return { phSession: handle }
    }
    if (name === 'C_CloseAllSessions') {
      for (const [handle, { slot }] of application.sessions) {
        if (slot === args['slotID']) application.sessions.delete(handle)
      }
      return {}
    }
    const session = application.sessions.get(args['hSession'] as number)
    if (session === undefined) throw refusal(CKR.SESSION_HANDLE_INVALID)
    if (name === 'C_CloseSession') application.sessions.delete(args['hSession'] as number)
    return this.#operate(session, name, args)
  }

  #join(link: Link, args: Values): Values {
    link.id = Buffer.from(args['application'] as Uint8Array).toString('hex')
    const found = this.#applications.get(link.id) ?? { connections: 0, sessions: new Map() }
    this.#applications.set(link.id, found)
    found.connections++
    link.application = found
    const { further } = this.options
    return {
      further: further === undefined ? undefined : Buffer.from(further),
      epoch: this.#epoch,
      callBytesMax: 1 << 26,
    }
  }

  #operate(session: Session, name: RemoteFunction, args: Values): Values {
    const init = /^C_(?:Message)?(\w+)Init$/.exec(name)?.[1]
    if (init !== undefined && 'pMechanism' in args) return this.#begin(session, init, args)
    const [, used, part] = /^C_(Sign|Digest|Encrypt|Decrypt)(Update|Final)?$/.exec(name) ?? []
    if (used !== undefined) return use(session, used, part, args)
    return SESSION[name]?.(args, session) ?? {}
  }

  #begin(session: Session, kind: string, args: Values): Values {
    const mechanism = args['pMechanism'] as Mechanism | undefined
    const key = args['hKey'] as number
    if (mechanism === undefined) {
      session.active.delete(kind)
      return { rule: 'ask', length: 0, isRepeatable: false }
    }
    if (session.active.has(kind) && kind !== 'Encrypt' && kind !== 'Decrypt') {
      throw refusal(CKR.OPERATION_ACTIVE)
    }
    if (this.revoked.has(key)) throw refusal(CKR.KEY_HANDLE_INVALID)
    session.active.add(kind)
    const isPadded = mechanism.type === CKM.AES_CBC_PAD
    if (isPadded) return { rule: 'padded', length: 16, isRepeatable: true }
    const isFixed = kind === 'Sign' || kind === 'Digest'
    return { rule: isFixed ? 'fixed' : 'ask', length: isFixed ? 32 : 0, isRepeatable: isFixed }
  }
}

interface Link {
  application: Application | undefined
  id: string
}

function refusal(rv: number): CryptokiError {
  return new CryptokiError(rv, 'The test refuses')
}

/** A single part, a part, or the end of what an Init has begun. */
function use(session: Session, kind: string, part: string | undefined, args: Values): Values {
  if (!session.active.has(kind)) throw refusal(CKR.OPERATION_NOT_INITIALIZED)
  if (part === 'Update') return { pEncryptedPart: Buffer.alloc(0), pPart: Buffer.alloc(0) }
  const output = createHash('sha256')
    .update((args['pData'] as Buffer) ?? '')
    .digest()
  const capacity = Object.entries(args).find(([name]) => /^p(Signature|Digest)$/.test(name))?.[1]
  if (capacity !== undefined && (capacity as number) >= output.length) session.active.delete(kind)
  return { pSignature: output, pDigest: output, pEncryptedData: output, pData: output }
}

/** A mechanism with what the token has written to its parameter. */
function written({ type, parameter }: Mechanism): Mechanism {
  const fields = parameter as Fields
  const keys = fields['pAdditionalDerivedKeys'] as readonly Fields[]
  const pAdditionalDerivedKeys = keys.map((one) => ({ ...one, phKey: 78 }))
  return { type, parameter: { ...fields, pAdditionalDerivedKeys } }
}

const text = (value: string, bytes: number): Buffer => Buffer.from(value.padEnd(bytes))
const version = { major: 1, minor: 0 }

const PLAIN: Readonly<Partial<Record<RemoteFunction, (args: Values) => Answer>>> = {
  C_GetInfo: () => ({
    pInfo: {
      cryptokiVersion: version,
      manufacturerID: text('Claviger', 32),
      flags: 0,
      libraryDescription: text('Test', 32),
      libraryVersion: version,
    },
  }),
  C_GetSlotList: () => ({ pSlotList: [1, 2] }),
  C_GetMechanismList: () => ({ pMechanismList: [1, 2, 3] }),
  C_GetSlotInfo: () => ({
    pInfo: {
      slotDescription: text('Slot', 64),
      manufacturerID: text('Claviger', 32),
      flags: 1,
      hardwareVersion: version,
      firmwareVersion: version,
    },
  }),
  C_GetTokenInfo: () => ({
    pInfo: {
      ...Object.fromEntries(TOKEN_NUMBERS.map((name) => [name, 1])),
      label: text('Token', 32),
      manufacturerID: text('Claviger', 32),
      model: text('Test', 16),
      serialNumber: text('1', 16),
      hardwareVersion: version,
      firmwareVersion: version,
      utcTime: text('', 16),
    },
  }),
  C_WaitForSlotEvent: ({ flags }) => {
    if (flags === 1) throw refusal(CKR.NO_EVENT)
    return new Promise(() => {})
  },
}

const TOKEN_NUMBERS = [
  'flags',
  'ulMaxSessionCount',
  'ulSessionCount',
  'ulMaxRwSessionCount',
  'ulRwSessionCount',
  'ulMaxPinLen',
  'ulMinPinLen',
  'ulTotalPublicMemory',
  'ulFreePublicMemory',
  'ulTotalPrivateMemory',
  'ulFreePrivateMemory',
]

const FEW = 3
const OBJECTS = Array.from({ length: 300 }, (_, index) => 1000 + index)

type InSession = (args: Values, session: Session) => Values
const SESSION: Readonly<Partial<Record<RemoteFunction, InSession>>> = {
  C_GetSessionInfo: () => ({ pInfo: { slotID: 1, state: 0, flags: 4, ulDeviceError: 0 } }),
  C_GenerateRandom: ({ pRandomData }) => ({ pRandomData: randomBytes(pRandomData as number) }),
  C_FindObjectsInit: ({ pTemplate }, session) => {
    if (session.found !== undefined) throw refusal(CKR.OPERATION_ACTIVE)
    const [wanted] = pTemplate as readonly Attribute[]
    if (wanted?.type === CKA.URL) throw refusal(CKR.ATTRIBUTE_TYPE_INVALID)
    // A template is for the last few of them.
    session.found = wanted === undefined ? 0 : OBJECTS.length - FEW
    return {}
  },
  C_FindObjects: ({ phObject }, session) => {
    if (session.found === undefined) throw refusal(CKR.OPERATION_NOT_INITIALIZED)
    const handles = OBJECTS.slice(session.found, session.found + (phObject as number))
    session.found += handles.length
    return { phObject: handles }
  },
  C_FindObjectsFinal: (_args, session) => {
    if (session.found === undefined) throw refusal(CKR.OPERATION_NOT_INITIALIZED)
    session.found = undefined
    return {}
  },
  C_Logout: (_args, session) => {
    session.active.clear()
    return {}
  },
  C_SessionCancel: ({ flags }, session) => {
    const ends = (flag: number): boolean => ((flags as number) & flag) !== 0
    if (ends(CKF.FIND_OBJECTS)) session.found = undefined
    if (ends(CKF.SIGN)) session.active.delete('Sign')
    if (ends(CKF.DIGEST)) session.active.delete('Digest')
    return {}
  },
  C_CreateObject: () => ({ phObject: 77 }),
  C_DeriveKey: ({ pMechanism }) => ({
    phKey: 77,
    pMechanism: written(pMechanism as Mechanism),
  }),
  C_GetAttributeValue: ({ pTemplate }) => attributes(pTemplate as readonly Wish[]),
  C_EncryptMessage: ({ pParameter }) => {
    // Bytes as they are: the module has not heard what mechanism it is.
    if (pParameter instanceof Uint8Array) throw refusal(CKR.OPERATION_NOT_INITIALIZED)
    const { mechanism, fields } = pParameter as { mechanism: number; fields: Fields }
    const pIv = Buffer.from('IVIVIVIVIVIV')
    const pTag = Buffer.from('TTTTTTTTTTTTTTTT')
    return {
      pParameter: { mechanism, fields: { ...fields, pIv, pTag } },
      pCiphertext: Buffer.alloc(4),
    }
  },
  C_SignMessageNext: ({ isLast }) => ({ pSignature: isLast ? Buffer.alloc(2) : Buffer.alloc(0) }),
}

interface Wish {
  readonly type: number
  readonly capacity: number | undefined
}

const VALUES = new Map<number, unknown>([
  [CKA.LABEL, Buffer.from('label')],
  [CKA.ID, Buffer.alloc(4)],
  [CKA.URL, Buffer.alloc(9)],
  [CKA.CLASS, ulongBytes(CKO.SECRET_KEY)],
  [CKA.SUBJECT, Buffer.alloc(0)],
  [
    CKA.WRAP_TEMPLATE,
    [
      { type: CKA.LABEL, value: Buffer.from('key') },
      { type: CKA.TOKEN, value: boolBytes(true) },
    ],
  ],
])

function attributes(wishes: readonly Wish[]): Values {
  const answers = wishes.map(({ type }) => ({ type, value: VALUES.get(type) }))
  const isSensitive = wishes.some(({ type }) => type === CKA.VALUE)
  return {
    pTemplate: answers.map((one) => (one.value === undefined ? { type: one.type } : one)),
    rv: isSensitive ? CKR.ATTRIBUTE_SENSITIVE : CKR.OK,
  }
}
