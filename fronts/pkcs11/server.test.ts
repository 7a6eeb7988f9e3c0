/**
 * The PKCS#11 listener, with an engine of a few functions behind it: our client in every version,
 * raw bytes, and p11-kit's own client where the machine has it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Pkcs11Client, type Pkcs11ClientOptions } from '#clients/pkcs11-rpc/client.ts'
import { type Limits, limitsWith } from '#core/limits.ts'
import { CKA, CKF, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes, paddedText, ulongBytes } from '#spec/pkcs11/memory.ts'
import { arbitrary } from '#spec/pkcs11/rpc/arbitrary.ts'
import type { Codec } from '#spec/pkcs11/rpc/codec.ts'
import { DIALECT } from '#spec/pkcs11/rpc/dialect.ts'
import type { AttributeAnswer, AttributeWish, Handlers } from '#spec/pkcs11/types.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'
import type { Application, ApplicationInfo, Engine } from './contract.ts'
import { UNKNOWN_PEER } from './peer.ts'
import { Pkcs11Server } from './server.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

const SLOT = 7
const SESSION = 11
const OBJECT = 5
const HANDSHAKE = `0000000100000005${Buffer.from('ayyay').toString('hex')}0100000029${Buffer.from(
  'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1',
).toString('hex')}00010000000100`

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

/** A few functions, and no more. */
class FewFunctions implements Engine<Counted> {
  readonly opened: Counted[] = []
  closed = 0
  waiting = 0
  /** What functions were given that a person has typed, and what it was then. */
  readonly typed: { readonly view: Uint8Array; readonly text: string }[] = []
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

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

interface Running {
  readonly path: string
  readonly engine: FewFunctions
  readonly server: Pkcs11Server<Counted>
}

const folder = mkdtempSync(join(tmpdir(), 'claviger-pkcs11-'))
let count = 0
const running: Pkcs11Server<Counted>[] = []

async function start(limits: Partial<Limits> = {}): Promise<Running> {
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

async function open(path: string, options: Pkcs11ClientOptions = {}): Promise<Pkcs11Client> {
  const client = await Pkcs11Client.connect(path, { requestMilliseconds: 5_000, ...options })
  await client.initialize()
  return client
}

/** Sends bytes; what comes back until it is so many bytes, or the server hangs up. */
function exchange(
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

const header = (code: string, bytes: number): string =>
  `${code}00000000${bytes.toString(16).padStart(8, '0')}`
const isRv = (rv: number) => (error: unknown) => error instanceof CryptokiError && error.rv === rv

after(async () => {
  await Promise.all(running.map((server) => server.close()))
  rmSync(folder, { recursive: true })
})

describe('the negotiation', () => {
  let path = ''
  before(async () => {
    path = (await start()).path
  })

  for (const [offered, answered] of [
    ['00', '00'],
    ['01', '01'],
    ['02', '02'],
    ['7f', '02'],
    ['bf', '02'],
    ['c0', 'c1'],
    ['c1', 'c1'],
    ['ff', 'c1'],
  ] as const) {
    it(`answers 0x${answered} to 0x${offered}`, async () => {
      assert.equal(await exchange(path, offered, 1), answered)
    })
  }

  it('takes the version, the header and the body together', async () => {
    const options = Buffer.from('client').toString('hex')
    const sent = `020000001000000006000000${'42'}${options}${HANDSHAKE}`
    assert.equal(await exchange(path, sent, 21), `02${header('00000010', 8)}0000000100000000`)
  })
})

describe('a client', () => {
  for (const newest of ['dialect', 0, 1, 2] as const) {
    it(`that speaks ${newest} calls functions that wait and that do not`, async () => {
      const { path, engine, server } = await start()
      const client = await open(path, { newest })
      assert.equal(client.version, newest)
      assert.equal(server.applications, 1)
      const { pSlotList } = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: 9 })
      assert.deepEqual(pSlotList, [SLOT])
      const asked = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: undefined })
      assert.equal(asked.pSlotList, 1)
      const { pInfo } = await client.call('C_GetTokenInfo', { slotID: SLOT })
      assert.equal(Buffer.from(pInfo.label).toString().trim(), 'a token')
      assert.equal(pInfo.ulFreePublicMemory, -1)
      const { phSession } = await client.call('C_OpenSession', { slotID: SLOT, flags: 4 })
      assert.equal(phSession, SESSION)

      const args = { hSession: SESSION, pData: Buffer.from('x'), pSignature: 8 }
      const { pSignature } = await client.call('C_Sign', args)
      assert.equal(Buffer.from(pSignature as Uint8Array).toString(), 'sig')
      assert.equal((await client.call('C_Sign', { ...args, pSignature: 2 })).pSignature, 3)
      const refused = client.call('C_Sign', { ...args, pData: Buffer.alloc(0) })
      await assert.rejects(refused, isRv(CKR.DATA_LEN_RANGE))
      const [first] = engine.opened
      assert.equal(first?.info.isStock, newest !== 'dialect')
      assert.equal(first?.info.peer.uid, process.getuid?.())
      assert.equal(first?.info.peer.pid, process.pid)
      client.close()
    })
  }

