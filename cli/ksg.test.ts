/**
 * A gateway's configuration becomes ours: the files of KSG's guide, their other spellings, and what
 * cannot be carried over.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { configSchema } from '#server/config.ts'
import { KsgError, parseKsg, translateKsg } from './ksg.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const OPTIONS = { principal: 'admin' } as const

const KSG = `# gateway
[p6ksg-gen]
baseKeyPath="ksgbaseKey.txt"
serverLogFlags=1036
HSM_pin="12345678"
HSM_slotid = 3
HSM_name="AWSCloudHSM"
HSM_addr=123.10.3.45
HSMType=0x1
gateFlags=1
AWSCloudHSM_KEKHandle=262155
KEKKeyPath="aes256.key"
`
const SERVER = `[p6kmip-gen]
logDir="/var/log/kmip"
[p6kmip-server-gen]
listenPort=65524
maxBufSize=20000
threadCount=15
listenIPAddr=0.0.0.0
receiveTimeout=500
sendTimeout=500
acceptTimeout=10
`
const AUXILIARY = `[p6kmip-server-auxiliary]
vendorId="www.example.com; gateway"
operations=1,2,3,4,8,10,24,99
objects=1,2,3,4,7
profiles=49
shreadingAlgorithm=1
destroyAction=7
unrapMode=2
streamingEnabled=true
unheardOf=1
`

function lostOf(lost: readonly { readonly parameter: string; readonly reason: string }[]) {
  const of = Map.groupBy(lost, ({ parameter }) => parameter)
  const reasons = (some: typeof lost): string => some.map(({ reason }) => reason).join('; ')
  return Object.fromEntries([...of].map(([parameter, some]) => [parameter, reasons(some)]))
}

describe('a configuration of KSG', () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-ksg-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  const gateway = (name: string, ksg: string): string => {
    const path = join(folder, name)
    mkdirSync(join(path, 'confs'), { recursive: true })
    writeFileSync(join(path, 'confs', 'ksg.conf'), ksg)
    writeFileSync(join(path, 'p6kmipserver.conf'), SERVER)
    writeFileSync(join(path, 'p6kmip_auxiliary_ksg.conf'), AUXILIARY)
    return path
  }
  const claviger = (...words: string[]) => {
    return spawnSync(LAUNCHER, words, { encoding: 'utf8', timeout: 30_000 })
  }

  it('becomes keystore, plain port, limits and Query', () => {
    const files = {
      'ksg.conf': KSG,
      'p6kmipserver.conf': SERVER,
      'p6kmip_auxiliary_ksg.conf': AUXILIARY,
    }
    const { config, pin } = translateKsg(files, OPTIONS)
    deepStrictEqual(config['keystores'], [
      {
        name: 'AWSCloudHSM',
        type: 'pkcs11',
        slot: 3,
        model: 'aws-cloudhsm',
        module: '/opt/cloudhsm/lib/libcloudhsm_pkcs11.so',
        kek: { label: 'P6RKEK1', handle: 262155 },
        extractable: true,
        pinVariable: 'CLAVIGER_HSM_PIN',
      },
      { name: 'software', type: 'software' },
    ])
    deepStrictEqual(config['kmip'], {
      query: {
        vendorIdentification: 'www.example.com; gateway',
        operations: ['Create', 'CreateKeyPair', 'Register', 'ReKey', 'Locate', 'Get', 'Query'],
        objects: ['Certificate', 'SymmetricKey', 'PublicKey', 'PrivateKey', 'SecretData'],
        profiles: [],
        shreddingAlgorithm: 'Unspecified',
        destroyAction: 'Shredded',
        unwrapMode: 'Processed',
        rngMode: 'Unspecified',
        streaming: true,
      },
      plain: { listen: '127.0.0.1:65524', principal: 'admin' },
    })
    deepStrictEqual(config['limits'], { idleSeconds: 500 })
    deepStrictEqual(config['log'], { level: 'info' })
    strictEqual(pin, '12345678')
  })

  it('names what it could not carry over, with the reason', () => {
    const files = {
      'ksg.conf': KSG,
      'p6kmipserver.conf': SERVER,
      'p6kmip_auxiliary_ksg.conf': AUXILIARY,
    }
    const lost = lostOf(translateKsg(files, OPTIONS).lost)
    match(lost['serverLogFlags'] ?? '', /wirelog on NAME --format xml/)
    match(lost['gateFlags'] ?? '', /altered is never opened/)
    match(lost['operations'] ?? '', /99/)
    match(lost['profiles'] ?? '', /SuiteB/i)
    match(lost['listenIPAddr'] ?? '', /127\.0\.0\.1 instead of 0\.0\.0\.0/)
    match(lost['unheardOf'] ?? '', /no such parameter/)
    for (const one of ['HSM_addr', 'baseKeyPath', 'logDir', 'threadCount', 'maxBufSize']) {
      ok(lost[one], one)
    }
  })

  it('takes either spelling, and masks bit by bit', () => {
    const text = (flags: number) => `[p6ksg-gen]\nHSM_type=2\nserverLogFlags=${flags}\n`
    const read = (flags: number) => {
      return translateKsg({ 'ksg.conf': text(flags) }, { ...OPTIONS, module: '/m.so' })
    }
    const [hsm] = read(44).config['keystores'] as { model: string; slot: number }[]
    deepStrictEqual([hsm?.model, hsm?.slot], ['cavium-liquidsecurity', 0])
    match(lostOf(read(44).lost)['serverLogFlags'] ?? '', /--format json/)
    match(lostOf(read(8204).lost)['serverLogFlags'] ?? '', /--format hex/)
    match(lostOf(read(0x4000).lost)['serverLogFlags'] ?? '', /0x4000/)
    deepStrictEqual(read(0x104).config['log'], { level: 'debug' })
  })

  it('keeps the key-encrypting key, and says how its file comes in', () => {
    const read = (text: string, name = 'hsm1') => {
      const files = { 'ksg.conf': `[p6ksg-gen]\nHSM_name="${name}"\n${text}` }
      const { config, lost, carried } = translateKsg(files, { ...OPTIONS, module: '/m.so' })
      const [hsm] = config['keystores'] as { kek?: object; extractable?: boolean }[]
      return { hsm, lost: lostOf(lost), keys: carried.map(({ key }) => key) }
    }
    const file = read('KEKKeyPath=aes256.key\n')
    deepStrictEqual(file.hsm?.kek, { label: 'P6RKEK1' })
    match(file.lost['KEKKeyPath'] ?? '', /claviger hsm kek import hsm1 --file aes256\.key/)
    match(file.lost['KEKKeyPath'] ?? '', /destroy the file/)
    const blanks = read('KEKKeyPath="my keys/a.key"\n', 'HSM 1')
    match(blanks.lost['KEKKeyPath'] ?? '', /kek import 'HSM 1' --file 'my keys\/a\.key'/)
    const cavium = read('CaviumLiquidSec_KEKHandle=13\n')
    deepStrictEqual(cavium.hsm?.kek, { label: 'P6RKEK1', handle: 13 })
    strictEqual(cavium.hsm?.extractable, true)
    ok(cavium.keys.includes('keystores[].kek.handle'))
    strictEqual(cavium.lost['CaviumLiquidSec_KEKHandle'], undefined)
    // The handle counts for the HSM that it is named for.
    const both = read('HSM_type=1\nAWSCloudHSM_KEKHandle=12\nCaviumLiquidSec_KEKHandle=13\n')
    deepStrictEqual(both.hsm?.kek, { label: 'P6RKEK1', handle: 12 })
    match(both.lost['CaviumLiquidSec_KEKHandle'] ?? '', /type of the HSM is aws-cloudhsm/)
    const none = read('AWSCloudHSM_KEKHandle=0\n')
    strictEqual(none.hsm?.kek, undefined)
    match(none.lost['AWSCloudHSM_KEKHandle'] ?? '', /handle of nothing/)
  })

  it('says of every parameter of an HSM where it went when the gateway works without one', () => {
    const files = { 'ksg.conf': KSG.replace('gateFlags=1', 'gateFlags=2') }
    const { config, lost, carried } = translateKsg(files, OPTIONS)
    deepStrictEqual(config['keystores'], [{ name: 'software', type: 'software' }])
    const reasons = lostOf(lost)
    const of = [
      'HSM_pin',
      'HSM_slotid',
      'HSM_name',
      'HSMType',
      'AWSCloudHSM_KEKHandle',
      'KEKKeyPath',
    ]
    for (const one of of)
      match(reasons[one] ?? '', /gateFlags 0x2 the gateway works without an HSM/)
    const keys = carried.map(({ key }) => key).filter((key) => key.startsWith('keystores'))
    deepStrictEqual(keys, ['keystores[].type'])
  })

  it('needs the module of an HSM that KSG has no type for', () => {
    const files = { 'ksg.conf': '[p6ksg-gen]\nHSM_slotid=1\n' }
    throws(() => translateKsg(files, OPTIONS), KsgError)
    throws(() => parseKsg('ksg.conf', '[p6ksg-gen]\nnonsense'), /ksg\.conf:2: "nonsense"/)
  })

  it('is written once, and passes config check where there is no HSM in it', () => {
    const path = gateway('software', KSG.replace('gateFlags=1', 'gateFlags=2'))
    const out = join(folder, 'software.yaml')
    const first = claviger('import', 'ksg', path, '--out', out)
    strictEqual(first.status, 0, first.stderr)
    match(first.stdout, /parameters carried over/)
    const again = claviger('import', 'ksg', path, '--out', out)
    strictEqual(again.status, 2)
    match(again.stderr, /not overwritten/)
    const check = claviger('config', 'check', out)
    strictEqual(check.status, 0, check.stderr)
  })

  const knowsHsm = JSON.stringify(configSchema()).includes('"const":"pkcs11"')
  const skip = knowsHsm ? false : 'there are no HSM keystores in the configuration'
  it('passes config check with an HSM in it, and keeps the PIN elsewhere', { skip }, () => {
    const path = gateway('hsm', KSG)
    const [out, pin] = [join(folder, 'hsm.yaml'), join(folder, 'hsm.pin')]
    const made = claviger('import', 'ksg', path, '--out', out, '--pin-file', pin)
    strictEqual(made.status, 0, made.stderr)
    strictEqual(readFileSync(pin, 'utf8'), '12345678\n')
    strictEqual(statSync(pin).mode & 0o777, 0o600)
    ok(!readFileSync(out, 'utf8').includes('12345678'))
    const check = claviger('config', 'check', out)
    strictEqual(check.status, 0, check.stderr)
  })

  it('is printed for machines, without the PIN', () => {
    const path = gateway('machine', KSG)
    const { status, stdout, stderr } = claviger('import', 'ksg', path, '--json')
    strictEqual(status, 0, stderr)
    ok(!stdout.includes('12345678'))
    const { config, lost, carried } = JSON.parse(stdout)
    strictEqual(config.kmip.plain.listen, '127.0.0.1:65524')
    match(lostOf(lost)['HSM_pin'] ?? '', /CLAVIGER_HSM_PIN/)
    ok(carried.some((one: { key: string }) => one.key === 'limits.idleSeconds'))
    ok(!existsSync(join(folder, 'undefined')))
  })

  it('is refused where there is none', () => {
    const { status, stderr } = claviger('import', 'ksg', tmpdir())
    strictEqual(status, 2)
    match(stderr, /no ksg\.conf/)
  })
})
