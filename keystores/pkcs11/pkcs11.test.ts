/**
 * The keystore of an HSM passes the contract of keystores on SoftHSM2, in a host process; and what
 * only it has: a host that is killed, that hangs, and a token that is not there.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { keystoreContract } from '../contract.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { GroupDevice } from './group-device.ts'
import { HostDevice, type HostOptions } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { generic } from './quirks.ts'
import { hostCommand, newSoftHsmPin, newSoftHsmToken, SOFTHSM, softHsmHost } from './softhsm.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
/** A little longer than a device that does not start is left alone. */
const BREAK_MILLISECONDS = 5_200

const folder = mkdtempSync(join(tmpdir(), 'claviger-softhsm-'))

function newToken(): HostOptions {
  return { ...softHsmHost('test', newSoftHsmToken(folder, 'test')), name: 'softhsm' }
}

function beside(): SoftwareKeystore {
  const key = new Secret(randomBytes(DATA_KEY_BYTES))
  return new SoftwareKeystore('beside', new Sealer(new Map([[1, key]])))
}

after(() => rmSync(folder, { recursive: true, force: true }))

if (!skip) {
  keystoreContract({
    name: 'softhsm2 behind a host process',
    open: async () => {
      const device = await HostDevice.open(newToken())
      return new Pkcs11Keystore({ name: 'softhsm', extractable: true }, device, beside())
    },
  })
}

describe('an HSM behind a host process', { skip, timeout: 60_000 }, () => {
  const AES = { algorithm: 'AES', bits: 256 } as const
  const gcm = { cipher: 'AES_GCM', iv: Buffer.alloc(12) } as const
  let options: HostOptions
  let device: HostDevice
  let keystore: Pkcs11Keystore
  let key: KeyInUse
  before(async () => {
    options = newToken()
    device = await HostDevice.open(options)
    keystore = new Pkcs11Keystore({ name: 'softhsm' }, device, beside())
    const made = await keystore.generate({ id: 'key', spec: AES })
    key = { id: 'key', kind: 'secret', spec: AES, ...made }
  })
  after(() => keystore.close())

  it('does not let keys out unless it is told to', async () => {
    await rejects(keystore.export(key), /does not let it out/)
  })

  it('is back by itself when its host is killed, with all keys', async () => {
    const { data, tag } = await keystore.encrypt(key, gcm, Buffer.from('before'))
    const started = performance.now()
    process.kill(device.processId as number, 'SIGKILL')
    const plain = await keystore.decrypt(key, gcm, data, tag)
    ok(performance.now() - started < 10_000)
    deepEqual(Buffer.from(plain), Buffer.from('before'))
  })

  it('loses no acknowledged key when its host is killed under load', async () => {
    const made: KeyInUse[] = []
    let isOver = false
    const killer = (async () => {
      for (let kills = 0; kills < 4 && !isOver; kills++) {
        await device.ready()
        await delay(100)
        if (device.processId !== undefined) process.kill(device.processId, 'SIGKILL')
      }
    })()
    for (let count = 0; count < 60; count++) {
      const id = `load-${count}`
      const one = await keystore.generate({ id, spec: AES }).catch(() => undefined)
      if (one !== undefined) made.push({ id, kind: 'secret', spec: AES, ...one })
    }
    isOver = true
    await killer
    ok(made.length > 0)
    for (const one of made) await keystore.encrypt(one, gcm, Buffer.from('x'))
  })

  it('gives up a call that is not answered in time, and goes on', async () => {
    process.kill(device.processId as number, 'SIGSTOP')
    const impatient = { ...options, callMilliseconds: 500 }
    const other = await HostDevice.open(impatient)
    const second = new Pkcs11Keystore({ name: 'impatient' }, other, beside())
    await second.health()
    process.kill(other.processId as number, 'SIGSTOP')
    await second.health()
    await second.close()
    process.kill(device.processId as number, 'SIGKILL')
    await keystore.health()
  })

  it('says which tokens there are when the one that is wanted is not', async () => {
    const wrong = { ...options, token: { label: 'nobody' } }
    await rejects(HostDevice.open(wrong), (error: Error) => {
      match(error.message, /Cannot use HSM "softhsm": .*no token .*it has: slot \d+ "test"/)
      return true
    })
  })

  it('tries a wrong PIN once only, however often it is asked, and the right one at once', async () => {
    let pin = '9999'
    const own = newToken()
    const wrong = new HostDevice({ ...own, pin: async () => pin, pinFrom: 'pinFile x' })
    try {
      await rejects(wrong.ready(), /refuses the PIN of pinFile x \(CKR_PIN_INCORRECT\); give the/)
      await rejects(wrong.ready(), /it does not start .* or the server starts again\)$/)
      // Were it tried, it would be the right one from now on.
      newSoftHsmPin(own.environment, 'test', '9999')
      await delay(BREAK_MILLISECONDS)
      await rejects(wrong.ready(), /"softhsm": the token refuses .* is not tried again before/)
      pin = '8888'
      newSoftHsmPin(own.environment, 'test', pin)
      await delay(BREAK_MILLISECONDS)
      await wrong.ready()
    } finally {
      await wrong.close()
    }
  })

  it('says what a token without a PIN needs', async () => {
    const why = /Cannot use HSM "softhsm": its token wants a PIN; give pinFile, pinVariable/
    await rejects(HostDevice.open({ ...options, pin: undefined }), why)
  })

  it('has a breaker that says why', async () => {
    const [program, ...args] = options.command
    const broken = args.map((arg) => (arg === SOFTHSM ? `${SOFTHSM}.absent` : arg))
    const command = [program, ...broken] as unknown as HostOptions['command']
    const why = /Cannot use HSM "softhsm": .*softhsm2\.so\.absent: cannot open shared object file/
    await rejects(HostDevice.open({ ...options, command }), why)
    const environment = { SOFTHSM2_CONF: `${options.environment?.['SOFTHSM2_CONF']}.absent` }
    const refused = /"softhsm": CKR_GENERAL_ERROR: the module refuses C_Initialize/
    await rejects(HostDevice.open({ ...options, environment }), refused)
  })

  it('knows what the device offers', () => {
    equal(device.lacks({ type: 0x1087, flag: 0x100 }), undefined)
    match(device.lacks({ type: 0x4021, flag: 0x100 }) as string, /does not offer/)
  })
})

