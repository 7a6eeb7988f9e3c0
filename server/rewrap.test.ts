/**
 * Moving keys from one wrapping key in an HSM to another, while they are used.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, notDeepEqual } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { ManagedObject } from '#core/objects.ts'
import { createKeyPair } from '#core/operations/create.ts'
import { sign, signatureVerify } from '#core/operations/cryptography.ts'
import { destroy, revoke } from '#core/operations/lifecycle.ts'
import { type Rewrapped, rewrap } from '#core/operations/rewrap.ts'
import { parsed } from '#keystores/wrapped/reference.ts'
import {
  CryptographicAlgorithm,
  LinkType,
  CryptographicUsageMask as Mask,
  RevocationReasonCode,
} from '#spec/kmip/enumerations.ts'
import { attributes, Bench, refused, skip, TEXT, under } from './wrapped-bench.ts'

const REASON = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }

describe('keys that move from one wrapping key to another', { skip, timeout: 60_000 }, () => {
  const bench = new Bench()
  before(() => bench.open())
  after(() => bench.close())

  const move = (from: string, to: string): Promise<Rewrapped> => {
    return rewrap(bench.house.services, { from, to, by: 'operator' })
  }
  const stored = async (id: string): Promise<ManagedObject> => {
    return (await bench.house.services.store.object(id)) as ManagedObject
  }
  const keeperOf = async (id: string): Promise<string> => {
    return parsed((await stored(id)).material?.handle as Uint8Array).keeper
  }
  const end = async (id: string): Promise<void> => {
    await revoke(bench.context('Revoke'), { id, reason: REASON })
    await destroy(bench.context('Destroy'), id)
  }

  it('are what they were, and need the old one no more', async () => {
    const [old, next, other] = [
      await bench.aesKeeper(),
      await bench.rsaKeeper(),
      await bench.aesKeeper(),
    ]
    const bytes = randomBytes(32)
    const key = await bench.key(old, Buffer.from(bytes))
    const list = attributes(CryptographicAlgorithm.RSA, 2_048, Mask.Sign | Mask.Verify)
    const { privateKey, publicKey } = await createKeyPair(bench.context(), {
      common: { attributes: [...list, under(old)] },
    })
    const apart = await bench.key(other)
    const handle = (await stored(apart.id)).material?.handle
    await bench.roundTrip(key.id)
    const moving = move(old, next.publicId)
    await Promise.all(Array.from({ length: 10 }, () => bench.roundTrip(key.id)))
    deepEqual(await moving, { moved: 2, failed: [] })
    await end(old)
    await bench.roundTrip(key.id)
    deepEqual(await bench.valueOf(key.id), bytes)
    equal(bench.holds(bytes), false)
    const wish = { data: TEXT, digested: false }
    const { signature } = await sign(bench.context(), { ...wish, id: privateKey.id })
    const check = { ...wish, id: publicKey.id, signature }
    equal((await signatureVerify(bench.context(), check)).valid, true)
    for (const { id } of [key, privateKey]) {
      equal(await keeperOf(id), next.privateId)
      const links = (await stored(id)).attributes.all('link')
      const own = links.filter(({ linkType }) => linkType === LinkType.WrappingKeyLink)
      deepEqual(
        own.map(({ linkedObjectIdentifier }) => linkedObjectIdentifier),
        [next.privateId],
      )
    }
    deepEqual((await stored(apart.id)).material?.handle, handle)
    const entries = await bench.house.database.audit({ operation: 'Rewrap', limit: 10 })
    deepEqual(entries.map(({ object }) => object).toSorted(), [key.id, privateKey.id].toSorted())
    deepEqual(await move(next.privateId, other), { moved: 2, failed: [] })
    notDeepEqual(await keeperOf(key.id), next.privateId)
  })

  it('stay where they are, and are named, when the old one does not unwrap', async () => {
    const [old, next] = [await bench.aesKeeper(), await bench.aesKeeper()]
    const key = await bench.key(old)
    const before = await stored(key.id)
    await revoke(bench.context('Revoke'), { id: old, reason: REASON })
    const { moved, failed } = await move(old, next)
    deepEqual([moved, failed.map(({ id }) => id)], [0, [key.id]])
    match(failed[0]?.reason as string, new RegExp(`kept wrapped with "${old}"`))
    deepEqual(await stored(key.id), before)
  })

  it('stay where they are when the new one may not wrap, or is the old one, or is not there', async () => {
    const old = await bench.aesKeeper()
    const key = await bench.key(old)
    const plain = await bench.key(undefined)
    await refused(() => move(old, plain.id), 'usageMask', /have WrapKey/)
    await refused(() => move(old, old), 'invalidField', /the same/)
    await refused(() => move(old, 'nobody'), 'wrappingKeyNotFound', /"nobody"/)
    await refused(() => move('nobody', old), 'wrappingKeyNotFound', /"nobody"/)
    equal(await keeperOf(key.id), old)
  })
})