  it('gets attributes with the return value that goes with them', async () => {
    const { path } = await start()
    for (const newest of ['dialect', 2] as const) {
      const client = await open(path, { newest })
      const pTemplate = [
        { type: CKA.LABEL, capacity: 99 },
        { type: CKA.CLASS, capacity: undefined },
        { type: CKA.MODULUS, capacity: 9 },
      ]
      const args = { hSession: SESSION, hObject: OBJECT, pTemplate }
      const results = await client.call('C_GetAttributeValue', args)
      assert.equal(results.rv, CKR.ATTRIBUTE_TYPE_INVALID)
      const [label, kind, modulus] = results.pTemplate
      assert.equal(Buffer.from(label?.value as Uint8Array).toString(), 'a label')
      assert.deepEqual(kind, { type: CKA.CLASS, length: 8 })
      assert.deepEqual(modulus, { type: CKA.MODULUS })
      client.close()
    }
  })

  it('may call before it has the answer to the last, and gets all in order', async () => {
    const { path } = await start()
    const client = await open(path)
    const calls = Array.from({ length: 20 }, (_, index) =>
      index % 3 === 0
        ? client.call('C_Sign', { hSession: 1, pData: undefined, pSignature: undefined })
        : client.call('C_GenerateRandom', { hSession: 1, pRandomData: 1 }),
    )
    const results = await Promise.all(calls)
    const random = results.flatMap((result) =>
      'pRandomData' in result ? [...result.pRandomData] : [],
    )
    assert.deepEqual(
      random,
      [...random].sort((one, other) => one - other),
    )
    assert.equal(random.length, 13)
    client.close()
  })

  it('learns from an Init how long the output will be', async () => {
    const { path } = await start()
    const client = await open(path)
    const args = { hSession: 1, pMechanism: { type: CKM.ML_DSA, parameter: undefined }, hKey: 1 }
    const results = await client.call('C_SignInit', args)
    assert.deepEqual(results, { rule: 'fixed', length: 3, isRepeatable: true })
    client.close()
  })

  it('sends several calls at once, up to the first refusal', async () => {
    const { path } = await start()
    const client = await open(path)
    const sign = (data: string) => ({
      name: 'C_Sign' as const,
      args: { hSession: 1, pData: Buffer.from(data), pSignature: 9 },
    })
    const wait = { name: 'C_GenerateRandom', args: { hSession: 1, pRandomData: 2 } } as const
    const all = await client.batch([sign('a'), wait, sign(''), wait, sign('b')] as never, false)
    assert.deepEqual(
      all.map((result) => result instanceof CryptokiError),
      [false, false, true, false, false],
    )
    const some = await client.batch([wait, sign(''), wait] as never, true)
    assert.equal(some.length, 2)
    const [, refused] = some
    assert.ok(refused instanceof CryptokiError && refused.rv === CKR.DATA_LEN_RANGE)
    client.close()
  })

  it('hears of a bug as CKR_GENERAL_ERROR, and of a missing function as what it is', async () => {
    const { path } = await start()
    const client = await open(path)
    const verify = { hSession: 1, pData: undefined, pSignature: undefined }
    await assert.rejects(client.call('C_Verify', verify), isRv(CKR.GENERAL_ERROR))
    const logout = client.call('C_Logout', { hSession: 1 })
    await assert.rejects(logout, isRv(CKR.FUNCTION_NOT_SUPPORTED))
    client.close()
  })

  it('gives a call up at its deadline', async () => {
    const silent = createServer((socket) => socket.write(Uint8Array.of(2)))
    const path = join(folder, 'silent')
    await new Promise<void>((resolve) => silent.listen(path, resolve))
    const client = await Pkcs11Client.connect(path)
    await assert.rejects(client.call('C_GetInfo', {}, 50), /deadline/)
    assert.equal(client.isOpen, false)
    silent.close()
  })