describe('a group of HSMs with the same keys', { skip, timeout: 60_000 }, () => {
  const AES = { algorithm: 'AES', bits: 256 } as const
  const gcm = { cipher: 'AES_GCM', iv: Buffer.alloc(12) } as const
  let members: readonly [HostDevice, HostDevice]
  let keystore: Pkcs11Keystore
  let key: KeyInUse
  before(async () => {
    // Two hosts of one token: what one makes, the other has.
    const options = newToken()
    members = [
      new HostDevice({ ...options, name: 'first' }),
      new HostDevice({ ...options, name: 'second' }),
    ]
    keystore = new Pkcs11Keystore({ name: 'group' }, new GroupDevice('group', members), beside())
    await Promise.all(members.map((member) => member.ready()))
    const made = await keystore.generate({ id: 'key', spec: AES })
    key = { id: 'key', kind: 'secret', spec: AES, ...made }
  })
  after(() => keystore.close())

  const encrypts = (member: HostDevice): number => member.calls.get('C_Encrypt') ?? 0

  it('shares the work among them', async () => {
    const all = Array.from({ length: 40 }, () => keystore.encrypt(key, gcm, Buffer.from('x')))
    await Promise.all(all)
    const [one, two] = members.map(encrypts)
    ok((one ?? 0) > 5 && (two ?? 0) > 5, `${one} and ${two}`)
    equal((one ?? 0) + (two ?? 0), 40)
  })

  it('goes on with the others when one ends, without a failure', async () => {
    const work = Array.from({ length: 60 }, async (_, index) => {
      if (index === 20) process.kill(members[0].processId as number, 'SIGKILL')
      return keystore.encrypt(key, gcm, Buffer.from('x'))
    })
    equal((await Promise.all(work)).length, 60)
    await members[0].ready()
    equal(keystore.status().members?.length, 2)
  })

  it('makes new keys while one is away', async () => {
    process.kill(members[0].processId as number, 'SIGKILL')
    // What is given to it before it is known to be gone fails: nobody knows how far it had come.
    while (members[0].status().state === 'running') await delay(10)
    const made = await keystore.generate({ id: 'later', spec: AES })
    await keystore.encrypt(
      { id: 'later', kind: 'secret', spec: AES, ...made },
      gcm,
      Buffer.from('x'),
    )
  })

  it('says of each why none can be used', async () => {
    const options = newToken()
    const wrong = ['a', 'b'].map((label) => {
      return new HostDevice({ ...options, name: label, token: { label } })
    })
    const [one, two] = wrong as [HostDevice, HostDevice]
    const group = new GroupDevice('group', [one, two])
    await rejects(group.ready(), /"group": .*has no token .*; .*has no token/)
    const each = /HSM "group": .*HSM "a": .*; .*HSM "b": /
    await rejects(
      group.use(async () => undefined),
      each,
    )
    const { lastFailure = '' } = group.status()
    match(lastFailure, /^"a" is broken: .*label "a".*; "b" is broken: .*label "b"/)
    await group.close()
  })
})

