/**
 * The distribution's `p11-kit-client.so` in place of our module: it speaks to the server's socket
 * itself, and shows programs what version 0 of the protocol can carry.
 *
 * @module
 */
import { deepStrictEqual, match, throws } from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { NativeModule } from '#keystores/pkcs11/native.ts'
import { CKA, CKF, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { makePair } from './key-pairs.ts'
import {
  absent,
  LABEL,
  P11_KIT_CLIENT,
  PIN,
  startToken,
  type TokenUnderTest,
} from './token-under-test.ts'

const NEEDS = absent(P11_KIT_CLIENT, 'p11-kit', 'pkcs11-tool', 'p11tool')
const PAIRS = [
  { id: '01', label: 'rsa', type: 'rsa:2048', mechanism: 'RSA-PKCS' },
  { id: '02', label: 'ec', type: 'EC:prime256v1', mechanism: 'ECDSA' },
] as const

describe('p11-kit-client.so', { skip: NEEDS, timeout: 300_000 }, () => {
  let token: TokenUnderTest
  let remote: TokenUnderTest
  before(async () => {
    token = await startToken()
    remote = await token.remote()
  })
  after(async () => {
    await remote?.stop()
    await token?.stop()
  })

  const tool = (...args: readonly string[]): Promise<string> => {
    const options = ['--module', remote.module, '--token-label', LABEL, '--login', '--pin', PIN]
    return remote.done('pkcs11-tool', [...options, ...args])
  }
  const p11tool = async (...args: readonly string[]): Promise<string> => {
    const env = { GNUTLS_PIN: PIN }
    const all = ['--provider', remote.module, '--batch', ...args]
    const { code, output } = await remote.run('p11tool', all, { env })
    deepStrictEqual(code, 0, output)
    return output
  }

  it('lists the token', async () => {
    const slots = ['--module', remote.module, '--list-token-slots']
    match(await remote.done('pkcs11-tool', slots), new RegExp(`token label +: ${LABEL}`))
    match(await tool('--list-mechanisms'), /RSA-PKCS-PSS/)
    match(await p11tool('--list-tokens'), new RegExp(`Label: ${LABEL}`))
  })

  for (const { mechanism, ...pair } of PAIRS) {
    it(`makes a key pair (${pair.type}) and signs with it`, async () => {
      await makePair(remote, pair)
      const [digest, signature] = [remote.file('digest', randomBytes(32)), remote.file('signature')]
      const form = mechanism === 'ECDSA' ? ['--signature-format', 'openssl'] : []
      const how = ['--mechanism', mechanism, '--id', pair.id, ...form, '-i', digest]
      await tool('--sign', ...how, '-o', signature)
      const [der, pem] = [remote.file('public.der'), remote.file('public.pem')]
      await tool('--read-object', '--type', 'pubkey', '--id', pair.id, '-o', der)
      await remote.done('openssl', ['pkey', '-pubin', '-inform', 'DER', '-in', der, '-out', pem])
      const verify = ['-verify', '-pubin', '-inkey', pem, '-in', digest, '-sigfile', signature]
      match(await remote.done('openssl', ['pkeyutl', ...verify]), /Verified Successfully/)
    })
  }

  it('shows and uses what the module has made, and the reverse', async () => {
    const listed = await p11tool('--login', '--list-privkeys', `pkcs11:token=${LABEL}`)
    for (const { label } of PAIRS) match(listed, new RegExp(`Label: ${label}\\n`))
    const options = ['--module', token.module, '--token-label', LABEL, '--login', '--pin', PIN]
    const direct = await token.done('pkcs11-tool', [...options, '--list-objects'])
    for (const { label } of PAIRS) match(direct, new RegExp(`label: +${label}\\n`))
    const uri = `pkcs11:token=${LABEL};object=rsa;type=private`
    match(await p11tool('--login', '--test-sign', uri), /ok/)
  })

  it('writes data and reads it back', async () => {
    const bytes = randomBytes(1_000)
    const [data, back] = [remote.file('data', bytes), remote.file('back')]
    await tool('--write-object', data, '--type', 'data', '--label', 'data')
    await tool('--read-object', '--type', 'data', '--label', 'data', '-o', back)
    deepStrictEqual(readFileSync(back), bytes)
    await tool('--delete-object', '--type', 'data', '--label', 'data')
  })

  it('starts anew in a child of fork()', async () => {
    await tool('--test-fork')
  })

  it('is told that a call is too long, and goes on', () => {
    const { P11_KIT_SERVER_ADDRESS: address } = remote.env
    process.env['P11_KIT_SERVER_ADDRESS'] = address
    const native = new NativeModule(remote.module)
    native.initialise()
    try {
      tooLong(native)
    } finally {
      native.finalise()
      delete process.env['P11_KIT_SERVER_ADDRESS']
    }
  })
})

/** Server and connection outlive calls of 5 MiB, and so does the session, in which nothing runs. */
function tooLong(native: NativeModule): void {
  const { pSlotList } = native.call('C_GetSlotList', { tokenPresent: true, pSlotList: 8 })
  const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
  const slotID = (pSlotList as readonly number[])[0] as number
  const { phSession: hSession } = native.call('C_OpenSession', { slotID, flags })
  const pData = Buffer.alloc(5_242_880, 1)
  const pMechanism = { type: CKM.SHA256, parameter: undefined }
  for (const part of [pData, pData.subarray(0, 1_000_000)]) {
    native.call('C_DigestInit', { hSession, pMechanism })
    const digest = () => native.call('C_Digest', { hSession, pData: part, pDigest: 32 }).pDigest
    if (part === pData) throws(digest, isTooLong)
    else deepStrictEqual(digest(), createHash('sha256').update(part).digest())
  }
  native.call('C_DigestInit', { hSession, pMechanism })
  throws(() => native.call('C_DigestUpdate', { hSession, pPart: pData }), isTooLong)
  native.call('C_DigestInit', { hSession, pMechanism })
  const value = { type: CKA.VALUE, value: pData }
  const pTemplate = [{ type: CKA.CLASS, value: ulongBytes(CKO.DATA) }, value]
  throws(() => native.call('C_CreateObject', { hSession, pTemplate }), isTooLong)
}

function isTooLong(error: unknown): boolean {
  return error instanceof CryptokiError && error.rv === CKR.DATA_LEN_RANGE
}
