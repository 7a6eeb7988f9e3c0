/**
 * Users of a token like that of an HSM on the network who have objects of their own: what they see
 * of each other, and what becomes of them without a credential.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import {
  ALICE,
  BOB,
  logged,
  Program,
  type Surroundings,
  surroundings,
} from '#conformance/network-program.ts'
import { refuses } from '#conformance/pkcs11-workbench.ts'
import { SOFTHSM } from '#keystores/pkcs11/softhsm.ts'
import { CKO, CKR, CKS } from '#spec/pkcs11/constants.ts'
import { askServer } from './control.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false

describe('users with objects of their own', { skip, timeout: 120_000 }, () => {
  let there: Surroundings
  const programs: Program[] = []
  const loggedIn = async (pin: string): Promise<Program> => {
    const one = await Program.start(there)
    programs.push(one)
    await one.login(pin)
    return one
  }

  before(async () => {
    there = await surroundings({ users: 'own', keystore: 'south' })
    for (const name of ['alice', 'bob']) {
      await askServer(there.server.dataDir, 'credential.create', { name })
    }
    await there.setPin('alice', ALICE)
    await there.setPin('bob', BOB)
    await there.setPin('carol', BOB)
  })
  after(async () => {
    for (const { client } of programs) client.close()
    await there.close()
  })

  it('do not see those of others, and share them with their own KMIP clients', async (test) => {
    const [alice, bob] = [
      await loggedIn(`alice:${ALICE}@south`),
      await loggedIn(`bob:${BOB}@south`),
    ]
    await alice.secret({ LABEL: "alice's" })
    equal((await alice.find({ LABEL: "alice's" })).length, 1)
    deepEqual(await bob.find({ CLASS: CKO.SECRET_KEY }), [])
    const kmip = new KmipClient(there.server.client('alice'))
    test.after(() => kmip.close())
    equal((await kmip.call('Locate', { attribute: [] })).uniqueIdentifier.length, 1)
    // The same program as somebody else: what it knew of is out of reach.
    const [hObject] = await alice.find({ LABEL: "alice's" })
    await alice.logout()
    await alice.login(`bob:${BOB}`)
    await refuses(CKR.OBJECT_HANDLE_INVALID, () => alice.flags(hObject as number, 'SENSITIVE'))
  })

  it('choose no other keystore than that of the token', async () => {
    const one = await Program.start(there)
    programs.push(one)
    await refuses(CKR.PIN_INCORRECT, () => one.login(`alice:${ALICE}@10.0.0.1`))
    await logged(there, 'the address is that of no keystore that token "Dinamo HSM" may use')
    await one.login(`alice:${ALICE}@[fd00::2]`)
  })

  it('need a credential of their name, and are logged out when it is revoked', async () => {
    await refuses(CKR.PIN_INCORRECT, () => loggedIn(`carol:${BOB}`))
    await logged(there, 'claviger credential create carol')
    const bob = await loggedIn(`bob:${BOB}`)
    const hObject = await bob.secret({ LABEL: "bob's" })
    const alice = await loggedIn(`alice:${ALICE}@south`)
    await askServer(there.server.dataDir, 'credential.revoke', { name: 'bob' })
    equal(await bob.state(), CKS.RW_PUBLIC_SESSION)
    await refuses(CKR.USER_NOT_LOGGED_IN, () => bob.flags(hObject, 'SENSITIVE'))
    await refuses(CKR.PIN_INCORRECT, () => bob.login(`bob:${BOB}`))
    await alice.random()
  })
})
