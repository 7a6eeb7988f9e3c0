/**
 * OpenSSL 3 through libengine-pkcs11-openssl (0.4.12): keys by URI for requests, certificates,
 * signatures, decryption, and for a TLS server.
 *
 * @module
 */
import { deepStrictEqual, match, ok } from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ENGINE, engineConfig, makePair, PAIRS, selfSigned } from './key-pairs.ts'
import {
  absent,
  end,
  freePort,
  outputOf,
  startToken,
  type TokenUnderTest,
  until,
} from './token-under-test.ts'

describe("OpenSSL's engine", { skip: absent('openssl', 'pkcs11-tool', ENGINE) }, () => {
  let token: TokenUnderTest
  before(async () => {
    token = await startToken()
    for (const pair of PAIRS) await makePair(token, pair)
  })
  after(() => token?.stop())

  const openssl = (args: readonly string[], input?: string): Promise<string> => {
    const env = engineConfig(token)
    return token.done('openssl', args, input === undefined ? { env } : { env, input })
  }
  const key = (label: string) => [
    '-engine',
    'pkcs11',
    '-keyform',
    'engine',
    '-key',
    token.uri(label),
  ]
  const inkey = (label: string, keyform = '-keyform') => {
    return ['-engine', 'pkcs11', keyform, 'engine', '-inkey', token.uri(label)]
  }
  const publicKey = async (label: string): Promise<string> => {
    const path = token.file(`${label}.pub`)
    const from = ['-engine', 'pkcs11', '-inform', 'engine', '-in', token.uri(label)]
    await openssl(['pkey', ...from, '-pubin', '-pubout', '-out', path])
    return path
  }

  for (const { label } of PAIRS) {
    it(`makes a request and a certificate (${label})`, async () => {
      const request = token.file('request.pem')
      await openssl(['req', '-new', ...key(label), '-subj', '/CN=request', '-out', request])
      match(await openssl(['req', '-in', request, '-verify', '-noout', '-subject']), /CN = request/)
      const certificate = new X509Certificate(readFileSync(await selfSigned(token, label)))
      ok(certificate.verify(certificate.publicKey))
      deepStrictEqual(certificate.subject, 'CN=localhost')
    })

    it(`signs, and verifies with and without the token (${label})`, async () => {
      const [data, signature] = [token.file('data', 'some words'), token.file('signature')]
      const engine = ['-engine', 'pkcs11', '-keyform', 'engine']
      const sign = [
        'dgst',
        '-sha256',
        ...engine,
        '-sign',
        token.uri(label),
        '-out',
        signature,
        data,
      ]
      await openssl(sign)
      const pem = await publicKey(label)
      const verified = await openssl([
        'dgst',
        '-sha256',
        '-verify',
        pem,
        '-signature',
        signature,
        data,
      ])
      match(verified, /Verified OK/)
      const within = [...engine, '-verify', token.uri(label), '-signature', signature, data]
      match(await openssl(['dgst', '-sha256', ...within]), /Verified OK/)
    })
  }

  it('signs with PSS', async () => {
    const [data, signature] = [token.file('data', 'some words'), token.file('signature')]
    const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest']
    const engine = ['-engine', 'pkcs11', '-keyform', 'engine', '-sign', token.uri('rsa')]
    await openssl(['dgst', '-sha256', ...engine, ...pss, '-out', signature, data])
    const pem = await publicKey('rsa')
    const verify = ['-verify', pem, '-signature', signature, ...pss, data]
    match(await openssl(['dgst', '-sha256', ...verify]), /Verified OK/)
  })

  it('decrypts with PKCS#1 v1.5 and with OAEP', async () => {
    const pem = await publicKey('rsa')
    const [data, cipher] = [token.file('data', 'some words'), token.file('cipher')]
    for (const mode of ['pkcs1', 'oaep']) {
      const padding = ['-pkeyopt', `rsa_padding_mode:${mode}`]
      const to = ['-pubin', '-inkey', pem, ...padding, '-in', data, '-out', cipher]
      await openssl(['pkeyutl', '-encrypt', ...to])
      const decrypt = ['pkeyutl', '-decrypt', ...inkey('rsa'), ...padding, '-in', cipher]
      deepStrictEqual(await openssl(decrypt), 'some words', mode)
    }
  })

  for (const { label } of PAIRS) {
    it(`serves TLS with a key in the token (${label})`, async () => {
      const cert = await selfSigned(token, label)
      const port = await freePort()
      const env = engineConfig(token)
      const options = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', cert, '-rev']
      const server = token.start('openssl', [...options, ...key(label)], { env })
      const said = outputOf(server)
      await until(() => said().includes('ACCEPT'), 's_server listens')
      try {
        for (const version of ['-tls1_3', '-tls1_2', '-tls1_3', '-tls1_2']) {
          const peer = ['-connect', `127.0.0.1:${port}`, '-servername', 'localhost']
          const trust = ['-CAfile', cert, '-verify_return_error', '-verify_hostname', 'localhost']
          const client = ['s_client', ...peer, ...trust, version, '-quiet']
          const answer = await openssl(client, 'sdrow emos\nCLOSE\n')
          match(answer, /some words/, said())
        }
      } finally {
        await end(server)
      }
    })
  }
})
