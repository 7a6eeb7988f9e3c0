/**
 * A token in the manner of a library for an HSM on the network: one slot, users and addresses in
 * the PIN, nothing without a login; with SoftHSM2 behind a real server, and real clients.
 *
 * The facts are those of the reference on Dinamo's library. Skipped where Debian's softhsm2 is not
 * installed.
 *
 * @module
 */
import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KmipClient } from '#clients/kmip/client.ts'
import {
  ALICE,
  ATTEMPTS,
  BOB,
  logged,
  Program,
  type Surroundings,
  surroundings,
} from '#conformance/network-program.ts'
import { RO, RW, refuses, template, type Wishes } from '#conformance/pkcs11-workbench.ts'
import { SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask,
  EncodingOption,
  NameType,
  ObjectType,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { CKA, CKF, CKM, CKO, CKR, CKS, CKU } from '#spec/pkcs11/constants.ts'
import type { CryptokiError } from '#spec/pkcs11/errors.ts'
import { paddedText } from '#spec/pkcs11/memory.ts'
import { askServer } from './control.ts'
import type { HsmStatus } from './hsm.ts'
import { socketPath } from './sockets.ts'

const MODULE = fileURLToPath(new URL('../module/build/libclaviger.so', import.meta.url))

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const noTool =
  !existsSync('/usr/bin/pkcs11-tool') || !existsSync(MODULE)
    ? 'pkcs11-tool or libclaviger.so is not there'
    : false

/** Labels of the keys that are in an HSM, as its own module tells. */
function labelsIn({ devices }: Surroundings, name: string): readonly string[] {
  const args = ['--module', SOFTHSM as string, '--token-label', name, '--login', '--list-objects']
  const env = { ...process.env, ...devices[name] }
  const listed = execFileSync('pkcs11-tool', [...args, '--pin', SOFTHSM_PIN], { env })
  return [...listed.toString().matchAll(/^\s*label:\s+(.*)$/gm)].map(([, label]) => label as string)
}

describe('a token like that of an HSM on the network', { skip, timeout: 180_000 }, () => {
  let there: Surroundings
  const programs: Program[] = []
  const program = async (flags = RW, of?: Program): Promise<Program> => {
    const one = await Program.start(there, flags, of)
    programs.push(one)
    return one
  }
  const NORTH = `alice:${ALICE}@10.0.0.1`

  before(async () => {
    there = await surroundings({})
    await there.setPin('alice', ALICE)
    await there.setPin('bob', BOB)
  })
  after(async () => {
    for (const { client } of programs) client.close()
    await there.close()
  })

  it('is alone in slot 1, under the label of the configuration', async () => {
    const { client } = await program()
    const list = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: 4 })
    deepEqual(list.pSlotList, [1])
    await refuses(CKR.SLOT_ID_INVALID, () => client.call('C_GetTokenInfo', { slotID: 0 }))
    const { pInfo } = await client.call('C_GetTokenInfo', { slotID: 1 })
    equal(Buffer.from(pInfo.label).toString().trimEnd(), 'Dinamo HSM')
    equal(pInfo.ulMaxPinLen, 255)
    equal(pInfo.flags & CKF.LOGIN_REQUIRED, CKF.LOGIN_REQUIRED)
    equal(pInfo.flags & CKF.DUAL_CRYPTO_OPERATIONS, 0)
  })

  it('shows and does nothing without a login, and again after a logout', async () => {
    const owner = await program()
    await owner.login(NORTH)
    const [publicKey] = await owner.pair('seen by users')
    equal((await owner.find({ LABEL: 'seen by users' })).length, 2)
    const stranger = await program()
    for (const one of [stranger, owner]) {
      if (one === owner) await owner.logout()
      const { client, hSession } = one
      deepEqual(await one.find(), [])
      deepEqual(await one.find({ CLASS: CKO.PUBLIC_KEY }), [])
      equal(await one.state(), CKS.RW_PUBLIC_SESSION)
      const pTemplate = [{ type: CKA.LABEL, capacity: 100 }]
      const hObject = publicKey
      for (const refused of [
        () => one.random(),
        () => one.digestInit(),
        () => one.secret({ LABEL: 'never' }),
        () => client.call('C_SeedRandom', { hSession, pSeed: Buffer.from('seed') }),
        () => client.call('C_GetAttributeValue', { hSession, hObject, pTemplate }),
        () => client.call('C_DestroyObject', { hSession, hObject }),
      ]) {
        await refuses(CKR.USER_NOT_LOGGED_IN, refused)
      }
    }
    await owner.login(NORTH)
    await owner.random()
    equal((await owner.find({ LABEL: 'seen by users' })).length, 2)
  })

  it('takes user:password@address, whatever stands in the password, and user:password', async () => {
    const { login, logout } = await bound(program())
    for (const pin of [
      NORTH,
      `alice:${ALICE}@north`,
      `alice:${ALICE}@hsm-north.example:4433`,
      `alice:${ALICE}@[FD00::2]`,
      `bob:${BOB}`,
      `bob:${BOB}@south`,
    ]) {
      await login(pin)
      await logout()
    }
  })

  it('refuses every other form, user, password and address alike, and says why in its log', async () => {
    const { login } = await bound(program())
    const wrong = {
      'no-colon-here': 'pinFormat',
      ':nobody@10.0.0.1': 'pinFormat',
      [`alice@10.0.0.1:${ALICE}`]: 'pinFormat',
      [`alice:${ALICE}@${'x'.repeat(240)}`]: 'pinFormat',
      [`carol:${ALICE}@10.0.0.1`]: 'no user of the name that was given',
      'alice:secretly-wrong@10.0.0.1': 'the PIN of user "alice" is wrong; 2 attempts are left',
    }
    for (const [pin, reason] of Object.entries(wrong)) {
      await refuses(CKR.PIN_INCORRECT, () => login(pin))
      await logged(there, reason)
    }
    await refuses(CKR.PIN_INCORRECT, () => login(`alice:${ALICE}@10.9.9.9`))
    await logged(there, 'the address is that of no keystore that token "Dinamo HSM" may use')
    // Forgotten users and addresses: what would be taken for them is part of a password.
    await refuses(CKR.PIN_INCORRECT, () => login('hunter:two'))
    await refuses(CKR.PIN_INCORRECT, () => login('bob:hunter@three'))
    const { dataDir } = there.server
    const entries = await askServer(dataDir, 'audit.list', { operation: 'Login' })
    const trail = JSON.stringify(entries)
    match(trail, /unknown user/)
    doesNotMatch(there.server.log() + trail, /secretly-wrong|word@home|hunter|three|10\.9/)
    await login(`bob:${BOB}`)
  })

  it('locks a user out after so many, until the operator sets the PIN anew', async () => {
    const { login } = await bound(program())
    await login(`bob:${BOB}`)
    const next = await bound(program())
    for (let left = ATTEMPTS - 1; left > 0; left--) {
      const pin = left % 2 === 0 ? 'bob:guessed' : `bob:${BOB}@10.9.9.9`
      await refuses(CKR.PIN_INCORRECT, () => next.login(pin))
    }
    await refuses(CKR.PIN_LOCKED, () => next.login('bob:guessed'))
    await refuses(CKR.PIN_LOCKED, () => next.login(`bob:${BOB}@10.0.0.1`))
    await logged(there, 'way out: claviger token pin')
    await (await bound(program())).login(NORTH)
    await there.setPin('bob', BOB)
    await next.login(`bob:${BOB}@10.0.0.1`)
  })

  it('works with the HSM of the address, and shows the objects of that one alone', async () => {
    const one = await program()
    await one.login(`alice:${ALICE}@[fd00::2]`)
    await one.secret({ LABEL: 'kept in the south', ENCRYPT: true })
    equal((await one.find({ LABEL: 'kept in the south' })).length, 1)
    equal((await one.find({ LABEL: 'seen by users' })).length, 0)
    const handle = (await one.find({ LABEL: 'kept in the south' }))[0] as number
    await one.logout()
    await one.login(NORTH)
    equal((await one.find({ LABEL: 'kept in the south' })).length, 0)
    const pTemplate = [{ type: CKA.LABEL, capacity: 100 }]
    await refuses(CKR.OBJECT_HANDLE_INVALID, () => {
      return one.client.call('C_GetAttributeValue', {
        hSession: one.hSession,
        hObject: handle,
        pTemplate,
      })
    })
    await one.secret({ LABEL: 'kept in the north' })
    if (noTool) return
    ok(labelsIn(there, 'south').length === 1 && labelsIn(there, 'north').length > 0)
  })

  it('takes read-only sessions for read-write ones, and CKU_SO for the user', async () => {
    const one = await program(RO)
    await one.login(NORTH, CKU.SO)
    equal(await one.state(), CKS.RO_USER_FUNCTIONS)
    const hObject = await one.secret({ LABEL: 'made read-only' })
    await one.client.call('C_DestroyObject', { hSession: one.hSession, hObject })
    await refuses(CKR.USER_ALREADY_LOGGED_IN, () => one.login(NORTH))
  })

  it('has one operation at a time in a session', async () => {
    const one = await program()
    await one.login(NORTH)
    const [, hKey] = await one.pair('one operation')
    await one.digestInit()
    await refuses(CKR.OPERATION_ACTIVE, () => one.signInit(hKey))
    const { hSession } = one
    await refuses(CKR.OPERATION_ACTIVE, () => {
      return one.client.call('C_FindObjectsInit', { hSession, pTemplate: [] })
    })
    await one.client.call('C_SessionCancel', { hSession, flags: CKF.DIGEST })
    await one.signInit(hKey)
    const other = await program(RW, one)
    await other.digestInit()
  })

  it('lets nothing wait for a search of which all has been told', async () => {
    const one = await program()
    await one.login(NORTH)
    const [, hKey] = await one.pair('searched')
    const { client, hSession } = one
    await client.call('C_FindObjectsInit', { hSession, pTemplate: [] })
    await client.call('C_FindObjects', { hSession, phObject: 1 })
    await refuses(CKR.OPERATION_ACTIVE, () => one.signInit(hKey))
    await client.call('C_FindObjects', { hSession, phObject: 1_000 })
    await one.signInit(hKey)
    await client.call('C_FindObjectsFinal', { hSession })
  })

  it('never mixes up two threads in one session', async () => {
    const one = await program()
    await one.login(NORTH)
    const [, hKey] = await one.pair('two threads')
    const second = await program(RW, one)
    second.hSession = one.hSession
    const sign = (thread: Program): Promise<number> =>
      thread.sign(hKey).then(
        () => CKR.OK,
        ({ rv }: CryptokiError) => rv,
      )
    const codes = new Set<number>()
    for (let round = 0; round < 20; round++) {
      for (const code of await Promise.all([sign(one), sign(second)])) codes.add(code)
    }
    ok(codes.has(CKR.OK))
    const allowed: readonly number[] = [CKR.OK, CKR.OPERATION_ACTIVE, CKR.OPERATION_NOT_INITIALIZED]
    deepEqual(
      [...codes].filter((code) => !allowed.includes(code)),
      [],
    )
  })

  it('lets no key leave that is sensitive or not extractable', async (test) => {
    const one = await program()
    const { client, hSession } = one
    await one.login(NORTH)
    const wrappingKey = await one.secret({ WRAP: true, SENSITIVE: true, DECRYPT: false })
    const kmip = new KmipClient(there.server.client('admin'))
    test.after(() => kmip.close())
    const kek = await newKek(kmip)
    for (const [sensitive, extractable] of [
      [false, true],
      [true, true],
      [false, false],
      [true, false],
    ] as const) {
      const label = `sensitive ${sensitive}, extractable ${extractable}`
      const hObject = await one.secret({
        LABEL: label,
        SENSITIVE: sensitive,
        EXTRACTABLE: extractable,
      })
      const leaves = extractable && !sensitive
      const said = await one.flags(hObject, 'SENSITIVE', 'EXTRACTABLE')
      deepEqual(said, [!leaves, leaves], label)
      const pMechanism = { type: CKM.AES_KEY_WRAP, parameter: undefined }
      const args = { hSession, pMechanism, hWrappingKey: wrappingKey, hKey: hObject }
      const wrapped = () => client.call('C_WrapKey', { ...args, pWrappedKey: 100 })
      if (leaves) equal(((await wrapped()).pWrappedKey as Uint8Array).length, 24)
      else await refuses(CKR.KEY_UNEXTRACTABLE, wrapped)
      const pTemplate = [{ type: CKA.VALUE, capacity: 100 }]
      const read = await client.call('C_GetAttributeValue', { hSession, hObject, pTemplate })
      equal(read.rv, leaves ? CKR.OK : CKR.ATTRIBUTE_SENSITIVE, label)
      deepEqual(await given(kmip, label, kek), { bare: leaves, wrapped: leaves }, label)
    }
    await logged(there, 'made not extractable')
    // What may leave is made to stay by either flag, and does not come back.
    const [open] = await one.find({ LABEL: 'sensitive false, extractable true' })
    const hObject = open as number
    const set = (wishes: Wishes) =>
      client.call('C_SetAttributeValue', { hSession, hObject, pTemplate: template(wishes) })
    await set({ SENSITIVE: true })
    deepEqual(await one.flags(hObject, 'SENSITIVE', 'EXTRACTABLE'), [true, false])
    await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set({ EXTRACTABLE: true }))
  })

  it('leaves initialising and PINs to the operator, and its log says where', async () => {
    const one = await program()
    const { client, hSession } = one
    const pPin = Buffer.from('87654321')
    const pLabel = paddedText('mine now', 32)
    await refuses(CKR.FUNCTION_NOT_SUPPORTED, () => {
      return client.call('C_InitToken', { slotID: 1, pPin, pLabel })
    })
    await logged(there, 'that is done with: claviger token init')
    await one.login(NORTH, CKU.SO)
    await refuses(CKR.FUNCTION_NOT_SUPPORTED, () => client.call('C_InitPIN', { hSession, pPin }))
    await logged(there, 'that is done with: claviger token pin')
    await refuses(CKR.FUNCTION_NOT_SUPPORTED, () => {
      return client.call('C_SetPIN', { hSession, pOldPin: Buffer.from(ALICE), pNewPin: pPin })
    })
    await one.logout()
    await one.login(NORTH)
    const { pInfo } = await client.call('C_GetTokenInfo', { slotID: 1 })
    equal(Buffer.from(pInfo.label).toString().trimEnd(), 'Dinamo HSM')
    const wish = { label: 'mine now', soPin: '87654321', pin: '12345678' }
    await rejects(askServer(there.server.dataDir, 'token.init', wish), /that of the configuration/)
  })

  it('keeps sessions and logins while an HSM is away, and goes on when it is back', async () => {
    const [away, other] = [await program(), await program()]
    await away.login(`alice:${ALICE}@south`)
    await other.login(NORTH)
    const [, lost] = await away.pair('away for a while')
    const [, kept] = await other.pair('always there')
    const home = join(there.devices['south']?.SOFTHSM2_CONF as string, '..')
    const hsms = (await askServer(there.server.dataDir, 'hsm.list', {})) as readonly HsmStatus[]
    const host = hsms.find(({ name }) => name === 'south')?.process as number
    renameSync(join(home, 'tokens'), join(home, 'elsewhere'))
    process.kill(host, 'SIGKILL')
    try {
      await refuses(CKR.DEVICE_ERROR, () => away.sign(lost))
      equal(await away.state(), CKS.RW_USER_FUNCTIONS)
      await other.sign(kept)
    } finally {
      renameSync(join(home, 'elsewhere'), join(home, 'tokens'))
    }
    const last = Date.now() + 20_000
    const isBack = (): Promise<boolean> =>
      away.sign(lost).then(
        () => true,
        () => false,
      )
    while (!(await isBack())) {
      ok(Date.now() < last, `the HSM does not come back:\n${there.server.log()}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })

  it('serves pkcs11-tool with the PIN of such scripts', { skip: noTool }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-network-tool-'))
    const env = { ...process.env, CLAVIGER_PKCS11: socketPath(there.server.dataDir, 'pkcs11') }
    const tool = async (...args: readonly string[]): Promise<string> => {
      const token = ['--module', MODULE, '--token-label', 'Dinamo HSM', '--login', '--pin', NORTH]
      const settings = { env, timeout: 60_000 }
      return (await promisify(execFile)('pkcs11-tool', [...token, ...args], settings)).stdout
    }
    const [data, signature, key] = ['data', 'signature', 'key.der'].map((one) => join(folder, one))
    writeFileSync(data as string, 'some words')
    try {
      await tool('--keypairgen', '--key-type', 'RSA:2048', '--id', '02', '--label', 'rsa2k')
      match(await tool('--list-objects'), /Private Key Object; RSA[\s\S]*label:\s+rsa2k/)
      const how = ['--sign', '--mechanism', 'SHA256-RSA-PKCS', '--id', '02']
      await tool(...how, '-i', data as string, '-o', signature as string)
      await tool('--read-object', '--type', 'pubkey', '--id', '02', '-o', key as string)
      const verified = ['dgst', '-sha256', '-keyform', 'DER', '-verify', key as string]
      const args = [...verified, '-signature', signature as string, data as string]
      match(execFileSync('openssl', args).toString(), /Verified OK/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('has a connection for each thread of a program', { skip: noTool }, async () => {
    const path = socketPath(there.server.dataDir, 'pkcs11')
    const count = (): number => {
      const lines = readFileSync('/proc/net/unix', 'utf8').split('\n')
      // State 03: connected; the listening socket itself is in state 01.
      return lines.filter((line) => line.endsWith(` ${path}`) && / 03 +\d+ /.test(line)).length
    }
    const idle = count()
    // Each lists the slots and waits; the program itself would go on waiting for half a minute.
    const threads = Array.from({ length: 6 }, () => ['--test-threads', 'IL:SL:P5'])
    const env = { ...process.env, CLAVIGER_PKCS11: path }
    const child = spawn('pkcs11-tool', ['--module', MODULE, ...threads.flat()], { env })
    const last = Date.now() + 20_000
    let most = 0
    let settled = 0
    while (settled < 5 && Date.now() < last) {
      const now = count() - idle
      settled = now > 0 && now === most ? settled + 1 : 0
      most = Math.max(most, now)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    child.kill('SIGKILL')
    ok(most >= 6 && most <= 8, `${most} connections for 6 threads`)
  })
})

/** The functions of a program that is about to start. */
async function bound(starting: Promise<Program>) {
  const one = await starting
  return { login: one.login.bind(one), logout: one.logout.bind(one) }
}

/** A key of KMIP that wraps others. */
async function newKek(kmip: KmipClient): Promise<string> {
  const attributes: ListedAttribute[] = [
    { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
    { id: 'cryptographicLength', value: 256 },
    { id: 'cryptographicUsageMask', value: CryptographicUsageMask.WrapKey },
    { id: 'activationDate', value: 0 },
  ]
  const wish = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
  return String((await kmip.call('Create', wish)).uniqueIdentifier)
}

/** Whether KMIP gives the key of a name, in the clear and wrapped. */
async function given(
  kmip: KmipClient,
  nameValue: string,
  kek: string,
): Promise<{ readonly bare: boolean; readonly wrapped: boolean }> {
  const name = { id: 'name', value: { nameValue, nameType: NameType.UninterpretedTextString } }
  const wanted = { attribute: [], attributes: { attributes: [name as ListedAttribute] } }
  const { uniqueIdentifier: found } = await kmip.call('Locate', wanted)
  const [uniqueIdentifier] = found as readonly [string]
  equal(found.length, 1)
  const keyWrappingSpecification = {
    wrappingMethod: WrappingMethod.Encrypt,
    encryptionKeyInformation: {
      uniqueIdentifier: kek,
      cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
    },
    encodingOption: EncodingOption.NoEncoding,
    attributeName: [],
  }
  const isGiven = async (more: object): Promise<boolean> => {
    try {
      await kmip.call('Get', { uniqueIdentifier, ...more })
      return true
    } catch (error) {
      match(String(error), /[Ss]ensitive|[Ee]xtractable/)
      return false
    }
  }
  return { bare: await isGiven({}), wrapped: await isGiven({ keyWrappingSpecification }) }
}
