/**
 * Keys that OpenSSL reads and that are none.
 *
 * @module
 */
import { equal, match } from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { unsoundness } from './sound-key.ts'

function rsa(modulus: Buffer, exponent: Buffer): string | undefined {
  const [n, e] = [modulus, exponent].map((one) => one.toString('base64url')) as [string, string]
  return unsoundness(createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }))
}

describe('what is wrong with a key', () => {
  it('an RSA exponent that leaves data as they are, or cannot be undone', () => {
    const modulus = Buffer.alloc(256, 0xff)
    equal(rsa(modulus, Buffer.of(3)), undefined)
    for (const exponent of [0, 1, 2, 4]) match(String(rsa(modulus, Buffer.of(exponent))), /odd/)
  })

  it('an RSA modulus that is nothing, or too short', () => {
    const exponent = Buffer.of(1, 0, 1)
    equal(rsa(Buffer.alloc(64, 0xff), exponent), undefined)
    for (const bytes of [1, 8, 63]) match(String(rsa(Buffer.alloc(bytes, 0xff), exponent)), /bits/)
    match(String(rsa(Buffer.alloc(1), exponent)), /bits/)
  })

  it('a private value on a curve that has no public half', () => {
    const type = { asymmetricKeyType: 'ec', namedCurve: 'P-256' } as const
    const read = (key: Buffer) => createPrivateKey({ key, format: 'raw-private', ...type })
    const of = (bytes: Buffer) => unsoundness(read(bytes))
    match(String(of(Buffer.alloc(32))), /infinity/)
    const key = read(Buffer.alloc(32)).export({ format: 'der', type: 'pkcs8' })
    match(String(unsoundness(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))), /infinity/)
    // What has failed is nothing to the next one.
    const next = read(Buffer.alloc(32, 7)).export({ format: 'der', type: 'pkcs8' })
    equal(unsoundness(createPrivateKey({ key: next, format: 'der', type: 'pkcs8' })), undefined)
    const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
    match(String(of(Buffer.from(order, 'hex'))), /infinity/)
    equal(of(Buffer.alloc(32, 7)), undefined)
  })

  it('a public key that is the point at infinity, raw or read', () => {
    const type = { asymmetricKeyType: 'ec', namedCurve: 'P-256' } as const
    const raw = createPublicKey({ key: Buffer.of(0), format: 'raw-public', ...type })
    match(String(unsoundness(raw)), /infinity/)
    const key = raw.export({ format: 'der', type: 'spki' })
    match(String(unsoundness(createPublicKey({ key, format: 'der', type: 'spki' }))), /infinity/)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    equal(unsoundness(publicKey), undefined)
  })

  it('nothing where the key was made as it should be', () => {
    for (const type of ['ed25519', 'x25519', 'ml-dsa-44'] as const) {
      const { privateKey, publicKey } = generateKeyPairSync(type as 'ed25519')
      equal(unsoundness(privateKey), undefined)
      equal(unsoundness(publicKey), undefined)
    }
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    equal(unsoundness(privateKey), undefined)
    equal(unsoundness(publicKey), undefined)
  })
})
