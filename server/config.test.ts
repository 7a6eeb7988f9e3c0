/**
 * The configuration: what it takes, and what it says of what it does not take.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { LIMITS, limitsWith } from '#core/limits.ts'
import { ConfigError, configSchema, readConfig, variables } from './config.ts'

describe('the configuration', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-config-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const read = (text: string, environment: Record<string, string> = {}) => {
    const path = join(folder, 'claviger.yaml')
    writeFileSync(path, text)
    return readConfig(path, environment)
  }

  it('has a default for everything', () => {
    const config = readConfig(undefined, {})
    assert.deepEqual(config.limits, limitsWith())
    assert.equal(config.limits.messageBytesMax, 1_048_576)
    assert.deepEqual(read(''), config)
    assert.deepEqual(read('# nothing\n'), config)
  })

  it('is read without making code of text', () => {
    const script = `
      let made = 0
      const count = (target, args) => { made++; return Reflect.construct(target, args) }
      globalThis.Function = new Proxy(Function, { construct: count })
      const { readConfig } = await import('#server/config.ts')
      readConfig(undefined, {})
      process.stdout.write(String(made))`
    const options = { cwd: import.meta.dirname, encoding: 'utf8', timeout: 20_000 } as const
    const args = ['--input-type=module', '--no-warnings', '--eval', script]
    assert.equal(execFileSync(process.execPath, args, options), '0')
  })

  const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    [
      'an unknown section',
      'kmpi:\n  listen: a:1\n',
      /yaml:1:\d+: kmpi: unknown key; allowed are kmip, pkcs11/,
    ],
    [
      'an unknown key',
      'limits:\n  idleSecond: 5\n',
      /yaml:2:\d+: limits\.idleSecond: unknown key; .*idleSeconds/,
    ],
    [
      'an unknown key further in',
      'kmip:\n  tls:\n    crt: x\n',
      /yaml:3:\d+: kmip\.tls\.crt: unknown key; allowed are cert, key/,
    ],
    ['a wrong type', 'limits:\n  idleSeconds: soon\n', /yaml:2:\d+: limits\.idleSeconds: .*number/],
    [
      'a number out of bounds',
      'limits:\n  idleSeconds: 1\n',
      /yaml:2:\d+: limits\.idleSeconds: .*5/,
    ],
    [
      'an address that is none',
      'kmip:\n  listen: here\n',
      /yaml:2:\d+: kmip\.listen: must be HOST:PORT/,
    ],
    ['a word of another list', 'log:\n  level: loud\n', /yaml:2:\d+: log\.level: .*"debug"/],
    ['text that is no YAML', 'kmip: {\n', /yaml:\d+:\d+: is no YAML/],
    [
      'the same key twice',
      'log:\n  level: info\n  level: warn\n',
      /yaml:3:\d+: is no YAML: .*unique/,
    ],
    ['a list instead of keys', '- a\n', /yaml:1:1: /],
    ['a word instead of keys', 'hello\n', /yaml:1:1: must hold keys and values/],
  ]
  for (const [what, text, message] of refused) {
    it(`refuses ${what}, and says where it is and what is allowed`, () => {
      assert.throws(
        () => read(text),
        (error: Error) => {
          assert.ok(error instanceof ConfigError, String(error))
          assert.match(error.message, message)
          return true
        },
      )
    })
  }

  it('names every problem, not only the first', () => {
    const text = 'limits:\n  idleSeconds: 1\nlog:\n  level: loud\n'
    assert.throws(() => read(text), /idleSeconds[\s\S]*log\.level/)
  })

  it('says which file cannot be read', () => {
    const path = join(folder, 'absent.yaml')
    assert.throws(() => readConfig(path, {}), /absent\.yaml: cannot be read: ENOENT/)
    assert.throws(() => readConfig(folder, {}), /cannot be read: EISDIR/)
  })

  it('takes every value from the environment, before the file', () => {
    const text = 'limits:\n  idleSeconds: 50\nlog:\n  level: warn\n'
    const environment = {
      CLAVIGER_LIMITS_IDLE_SECONDS: '70',
      CLAVIGER_KMIP_LISTEN: '[::1]:1',
      CLAVIGER_KMIP_TLS_NAMES: '[a.example, 10.0.0.1]',
    }
    const config = read(text, environment)
    assert.equal(config.limits.idleSeconds, 70)
    assert.equal(config.log.level, 'warn')
    assert.equal(config.kmip.listen, '[::1]:1')
    assert.deepEqual(config.kmip.tls.names, ['a.example', '10.0.0.1'])
  })

  it('names the variable whose value is wrong', () => {
    const environment = { CLAVIGER_LIMITS_IDLE_SECONDS: 'soon' }
    const message = /CLAVIGER_LIMITS_IDLE_SECONDS \(limits\.idleSeconds\): .*number/
    assert.throws(() => readConfig(undefined, environment), message)
  })

  it('has a variable and a description for every limit, and takes both bounds', () => {
    const names = new Map(variables().map(({ path, name }) => [path.join('.'), name]))
    for (const [name, { min, max }] of Object.entries(LIMITS)) {
      const variable = names.get(`limits.${name}`) as string
      assert.match(variable, /^CLAVIGER_LIMITS_[A-Z_]+$/)
      for (const value of [min, max]) {
        const { limits } = readConfig(undefined, { [variable]: String(value) })
        assert.equal(limits[name as keyof typeof LIMITS], value)
      }
      for (const value of [min - 1, max + 1]) {
        assert.throws(() => readConfig(undefined, { [variable]: String(value) }), ConfigError)
      }
    }
    assert.ok(variables().every(({ description }) => description !== ''))
    assert.ok(JSON.stringify(configSchema()).includes('idleSeconds'))
  })
})