  it('tries version 0 where an old server hangs up', async () => {
    const offered: number[] = []
    const old = createServer((socket) => {
      socket.once('data', ([version = 0]: Buffer) => {
        offered.push(version)
        if (version === 0) socket.write(Uint8Array.of(0))
        else socket.destroy()
      })
    })
    const path = join(folder, 'old')
    await new Promise<void>((resolve) => old.listen(path, resolve))
    const client = await Pkcs11Client.connect(path)
    assert.equal(client.version, 0)
    assert.deepEqual(offered, [0xc1, 0])
    client.close()
    old.close()
  })

  it('says that nobody is there', async () => {
    await assert.rejects(Pkcs11Client.connect(join(folder, 'nobody')), /ENOENT/)
  })
})

describe('applications', () => {
  const named = Buffer.alloc(16, 3)
  const args = { application: named, processId: 1, reserved: undefined }

  it('are shared by connections that name the same, until the last has gone', async () => {
    const { path, engine, server } = await start()
    const first = await Pkcs11Client.connect(path)
    const second = await Pkcs11Client.connect(path)
    const one = await first.call('C_Initialize', args)
    const two = await second.call('C_Initialize', args)
    assert.equal(one.epoch, two.epoch)
    assert.equal(engine.opened.length, 1)
    first.close()
    assert.equal((await second.call('C_OpenSession', { slotID: 1, flags: 4 })).phSession, SESSION)
    assert.equal(engine.closed, 0)
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 1)
    assert.equal(server.applications, 0)
  })

  it('end with C_Finalize, on all connections, and may begin anew', async () => {
    const { path, engine, server } = await start()
    const first = await Pkcs11Client.connect(path)
    const second = await Pkcs11Client.connect(path)
    await first.call('C_Initialize', args)
    await second.call('C_Initialize', args)
    await assert.rejects(first.call('C_Initialize', args), isRv(CKR.CRYPTOKI_ALREADY_INITIALIZED))
    await first.call('C_Finalize', {})
    assert.equal(engine.closed, 1)
    const call = second.call('C_FindObjectsFinal', { hSession: 1 })
    await assert.rejects(call, isRv(CKR.CRYPTOKI_NOT_INITIALIZED))
    await first.call('C_Initialize', args)
    assert.equal(server.applications, 1)
    first.close()
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 2)
    assert.equal(server.applications, 0)
  })

  it('end when their client goes while a call waits', async () => {
    const { path, engine, server } = await start()
    const client = await open(path)
    const call = client.call('C_WaitForSlotEvent', { flags: 0 })
    await until(() => engine.waiting === 1)
    client.close()
    await assert.rejects(call, /closed/)
    await until(() => engine.closed === 1)
    await server.close()
    assert.equal(server.connections, 0)
  })

  it('are one for each connection of a client of p11-kit', async () => {
    const { path, engine } = await start()
    const clients = [await open(path, { newest: 2 }), await open(path, { newest: 2 })]
    assert.equal(engine.opened.length, 2)
    for (const client of clients) client.close()
  })

  it('need C_Initialize first, and a name of 16 bytes in the dialect', async () => {
    const { path } = await start()
    const client = await Pkcs11Client.connect(path)
    await assert.rejects(client.call('C_GetInfo', {}), isRv(CKR.CRYPTOKI_NOT_INITIALIZED))
    const short = client.call('C_Initialize', { ...args, application: Buffer.alloc(3) })
    await assert.rejects(short, isRv(CKR.ARGUMENTS_BAD))
    client.close()
  })
})

