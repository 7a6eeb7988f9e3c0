/**
 * HPKE against the examples of RFC 9180, appendix A, and with every curve that it has.
 *
 * @module
 */
import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { describe, it } from 'node:test'
import { type HpkeOptions, hpkeOpen, hpkeSeal } from './hpke.ts'

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

/** RFC 9180, appendix A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, Base. */
const P256 = {
  ephemeral: {
    secret: '4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb',
    point:
      '04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9' +
      '8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4',
  },
  recipient: {
    secret: 'f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2',
    point:
      '04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82' +
      '6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0',
  },
  info: '4f6465206f6e2061204772656369616e2055726e',
  aad: '436f756e742d30',
  plain: '4265617574792069732074727574682c20747275746820626561757479',
  sealed:
    '5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f' +
    '9076ac232e3ab2523f39513434',
}

function p256({ secret, point }: { readonly secret: string; readonly point: string }) {
  const [x, y] = [hex(point).subarray(1, 33), hex(point).subarray(33)]
  const open = { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
  const d = hex(secret).toString('base64url')
  return {
    privateKey: createPrivateKey({ key: { ...open, d }, format: 'jwk' }),
    publicKey: createPublicKey({ key: open, format: 'jwk' }),
  }
}

/** The recipient's part, with a private key that is here. */
function agreeing(privateKey: KeyObject, publicKey: KeyObject) {
  return async (enc: Uint8Array): Promise<Uint8Array> => {
    const { kty = '', crv = '', y } = publicKey.export({ format: 'jwk' })
    const bytes = Buffer.from(enc)
    const half = (bytes.length - 1) / 2
    const key =
      y === undefined
        ? { kty, crv, x: bytes.toString('base64url') }
        : {
            kty,
            crv,
            x: bytes.subarray(1, 1 + half).toString('base64url'),
            y: bytes.subarray(1 + half).toString('base64url'),
          }
    return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) })
  }
}

describe('HPKE', () => {
  const { info, aad, plain, sealed } = P256
  const options: HpkeOptions = { aead: 'aes-128-gcm', info: hex(info), aad: hex(aad) }
  const [ephemeral, recipient] = [p256(P256.ephemeral), p256(P256.recipient)]
  const whole = Buffer.concat([hex(P256.ephemeral.point), hex(sealed)])

  it('seals as the example of RFC 9180', () => {
    const message = hpkeSeal(recipient.publicKey, hex(plain), options, ephemeral)
    equal(Buffer.from(message).toString('hex'), whole.toString('hex'))
  })

  it('opens the example of RFC 9180, and nothing that is altered', async () => {
    const agree = agreeing(recipient.privateKey, recipient.publicKey)
    const open = (message: Uint8Array) => hpkeOpen(recipient.publicKey, message, agree, options)
    deepEqual(Buffer.from(await open(whole)), hex(plain))
    for (const at of [whole.length - 1, P256.ephemeral.point.length / 2]) {
      const altered = Buffer.from(whole)
      altered[at] = (altered[at] ?? 0) ^ 1
      await rejects(open(altered))
    }
    await rejects(open(whole.subarray(0, 80)), /too short/)
  })

  for (const curve of ['P-256', 'P-384', 'P-521', 'X25519', 'X448']) {
    it(`comes back with ${curve}, for the recipient alone`, async () => {
      const pair = () => {
        if (curve === 'X25519') return generateKeyPairSync('x25519')
        if (curve === 'X448') return generateKeyPairSync('x448')
        return generateKeyPairSync('ec', { namedCurve: curve })
      }
      const [to, other] = [pair(), pair()]
      for (const data of [Buffer.alloc(0), Buffer.alloc(100_000, 7)]) {
        const message = hpkeSeal(to.publicKey, data)
        const agree = agreeing(to.privateKey, to.publicKey)
        deepEqual(Buffer.from(await hpkeOpen(to.publicKey, message, agree)), data)
        const wrong = agreeing(other.privateKey, other.publicKey)
        await rejects(hpkeOpen(to.publicKey, message, wrong))
      }
    })
  }

  it('is not there for other curves, and says for which it is', () => {
    for (const { publicKey } of [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }),
    ]) {
      throws(() => hpkeSeal(publicKey, Buffer.alloc(1)), /P-256, P-384, P-521, X25519, X448/)
    }
  })
})
