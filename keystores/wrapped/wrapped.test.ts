/**
 * The keystore of wrapped keys passes the contract of keystores, with keys that nobody keeps and
 * with every key kept under an AES key; and what only it has.
 *
 * The keeper is one in software here; `server/wrapped.test.ts` has one in an HSM.
 *
 * @module
 */
import { equal, throws } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Keeper, KeyInUse, Keystore } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { keystoreContract } from '../contract.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { OpenedKeys } from './opened.ts'
import { isReference, parsed, References } from './reference.ts'
import { type Unwrap, WrappedKeystore } from './wrapped.ts'

function software(name: string): SoftwareKeystore {
  const dataKey = new Secret(randomBytes(DATA_KEY_BYTES))
  return new SoftwareKeystore(name, new Sealer(new Map([[1, dataKey]])))
}

/**
 * A keystore, and a keeper for its keys, which lies in another one.
 *
 * Nothing is remembered, so that every use unwraps, and every key is forgotten at once.
 */
function keptApart(): { readonly keystore: WrappedKeystore; readonly keeper: Keeper } {
  const vault = software('vault')
  const spec = { algorithm: 'AES', bits: 256 } as const
  const kek: KeyInUse = { id: 'kek', kind: 'secret', spec, ...vault.generate({ id: 'kek', spec }) }
  const keeper: Keeper = {
    id: 'kek',
    wrap: async (aad, material) => {
      const mechanism = { cipher: 'AES_GCM', iv: randomBytes(12) } as const
      return { mechanism, wrapped: vault.wrap(kek, { ...mechanism, aad }, material) }
    },
  }
  const opened = new OpenedKeys({ max: 0, seconds: 100, clock: Date.now })
  const references = new References(randomBytes(32))
  const unwrap: Unwrap = async (kept) => {
    const mechanism = { ...kept.mechanism, aad: kept.place }
    const material = vault.unwrap(kek, mechanism, kept.wrapped)
    return { material, until: Number.POSITIVE_INFINITY }
  }
  const keystore = new WrappedKeystore(software('software'), { opened, references, unwrap })
  return { keystore, keeper }
}

keystoreContract({ name: 'wrapped, without a keeper', open: async () => keptApart().keystore })

keystoreContract({
  name: 'wrapped, under a keeper',
  open: async (): Promise<Keystore> => {
    const { keystore, keeper } = keptApart()
    return Object.assign(Object.create(keystore), boundMethods(keystore), keystore.under(keeper))
  },
})

/** Its methods as they are on the keystore itself: private fields know no heirs. */
function boundMethods(keystore: WrappedKeystore): object {
  const names = Object.getOwnPropertyNames(WrappedKeystore.prototype) as (keyof WrappedKeystore)[]
  return Object.fromEntries(
    names.flatMap((name) => {
      const own: unknown = keystore[name]
      return typeof own === 'function' ? [[name, own.bind(keystore)]] : []
    }),
  )
}

describe('references to wrapped keys', () => {
  const references = new References(randomBytes(32))
  const mechanism = { cipher: 'AES_KEY_WRAP_KWP' } as const
  const place = Buffer.from('place')
  const wrapped = Buffer.from('wrapped')
  const handle = references.write({ keeper: 'kek', mechanism, wrapped }, place)

  it('are told from seals, and read as they were written', () => {
    const seal = software('any').generate({ id: 'a', spec: { algorithm: 'AES', bits: 128 } }).handle
    equal(isReference(handle), true)
    equal(isReference(seal), false)
    const read = references.read(handle, place)
    equal(read.keeper, 'kek')
    equal(Buffer.from(read.wrapped).toString(), 'wrapped')
    equal(parsed(handle).keeper, 'kek')
  })

  it('are refused when they are cut short, moved, or of another server', () => {
    throws(() => references.read(handle.subarray(0, 40), place), /it was altered/)
    throws(() => references.read(handle, Buffer.from('other')), /it was altered/)
    throws(() => new References(randomBytes(32)).read(handle, place), /it was altered/)
    throws(() => parsed(handle.subarray(0, 40)), /it was altered/)
  })
})
