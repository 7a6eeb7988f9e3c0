/**
 * Which token of a module is taken: texts that are padded otherwise than the standard says, and
 * slots beside it whose tokens say nothing of themselves.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HostDevice } from './host-device.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM_PIN } from './softhsm.ts'
import type { SlotChoice } from './token.ts'

describe('the token of a module', { skip: withoutManners, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-token-'))
  let module: string
  let environment: Readonly<Record<string, string>>
  before(() => {
    module = softHsmWithManners(folder)
    environment = { ...newSoftHsmToken(folder, 'padded'), SLOTS: 'odd' }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const open = (token: SlotChoice): Promise<HostDevice> => {
    return HostDevice.open({
      name: 'odd',
      command: hostCommand(module, 1),
      environment,
      token,
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
  }

  it('is found behind a slot that says nothing, by each of its names', async () => {
    const device = await open({ label: 'padded' })
    const { token, serial = '', slot = -1 } = device.status()
    const { identity } = device
    await device.close()
    equal(token, 'padded')
    deepEqual([identity?.tokenManufacturer, identity?.model], ['SoftHSM project', 'SoftHSM v2'])
    for (const choice of [{ serial }, { slot }]) {
      const again = await open(choice)
      equal(again.status().token, 'padded')
      await again.close()
    }
  })

  it('that is not there is told with those there are, and what the others answer', async () => {
    const found = /no token of label "none"; it has: slot \d+ \(CKR_TOKEN_NOT_RECOGNIZED\), slot/
    await rejects(open({ label: 'none' }), found)
  })
})
