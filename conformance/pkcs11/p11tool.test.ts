/**
 * GnuTLS (3.7, as Debian packages it): `p11tool`, and a TLS server whose key is in the token.
 *
 * @module
 */
import { deepStrictEqual, doesNotMatch, match } from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import {
  absent,
  end,
  freePort,
  LABEL,
  listening,
  outputOf,
  PIN,
  SO_PIN,
  startToken,
  type TokenUnderTest,
} from './token-under-test.ts'

const TOKEN = `pkcs11:token=${LABEL}`

const PAIRS = [
  { label: 'rsa', options: ['--generate-privkey=rsa', '--bits=2048'], says: /RSA-2048/ },
  {
    label: 'ec',
    options: ['--generate-privkey=ecdsa', '--curve=secp256r1'],
    says: /EC.*SECP256R1/,
  },
] as const

describe('GnuTLS', { skip: absent('p11tool', 'certtool', 'gnutls-serv'), timeout: 300_000 }, () => {
  let token: TokenUnderTest
  before(async () => {
    token = await startToken()
  })
  after(() => token?.stop())

  const run = (...args: readonly string[]) => {
    const env = { GNUTLS_PIN: PIN, GNUTLS_SO_PIN: SO_PIN }
    return token.run('p11tool', ['--provider', token.module, '--batch', ...args], { env })
  }
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, output } = await run(...args)
    deepStrictEqual(code, 0, output)
    return output
  }

  it('p11tool lists tokens and mechanisms', async () => {
    match(await does('--list-tokens'), new RegExp(`Label: ${LABEL}`))
    match(await does('--list-mechanisms', TOKEN), /CKM_RSA_PKCS_PSS/)
  })

  for (const { label, options, says } of PAIRS) {
    it(`p11tool makes a pair (${label}), signs with it and exports its public key`, async () => {
      const path = token.file(`${label}.pub`)
      await does('--login', ...options, `--label=${label}`, `--outfile=${path}`, TOKEN)
      match(readFileSync(path, 'utf8'), /^-----BEGIN PUBLIC KEY-----/m)
      const uri = `${TOKEN};object=${label};type=private`
      match(await does('--login', '--list-privkeys', TOKEN), new RegExp(`Label: ${label}\\n`))
      match(await does('--login', '--info', uri), says)
      match(await does('--login', '--test-sign', uri), /Verifying against private key.*ok/)
      const exported = token.file(`${label}.exported`)
      const from = `${TOKEN};object=${label};type=public`
      await does('--login', '--export', `--outfile=${exported}`, from)
      const body = (name: string) => /-----BEGIN.*-----END/s.exec(readFileSync(name, 'utf8'))?.[0]
      deepStrictEqual(body(exported), body(path))
    })
  }

  it('p11tool writes a certificate and a private key, lists and deletes them', async () => {
    const [key, cert] = [token.file('key.pem'), token.file('cert.pem')]
    const request = [
      'req',
      '-new',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=written',
    ]
    await token.done('openssl', [...request, '-keyout', key, '-out', cert])
    const as = ['--login', '--write', '--label=written', '--id=5a5a']
    await does(...as, `--load-certificate=${cert}`, TOKEN)
    await does(...as, `--load-privkey=${key}`, TOKEN)
    const listed = await does('--login', '--list-all', TOKEN)
    match(listed, /Type: X\.509 Certificate.*Label: written.*ID: 5a:5a/s)
    const uri = `${TOKEN};object=written`
    match(await does('--login', '--test-sign', `${uri};type=private`), /ok/)
    const exported = await does('--export', `${uri};type=cert`)
    const pem = /-----BEGIN CERTIFICATE.*-----END CERTIFICATE-----/s.exec(exported)?.[0] ?? ''
    const written = new X509Certificate(readFileSync(cert))
    deepStrictEqual(new X509Certificate(pem).fingerprint256, written.fingerprint256)
    await does('--login', '--delete', `${uri};type=cert`)
    await does('--login', '--delete', `${uri};type=private`)
    doesNotMatch(await does('--login', '--list-all', TOKEN), /Label: written/)
  })

  it('certtool signs a certificate with a key of the token, which serves TLS', async () => {
    const template = token.file(
      'template',
      'cn = "localhost"\ndns_name = "localhost"\nexpiration_days = 2\ntls_www_server\n',
    )
    const env = { GNUTLS_PIN: PIN }
    for (const { label } of PAIRS) {
      const cert = token.file(`${label}.crt`)
      const from = ['--load-privkey', token.uri(label, { type: 'private' })]
      const to = ['--provider', token.module, '--template', template, '--outfile', cert]
      const pub = ['--load-pubkey', token.file(`${label}.pub`)]
      await token.done('certtool', ['--generate-self-signed', ...from, ...pub, ...to], { env })
      await serves(label, cert)
    }
  })

  const serves = async (label: string, cert: string): Promise<void> => {
    const port = await freePort()
    const key = token.uri(label, { type: 'private', pin: true })
    const files = ['--x509keyfile', key, '--x509certfile', cert]
    const options = ['--echo', '--disable-client-cert', '--port', String(port)]
    const all = ['--provider', token.module, ...options, ...files]
    const server = token.start('gnutls-serv', all)
    const said = outputOf(server)
    await listening(port, said)
    try {
      const peer = ['--x509cafile', cert, '--port', String(port), 'localhost']
      for (const priority of ['NORMAL', 'NORMAL:-VERS-TLS1.3']) {
        const options = ['--priority', priority, ...peer]
        const { code, output } = await token.run('gnutls-cli', options, { input: 'some words\n' })
        deepStrictEqual(code, 0, `${output}\n${said()}`)
        match(output, /Handshake was completed/)
        match(output, /^some words$/m)
      }
    } finally {
      await end(server)
    }
  }

  it('p11tool deletes keys, and initialises the token that is empty', async () => {
    for (const { label } of PAIRS) {
      await does('--login', '--delete', `${TOKEN};object=${label}`)
    }
    await does('--initialize', '--label=anew', `--set-so-pin=${SO_PIN}`, TOKEN)
    const anew = 'pkcs11:token=anew'
    await does('--initialize-pin', `--set-pin=${PIN}`, `--set-so-pin=${SO_PIN}`, anew)
    doesNotMatch((await run('--login', '--list-all', anew)).output, /Label: rsa/)
    await does('--login', '--generate-privkey=rsa', '--bits=2048', '--label=after', anew)
    match(await does('--login', '--list-all', anew), /Label: after/)
  })
})
