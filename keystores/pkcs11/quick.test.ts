/**
 * Short operations that travel together: which do, and that each has its own answer, whatever
 * becomes of the others and of the host.
 *
 * On SoftHSM2 in a host process; that part is skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { CipherMechanism, KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice, type HostOptions } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import {
  isQuick,
  PART_BYTES_MAX,
  QUICK,
  QUICK_BYTES_MAX,
  readQuickAnswers,
  type Verb,
} from './quick.ts'
import { NotBegun, type QueuedJob, QuickQueue } from './quick-queue.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from './softhsm.ts'

const SPIN = 500
const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false

describe('the queue of short operations', () => {
  const job = (type: number, verb: Verb = 'encrypt', bytes = 64): QueuedJob => ({
    verb,
    hKey: 1,
    mechanism: { type, parameter: undefined },
    data: Buffer.alloc(bytes),
    resolve: () => {},
    reject: () => {},
  })
  const filled = (queue: QuickQueue, jobs: readonly QueuedJob[]): QuickQueue => {
    for (const one of jobs) queue.add(one)
    return queue
  }
  const many = (count: number, type: number) => Array.from({ length: count }, () => job(type))

  it('sends alone what it does not know yet', () => {
    const queue = filled(new QuickQueue(), many(3, CKM.AES_GCM))
    deepEqual([queue.next().length, queue.next().length, queue.next().length], [1, 1, 1])
    equal(queue.next().length, 0)
  })

  it('sends together what is done fast, and alone what takes long', () => {
    const queue = new QuickQueue()
    queue.learn(job(CKM.AES_GCM), 100)
    queue.learn(job(CKM.RSA_PKCS, 'sign'), 1_500)
    filled(queue, many(12, CKM.AES_GCM))
    equal(queue.next().length, 10)
    filled(queue, [job(CKM.RSA_PKCS, 'sign'), job(CKM.RSA_PKCS, 'sign')])
    equal(queue.next().length, 2)
    equal(queue.next().length, 1)
    equal(queue.next().length, 1)
  })

  it('sends no more than 32 together, however fast they are', () => {
    const queue = new QuickQueue()
    queue.learn(job(CKM.AES_GCM), 0)
    filled(queue, many(40, CKM.AES_GCM))
    deepEqual([queue.next().length, queue.next().length], [32, 8])
  })

  it('knows long data from short, and is not misled by one interruption', () => {
    const queue = new QuickQueue()
    queue.learn(job(CKM.AES_GCM), 50)
    queue.learn(job(CKM.AES_GCM), 80_000)
    filled(queue, many(12, CKM.AES_GCM))
    ok(queue.next().length > 8)
    queue.refuse()
    filled(queue, [job(CKM.AES_GCM, 'encrypt', 16_000), job(CKM.AES_GCM, 'encrypt', 16_000)])
    equal(queue.next().length, 1)
  })

  it('is short while all that waits takes less than a message, and fits into one', () => {
    const queue = new QuickQueue()
    equal(queue.isShort, true)
    queue.learn(job(CKM.AES_GCM), 40)
    queue.learn(job(CKM.RSA_PKCS), 900)
    filled(queue, many(32, CKM.AES_GCM))
    equal(queue.isShort, true)
    filled(queue, many(1, CKM.AES_GCM))
    equal(queue.isShort, false)
    queue.refuse()
    filled(queue, [job(CKM.AES_GCM), job(CKM.RSA_PKCS)])
    equal(queue.isShort, false)
  })

  it('tells those whom it sends away that nothing has begun', () => {
    const errors: Error[] = []
    const queue = filled(new QuickQueue(), [{ ...job(1), reject: (error) => errors.push(error) }])
    queue.refuse()
    ok(errors[0] instanceof NotBegun)
    equal(queue.length, 0)
  })
})

describe('the form of short operations', () => {
  it('takes short data, and parameters that it knows', () => {
    const data = Buffer.alloc(QUICK_BYTES_MAX)
    const parameter = { pIv: Buffer.alloc(12), pAAD: undefined, ulTagBits: 128 }
    ok(isQuick({ type: CKM.AES_GCM, parameter }, data))
    ok(isQuick({ type: CKM.AES_CBC, parameter: Buffer.alloc(16) }, data))
    equal(isQuick({ type: CKM.AES_GCM, parameter }, Buffer.alloc(data.length + 1)), false)
    const long = { ...parameter, pAAD: Buffer.alloc(QUICK_BYTES_MAX + 1) }
    equal(isQuick({ type: CKM.AES_GCM, parameter: long }, data), false)
    equal(isQuick({ type: CKM.AES_CTR, parameter: { ulCounterBits: 128 } }, data), false)
  })

  it('refuses an answer to something else, and one that ends too early', () => {
    const w = new Writer()
    w.u32(QUICK)
    w.u32(2)
    const bytes = w.take()
    match(
      messageOf(() => readQuickAnswers(new Reader(bytes), 1)),
      /2 operations/,
    )
    match(
      messageOf(() => readQuickAnswers(new Reader(bytes), 2)),
      /needs 4 bytes/,
    )
  })
})

/** Processor time of a process so far, by /proc: in hundredths of a second. */
function processorMicros(processId: number): number {
  const text = readFileSync(`/proc/${processId}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing was thrown'
}

describe('short operations in a host', { skip, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-quick-'))
  const AES = { algorithm: 'AES', bits: 256 } as const
  const RSA = { algorithm: 'RSA', bits: 2048 } as const
  let options: HostOptions
  let device: HostDevice
  let keystore: Pkcs11Keystore
  const keys: KeyInUse[] = []
  let rsa: KeyInUse
  let publicKey: ReturnType<typeof createPublicKey>

  before(async () => {
    options = {
      name: 'softhsm',
      command: hostCommand(SOFTHSM as string, 2, SPIN),
      spinMicroseconds: SPIN,
      environment: newSoftHsmToken(folder, 'quick'),
      token: { label: 'quick' },
      pin: SOFTHSM_PIN,
      lanes: 2,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    }
    const data = new Secret(randomBytes(DATA_KEY_BYTES))
    const beside = new SoftwareKeystore('beside', new Sealer(new Map([[1, data]])))
    device = await HostDevice.open(options)
    keystore = new Pkcs11Keystore({ name: 'softhsm' }, device, beside)
    for (const id of ['one', 'two', 'three']) {
      keys.push({ id, kind: 'secret', spec: AES, ...(await keystore.generate({ id, spec: AES })) })
    }
    const pair = { privateId: 'private', publicId: 'public', spec: RSA }
    const made = await keystore.generatePair(pair)
    rsa = { id: 'private', kind: 'private', spec: RSA, ...made.privateKey }
    const half: KeyInUse = { id: 'public', kind: 'public', spec: RSA, ...made.publicKey }
    using bytes = await keystore.export(half, KeyFormatType.X_509)
    publicKey = createPublicKey({ key: Buffer.from(bytes.expose()), format: 'der', type: 'spki' })
  })
  after(async () => {
    await keystore.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const gcm = (): CipherMechanism => {
    return { cipher: 'AES_GCM', iv: randomBytes(12), aad: randomBytes(20) }
  }
  const keyAt = (index: number): KeyInUse => keys[index % keys.length] as KeyInUse
  /** A few by themselves, so that it is known how long they take. */
  const learn = async (): Promise<void> => {
    const mechanism = gcm()
    for (let index = 0; index < 5; index++) {
      const { data, tag } = await keystore.encrypt(keyAt(0), mechanism, Buffer.alloc(64))
      await keystore.decrypt(keyAt(0), mechanism, data, tag)
    }
  }

  it('have each their own key, parameter and data', async () => {
    await learn()
    const before = device.messages
    const work = Array.from({ length: 60 }, async (_, index) => {
      const [key, mechanism, data] = [keyAt(index), gcm(), randomBytes(index * 7)]
      const sealed = await keystore.encrypt(key, mechanism, data)
      const plain = await keystore.decrypt(key, mechanism, sealed.data, sealed.tag)
      deepEqual(Buffer.from(plain), data)
    })
    await Promise.all(work)
    const messages = device.messages - before
    ok(messages < 120, `120 operations took ${messages} messages`)
    equal(device.status().waiting, 0)
  })

  it('sign, by PKCS #1 and by PSS, while others encrypt', async () => {
    const data = Buffer.from('signed')
    const pkcs1 = keystore.sign(rsa, { scheme: 'RSA_PKCS', hash: 'SHA_256' }, data)
    const pss = keystore.sign(rsa, { scheme: 'RSA_PKCS_PSS', hash: 'SHA_256' }, data)
    const all = Array.from({ length: 10 }, () => keystore.encrypt(keyAt(1), gcm(), data))
    ok(verify('sha256', data, publicKey, await pkcs1))
    const padding = { key: publicKey, padding: 6, saltLength: 32 }
    ok(verify('sha256', data, padding, await pss))
    equal((await Promise.all(all)).length, 10)
  })

  it('are refused by themselves: those beside them are not', async () => {
    await learn()
    const mechanism = gcm()
    const data = randomBytes(64)
    const { data: sealed, tag } = await keystore.encrypt(keyAt(0), mechanism, data)
    const wrong = Buffer.alloc(16, 1)
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => {
        return keystore.decrypt(keyAt(0), mechanism, sealed, index % 4 === 1 ? wrong : tag)
      }),
    )
    for (const [index, result] of results.entries()) {
      if (index % 4 === 1) {
        equal(result.status, 'rejected')
        match((result as PromiseRejectedResult).reason.message, /data, its tag or its padding/)
      } else deepEqual(Buffer.from((result as PromiseFulfilledResult<Uint8Array>).value), data)
    }
  })

  it('wait for the answer to those before them, and travel together then', async () => {
    const host = device.processId as number
    const encrypt = (): Promise<unknown> => keystore.encrypt(keyAt(0), gcm(), Buffer.from('x'))
    let messages = 0
    // On a busy machine an operation may seem to be a long one for a while.
    for (let attempt = 0; attempt < 50 && messages !== 2; attempt++) {
      for (let index = 0; index < 20; index++) await encrypt()
      const before = device.messages
      process.kill(host, 'SIGSTOP')
      const all: Promise<unknown>[] = []
      for (let index = 0; index < 5; index++) {
        all.push(encrypt())
        await delay(2)
      }
      process.kill(host, 'SIGCONT')
      await Promise.all(all)
      messages = device.messages - before
    }
    equal(messages, 2)
  })

  it('let server and host sleep when there are none', async () => {
    for (let index = 0; index < 50; index++) {
      await keystore.encrypt(keyAt(0), gcm(), Buffer.from('x'))
    }
    const before = process.cpuUsage()
    const host = processorMicros(device.processId as number)
    await delay(500)
    const { user, system } = process.cpuUsage(before)
    ok(user + system < 200_000, `${user + system} us of the server`)
    const spent = processorMicros(device.processId as number) - host
    ok(spent < 200_000, `${spent} us of the host`)
  })

  it('go the ordinary way where they are long', async () => {
    const [before, host] = [device.messages, device.processId]
    for (const bytes of [QUICK_BYTES_MAX + 1, 1_000_000, 6_000_000]) {
      const data = randomBytes(bytes)
      const mechanism = gcm()
      const { data: sealed, tag } = await keystore.encrypt(keyAt(2), mechanism, data)
      ok(data.equals(await keystore.decrypt(keyAt(2), mechanism, sealed, tag)))
    }
    const beyond = keystore.encrypt(keyAt(2), gcm(), Buffer.alloc(PART_BYTES_MAX + 1))
    await rejects(beyond, /takes 16776192 bytes at a time, these are 16776193/)
    equal(device.messages, before)
    equal(device.processId, host)
  })

  it('find a key again whose handle has changed', async () => {
    const wrong = new Map(await device.use(async ({ handles }) => handles))
    await device.use(async ({ handles }) => {
      for (const name of wrong.keys()) handles.set(name, 0x7fff_ff00)
    })
    const all = keys.map((key) => keystore.encrypt(key, gcm(), Buffer.from('x')))
    equal((await Promise.all(all)).length, keys.length)
  })

  it('are done again, once, when the host is killed under them', async () => {
    const work = Array.from({ length: 200 }, async (_, index) => {
      await delay(index % 10)
      if (index === 100) process.kill(device.processId as number, 'SIGKILL')
      return keystore.encrypt(keyAt(index), gcm(), randomBytes(64))
    })
    equal((await Promise.all(work)).length, 200)
  })

  it('are given up when the host does not answer in time, and done by the next one', async () => {
    const other = await HostDevice.open({ ...options, callMilliseconds: 500 })
    const key = keyAt(0)
    const beside = new SoftwareKeystore('beside', new Sealer(new Map()))
    const second = new Pkcs11Keystore({ name: 'impatient' }, other, beside)
    await second.encrypt(key, gcm(), Buffer.from('x'))
    const first = other.processId as number
    process.kill(first, 'SIGSTOP')
    const begun = performance.now()
    const all = Array.from({ length: 8 }, () => second.encrypt(key, gcm(), Buffer.from('x')))
    equal((await Promise.all(all)).length, 8)
    ok(performance.now() - begun > 400)
    ok(other.processId !== first)
    await second.close()
    await rejects(second.encrypt(key, gcm(), Buffer.from('x')), /it has been closed/)
  })
})
