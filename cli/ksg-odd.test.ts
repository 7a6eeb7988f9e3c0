/**
 * Configurations of a gateway as people have them: values that contradict each other, that are none
 * or in the wrong place; and a server that starts with what came of one.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual, throws } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import { KSG_FILES, type KsgFile, translateKsg } from './ksg.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const OPTIONS = { principal: 'admin', module: '/m.so' } as const
const SECTIONS = {
  'ksg.conf': 'p6ksg-gen',
  'p6kmipserver.conf': 'p6kmip-server-gen',
  'p6kmip_auxiliary_ksg.conf': 'p6kmip-server-auxiliary',
} as const

/** What comes of lines of one file. */
function from(file: KsgFile, ...lines: readonly string[]) {
  const files = { 'ksg.conf': '', [file]: [`[${SECTIONS[file]}]`, ...lines].join('\n') }
  const { config, lost, pin } = translateKsg(files, OPTIONS)
  const reason = (parameter: string): string => {
    return lost.flatMap((one) => (one.parameter === parameter ? one.reason : [])).join('\n')
  }
  const [hsm, beside] = config['keystores'] as readonly Record<string, unknown>[]
  const part = (name: string) => config[name] as Record<string, Record<string, unknown>> | undefined
  return { hsm, beside, reason, pin, log: config['log'], limits: config['limits'], part }
}

