/**
 * `claviger sym|rsa|ec`: commands written for ckms, with the program's name changed.
 *
 * @module
 */
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import {
  constants,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  verify as verifyLocally,
} from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { commandsIn } from '#conformance/commands.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'

describe('the commands of ckms', { timeout: 180_000 }, () => {
  let server: OwnServer
  let folder: string
  const { done, refused } = commandsIn(() => ({ folder, dataDir: server.dataDir }))

  before(async () => {
    server = await startOwnServer()
    folder = mkdtempSync(join(tmpdir(), 'claviger-families-'))
    writeFileSync(file('letter.txt'), 'Dear reader')
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function file(name: string): string {
    return join(folder, name)
  }

  function read(name: string): string {
    return readFileSync(file(name), 'utf8')
  }

  it('make a symmetric key that encrypts and decrypts, called by name or tag', async () => {
    await done(
      'sym keys create --algorithm aes --number-of-bits 256 --tag red --tag blue aes1',
      'sym encrypt --key-id aes1 --data-encryption-algorithm aes-gcm letter.txt',
      'sym decrypt --tag red --tag blue --output-file gcm.txt letter.enc',
      'sym encrypt -k aes1 -d aes-cbc -o letter.cbc letter.txt',
      'sym decrypt -k aes1 -d aes-cbc -o cbc.txt letter.cbc',
    )
    deepStrictEqual([read('gcm.txt'), read('cbc.txt')], ['Dear reader', 'Dear reader'])
    await refused('sym decrypt -k aes1 -a 00 letter.enc', /tag|Cryptographic/i)
    await refused('sym encrypt --tag green letter.txt', /no key of this kind with the tags green/)
  })

  it('make an RSA pair that encrypts with every padding, and signs with PSS', async () => {
    await done('rsa keys create --size_in_bits 2048 rsa1')
    const how = '--encryption-algorithm ckm-rsa-pkcs-oaep --hashing-algorithm sha256'
    await done(
      `rsa encrypt --key-id rsa1_pk ${how} -o letter.oaep letter.txt`,
      `rsa decrypt --key-id rsa1 ${how} -o oaep.txt letter.oaep`,
      'rsa encrypt -k rsa1_pk -e ckm-rsa-pkcs -o letter.pkcs letter.txt',
      'rsa decrypt -k rsa1 -e ckm-rsa-pkcs -o pkcs.txt letter.pkcs',
      'rsa sign -k rsa1 letter.txt',
      'rsa sign-verify -k rsa1_pk letter.txt letter.txt.sig',
      'rsa keys export --key-id rsa1_pk --key-format pkcs8-pem public.pem',
    )
    deepStrictEqual([read('oaep.txt'), read('pkcs.txt')], ['Dear reader', 'Dear reader'])
    const key = createPublicKey(read('public.pem'))
    const signature = readFileSync(file('letter.txt.sig'))
    const padding = { key, padding: 6, saltLength: -2 }
    strictEqual(verifyLocally('sha256', readFileSync(file('letter.txt')), padding, signature), true)
    await refused('rsa sign-verify -k rsa1 public.pem letter.txt.sig', /^$/)
    await refused('rsa encrypt -k aes1 letter.txt', /SymmetricKey, AES; claviger rsa is for RSA/)
  })

  it('encrypt by CKM_RSA_AES_KEY_WRAP what an application opens with the private key', async () => {
    await done('rsa keys create --size_in_bits 2048 --tag wide wide')
    await done('rsa keys export -k wide -f pkcs8-pem wide.pem')
    const own = createPrivateKey(read('wide.pem'))
    for (const [name, hash] of [
      ['sha256', 'sha256'],
      ['sha512', 'sha512'],
    ] as const) {
      const how = `-e ckm-rsa-aes-key-wrap -s ${name}`
      await done(`rsa encrypt --tag wide ${how} -o wide.enc letter.txt`)
      const bytes = readFileSync(file('wide.enc'))
      const oaep = { key: own, oaepHash: hash, padding: constants.RSA_PKCS1_OAEP_PADDING }
      const aes = privateDecrypt(oaep, bytes.subarray(0, 256))
      strictEqual(aes.length, 32)
      const iv = Buffer.from('A65959A6', 'hex')
      const decipher = createDecipheriv('id-aes256-wrap-pad', aes, iv)
      const plain = Buffer.concat([decipher.update(bytes.subarray(256)), decipher.final()])
      strictEqual(plain.toString(), 'Dear reader')
      await done(`rsa decrypt --tag wide ${how} -o wide.txt wide.enc`)
      strictEqual(read('wide.txt'), 'Dear reader')
    }
    writeFileSync(file('nothing.txt'), '')
    await refused('rsa encrypt -k wide -e ckm-rsa-aes-key-wrap nothing.txt', /1 byte or more/)
  })

  it('make elliptic-curve pairs of every kind', async () => {
    for (const curve of ['nist-p256', 'ed25519', 'secp256k1']) {
      await done(
        `ec keys create --curve ${curve} ${curve}`,
        `ec sign -k ${curve} -o ${curve}.sig letter.txt`,
        `ec sign-verify -k ${curve}_pk letter.txt ${curve}.sig`,
      )
    }
    await done('ec keys create --curve x25519 agreeing')
  })

  it('export keys in every format that they have, and import them again', async () => {
    await done(
      'sym keys create traveller',
      'sym encrypt -k traveller -o away.enc letter.txt',
      'sym keys export -k traveller traveller.json',
      'sym keys import traveller.json again',
      'sym decrypt -k again -o away.txt away.enc',
      'rsa keys create -s 2048 rsa2',
    )
    strictEqual(read('away.txt'), 'Dear reader')
    for (const [out, format, back] of [
      ['pkcs8-pem', 'pem', 'one'],
      ['pkcs8-der', 'pkcs8-priv', 'two'],
      ['pkcs1-der', 'pkcs1-priv', 'three'],
    ]) {
      await done(
        `rsa keys export -k rsa2 -f ${out} rsa2.key`,
        `rsa keys import -f ${format} rsa2.key ${back}`,
        `rsa sign -k ${back} -o ${back}.sig letter.txt`,
        `rsa sign-verify -k rsa2_pk letter.txt ${back}.sig`,
      )
    }
    await refused('sym keys export -k traveller -f pkcs8-pem x.pem', /keys of this kind/)
    await refused('ec keys import -f pkcs8-priv rsa2.key wrong', /no pkcs8|another kind/)
    await refused('rsa keys import -f pkcs8-pub public.pem wrong', /PEM; say --key-format pem/)
  })

  it('wrap and unwrap with a key on the server, or one at hand', async () => {
    await done(
      'sym keys create kek',
      'sym keys create inner',
      'sym keys export -k inner -f raw inner.bin',
      'sym keys export -k inner -w kek -m aes-key-wrap-padding -f raw inner.wrapped',
      'sym keys unwrap -i kek inner.wrapped inner.again',
      'sym keys export -k kek -f raw kek.bin',
      'sym keys wrap -f kek.bin inner.bin inner.local',
    )
    deepStrictEqual(readFileSync(file('inner.again')), readFileSync(file('inner.bin')))
    deepStrictEqual(readFileSync(file('inner.local')), readFileSync(file('inner.wrapped')))
    await refused('sym keys unwrap -f kek.bin letter.txt', /the key or the data is wrong/)
  })

  it('keep a key only as it is wrapped, by a symmetric key or a public one, and use it', async () => {
    await done(
      'sym keys create --wrapping-key-id kek kept',
      'rsa keys create -s 2048 wrapper',
      'sym keys create --wrapping-key-id wrapper_pk kept2',
      'sym keys export -k kept -f raw kept.bin',
      'sym keys import -f aes kept.bin -w kek kept3',
      'rsa keys create -s 2048 -w kek kept4',
      'sym encrypt -k kept letter.txt -o letter.kept',
      'sym decrypt -k kept3 letter.kept -o letter.again',
      'rsa encrypt -k kept4_pk letter.txt -o letter.kept4',
      'rsa decrypt -k kept4 letter.kept4 -o letter.again4',
      'sym encrypt -k kept2 letter.txt',
    )
    deepStrictEqual(readFileSync(file('letter.again')), readFileSync(file('letter.txt')))
    deepStrictEqual(readFileSync(file('letter.again4')), readFileSync(file('letter.txt')))
    match(await done('keys show kept3'), /WrappingKeyLink/)
    await refused('sym keys create --wrapping-key-id kept kept5', /itself kept under another/)
    await refused('sym keys create --wrapping-key-id nobody kept6', /nobody/)
  })

  it('keep what is sensitive, and make no key in hardware where there is none', async () => {
    await done('sym keys create --sensitive secret')
    await refused('sym keys export -k secret -f raw x.bin', /leaves only wrapped/)
    await refused('sym keys create hsm::4::key', /no keystore has this slot/)
    await refused('rsa keys create hsm::4::key', /no keystore has this slot/)
  })

  it('locate, revoke and destroy', async () => {
    await done('sym keys create --tag ending -l 128 ending')
    const [id, ...others] = JSON.parse(await done('sym keys locate --tag ending --json'))
    deepStrictEqual(others, [])
    await refused('sym keys destroy --key-id ending', /is active\. Revoke it first/)
    await done(`sym keys revoke --key-id ${id} -r key-compromise lost`)
    match(await done('sym keys destroy --key-id ending'), /Destroyed/)
  })
})

const skip = SOFTHSM === undefined && 'SoftHSM2 is not installed'
describe('the commands of ckms for keys in an HSM', { timeout: 120_000, skip }, () => {
  let server: OwnServer
  let folder: string
  const { done, refused } = commandsIn(() => ({ folder, dataDir: server.dataDir }))

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-families-'))
    const { SOFTHSM2_CONF } = newSoftHsmToken(folder, 'families')
    const dataDir = join(folder, 'data')
    mkdirSync(dataDir)
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN, { mode: 0o600 })
    writeFileSync(join(folder, 'letter.txt'), 'Dear reader')
    const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, label: 'families' }
    const environment = { SOFTHSM2_CONF }
    const settings = { environment, pinFile: join(folder, 'pin'), identifierSlot: 4 }
    const keystores = [
      { name: 'software', type: 'software' },
      { ...hsm, ...settings },
    ]
    writeFileSync(join(dataDir, 'claviger.yaml'), JSON.stringify({ keystores }))
    server = await startOwnServer({ dataDir })
  })
  after(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('make it there, work with it there, and let only its public half out', async () => {
    const oaep = '--encryption-algorithm ckm-rsa-pkcs-oaep --hashing-algorithm sha1'
    await done(
      'sym keys create --algorithm aes --number-of-bits 256 --sensitive hsm::4::aes',
      'sym encrypt --key-id hsm::4::aes letter.txt',
      'sym decrypt --key-id hsm::4::aes -o aes.txt letter.enc',
      'rsa keys create --size_in_bits 2048 --sensitive hsm::4::rsa',
      'rsa keys export --key-id hsm::4::rsa_pk --key-format pkcs8-pem public.pem',
      `rsa encrypt --key-id hsm::4::rsa_pk ${oaep} -o letter.oaep letter.txt`,
      `rsa decrypt --key-id hsm::4::rsa ${oaep} -o rsa.txt letter.oaep`,
      'rsa sign -k hsm::4::rsa letter.txt',
      'rsa sign-verify -k hsm::4::rsa_pk letter.txt letter.txt.sig',
    )
    for (const name of ['aes.txt', 'rsa.txt']) {
      strictEqual(readFileSync(join(folder, name), 'utf8'), 'Dear reader')
    }
    await refused('sym keys export -k hsm::4::aes -f raw x.bin', /Cannot/)
    const shown = JSON.parse(await done('keys show hsm::4::aes --json'))
    match(JSON.stringify(shown.attributes['Protection Storage Mask']), /Hardware/)
  })

  it('keep keys wrapped by one in the HSM, and use them', async () => {
    await done(
      'sym keys create -l 256 hsm::4::kek',
      'rsa keys create -s 2048 hsm::4::kek2',
      'sym keys create --wrapping-key-id hsm::4::kek kept',
      'sym keys create --wrapping-key-id hsm::4::kek2_pk kept2',
      'sym encrypt -k kept letter.txt -o letter.kept',
      'sym decrypt -k kept letter.kept -o letter.again',
      'sym encrypt -k kept2 letter.txt',
      'sym keys create -l 256 hsm::4::kek3',
    )
    const moved = JSON.parse(await done('hsm rewrap hsm::4::kek2_pk hsm::4::kek3 --json'))
    deepStrictEqual(moved, { moved: 1, failed: [] })
    await done(
      'rsa keys revoke --key-id hsm::4::kek2 ended',
      'sym encrypt -k kept2 letter.txt',
      'sym keys revoke --key-id hsm::4::kek ended',
    )
    deepStrictEqual(
      readFileSync(join(folder, 'letter.again')),
      readFileSync(join(folder, 'letter.txt')),
    )
    await refused('sym decrypt -k kept letter.kept', /kept wrapped with .* keystore "hsm"/)
    const both = 'sym keys create --wrapping-key-id hsm::4::kek3 hsm::4::both'
    await refused(both, /Cannot keep a key wrapped/)
  })

  it('destroy it without revoking it first', async () => {
    await done('sym keys create hsm::4::short', 'sym keys destroy --key-id hsm::4::short')
    await refused('sym encrypt --key-id hsm::4::short letter.txt', /it is destroyed/)
  })

  it('encrypt and sign in parts as in one', async () => {
    const [aes, rsa] = await Promise.all(
      ['hsm::4::aes', 'hsm::4::rsa'].map(async (name) => {
        return JSON.parse(await done(`keys show ${name} --json`)).id as string
      }),
    )
    const kmip = new KmipClient(server.client('admin'))
    try {
      const how = {
        uniqueIdentifier: aes,
        cryptographicParameters: { blockCipherMode: 1, paddingMethod: 3 },
        ivCounterNonce: Buffer.alloc(16),
      } as const
      const [one, two] = [Buffer.alloc(20, 1), Buffer.alloc(20, 2)]
      const whole = await kmip.call('Encrypt', { ...how, data: Buffer.concat([one, two]) })
      const begun = await kmip.call('Encrypt', { ...how, data: one, initIndicator: true })
      const { correlationValue } = begun
      const end = await kmip.call('Encrypt', { correlationValue, data: two, finalIndicator: true })
      const parts = [begun.data ?? Buffer.alloc(0), end.data ?? Buffer.alloc(0)]
      deepStrictEqual(Buffer.concat(parts), Buffer.from(whole.data ?? []))
      const signing = await kmip.call('Sign', {
        uniqueIdentifier: rsa,
        cryptographicParameters: { paddingMethod: 8, hashingAlgorithm: 6 },
        data: one,
        initIndicator: true,
      })
      const { signatureData } = await kmip.call('Sign', {
        correlationValue: signing.correlationValue,
        data: two,
        finalIndicator: true,
      })
      const key = createPublicKey(readFileSync(join(folder, 'public.pem'), 'utf8'))
      const data = Buffer.concat([one, two])
      strictEqual(verifyLocally('sha256', data, key, signatureData as Uint8Array), true)
    } finally {
      kmip.close()
    }
  })
})
