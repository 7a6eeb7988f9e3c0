/**
 * The metrics of an HSM: state, sessions, and calls of its module.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { commandsIn } from '#conformance/commands.ts'
import { startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from './control.ts'

const skip = SOFTHSM === undefined && 'SoftHSM2 is not installed'

describe('the metrics of an HSM', { timeout: 120_000, skip }, () => {
  it('say how it is, what it has done, and that it is away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-metrics-hsm-'))
    const dataDir = join(folder, 'data')
    mkdirSync(dataDir, { mode: 0o700 })
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN, { mode: 0o600 })
    const environment = newSoftHsmToken(folder, 'metrics')
    const token = { module: SOFTHSM, label: 'metrics', environment, pinFile: join(folder, 'pin') }
    const lost = { ...token, name: 'lost', type: 'pkcs11', label: 'no such token' }
    const others = [{ label: 'no such token either' }]
    const keystores = [{ ...token, name: 'main', type: 'pkcs11', sessions: 2, others }, lost]
    const metrics = { listen: '127.0.0.1:0' }
    writeFileSync(join(dataDir, 'claviger.yaml'), JSON.stringify({ keystores, metrics }))
    const server = await startOwnServer({ dataDir })
    try {
      await commandsIn(() => ({ folder, dataDir })).done('keys create --name one')
      const status = (await askServer(dataDir, 'status', {})) as { readonly metrics: string }
      await delay(1_100)
      const text = await (await fetch(status.metrics)).text()
      const value = (sample: string): number => {
        const line = text.split('\n').find((one) => one.startsWith(`${sample} `))
        ok(line !== undefined, `${sample} is not there`)
        return Number(line.slice(sample.length + 1))
      }
      equal(value('claviger_hsm_state{keystore="main",state="running"}'), 1)
      equal(value('claviger_hsm_state{keystore="main",state="broken"}'), 0)
      equal(value('claviger_hsm_state{keystore="lost",state="running"}'), 0)
      const member = (number: number): number =>
        value(`claviger_hsm_member_state{keystore="main",member="${number}",state="running"}`)
      deepEqual([member(1), member(2)], [1, 0])
      ok(!text.includes('claviger_hsm_member_state{keystore="lost"'), 'it is no group')
      equal(value('claviger_hsm_sessions{keystore="main"}'), 2)
      equal(value('claviger_hsm_starts_total{keystore="main"}'), 1)
      equal(value('claviger_hsm_starts_total{keystore="lost"}'), 0)
      ok(value('claviger_hsm_calls_total{keystore="main",function="C_GenerateKey"}') >= 1)
      ok(!text.includes('no such token'), 'texts are no labels')
    } finally {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