describe('the sessions of an HSM', { skip, timeout: 60_000 }, () => {
  it('are no more than its model has', async () => {
    const quirks = { ...generic(), sessionsMax: 1 }
    const options = { ...newToken(), lanes: 3, command: hostCommand(SOFTHSM as string, 3), quirks }
    const device = await HostDevice.open(options)
    equal(device.status().sessions, 1)
    const keystore = new Pkcs11Keystore({ name: 'small' }, device, beside())
    const many = Array.from({ length: 20 }, () => keystore.random(8))
    equal((await Promise.all(many)).length, 20)
    await keystore.close()
  })
})

describe('what a model says of itself', { skip, timeout: 60_000 }, () => {
  const AES = { algorithm: 'AES', bits: 256 } as const
  const iv = Buffer.alloc(12)

  it('is heeded: its longest data, who makes the IV, what it lists in vain', async () => {
    const quirks = { ...generic(), partBytesMax: 100, broken: [CKM.AES_ECB] }
    const device = await HostDevice.open({ ...newToken(), quirks })
    const keystore = new Pkcs11Keystore({ name: 'odd' }, device, beside())
    const made = await keystore.generate({ id: 'key', spec: AES })
    const key: KeyInUse = { id: 'key', kind: 'secret', spec: AES, ...made }
    await keystore.encrypt(key, { cipher: 'AES_GCM', iv }, Buffer.alloc(100))
    const long = keystore.encrypt(key, { cipher: 'AES_GCM', iv }, Buffer.alloc(101))
    await rejects(long, /generic takes 100 bytes at a time, these are 101/)
    match(keystore.cannot({ cipher: 'AES_ECB' }) as string, /does not offer CKM_AES_ECB/)
    await rejects(keystore.encrypt(key, { cipher: 'AES_ECB' }, Buffer.alloc(16)), /does not offer/)
    await keystore.close()
  })

  it('is heeded by encrypting, not only by who asks before', async () => {
    const quirks = { ...generic(), gcmIv: 'device' as const }
    const device = await HostDevice.open({ ...newToken(), quirks })
    const keystore = new Pkcs11Keystore({ name: 'odd' }, device, beside())
    const made = await keystore.generate({ id: 'key', spec: AES })
    const key: KeyInUse = { id: 'key', kind: 'secret', spec: AES, ...made }
    const call = keystore.encrypt(key, { cipher: 'AES_GCM', iv }, Buffer.alloc(1))
    await rejects(call, /makes the IV of AES-GCM by itself/)
    await keystore.close()
  })
})

describe('the digest of a new key', { skip, timeout: 60_000 }, () => {
  it('is that of the material, where that may leave, and unknown where not', async (test) => {
    for (const extractable of [true, false]) {
      const device = await HostDevice.open(newToken())
      const keystore = new Pkcs11Keystore({ name: 'hsm', extractable }, device, beside())
      test.after(() => keystore.close())
      const aes = { algorithm: 'AES', bits: 256 } as const
      const rsa = { algorithm: 'RSA', bits: 2048 } as const
      const secret = await keystore.generate({ id: 'a', spec: aes })
      const { privateKey } = await keystore.generatePair({
        privateId: 'b',
        publicId: 'c',
        spec: rsa,
      })
      for (const [kind, spec, made] of [
        ['secret', aes, secret],
        ['private', rsa, privateKey],
      ] as const) {
        equal(made.sha256 !== undefined, extractable, kind)
        if (made.sha256 === undefined) continue
        using value = await keystore.export({ id: 'a', kind, spec, ...made })
        deepEqual(Buffer.from(made.sha256), hash('sha256', value.expose(), 'buffer'), kind)
      }
    }
  })
})

describe('the calls of one operation', { skip, timeout: 60_000 }, () => {
  it('are Init and the operation, once the key has been found', async () => {
    const device = await HostDevice.open(newToken())
    const keystore = new Pkcs11Keystore({ name: 'counted' }, device, beside())
    const spec = { algorithm: 'AES', bits: 256 } as const
    const made = await keystore.generate({ id: 'key', spec })
    const key: KeyInUse = { id: 'key', kind: 'secret', spec, ...made }
    const before = new Map(device.calls)
    await keystore.encrypt(key, { cipher: 'AES_GCM', iv: Buffer.alloc(12) }, Buffer.from('x'))
    const spent = [...device.calls].filter(([name, count]) => count !== before.get(name))
    deepEqual(spent, [
      ['C_EncryptInit', 1],
      ['C_Encrypt', 1],
    ])
    await keystore.close()
  })
})