describe('clients that do what they should not', () => {
  it('are told CKR_GENERAL_ERROR for a wrong handshake', async () => {
    const { path } = await start()
    const wrong = HANDSHAKE.replace(
      Buffer.from('GNOME').toString('hex'),
      Buffer.from('gnome').toString('hex'),
    )
    const sent = `02${header('00000010', 0x42)}${wrong}`
    const refused = `02${header('00000010', 17)}00000000000000017500000000000000${'05'}`
    assert.equal(await exchange(path, sent, 30), refused)
  })

  it('are told CKR_DEVICE_ERROR for arguments that do not decode', async () => {
    const { path } = await start()
    const short = `0000000100000005${Buffer.from('ayyay').toString('hex')}01`
    const sent = `02${header('00000010', 14)}${short}`
    assert.match(await exchange(path, sent, 30), /7500000000000000(30)$/)
  })

  it('are cut off for an unknown call, a wrong signature and a message that is too long', async () => {
    const { path } = await start()
    const long = header('00000010', 4_194_305)
    for (const sent of [
      `02${header('00000010', 8)}0000005a00000000`,
      `02${header('00000010', 9)}000000020000000175`,
      `02${header('00000010', 3)}000000`,
      `02${long}`,
      '02000000100000100100000000',
      `c1${header('00000010', 4)}00000058`,
    ]) {
      assert.equal(await exchange(path, sent), `${sent.slice(0, 2)} closed`)
    }
  })

  it('are cut off when they do not call C_Initialize in time', async () => {
    const { path } = await start({ handshakeSeconds: 1 })
    for (const sent of ['', '02', 'c1000000']) {
      const began = performance.now()
      const got = await exchange(path, sent)
      assert.match(got, / closed$/)
      assert.ok(performance.now() - began < 2_500)
    }
  })

  it('are cut off when a message does not arrive in whole in time, or nothing does', async () => {
    const { path, server } = await start({ requestSeconds: 1, callIdleSeconds: 2 })
    const client = await open(path)
    const options = Buffer.from('client').toString('hex')
    const half = `020000001000000006000000${'42'}${options}${HANDSHAKE}0000`
    assert.match(await exchange(path, half), / closed$/)
    await until(() => !client.isOpen)
    assert.equal(server.connections, 0)
  })

  it('are turned away beyond the number of connections', async () => {
    const { path } = await start({ callConnectionsMax: 1 })
    const client = await open(path)
    assert.match(await exchange(path, '02'), /^ (closed|error)$/)
    client.close()
  })

  it(`do not end the process, whatever they send, seed ${SEED}`, async () => {
    const { path, server } = await start()
    const random = arbitrary(SEED, 'dialect')
    const name = Buffer.alloc(16, 9).toString('hex')
    const join = `${header('00000010', 36)}0000000100000010${name}${'00'.repeat(8)}ffffffff`
    const sign = { hSession: 1, pData: Buffer.from('abc'), pSignature: 20 }
    const w = new Writer()
    DIALECT.writeRequest(w, DIALECT.codecOf('C_Sign') as Codec, sign)
    const body = w.take().toString('hex')
    const frame = header('00000011', body.length / 2) + body
    const connections = Array.from({ length: 200 }, () => {
      const broken = random.broken(Buffer.from(frame.repeat(3), 'hex'))
      return exchange(path, `c1${join}${broken.toString('hex')}`, Infinity, 400)
    })
    await Promise.all(connections)
    await until(() => server.connections === 0)
    assert.equal(server.applications, 0)
    const client = await open(path)
    assert.ok((await client.call('C_Sign', sign)).pSignature instanceof Uint8Array)
    client.close()
  })

  for (const version of [undefined, 2] as const) {
    const protocol = version === undefined ? 'the dialect' : `version ${version}`
    it(`leave nothing of a PIN behind in ${protocol}`, async () => {
      const { path, engine } = await start()
      const client = await open(path, version === undefined ? {} : { newest: version })
      const login = (pin: string) => {
        return client.call('C_Login', { hSession: 1, userType: 1, pPin: Buffer.from(pin) })
      }
      await login('1234')
      await assert.rejects(login('wrong'), isRv(CKR.PIN_INCORRECT))
      const pins = { pOldPin: Buffer.from('1234'), pNewPin: Buffer.from('5678') }
      await client.call('C_SetPIN', { hSession: 1, ...pins })
      const texts = engine.typed.map(({ text }) => text)
      assert.deepEqual(texts, ['1234', 'wrong', '1234', '5678'])
      for (const { view } of engine.typed) assert.ok(view.every((byte) => byte === 0))
      client.close()
    })
  }

  it('are cut off by a call longer than callBytesMax, and not by one as long', async () => {
    const { path } = await start({ callBytesMax: 65_536 })
    const client = await open(path)
    const sign = (bytes: number) => {
      return client.call('C_Sign', { hSession: 1, pData: Buffer.alloc(bytes, 1), pSignature: 20 })
    }
    assert.ok((await sign(65_000)).pSignature instanceof Uint8Array)
    const other = await open(path)
    const socket = `c1${header('00000010', 65_537)}`
    assert.equal(await exchange(path, socket), 'c1 closed')
    await assert.rejects(sign(65_600))
    other.close()
    client.close()
  })

  it('do not disturb others with a batch of too many calls', async () => {
    const { path } = await start({ batchItemsMax: 2 })
    const client = await open(path)
    const call = { name: 'C_GetInfo', args: {} } as const
    const batch = client.batch([call, call, call] as never, false)
    await assert.rejects(batch, isRv(CKR.ARGUMENTS_BAD))
    client.close()
  })

  it('do not disturb others with a batch of long answers', async () => {
    const { path, engine } = await start({ callBytesMax: 65_536 })
    const client = await open(path)
    const call = { name: 'C_GenerateRandom', args: { hSession: 1, pRandomData: 30_000 } } as const
    const results = await client.batch(Array(50).fill(call) as never, false)
    const codes = results.map((one) => (one instanceof CryptokiError ? one.rv : CKR.OK))
    assert.deepEqual(codes, [...Array(3).fill(CKR.OK), ...Array(47).fill(CKR.DEVICE_MEMORY)])
    assert.equal(engine.opened[0]?.calls, 3)
    client.close()
  })
})

