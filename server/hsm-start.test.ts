/**
 * A house with two HSMs, one of which does not answer: the other one's keys do not wait for it.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { equal } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findByName } from '#core/operations/find.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { softHsmWithManners, withoutManners } from '#keystores/pkcs11/manners.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { CKA, CKM } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

const WAIT_MILLISECONDS = 20_000

describe('a start with an HSM that hangs', { skip: withoutManners, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-hsm-start-'))
  const faults = join(folder, 'faults')
  const environments = new Map<string, { readonly SOFTHSM2_CONF: string }>()
  let house: House

  /** As another program would. */
  async function makeKey(token: string): Promise<void> {
    const application = await HostDevice.open({
      name: 'application',
      command: hostCommand(SOFTHSM as string, 1),
      environment: environments.get(token) as { readonly SOFTHSM2_CONF: string },
      token: { label: token },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
    await application.use((session) => {
      const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
      const pTemplate = [
        { type: CKA.TOKEN, value: boolBytes(true) },
        { type: CKA.VALUE_LEN, value: ulongBytes(32) },
        { type: CKA.ID, value: Buffer.from('0a', 'hex') },
        { type: CKA.LABEL, value: Buffer.from(`key of ${token}`) },
      ]
      return session.call('C_GenerateKey', { pMechanism, pTemplate })
    })
    await application.close()
  }

  async function adopted(token: string): Promise<number> {
    const principal = { name: 'admin', scope: 'admin' }
    const now = Math.floor(Date.now() / 1_000)
    const context = { services: house.services, principal, front: 'test', operation: 'Locate', now }
    return (await findByName(context, `key of ${token}`)).length
  }

  before(async () => {
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    for (const token of ['slow', 'quick']) {
      environments.set(token, newSoftHsmToken(folder, token))
      await makeKey(token)
    }
    writeFileSync(faults, 'hang')
    const pinFile = join(folder, 'pin')
    const common = { type: 'pkcs11', pinFile, sessions: 1, adopt: 'start', callSeconds: 60 }
    const hsm = (token: string, module: string, more: object) => {
      const environment = { ...environments.get(token), ...more }
      return { ...common, name: token, label: token, module, environment }
    }
    const keystores = [
      hsm('slow', softHsmWithManners(folder, 'faults'), { FAULTS: faults }),
      hsm('quick', SOFTHSM as string, {}),
      { name: 'software', type: 'software' },
    ]
    const path = join(folder, 'claviger.yaml')
    writeFileSync(path, JSON.stringify({ keystores, log: { level: 'silent' } }))
    const config = readConfig(path, {})
    const dataDir = join(folder, 'data')
    house = await House.open({ dataDir, config, log: createLog(config.log) })
  })
  after(async () => {
    writeFileSync(faults, '')
    await house?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('has the keys of the others, and later its own', async () => {
    equal(await adopted('quick'), 1)
    equal(await adopted('slow'), 0)
    writeFileSync(faults, '')
    const until = performance.now() + WAIT_MILLISECONDS
    while ((await adopted('slow')) === 0 && performance.now() < until) await delay(100)
    equal(await adopted('slow'), 1)
  })
})
