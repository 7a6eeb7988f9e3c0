/**
 * NSS (3.87, as Debian packages it): the module in a database of NSS, key pairs and certificates of
 * `certutil` in the token, and a signature with them.
 *
 * @module
 */
import { match } from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { absent, LABEL, PIN, startToken, type TokenUnderTest } from './token-under-test.ts'

const PAIRS = [
  { name: 'rsa', options: ['-k', 'rsa', '-g', '2048'] },
  { name: 'ec', options: ['-k', 'ec', '-q', 'nistp256'] },
] as const

describe('NSS', { skip: absent('certutil', 'modutil', 'cmsutil'), timeout: 300_000 }, () => {
  let token: TokenUnderTest
  let database: string
  let pin: readonly string[]
  before(async () => {
    token = await startToken()
    const folder = token.file('nss')
    mkdirSync(folder)
    database = `sql:${folder}`
    pin = ['-f', token.file('pin', `${PIN}\n`)]
    await token.done('certutil', ['-N', '-d', database, '--empty-password'])
  })
  after(() => token?.stop())

  const certutil = (...args: readonly string[]): Promise<string> => {
    return token.done('certutil', ['-d', database, '-h', LABEL, ...pin, ...args])
  }

  it('modutil -add takes the module', async () => {
    const add = ['-add', 'module', '-libfile', token.module]
    await token.done('modutil', ['-force', '-dbdir', database, ...add])
    const listed = await token.done('modutil', ['-dbdir', database, '-list', 'module'])
    match(listed, new RegExp(`Token Name: ${LABEL}`))
  })

  for (const { name, options } of PAIRS) {
    it(`certutil -S makes a key pair and a certificate (${name})`, async () => {
      const noise = ['-z', token.file('noise', 'x'.repeat(64))]
      const as = [
        '-n',
        name,
        '-s',
        `CN=${name}`,
        '-x',
        '-t',
        'CTu,CTu,CTu',
        '-v',
        '2',
        '-Z',
        'SHA256',
      ]
      await certutil('-S', ...as, ...options, ...noise)
    })
  }

  it('certutil -L and -K list them', async () => {
    const certificates = await certutil('-L')
    const keys = await certutil('-K')
    for (const { name } of PAIRS) {
      match(certificates, new RegExp(`^${LABEL}:${name} +C?T?u,C?T?u,C?T?u`, 'm'))
      match(keys, new RegExp(`${name} +[0-9a-f]{40} +.*${LABEL}:${name}`, 'm'))
    }
    match(await certutil('-L', '-n', `${LABEL}:rsa`, '-a'), /-----BEGIN CERTIFICATE-----/)
  })

  it('cmsutil signs with a key of the token, and openssl verifies it', async () => {
    const [data, signed] = [token.file('data', 'some words'), token.file('signed')]
    for (const { name } of PAIRS) {
      const who = ['-N', `${LABEL}:${name}`, '-H', 'SHA256', '-G']
      await token.done('cmsutil', ['-S', '-d', database, ...pin, ...who, '-i', data, '-o', signed])
      const verify = ['-verify', '-inform', 'DER', '-in', signed, '-noverify']
      match(await token.done('openssl', ['cms', ...verify]), /some words/)
    }
  })

  it('certutil -F takes a key and its certificate away', async () => {
    await certutil('-F', '-n', `${LABEL}:ec`)
    match(await certutil('-K'), /rsa/)
  })
})
