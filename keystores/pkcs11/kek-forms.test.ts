/**
 * Wrapped values are opened as RFC 3394, RFC 5649 and PKCS#5 padding have them, and nothing else.
 *
 * The values of `pkcs5` are worked out with node:crypto, and by hand for the KEK and the keys of
 * RFC 3394 §4; those of RFC 5649 stand in its §6.
 *
 * @module
 */
import { deepEqual, equal, throws } from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { fits, kekOfFile, newIv, ofLength, openWrapped } from './kek-forms.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const KEK = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')

describe('keys wrapped by a device', () => {
  it('open by RFC 3394', () => {
    const wrapped = hex(
      '28c9f404c4b810f4 cbccb35cfb87f826 3f5786e2d80ed326 cbc7f0e71a99f43b fb988b9b7a02dd21',
    )
    const key = hex('00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f')
    deepEqual(openWrapped('rfc3394', KEK, wrapped), new Uint8Array(key))
  })

  it('open by RFC 5649, also where they are shorter than a block', () => {
    const kek = hex('5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8')
    const long = hex('138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a')
    deepEqual(
      openWrapped('rfc5649', kek, long),
      new Uint8Array(hex('c37b7e6492584340 bed1220780894115 5068f738')),
    )
    const short = hex('afbeb0f07dfbf541 9200f2ccb50bb24f')
    deepEqual(openWrapped('rfc5649', kek, short), new Uint8Array(hex('466f7250617369')))
  })

  it('open by RFC 3394 after PKCS#5 padding', () => {
    const cases = [
      [
        '00112233445566778899aabbccddeeff',
        '3426b13862b5bf25adf3f8c8f74b35f81829224d8e746eb7c5dabac1d472e214',
      ],
      [
        '00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f',
        'bedda2ae2bd4d45a988036805e20310b9ad335f0b4e5ff4990fb044c6f42fb1c' +
          'd54845d801a044a2bbc7d84a49d48390',
      ],
    ] as const
    for (const [key, wrapped] of cases) {
      deepEqual(openWrapped('pkcs5', KEK, hex(wrapped)), new Uint8Array(hex(key)))
    }
    for (let bytes = 9; bytes < 40; bytes++) {
      const key = randomBytes(bytes)
      const count = 8 - (bytes % 8)
      const padded = Buffer.concat([key, Buffer.alloc(count, count)])
      deepEqual(openWrapped('pkcs5', KEK, wrap(padded)), new Uint8Array(key))
    }
  })

  it('do not open with another key, when altered, or in another form', () => {
    const wrapped = wrap(randomBytes(32))
    equal(openWrapped('rfc3394', randomBytes(32), wrapped), undefined)
    equal(openWrapped('rfc5649', KEK, wrapped), undefined)
    equal(openWrapped('rfc3394', KEK, wrapped.subarray(1)), undefined)
    equal(openWrapped('rfc3394', KEK, Buffer.alloc(0)), undefined)
    const altered = Buffer.from(wrapped)
    altered.writeUInt8(altered.readUInt8(20) ^ 1, 20)
    equal(openWrapped('rfc3394', KEK, altered), undefined)
    for (const end of ['00', '09', '0302', '040404']) {
      const plain = Buffer.concat([Buffer.alloc(24, 0x77), hex(end.padStart(16, '7'))])
      equal(openWrapped('pkcs5', KEK, wrap(plain)), undefined, end)
    }
  })

  it('open by CBC with four bytes of padding at least', () => {
    for (const bytes of [16, 24, 32, 17]) {
      const key = randomBytes(bytes)
      const iv = newIv('cbc') as Uint8Array
      const cipher = createCipheriv('aes-256-cbc', KEK, iv)
      const wrapped = Buffer.concat([cipher.update(key), cipher.final()])
      deepEqual(openWrapped('cbc', KEK, wrapped, iv), new Uint8Array(key))
      for (let tries = 0; tries < 1_000; tries++) {
        equal(openWrapped('cbc', randomBytes(32), wrapped, iv), undefined)
      }
      equal(openWrapped('cbc', KEK, wrapped), undefined)
    }
    equal(fits('cbc', 28), true)
    equal(fits('cbc', 29), false)
  })

  it('are cut where a device has filled them up with zeros, and nowhere else', () => {
    deepEqual(ofLength(Uint8Array.of(1, 2, 3, 0, 0), 3), Uint8Array.of(1, 2, 3))
    equal(ofLength(Uint8Array.of(1, 2, 3, 0, 1), 3), undefined)
    equal(ofLength(new Uint8Array(16), 8), undefined)
    equal(ofLength(new Uint8Array(16), 24), undefined)
    equal(fits('rfc3394', 20), false)
    equal(fits('rfc5649', 20), true)
  })
})

describe('a key-encrypting key in a file', () => {
  it('is its bytes, or PEM', () => {
    for (const bytes of [16, 24, 32]) {
      const key = randomBytes(bytes)
      deepEqual(kekOfFile(key), new Uint8Array(key))
      for (const end of ['\n', '\r\n']) {
        const lines = ['-----BEGIN AES-256 KEY-----', key.toString('base64'), '-----END KEY-----']
        deepEqual(kekOfFile(Buffer.from(lines.join(end))), new Uint8Array(key))
      }
    }
  })

  it('is refused where it is no AES key', () => {
    throws(() => kekOfFile(randomBytes(33)), /33 bytes, an AES key has 16, 24, 32/)
    const pem = `-----BEGIN KEY-----\n${randomBytes(20).toString('base64')}\n-----END KEY-----\n`
    throws(() => kekOfFile(Buffer.from(pem)), /20 bytes/)
    throws(() => kekOfFile(Buffer.from('-----BEGIN')), /0 bytes/)
  })
})

function wrap(plain: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', KEK, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(plain), cipher.final()])
}
