/**
 * Users of a token by name: `claviger token pin --user`, C_LoginUser, and the name in the audit
 * trail.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { template } from '#conformance/pkcs11-workbench.ts'
import { socketPath } from '#server/sockets.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask,
  NameType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { CKF, CKM, CKR, CKS, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const COMMAND_MILLISECONDS = 30_000

describe('users of a token by name', { timeout: 60_000 }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer({ env: { CLAVIGER_ACCESS_SHARERS: '[admin, ann]' } })
  })
  after(async () => {
    await server.stop()
  })

  const claviger = async (line: string, pin = ''): Promise<string> => {
    const words = [...line.split(' '), '--data', server.dataDir]
    const { stdout } = await promisify(execFile)(LAUNCHER, words, {
      env: { ...process.env, CLAVIGER_PIN: pin },
      timeout: COMMAND_MILLISECONDS,
    })
    return stdout
  }

  /** An application with a session. */
  const application = async () => {
    const client = await Pkcs11Client.connect(socketPath(server.dataDir, 'pkcs11'))
    await client.initialize()
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    const { phSession: hSession } = await client.call('C_OpenSession', { slotID: 0, flags })
    const login = (name: string, pin: string) => {
      const pUsername = Buffer.from(name)
      const args = { hSession, userType: CKU.USER, pPin: Buffer.from(pin), pUsername }
      return client.call('C_LoginUser', args)
    }
    return { client, hSession, login }
  }
  const isRv = (rv: number) => (error: unknown) => error instanceof CryptokiError && error.rv === rv

  it('log in with their own PINs, and what they do is done in their name', async () => {
    await claviger('token pin', '00000000')
    const said = await claviger('token pin --user alice', '11112222')
    match(said, /^user +alice$/m)
    match(said, /^pinOfUser +set, \d+ attempts left$/m)
    await claviger('token pin --user bob', '33334444')
    const { client, hSession, login } = await application()
    await rejects(login('carol', '11112222'), isRv(CKR.USER_PIN_NOT_INITIALIZED))
    await rejects(login('bob', '11112222'), isRv(CKR.PIN_INCORRECT))
    await rejects(login('alice', '00000000'), isRv(CKR.PIN_INCORRECT))
    await login('alice', '11112222')
    const { pInfo } = await client.call('C_GetSessionInfo', { hSession })
    equal(pInfo.state, CKS.RW_USER_FUNCTIONS)
    await rejects(login('bob', '33334444'), isRv(CKR.USER_ALREADY_LOGGED_IN))
    await client.call('C_GenerateKey', {
      hSession,
      pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
      pTemplate: template({ TOKEN: true, VALUE_LEN: 32, LABEL: "alice's" }),
    })
    await client.call('C_Logout', { hSession })
    await login('bob', '33334444')
    client.close()
    // Uses are gathered for a moment before they are written.
    await new Promise((resolve) => setTimeout(resolve, 500))
    const entries = JSON.parse(await claviger('audit list --json')) as readonly {
      readonly principal: string
      readonly operation: string
      readonly outcome: string
    }[]
    const of = (operation: string) => {
      const found = entries.filter((entry) => entry.operation === operation)
      return found.map(({ principal, outcome }) => `${principal} ${outcome}`).toSorted()
    }
    deepEqual(of('Login'), [
      'alice notAuthenticated',
      'alice success',
      'bob notAuthenticated',
      'bob success',
      'carol notAuthenticated',
    ])
    deepEqual(of('Create'), ['alice success'])
  })

  it('change their own PINs, and those of nobody else', async () => {
    await claviger('token pin', '00000000')
    await claviger('token pin --user erin', '11112222')
    const { client, hSession, login } = await application()
    await login('erin', '11112222')
    const change = (pOldPin: string, pNewPin: string) => {
      const pins = { pOldPin: Buffer.from(pOldPin), pNewPin: Buffer.from(pNewPin) }
      return client.call('C_SetPIN', { hSession, ...pins })
    }
    await rejects(change('00000000', '99999999'), isRv(CKR.PIN_INCORRECT))
    await change('11112222', '22223333')
    await client.call('C_Logout', { hSession })
    await rejects(login('erin', '11112222'), isRv(CKR.PIN_INCORRECT))
    await login('erin', '22223333')
    await client.call('C_Logout', { hSession })
    await change('00000000', '00001111')
    client.close()
  })

  it('have what their token has been granted, not the credential that is called like them', async () => {
    for (const one of ['ann', 'bob']) await claviger(`credential create ${one}`)
    const ann = new KmipClient(server.client('ann'))
    const name = { nameValue: "ann's", nameType: NameType.UninterpretedTextString }
    const attributes: ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 128 },
      { id: 'cryptographicUsageMask', value: CryptographicUsageMask.Encrypt },
      { id: 'name', value: name },
    ]
    const wish = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    const { uniqueIdentifier } = await ann.call('Create', wish)
    const grant = (principal: string) =>
      ann.call('GrantAccess', { uniqueIdentifier, principal, right: ['encrypt'] })
    const found = async (): Promise<number> => {
      const { client, hSession, login } = await application()
      await login('bob', '33334444')
      const pTemplate = template({ LABEL: "ann's" })
      await client.call('C_FindObjectsInit', { hSession, pTemplate })
      const { phObject } = await client.call('C_FindObjects', { hSession, phObject: 9 })
      client.close()
      return phObject.length
    }
    try {
      await claviger('token pin --user bob', '33334444')
      await grant('bob')
      equal(await found(), 0)
      await grant('admin')
      equal(await found(), 1)
    } finally {
      ann.close()
    }
  })

  it('have PINs that are locked and unlocked one by one', async () => {
    await claviger('token pin --user dora', '55556666')
    const { client, login } = await application()
    for (let wrong = 1; wrong < 10; wrong++) {
      await rejects(login('dora', '0000'), isRv(CKR.PIN_INCORRECT))
    }
    await rejects(login('dora', '0000'), isRv(CKR.PIN_LOCKED))
    await rejects(login('dora', '55556666'), isRv(CKR.PIN_LOCKED))
    await login('alice', '11112222')
    client.close()
    await claviger('token pin --user dora', '77778888')
    const again = await application()
    await again.login('dora', '77778888')
    again.client.close()
  })
})
