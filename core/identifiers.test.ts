/**
 * Which HSM an identifier means, also while one of them has not been seen: never another one.
 *
 * @module
 */
import { equal, throws } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { identifiersOf, keystoreAt, parsePlace } from './identifiers.ts'
import type { Address, Keystore } from './keystore.ts'
import { Keystores } from './keystores.ts'

type Where = readonly [name: string, model: string | undefined, slot: number | undefined]

function meant(id: string, ...all: readonly Where[]): string {
  return keystoreAt(keystoresOf(all), id, parsePlace(id)).name
}

function keystoresOf(all: readonly Where[]): Keystores {
  const made = all.map(([name, model, slot]) => {
    return { name, address: (): Address => ({ model, slot }) } as Keystore
  })
  return new Keystores(made as [Keystore, ...Keystore[]])
}

describe('an identifier of a key in an HSM', () => {
  const seen: readonly Where[] = [
    ['a', 'luna', 4],
    ['b', 'luna', 4],
    ['c', 'luna', 4],
  ]
  const away: readonly Where[] = [['a', undefined, 4], ...seen.slice(1)]
  const lost: readonly Where[] = [['a', undefined, undefined], ...seen.slice(1)]

  it('means the keystore by its name, or the second and third of a model by their number', () => {
    equal(meant('hsm::a::4::key', ...seen), 'a')
    equal(meant('hsm::luna_1::4::key', ...seen), 'b')
    equal(meant('hsm::luna_2::4::key', ...seen), 'c')
    throws(() => meant('hsm::luna::4::key', ...seen), /several keystores fit/)
  })

  it('means no other one while the first has not been seen', () => {
    for (const all of [away, lost]) {
      equal(meant('hsm::b::4::key', ...all), 'b')
      const unseen = /no keystore has this slot; .*; HSM "a" has not been seen since the server/
      throws(() => meant('hsm::luna_1::4::key', ...all), unseen)
      const [first, second] = all as [Where, Where]
      const doubt = /HSM "a" has not been seen .*, and it may be meant; .*: hsm::b::4/
      throws(() => meant('hsm::luna::4::key', first, second), doubt)
    }
    equal(meant('hsm::a::4::key', ...away), 'a')
    throws(() => meant('hsm::a::4::key', ...lost), /HSM "a" has not been seen/)
    const other: readonly Where[] = [
      ['a', undefined, 3],
      ['b', 'luna', 4],
    ]
    equal(meant('hsm::luna::4::key', ...other), 'b')
    equal(meant('hsm::4::key', ...other), 'b')
    equal(identifiersOf(keystoresOf(lost), keystoresOf(lost).named('a'), 'key').length, 0)
  })
})
