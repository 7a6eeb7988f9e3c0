/**
 * `claviger ec encrypt|decrypt`, with files of our own and such as ckms writes them.
 *
 * @module
 */
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { createCipheriv, createECDH, createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { commandsIn } from '#conformance/commands.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { ObjectType, StorageStatusMask } from '#spec/kmip/enumerations.ts'

interface Theirs {
  /** Name of OpenSSL. */
  readonly curve: string
  readonly order: bigint
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm'
  readonly keyBytes: number
  readonly shake: string
}

/** Orders: SEC 2 §2.4.2 and §2.5.1. */
const P256: Theirs = {
  curve: 'prime256v1',
  order: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  cipher: 'aes-128-gcm',
  keyBytes: 16,
  shake: 'shake128',
}
const P384: Theirs = {
  curve: 'secp384r1',
  order: BigInt(
    '0xffffffffffffffffffffffffffffffffffffffffffffffff' +
      'c7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ),
  cipher: 'aes-256-gcm',
  keyBytes: 32,
  shake: 'shake256',
}

/**
 * A file as ckms writes it. The whole shared point, which no Diffie-Hellman of Node gives, is the
 * public key of the product of both secrets.
 */
function asCkms(pem: string, theirs: Theirs, text: string) {
  const { curve, order, cipher, keyBytes, shake } = theirs
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' })
  const secret = BigInt(`0x${Buffer.from(d, 'base64url').toString('hex')}`)
  const factor = (BigInt(`0x${randomBytes(40).toString('hex')}`) % (order - 1n)) + 1n
  const compressed = (scalar: bigint): Buffer => {
    const ecdh = createECDH(curve)
    const digits = scalar.toString(16)
    ecdh.setPrivateKey(
      Buffer.from(digits.padStart(digits.length + (digits.length & 1), '0'), 'hex'),
    )
    return ecdh.getPublicKey(null, 'compressed')
  }
  const [point, own, shared] = [factor, secret, (factor * secret) % order].map(compressed) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const key = createHash(shake, { outputLength: keyBytes }).update(shared).digest()
  const iv = createHash(shake, { outputLength: 12 }).update(point).update(own).digest()
  const sealing = createCipheriv(cipher, key, iv)
  const parts = [point, sealing.update(text), sealing.final(), sealing.getAuthTag()]
  return { file: Buffer.concat(parts), sign: shared[0] }
}

describe('claviger ec encrypt and decrypt', { timeout: 240_000 }, () => {
  let server: OwnServer
  let folder: string
  const { done, refused } = commandsIn(() => ({ folder, dataDir: server.dataDir }))
  const file = (name: string): string => join(folder, name)
  const read = (name: string): string => readFileSync(file(name), 'utf8')

  before(async () => {
    server = await startOwnServer()
    folder = mkdtempSync(join(tmpdir(), 'claviger-ecies-'))
    writeFileSync(file('letter.txt'), 'Dear reader')
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const curve of ['nist-p256', 'nist-p521', 'x25519']) {
    it(`go there and back with ${curve}, by the name of either half`, async () => {
      await done(
        `ec keys create --curve ${curve} ${curve}`,
        `ec encrypt -k ${curve} -a 0102 letter.txt`,
        `ec decrypt -k ${curve}_pk -a 0102 letter.enc`,
      )
      strictEqual(read('letter.plain'), 'Dear reader')
      await refused(`ec decrypt -k ${curve} -o no.txt letter.enc`, /Cannot decrypt: the file/)
    })
  }

  it('leave nothing of what was agreed on', async () => {
    const client = new KmipClient(server.client('admin'))
    const { uniqueIdentifier } = await client.call('Locate', {
      storageStatusMask: StorageStatusMask.OnLineStorage,
      attribute: [],
      attributes: { attributes: [{ id: 'objectType', value: ObjectType.SecretData }] },
    })
    client.close()
    deepStrictEqual(uniqueIdentifier, [])
  })

  it('say which curves there are', async () => {
    await done('ec keys create --curve ed25519 signing')
    await refused('ec encrypt -k signing letter.txt', /of Ed25519; P-256, P-384, P-521, X25519/)
  })

  for (const [name, theirs] of Object.entries({ 'nist-p256': P256, 'nist-p384': P384 })) {
    it(`decrypt what ckms has written for ${name}, of either sign`, async () => {
      await done(
        `ec keys create --curve ${name} from-${name}`,
        `ec keys export -k from-${name} -f pkcs8-pem ${name}.pem`,
      )
      for (const wanted of [2, 3]) {
        let made = asCkms(read(`${name}.pem`), theirs, 'Dear stranger')
        while (made.sign !== wanted) made = asCkms(read(`${name}.pem`), theirs, 'Dear stranger')
        writeFileSync(file('theirs.enc'), made.file)
        await done(`ec decrypt -k from-${name} theirs.enc`)
        strictEqual(read('theirs.plain'), 'Dear stranger')
      }
      const altered = readFileSync(file('theirs.enc'))
      altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
      writeFileSync(file('altered.enc'), altered)
      await refused(`ec decrypt -k from-${name} altered.enc`, /Cannot decrypt: the file/)
    })
  }
})
