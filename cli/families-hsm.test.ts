/**
 * `claviger sym|rsa|ec` and `claviger access-rights` as users of ckms know them, on a real server
 * with SoftHSM2 behind it.
 *
 * @module
 */
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { commandsIn } from '#conformance/commands.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'

const skip = SOFTHSM === undefined && 'SoftHSM2 is not installed'
describe('commands of ckms with an HSM', { timeout: 400_000, skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-families-hsm-'))
  const dataDir = join(folder, 'data')
  let server: OwnServer
  const read = (name: string): Buffer => readFileSync(join(folder, name))

  const { done, refused } = commandsIn(() => ({ folder, dataDir }))

  before(async () => {
    mkdirSync(dataDir)
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN, { mode: 0o600 })
    writeFileSync(join(folder, 'letter.txt'), randomBytes(100_000))
    const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, label: 'ckms', identifierSlot: 4 }
    const environment = newSoftHsmToken(folder, 'ckms')
    const keystores = [
      { name: 'software', type: 'software' },
      { ...hsm, environment, pinFile: join(folder, 'pin') },
    ]
    writeFileSync(join(dataDir, 'claviger.yaml'), JSON.stringify({ keystores }))
    server = await startOwnServer({ dataDir })
  })
  after(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('answer with the identifiers that were asked for', async () => {
    const aes =
      'sym keys create --algorithm aes --number-of-bits 256 --sensitive hsm::4::aes --json'
    deepStrictEqual(JSON.parse(await done(aes)), { id: 'hsm::4::aes' })
    const rsa = 'rsa keys create --size_in_bits 2048 --sensitive hsm::softhsm2::4::rsa --json'
    deepStrictEqual(JSON.parse(await done(rsa)), {
      privateKey: 'hsm::softhsm2::4::rsa',
      publicKey: 'hsm::softhsm2::4::rsa_pk',
    })
    await refused(
      'sym keys create hsm::7::aes',
      /no keystore has this slot; there are: hsm::hsm::4/,
    )
    await refused('sym keys export -k hsm::4::aes -f raw x.bin', /sensitive|not extractable/i)
  })

  it('encrypt a file with a key of its own that the HSM wraps', async () => {
    // SoftHSM 2.6 does not offer the mechanism of RFC 5649.
    await done('sym keys create soft')
    for (const [key, how, data] of [
      ['soft', 'rfc5649', 'aes-gcm'],
      ['hsm::4::aes', 'aes-gcm', 'aes-cbc'],
      ['hsm::4::aes', 'rfc3394', 'aes-xts'],
    ]) {
      const options = `--key-id ${key} -e ${how} -d ${data}`
      await done(
        `sym encrypt ${options} -o letter.sealed letter.txt`,
        `sym decrypt ${options} -o letter.again letter.sealed`,
      )
      deepStrictEqual(read('letter.again'), read('letter.txt'))
      strictEqual(read('letter.sealed').includes(read('letter.txt').subarray(0, 64)), false)
    }
    const wrong = 'sym decrypt --key-id hsm::4::aes -e rfc3394 -d aes-gcm -o x letter.sealed'
    await refused(wrong, /Cannot decrypt/)
    await refused('sym encrypt -k hsm::4::aes -e rot13 letter.txt', /rfc5649, rfc3394/)
  })

  it('put the result where the next command looks for it', async () => {
    writeFileSync(join(folder, 'secret.pem'), 'a secret')
    await done(
      'rsa encrypt --key-id hsm::4::rsa_pk --encryption-algorithm ckm-rsa-pkcs-oaep secret.pem',
      'rsa decrypt --key-id hsm::4::rsa --encryption-algorithm ckm-rsa-pkcs-oaep secret.enc',
    )
    deepStrictEqual(read('secret.plain'), read('secret.pem'))
    match(await done('sym encrypt --key-id hsm::4::aes secret.pem'), /secret\.enc/)
    await done('sym decrypt --key-id hsm::4::aes secret.enc')
    deepStrictEqual(read('secret.plain'), read('secret.pem'))
    const why = /secret\.enc: the result would take its place; say --output-file/
    await refused('sym encrypt --key-id hsm::4::aes secret.enc', why)
  })

  it('encrypt files of any length with an RSA key of the HSM', async () => {
    const how = '-e ckm-rsa-aes-key-wrap -s sha1'
    await done(
      `rsa encrypt -k hsm::4::rsa_pk ${how} -o letter.rsa letter.txt`,
      `rsa decrypt -k hsm::4::rsa ${how} -o letter.again letter.rsa`,
    )
    deepStrictEqual(read('letter.again'), read('letter.txt'))
    // 256 bytes of RSA, 8 bytes of RFC 5649.
    strictEqual(read('letter.rsa').length, 256 + 100_000 + 8)
    const altered = read('letter.rsa')
    altered.writeUInt8(altered.readUInt8(300) ^ 1, 300)
    writeFileSync(join(folder, 'altered.rsa'), altered)
    await refused(`rsa decrypt -k hsm::4::rsa ${how} -o x altered.rsa`, /Cannot decrypt/)
    writeFileSync(join(folder, 'short.rsa'), altered.subarray(0, 256))
    await refused(`rsa decrypt -k hsm::4::rsa ${how} -o x short.rsa`, /Cannot decrypt/)
  })

  it('wrap a key that is too long for RSA alone, and unwrap it in the HSM', async () => {
    await done(
      'rsa keys create --size_in_bits 2048 long',
      'rsa keys export -k long -f pkcs1-der l.der',
    )
    for (const how of ['rsa-aes-key-wrap', 'rsa-aes-key-wrap-sha1']) {
      await done(
        `rsa keys export -k long -w hsm::4::rsa_pk -m ${how} -f json-ttlv ${how}.json`,
        `rsa keys import ${how}.json ${how}`,
        `rsa keys export -k ${how} --unwrap -f pkcs1-der again.der`,
      )
      deepStrictEqual(read('again.der'), read('l.der'))
      strictEqual(read(`${how}.json`).includes(read('l.der').toString('hex', 50, 90)), false)
    }
    await refused('rsa keys export -k long -w hsm::4::rsa_pk -m rsa-oaep l.json', /at most|bytes/i)
  })

  it('sign, and decrypt files, with elliptic curves', async () => {
    await done(
      'ec keys create --curve nist-p256 --sensitive hsm::4::curve',
      'ec sign --key-id hsm::4::curve -o letter.sig letter.txt',
      'ec sign-verify --key-id hsm::4::curve_pk letter.txt letter.sig',
      'ec encrypt --key-id hsm::4::curve_pk -o curve.enc letter.txt',
      'ec decrypt --key-id hsm::4::curve -o curve.txt curve.enc',
    )
  })

  it('share single operations of a key', async () => {
    await done('credential create app1')
    await refused('sym encrypt -k hsm::4::aes --as app1 letter.txt', /no key "hsm::4::aes"/)
    await refused('sym keys create hsm::4::mine --as app1', /administrators: admin/)
    const grant = 'access-rights grant app1 --object-uid hsm::4::aes encrypt get_attributes'
    match(await done(grant), /get_attributes, encrypt/)
    await done('sym encrypt -k hsm::4::aes --as app1 -o by-app1.enc letter.txt')
    await refused('sym decrypt -k hsm::4::aes --as app1 by-app1.enc', /granted .*, not decrypt/)
    await refused('access grant app1 -i hsm::4::aes destroy', /administrators of its HSM/)
    await refused('access-rights grant app1 get', /--object-uid/)
    const listed = JSON.parse(await done('access-rights list hsm::4::aes --json'))
    deepStrictEqual(listed[0].rights, ['get_attributes', 'encrypt'])
    match(await done('access obtained --as app1'), /hsm::4::aes +app1 .*get_attributes, encrypt/)
    match(await done('access-rights revoke app1 -i hsm::4::aes encrypt get_attributes'), /none/)
    await refused('sym encrypt -k hsm::4::aes --as app1 letter.txt', /no key "hsm::4::aes"/)
  })

  it('destroy both halves, without revoking, and make them again', async () => {
    await done(
      'rsa keys destroy --key-id hsm::softhsm2::4::rsa',
      'rsa keys create --size_in_bits 2048 hsm::softhsm2::4::rsa',
      'rsa sign --key-id hsm::softhsm2::4::rsa -o letter.sig letter.txt',
      'rsa sign-verify --key-id hsm::4::rsa_pk letter.txt letter.sig',
      'rsa keys destroy --key-id hsm::softhsm2::4::rsa --remove',
    )
    await refused('keys show hsm::softhsm2::4::rsa_pk', /no key|none that you may see/)
  })

  it('remove what was destroyed, and unwrap what came wrapped', async () => {
    await done('sym keys create kek', 'sym keys create inner')
    const { id } = JSON.parse(await done('sym keys create gone --json')) as { id: string }
    await refused('sym keys destroy -k gone --remove', /is active\. Revoke it first/)
    await done('sym keys revoke -k gone over', 'sym keys destroy -k gone --remove')
    await refused(`keys show ${id}`, /no key/)
    await done(
      'sym keys export -k inner -f raw inner.bin',
      'sym keys export -k inner -w kek -m aes-key-wrap-padding inner.json',
      'sym keys import inner.json brought',
      'sym keys export -k brought --unwrap -f raw brought.bin',
    )
    deepStrictEqual(read('brought.bin'), read('inner.bin'))
    const next = JSON.parse(await done('sym keys re-key --key-id inner --json')) as { id: string }
    const shown = JSON.parse(await done('keys show inner --json')) as { id: string }
    strictEqual(shown.id, next.id)
  })
})
