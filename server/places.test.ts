/**
 * What a configuration of tokens and addresses may not say, and which keystore an address means.
 *
 * @module
 */
import { equal, rejects, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Services } from '#core/context.ts'
import type { Keystore } from '#core/keystore.ts'
import { Keystores } from '#core/keystores.ts'
import { type Config, readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'
import { placesOf } from './places.ts'

describe('tokens of the configuration', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-places-'))
  let files = 0
  const configOf = (given: object): Config => {
    const path = join(folder, `${files++}.yaml`)
    writeFileSync(path, JSON.stringify({ ...given, log: { level: 'silent' } }))
    return readConfig(path, {})
  }
  let house: House
  before(async () => {
    const config = configOf({})
    house = await House.open({ dataDir: join(folder, 'data'), config, log: createLog(config.log) })
  })
  after(async () => {
    await house.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const pinFormat = 'user:password@address'
  const refused: readonly (readonly [string, readonly object[], RegExp])[] = [
    [
      'addresses without an HSM',
      [{ name: 'one', pinFormat }],
      /needs a keystore of type pkcs11, or "keystore" to name one/,
    ],
    [
      'a token that hides all from people who cannot log in',
      [{ name: 'one', login: 'none', beforeLogin: 'nothing' }],
      /"one": login none goes with no pinFormat, users and beforeLogin/,
    ],
  ]
  for (const [what, tokens, message] of refused) {
    it(`are refused with ${what}`, async () => {
      const config = configOf({ pkcs11: { tokens } })
      const dataDir = join(folder, `data-${files}`)
      const other = await House.open({ dataDir, config, log: createLog(config.log) })
      try {
        await rejects(other.tokens(), message)
      } finally {
        await other.close()
      }
    })
  }

  const places = (token: object, ...hsms: readonly (readonly [string, ...string[]])[]) => {
    const keystores = hsms.map(([name, ...addresses]) => {
      return { name, type: 'pkcs11', module: '/nowhere.so', label: name, addresses }
    })
    const config = configOf({ keystores, pkcs11: { tokens: [{ name: 'one', ...token }] } })
    const named = hsms.map(([name]) => ({ name }) as Keystore) as [Keystore, ...Keystore[]]
    const services: Services = { ...house.services, keystores: new Keystores(named) }
    const [first] = config.pkcs11.tokens
    return placesOf(services, first as Config['pkcs11']['tokens'][number], config.keystores)
  }

  it('reach each HSM by its name and addresses, and the first without any', () => {
    const at = places({}, ['a', '10.0.0.1', 'A.example:4433'], ['b', '[fd00::2]'])
    const named = (address?: string) => at(address)?.keystore
    equal(named(), 'a')
    equal(named('a.EXAMPLE:4433'), 'a')
    equal(named('b'), 'b')
    equal(named('[FD00::2]'), 'b')
    equal(named('a.example'), undefined)
    equal(named(''), undefined)
    equal(at('b')?.services.keystores.forNew(undefined).name, 'b')
  })

  it('reach their own alone where they have one', () => {
    const at = places({ keystore: 'b' }, ['a', '10.0.0.1'], ['b', '10.0.0.2'])
    equal(at(undefined)?.keystore, 'b')
    equal(at('10.0.0.2')?.keystore, 'b')
    equal(at('10.0.0.1'), undefined)
    equal(at('a'), undefined)
  })

  it('are refused where two HSMs have one address, in whatever case', () => {
    const twice = () => places({}, ['a', 'HSM.example'], ['b', 'hsm.EXAMPLE'])
    throws(twice, /"a" and "b" have the address "hsm.example"/)
    throws(() => places({}, ['a'], ['b', 'A']), /"a" and "b" have the address "a"/)
  })
})
