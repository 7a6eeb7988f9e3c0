/**
 * A configuration that cannot be used: what the message says, for those who wrote the file in a
 * hurry.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readConfig, unknownVariables } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

const SILENT = createLog({ level: 'silent', format: 'json' })

describe('a configuration that cannot be used', { timeout: 60_000 }, () => {
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-problems-'))
    const options = { config: readConfig(undefined, {}), log: SILENT }
    for (const name of ['one', 'two']) {
      const house = await House.open({ ...options, dataDir: join(folder, name) })
      await house.close()
    }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const read = (text: string, environment: Record<string, string> = {}) => {
    const path = join(folder, 'claviger.yaml')
    writeFileSync(path, text.replaceAll('FOLDER', folder))
    return () => readConfig(path, environment)
  }

  const CASES = [
    ['a port there is none of', 'kmip: {listen: "127.0.0.1:65536"}', /1:8: kmip\.listen: must be/],
    ['a list at the top', '- kmip', /yaml:1:1: must hold keys and values/],
    ['a reference to nothing', 'log: *nothing', /yaml:1:1: is no YAML: Unresolved alias/],
    [
      'an unknown key in a list',
      'pkcs11:\n  tokens:\n    - {name: a, lable: b}',
      /3:17: pkcs11\.tokens\.0\.lable: unknown key; allowed are name, label, slot/,
    ],
    [
      'an unknown key of one type of keystore',
      'keystores:\n  - {name: a, type: pkcs11, module: m.so, slott: 0}',
      /keystores\.0\.slott: unknown key; allowed are name, type, module, .*slot/,
    ],
    [
      'a label that is too long in UTF-8',
      `pkcs11:\n  tokens:\n    - {name: a, label: ${'ü'.repeat(17)}}`,
      /3:\d+: pkcs11\.tokens\.0\.label: has up to 32 bytes in UTF-8/,
    ],
    [
      'keystores of one name',
      'keystores:\n  - {name: a, type: software}\n  - {name: a, type: software}',
      /yaml:1:1: keystores: two of them have the same name/,
    ],
    [
      'an HSM whose token is not named',
      'keystores:\n  - { name: h, type: pkcs11, module: m.so }',
      /yaml:2:5: keystores\.0: "h" must name its token by one of slot, .*; none is there/,
    ],
    [
      'an HSM whose token is named twice',
      'keystores:\n  - { name: h, type: pkcs11, module: m.so,\n      slot: 1, label: a }',
      /yaml:3:16: keystores\.0\.label: "h" must name .*; there are slot and label/,
    ],
    [
      'another HSM of a group whose token is not named',
      'keystores:\n- {name: h, type: pkcs11, module: m.so, slot: 0,\n   others: [{reserved: a}]}',
      /yaml:3:13: keystores\.0\.others\.0: "h 2" must name its token/,
    ],
    [
      'an HSM with two PINs',
      'keystores: [{name: h, type: pkcs11, module: m.so, slot: 0, pinPrompt: true, pinVariable: P}]',
      /keystores\.0\.pinPrompt: "h" has pinVariable and pinPrompt; one is enough/,
    ],
    [
      'an HSM whose PIN is not there',
      'keystores: [{name: h, type: pkcs11, module: m.so, slot: 0, pinFile: FOLDER/no.pin}]',
      /yaml:1:60: keystores\.0\.pinFile: "h": ENOENT.*no\.pin/,
    ],
    [
      'a mode that YAML takes for a number',
      'pkcs11: { socketMode: 0600 }',
      /socketMode: .*"0600"\|"0660"; 600 is a number in YAML, and text in quotes/,
    ],
    [
      'tokens of one slot',
      'pkcs11: {tokens: [{name: a, slot: 1}, {name: b, slot: 1}]}',
      /pkcs11\.tokens: two of them have the same slot; slots are: 1, 1/,
    ],
    [
      'a keystore that is not there',
      'pkcs11: {tokens: [{name: a, keystore: hsm}]}',
      /pkcs11\.tokens\.0\.keystore: "a" wants keystore "hsm"; there are: software/,
    ],
    [
      'a certificate without its key',
      'kmip: {tls: {cert: FOLDER/one/pki/admin.pem}}',
      /kmip\.tls\.cert: goes together with kmip\.tls\.key/,
    ],
    [
      'a certificate that is not there',
      'kmip: {tls: {cert: FOLDER/no.pem, key: FOLDER/one/pki/admin.key}}',
      /kmip\.tls\.cert: \S+no\.pem cannot be used: ENOENT/,
    ],
    [
      'the key of another certificate',
      'kmip: {tls: {cert: FOLDER/one/pki/admin.pem, key: FOLDER/two/pki/admin.key}}',
      /kmip\.tls\.key: \S+ cannot be used: it is not the key of the certificate in \S+admin\.pem/,
    ],
    [
      'an authority that is none',
      'kmip: {tls: {clientCa: [FOLDER/claviger.yaml]}}',
      /kmip\.tls\.clientCa\.0: \S+ cannot be used/,
    ],
    [
      'no cipher suite',
      'kmip: {tls: {ciphers: NONE}}',
      /kmip\.tls\.ciphers: must be names of OpenSSL .*no cipher match/,
    ],
  ] as const
  for (const [what, text, message] of CASES) {
    it(`for ${what} is refused with its place`, () => {
      assert.throws(read(text), { name: 'ConfigError', message })
    })
  }

  it('is one of the environment by the name of its variable, in lists too', () => {
    const list = { CLAVIGER_PKCS11_TOKENS: '[{name: a, lable: b}]' }
    const message = /CLAVIGER_PKCS11_TOKENS \(pkcs11\.tokens\.0\.lable\): unknown key; allowed are/
    assert.throws(read('', list), { message })
    const names = { CLAVIGER_KMIP_TLS_NAMES: 'a,b' }
    assert.throws(read('', names), { message: /a list is written \[one, two\]/ })
  })

  it('is one of the file where a variable hides it', () => {
    const listen = { CLAVIGER_KMIP_LISTEN: '127.0.0.1:0' }
    assert.throws(read('kmip:\n  listen: 5\n', listen), { message: /yaml:2:3: kmip\.listen: / })
    const idle = { CLAVIGER_LIMITS_IDLE_SECONDS: '60' }
    assert.throws(read('limits: 5', idle), { message: /yaml:1:1: limits: .*expected object/ })
    assert.equal(read('kmip: {}', listen)().kmip.listen, '127.0.0.1:0')
  })

  it('is one of the command line by the name of its option', () => {
    const listen = { CLAVIGER_KMIP_LISTEN: 'nowhere' }
    const option = { CLAVIGER_KMIP_LISTEN: '--kmip nowhere' }
    const message = /^--kmip nowhere \(kmip\.listen\): must be HOST:PORT/
    assert.throws(() => readConfig(undefined, listen, option), { message })
  })

  it('is none where text looks like a number', () => {
    const config = read('', {
      CLAVIGER_PKCS11_SOCKET_MODE: '0660',
      CLAVIGER_ROOT_KEY_KEY: '0x0102',
      CLAVIGER_ROOT_KEY_FILE: '"quoted"',
    })()
    assert.equal(config.pkcs11.socketMode, '0660')
    assert.equal(config.rootKey.key, '0x0102')
    assert.equal(config.rootKey.file, 'quoted')
  })

  it('may be one whose variable was mistyped, which is told', () => {
    const environment = {
      CLAVIGER_KMIP_LISTN: 'x',
      CLAVIGER_KMIP_LISTEN: 'x:1',
      CLAVIGER_PKCS11: '/run/socket',
      CLAVIGER_DATA: 'd',
      HOME: '/root',
    }
    assert.deepEqual(unknownVariables(environment), ['CLAVIGER_KMIP_LISTN'])
  })

  it('is none that goes together', () => {
    const pki = `${folder}/one/pki`
    const tls = `{cert: ${pki}/admin.pem, key: ${pki}/admin.key, clientCa: [${pki}/ca.pem]}`
    assert.equal(read(`kmip: {tls: ${tls}}`)().kmip.tls.cert, `${pki}/admin.pem`)
  })
})