describe('an odd configuration of KSG', () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-ksg-odd-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('has the default of KSG where a value is none, and says so', () => {
    for (const text of ['', 'one', '-1', '99999999999999999999']) {
      const { hsm, reason } = from('ksg.conf', `HSM_slotid=${text}`)
      strictEqual(hsm?.['slot'], 0, text)
      match(reason('HSM_slotid'), /no number of a slot; it counts as 0/)
    }
    const kmip = (...lines: readonly string[]) => {
      const { part, reason } = from('p6kmipserver.conf', ...lines)
      return [part('kmip')?.['plain']?.['listen'], reason('listenPort'), reason('listenIPAddr')]
    }
    const [at, port = ''] = kmip('listenPort=70000', 'listenIPAddr=127.0.0.1')
    strictEqual(at, '127.0.0.1:65524')
    match(`${port}`, /"70000" is no port; it counts as 65524/)
    match(`${kmip('listenIPAddr=127.0.0.1;evil')[2]}`, /"127.0.0.1;evil" is no address/)
    deepStrictEqual(kmip('listenIPAddr="::1"'), ['[::1]:65524', '', ''])
    deepStrictEqual(kmip('listenIPAddr=localhost', 'listenPort=5'), ['127.0.0.1:5', '', ''])
    const timeout = from('p6kmipserver.conf', 'receiveTimeout=-5')
    deepStrictEqual(timeout.limits, { idleSeconds: 300 })
    match(timeout.reason('receiveTimeout'), /it counts as 300/)
  })

  it('does not let two types of HSM, or two handles, be mixed', () => {
    const both = from('ksg.conf', 'HSM_type=3')
    strictEqual(both.hsm?.['model'], 'aws-cloudhsm')
    match(both.reason('HSM_type'), /cavium-liquidsecurity too; aws-cloudhsm counts/)
    const handles = from('ksg.conf', 'AWSCloudHSM_KEKHandle=5', 'CaviumLiquidSec_KEKHandle=6')
    deepStrictEqual(handles.hsm?.['kek'], { label: 'P6RKEK1', handle: 5 })
    match(handles.reason('CaviumLiquidSec_KEKHandle'), /one is enough/)
    const huge = from('ksg.conf', 'AWSCloudHSM_KEKHandle=99999999999999999999', 'KEKKeyPath=""')
    strictEqual(huge.hsm?.['kek'], undefined)
    match(huge.reason('AWSCloudHSM_KEKHandle'), /no handle/)
    match(huge.reason('KEKKeyPath'), /names no file/)
  })

  it('has a name for its keystore that no other has', () => {
    deepStrictEqual(from('ksg.conf', 'HSM_name="software"').beside?.['name'], 'beside')
    const empty = from('ksg.conf', 'HSM_name=""')
    strictEqual(empty.hsm?.['name'], 'hsm')
    match(empty.reason('HSM_name'), /it is empty; it counts as hsm/)
    const long = from('ksg.conf', `HSM_name="${'x'.repeat(65)}"`)
    strictEqual(long.hsm?.['name'], 'x'.repeat(64))
    match(long.reason('HSM_name'), /first 64/)
  })

  it('logs what the flags say together', () => {
    const flags = (value: string) => {
      const { log, reason } = from('ksg.conf', `serverLogFlags=${value}`)
      return [log, reason('serverLogFlags')]
    }
    deepStrictEqual(flags('0x6')[0], { level: 'warn' })
    match(`${flags('0x6')[1]}`, /0x2 turns off/)
    match(`${flags('8')[1]}`, /claviger wirelog on NAME$/)
    deepStrictEqual(flags('0x20'), [undefined, ''], 'a format of messages that are not logged')
    match(`${flags('0xffffffff')[1]}`, /the bits 0xffffd2d1 are none/)
    match(`${flags('many')[1]}`, /no mask of bits/)
  })

  it('does not refuse everything where a list is empty, and says what it refuses', () => {
    const query = (...lines: readonly string[]) => {
      const { part, reason } = from('p6kmip_auxiliary_ksg.conf', ...lines)
      return { query: part('kmip')?.['query'], reason }
    }
    for (const text of ['', '""', 'none']) {
      const { query: given, reason } = query(`operations=${text}`, `objects=${text}`)
      deepStrictEqual([given?.['operations'], given?.['objects']], [undefined, undefined])
      match(reason('operations'), /nothing is hidden/)
      match(reason('objects'), /nothing is hidden/)
    }
    const sample = '1,2,3,4,8,10,11,12,13,14,15,17,18,19,20,24,30,31,32,37,38'
    const hidden = query(`operations="${sample}"`).reason('operations')
    match(hidden, /hides ObtainLease from Query and does it; here it is refused as well/)
    deepStrictEqual(query('objects=2 2, 7').query?.['objects'], ['SymmetricKey', 'SecretData'])
    const odd = query('destroyAction=1,2', 'RNGMode=', 'streamingEnabled=maybe', 'vendorId=')
    deepStrictEqual(
      [odd.query?.['destroyAction'], odd.query?.['rngMode']],
      ['Unspecified', 'Unspecified'],
    )
    strictEqual(odd.query?.['streaming'], undefined)
    match(odd.reason('streamingEnabled'), /neither true nor false/)
    strictEqual(query('streamingEnabled=off').query?.['streaming'], false)
    const vendor = query(`vendorId="${'v'.repeat(201)}"`)
    strictEqual(vendor.query?.['vendorIdentification'], 'v'.repeat(200))
    match(vendor.reason('vendorId'), /first 200/)
  })

  it('says where a parameter belongs, and which file is not there', () => {
    const { reason } = from('ksg.conf', 'hsm_slotid=4', 'listenPort=1', 'HSM_type=1', 'HSMType=2')
    match(reason('hsm_slotid'), /it is HSM_slotid in \[p6ksg-gen\]/)
    match(reason('listenPort'), /no such parameter/)
    match(reason('HSMType'), /2 times; the last one counts/)
    match(reason('(the file)'), /nothing listens for a TLS proxy.*\n.*Query hides nothing/)
    const unknown = () => translateKsg({ 'ksg.conf': 'HSM_type=1' }, { principal: 'admin' })
    throws(unknown, /--module\. Not carried over:\n {2}HSM_type: .*it is HSM_type in \[p6ksg-gen\]/)
  })

  it('is refused with the line where a string does not end', () => {
    throws(() => from('ksg.conf', 'HSM_pin="12'), /ksg\.conf:2: .* does not end/)
    throws(() => from('ksg.conf', 'HSM_name="a" b'), /ksg\.conf:2: .* does not end/)
    strictEqual(from('ksg.conf', 'HSM_pin="1;2 #3" ; mine\r').pin, '1;2 #3')
    strictEqual(from('ksg.conf', 'HSM_pin = ; none yet').pin, undefined)
  })

  const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
  it('starts a server where it names an HSM that is there', { skip, timeout: 90_000 }, async () => {
    const environment = newSoftHsmToken(folder, 'ksg')
    const env = { ...process.env, ...environment }
    const shown = execFileSync('softhsm2-util', ['--show-slots'], { env, encoding: 'utf8' })
    const [, slot] = /^Slot (\d+)/m.exec(shown) ?? []
    const port = await freePort()
    const gateway = join(folder, 'gateway')
    mkdirSync(gateway)
    const lines = {
      'ksg.conf': ['HSM_name="software"', `HSM_slotid = ${slot}`, `HSM_pin="${SOFTHSM_PIN}"`],
      'p6kmipserver.conf': [`listenPort=${port}`, 'receiveTimeout=0'],
      'p6kmip_auxiliary_ksg.conf': ['operations=', 'objects="2, 2"'],
    }
    for (const file of KSG_FILES) {
      const text = `\uFEFF[${SECTIONS[file]}]\r\n${lines[file].join('\r\n')}`
      writeFileSync(join(gateway, file), text)
    }
    const words = ['import', 'ksg', gateway, '--module', SOFTHSM as string]
    const options = { cwd: folder, encoding: 'utf8', timeout: 30_000 } as const
    const out = ['--out', 'claviger.yaml', '--pin-file', 'own.pin']
    const made = spawnSync(LAUNCHER, [...words, ...out], options)
    strictEqual(made.status, 0, made.stderr)
    const config = join(folder, 'claviger.yaml')
    const [hsm] = parse(readFileSync(config, 'utf8')).keystores
    strictEqual(hsm.pinFile, join(folder, 'own.pin'), 'wherever the server is started')
    const server = await startOwnServer({ config, env: environment })
    try {
      const [status] = (await askServer(server.dataDir, 'hsm.list', {})) as { state: string }[]
      strictEqual(status?.state, 'running')
      ok(
        JSON.stringify(await askServer(server.dataDir, 'status', {})).includes(`127.0.0.1:${port}`),
      )
    } finally {
      await server.stop()
    }
  })

  it('says that a PIN is needed which stands nowhere', () => {
    const gateway = join(folder, 'pinless')
    mkdirSync(gateway)
    writeFileSync(join(gateway, 'ksg.conf'), '[p6ksg-gen]\nHSM_type=1\n')
    const run = (...more: readonly string[]): string => {
      const words = ['import', 'ksg', gateway, ...more]
      return spawnSync(LAUNCHER, words, { encoding: 'utf8', timeout: 30_000 }).stdout
    }
    match(run(), /HSM_pin: no PIN stands there; set CLAVIGER_HSM_PIN to it/)
    const file = join(folder, 'absent.pin')
    ok(run('--pin-file', file).includes(`no PIN stands there; write it into ${file}`))
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