describe('the socket', () => {
  it('is for its owner, or for its group as well', async () => {
    const { path } = await start()
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const engine = new FewFunctions()
    const server = new Pkcs11Server({ engine, limits: limitsWith(), log: SILENT })
    const other = join(folder, 'group')
    await server.listen(other, 0o660)
    assert.equal(statSync(other).mode & 0o777, 0o660)
    await server.close()
    assert.equal(existsSync(other), false)
  })

  it('takes the place of one that nobody listens on, and of nothing else', async () => {
    const { path } = await start()
    const listen = (where: string): Promise<void> => {
      const server = new Pkcs11Server({
        engine: new FewFunctions(),
        limits: limitsWith(),
        log: SILENT,
      })
      running.push(server)
      return server.listen(where)
    }
    await assert.rejects(listen(path), /another process listens there/)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await assert.rejects(listen(file), /not a socket/)

    const stale = join(folder, 'stale')
    const die = `() => process.kill(process.pid, 'SIGKILL')`
    const script = `require('net').createServer().listen('${stale}', ${die})`
    await assert.rejects(promisify(execFile)(process.execPath, ['-e', script]))
    assert.ok(existsSync(stale))
    await listen(stale)
    const client = await open(stale)
    client.close()
  })

  it('is not needed: a stream that is connected will do, beside connections of the socket', async () => {
    const { path, engine, server } = await start()
    const [near, far] = await socketPair()
    server.attach(near, UNKNOWN_PEER)
    const args = { application: Buffer.alloc(16, 5), processId: 1, reserved: Buffer.from('x') }
    const first = await Pkcs11Client.over(far)
    await first.call('C_Initialize', args)
    assert.equal(engine.opened[0]?.info.peer.uid, undefined)
    assert.equal(engine.opened[0]?.info.reserved, 'x')
    const second = await Pkcs11Client.connect(path)
    await second.call('C_Initialize', args)
    assert.equal(server.applications, 1)
    first.close()
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 1)
  })

  it('lets a call that runs be answered before it closes', async () => {
    const { path, engine, server } = await start()
    const client = await open(path)
    const call = client.call('C_GenerateRandom', { hSession: 1, pRandomData: 4 })
    await until(() => engine.opened[0]?.calls === 1)
    const closed = server.close()
    assert.equal((await call).pRandomData.length, 4)
    await closed
    assert.equal(client.isOpen, false)
  })
})

/** Where p11-kit is: another of its versions can be tested so. */
const PREFIX = process.env['P11_KIT_PREFIX'] ?? '/usr'
const CLIENT = join(PREFIX, 'lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so')
const TOOL = '/usr/bin/pkcs11-tool'
const isThere = existsSync(CLIENT) && existsSync(TOOL)

describe('the client of p11-kit', {
  skip: !isThere && 'p11-kit or opensc is not installed',
}, () => {
  async function tool(path: string, ...options: readonly string[]): Promise<string> {
    const env = { ...process.env, P11_KIT_SERVER_ADDRESS: `unix:path=${path}` }
    const { stdout } = await promisify(execFile)(TOOL, ['--module', CLIENT, ...options], {
      env,
      timeout: 10_000,
    })
    return stdout
  }

  it('lists slots, mechanisms and objects', async () => {
    const { path, engine, server } = await start()
    const slots = await tool(path, '--list-slots')
    assert.match(slots, /a slot/)
    assert.match(slots, /a token/)
    assert.match(await tool(path, '--list-mechanisms'), /SHA256/)
    const objects = await tool(path, '--list-objects')
    assert.match(objects, /a label/)
    assert.match(objects, /claviger/)
    await until(() => server.connections === 0)
    assert.equal(engine.closed, engine.opened.length)
  })

  it('gets random bytes', async () => {
    const { path } = await start()
    const random = await tool(path, '--generate-random', '8')
    assert.equal(Buffer.from(random, 'latin1').toString('hex').slice(0, 16), '0101010101010101')
  })
})

function socketPair(): Promise<readonly [Socket, Socket]> {
  const path = join(folder, 'pair')
  return new Promise((resolve) => {
    const listener = createServer({ allowHalfOpen: true }, (socket) => {
      listener.close()
      resolve([socket, client])
    }).listen(path)
    const client = connect({ path })
  })
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < end, 'it did not come true within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
