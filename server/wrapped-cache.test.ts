/**
 * Keys that were unwrapped by an HSM: when they are forgotten, and what can be done without it.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { keyInUse } from '#core/keys.ts'
import type { ManagedObject } from '#core/objects.ts'
import { amend } from '#core/operations/amend.ts'
import { decrypt, encrypt } from '#core/operations/cryptography.ts'
import { destroy, revoke } from '#core/operations/lifecycle.ts'
import { RevocationReasonCode } from '#spec/kmip/enumerations.ts'
import { Bench, GCM, IV, refused, skip, TEXT } from './wrapped-bench.ts'

const REASON = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }

describe('keys that an HSM has unwrapped', { skip, timeout: 120_000 }, () => {
  const bench = new Bench()
  before(() => bench.open())
  after(() => bench.close())

  const sealed = async (id: string) => {
    const wish = { id, parameters: GCM, iv: IV }
    const { data, tag } = await encrypt(bench.context(), { ...wish, data: TEXT })
    return { ...wish, data, tag }
  }

  it('are forgotten when they are revoked, and refused when they are destroyed', async () => {
    const { id } = await bench.key(await bench.aesKeeper())
    const letter = await sealed(id)
    const start = bench.unwrappings
    await decrypt(bench.context(), letter)
    equal(bench.unwrappings - start, 0)
    await revoke(bench.context('Revoke'), { id, reason: REASON })
    await decrypt(bench.context(), letter)
    equal(bench.unwrappings - start, 1, 'what was encrypted can be read, after unwrapping it anew')
    await destroy(bench.context('Destroy'), id)
    await refused(() => decrypt(bench.context(), letter), 'destroyed', /it is destroyed/)
    equal(bench.unwrappings - start, 1)
  })

  it('are kept when attributes change that do not matter', async () => {
    const { id } = await bench.key(await bench.aesKeeper())
    await bench.roundTrip(id)
    const start = bench.unwrappings
    const change = (bag: ManagedObject['attributes']) => bag.set('comment', 'hello')
    await amend(bench.context(), id, { change })
    await bench.roundTrip(id)
    equal(bench.unwrappings - start, 0)
  })

  it('are forgotten when the object is another one than this process knows of', async () => {
    const object = await bench.key(await bench.aesKeeper())
    await bench.roundTrip(object.id)
    const start = bench.unwrappings
    const { keystores } = bench.house.services
    const keystore = keystores.named('software')
    const mechanism = { cipher: 'AES_GCM', iv: IV } as const
    const now = await bench.house.services.store.object(object.id)
    const elsewhere = { ...(now as ManagedObject), revision: (now?.revision as number) + 1 }
    await keystore.encrypt(keyInUse(now as ManagedObject), mechanism, TEXT)
    equal(bench.unwrappings - start, 0)
    await keystore.encrypt(keyInUse(elsewhere), mechanism, TEXT)
    equal(bench.unwrappings - start, 1)
  })

  it('are refused once their keeper is revoked or destroyed, with its name', async () => {
    const keeper = await bench.aesKeeper()
    const { id } = await bench.key(keeper)
    const other = await bench.key(await bench.aesKeeper())
    const letter = await sealed(id)
    await bench.roundTrip(other.id)
    const start = bench.unwrappings
    await revoke(bench.context('Revoke'), { id: keeper, reason: REASON })
    const named = new RegExp(`"${id}".* kept wrapped with "${keeper}" in keystore "vault"`)
    await refused(() => decrypt(bench.context(), letter), 'wrongState', named)
    await refused(() => sealed(id), 'wrongState', /its state is Deactivated, not Active/)
    await refused(() => bench.valueOf(id), 'wrongState', named)
    await destroy(bench.context('Destroy'), keeper)
    await refused(() => decrypt(bench.context(), letter), 'wrappingKeyDestroyed', /destroyed/)
    equal(bench.unwrappings - start, 0)
    await bench.roundTrip(other.id)
    equal(bench.unwrappings - start, 0, 'what is under another keeper stays')
    const { journal } = bench.house.services
    await journal.flush()
    const entries = await bench.house.database.audit({ operation: 'Unwrap', limit: 100 })
    const own = entries.filter(({ object }) => object === id).map(({ outcome }) => outcome)
    deepEqual(own.toSorted(), ['success', 'wrappingKeyDestroyed', 'wrongState'])
  })

  it('end with the dates of their keeper', async () => {
    const keeper = await bench.aesKeeper()
    const soon = Math.floor(Date.now() / 1_000) + 2
    const { id } = await bench.key(keeper)
    const change = (bag: ManagedObject['attributes']) => bag.set('deactivationDate', soon)
    await amend(bench.context(), keeper, { change })
    await bench.roundTrip(id)
    await delay(soon * 1_000 - Date.now() + 100)
    await refused(() => bench.roundTrip(id), 'wrongState', /Deactivated, not Active/)
  })

  it('can be used with the HSM away, the others are refused with its name', async () => {
    const keeper = await bench.aesKeeper()
    const [warm, cold] = [await bench.key(keeper), await bench.key(keeper)]
    await bench.roundTrip(warm.id)
    const plugIn = await bench.unplug()
    try {
      await bench.roundTrip(warm.id)
      await refused(() => bench.roundTrip(cold.id), 'keystoreUnavailable', /HSM "vault"/)
      await refused(() => bench.key(keeper), 'keystoreUnavailable', /HSM "vault"/)
      const { id } = await bench.key(undefined)
      await bench.roundTrip(id)
    } finally {
      plugIn()
    }
    await bench.reopen()
    await bench.roundTrip(cold.id)
  })

  it('are none after a restart', async () => {
    const { id } = await bench.key(await bench.aesKeeper())
    await bench.roundTrip(id)
    await bench.reopen()
    await bench.hsm.health()
    const start = bench.unwrappings
    await bench.roundTrip(id)
    equal(bench.unwrappings - start, 1)
  })
})

describe('limits of keys that were unwrapped', { skip, timeout: 60_000 }, () => {
  const bench = new Bench()
  const counted = async (work: () => Promise<unknown>): Promise<number> => {
    const start = bench.unwrappings
    await work()
    return bench.unwrappings - start
  }
  let keys: readonly string[]
  before(async () => {
    await bench.open()
    const keeper = await bench.aesKeeper()
    keys = await Promise.all(Array.from({ length: 4 }, async () => (await bench.key(keeper)).id))
  })
  after(() => bench.close())

  const use = async (...indexes: readonly number[]): Promise<void> => {
    const wish = { parameters: GCM, iv: IV, data: TEXT }
    for (const index of indexes) {
      await encrypt(bench.context(), { ...wish, id: keys[index] as string })
    }
  }

  it('let the one go that was not used longest, at unwrappedKeysMax', async () => {
    await bench.reopen({ unwrappedKeysMax: 2 })
    equal(await counted(() => use(0, 1, 0, 1, 0)), 2)
    equal(await counted(() => use(2)), 1)
    equal(await counted(() => use(2, 2)), 0)
    equal(await counted(() => use(0, 1, 2)), 2, 'two of the three have to be unwrapped')
  })

  it('keep none at unwrappedKeysMax 0, and all the same work', async () => {
    await bench.reopen({ unwrappedKeysMax: 0 })
    equal(await counted(() => use(0, 0, 0)), 3)
    equal(await counted(() => Promise.all([use(0), use(1), use(2)])), 3)
  })

  it('work when more keys are used at once than are kept', async () => {
    await bench.reopen({ unwrappedKeysMax: 1 })
    const work = Array.from({ length: 40 }, (_, index) =>
      bench.roundTrip(keys[index % 4] as string),
    )
    await Promise.all(work)
  })

  it('forget one after unwrappedSeconds, used or not', async () => {
    await bench.reopen({ unwrappedSeconds: 1 })
    equal(await counted(() => use(0, 0)), 1)
    const until = Date.now() + 1_100
    const often = async (): Promise<void> => {
      while (Date.now() < until) {
        await use(0)
        await delay(50)
      }
    }
    equal(await counted(often), 1)
  })
})
