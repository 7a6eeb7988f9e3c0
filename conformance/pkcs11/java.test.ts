/**
 * Java 17's SunPKCS11 provider: `keytool` makes and lists keys in the token, `jarsigner` signs.
 *
 * An RSA pair of `keytool` is made in Java and imported; an EC pair is made by the token as session
 * objects and copied; a secret key is imported.
 *
 * @module
 */
import { match } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { absent, PIN, startToken, type TokenUnderTest } from './token-under-test.ts'

const PAIRS = [
  { alias: 'rsa', options: ['-keyalg', 'RSA', '-keysize', '2048'] },
  { alias: 'ec', options: ['-keyalg', 'EC', '-groupname', 'secp256r1'] },
] as const

describe('Java', { skip: absent('keytool', 'jarsigner', 'jar'), timeout: 300_000 }, () => {
  let token: TokenUnderTest
  let store: readonly string[]
  let provider: readonly string[]
  before(async () => {
    token = await startToken()
    const config = token.file(
      'pkcs11.cfg',
      `name = Token\nlibrary = ${token.module}\nslotListIndex = 0\n`,
    )
    store = ['-keystore', 'NONE', '-storetype', 'PKCS11', '-storepass', PIN]
    provider = ['-providerClass', 'sun.security.pkcs11.SunPKCS11', '-providerArg', config]
  })
  after(() => token?.stop())

  const keytool = (...args: readonly string[]): Promise<string> => {
    return token.done('keytool', [...args, ...store, ...provider])
  }

  for (const { alias, options } of PAIRS) {
    const kind = alias.toUpperCase()
    it(`keytool -genkeypair makes an ${kind} key pair with a certificate`, async () => {
      const named = ['-alias', alias, '-dname', `CN=${alias}`, '-validity', '2']
      await keytool('-genkeypair', ...named, ...options)
    })
  }

  it('keytool -genseckey makes an AES key', async () => {
    await keytool('-genseckey', '-alias', 'aes', '-keyalg', 'AES', '-keysize', '256')
  })

  it('keytool -list shows them, in another process', async () => {
    const listed = await keytool('-list')
    match(listed, /^Your keystore contains 3 entries$/m)
    for (const { alias } of PAIRS) match(listed, new RegExp(`^${alias}, PrivateKeyEntry`, 'm'))
    match(listed, /^aes, SecretKeyEntry/m)
  })

  it('keytool -certreq signs a request', async () => {
    const request = await keytool('-certreq', '-alias', 'ec')
    const verified = ['req', '-verify', '-noout', '-subject']
    match(await token.done('openssl', verified, { input: request }), /CN = ec/)
  })

  for (const { alias } of PAIRS) {
    it(`jarsigner signs and verifies with ${alias.toUpperCase()}`, async () => {
      const content = token.file('content.txt', 'some words')
      const jar = token.file(`${alias}.jar`)
      await token.done('jar', ['cf', jar, '-C', token.folder, content.split('/').at(-1) ?? ''])
      const signed = await token.done('jarsigner', [...store, ...provider, jar, alias])
      match(signed, /jar signed/)
      match(await token.done('jarsigner', ['-verify', jar]), /jar verified/)
    })
  }

  it('keytool -delete takes one away', async () => {
    await keytool('-delete', '-alias', 'rsa')
    match(await keytool('-list'), /^Your keystore contains 2 entries$/m)
  })
})
