/**
 * What every keystore must do: the common test suite of `core/keystore.ts`.
 *
 * A keystore's own test calls {@link keystoreContract}. Each row of `spec/algorithms.ts` that the
 * keystore does not refuse with `cannot` is tried out: a round trip, the refusals, and published
 * known answers where there are any (`contract-answers.ts`; they need `imports`). A row that it
 * refuses is skipped with the keystore's own reason. The tests stand by their subjects in
 * `contract-*.ts`.
 *
 * A keystore has AES, makes its secret keys and encrypts with AES_GCM; all else it may refuse.
 *
 * It does not test what only one kind of keystore has, such as the life of a connection.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Keystore } from '#core/keystore.ts'
import { type KeySpec, type PairAlgorithm, pairRow } from '#spec/algorithms.ts'
import {
  AES,
  altered,
  Bench,
  nameOfSpec,
  pairSpecs,
  refuses,
  TEXT,
  type The,
  UNFIT,
} from './contract-bench.ts'
import { ciphers, wrapping } from './contract-ciphers.ts'
import { derivation } from './contract-derivation.ts'
import { keys, references } from './contract-keys.ts'
import { macsAndDigests } from './contract-macs.ts'
import { signatures } from './contract-signatures.ts'
import { streams } from './contract-streams.ts'

export interface KeystoreUnderTest {
  readonly name: string
  /** Opens a keystore that shares nothing with another that was opened so. */
  open(): Promise<Keystore>
}

/** Declares the suite; call it at the top of a test file. */
export function keystoreContract({ name, open }: KeystoreUnderTest): void {
  describe(`keystore contract: ${name}`, { timeout: 120_000 }, () => {
    let bench: Bench
    let other: Keystore
    before(async () => {
      bench = new Bench(await open())
      other = await open()
    })
    after(async () => {
      await bench.keystore.close()
      await other.close()
    })
    const the = () => bench
    describe('keys', () => keys(the))
    describe('references', () => references(the, () => other))
    describe('ciphers', () => ciphers(the))
    describe('wrapping', () => wrapping(the))
    describe('signatures', () => signatures(the))
    describe('message authentication codes and digests', () => macsAndDigests(the))
    describe('data in parts', () => streams(the))
    describe('derivation and agreement', () => derivation(the))
    describe('encapsulation', () => encapsulation(the))
    describe('the rest', () => rest(the))
  })
}

function encapsulation(the: The): void {
  for (const spec of pairSpecs()) {
    if (!pairRow(spec.algorithm as PairAlgorithm).does.includes('encapsulate')) continue
    it(`decapsulates what it encapsulated with ${nameOfSpec(spec)}`, async (context) => {
      const bench = the()
      if (bench.lacks(context, { generate: spec })) return
      const { keystore } = bench
      const { privateKey, publicKey } = await bench.pair(spec)
      const { ciphertext, sharedSecret } = await keystore.encapsulate(publicKey)
      using opened = await keystore.decapsulate(privateKey, ciphertext)
      deepEqual(Buffer.from(opened.expose()), Buffer.from(sharedSecret.expose()))
      using other = await keystore.decapsulate(privateKey, altered(ciphertext))
      notDeepEqual(Buffer.from(other.expose()), Buffer.from(sharedSecret.expose()))
      const failure = ['cryptographicFailure', ...UNFIT] as const
      await refuses(() => keystore.decapsulate(privateKey, ciphertext.subarray(1)), failure)
      await refuses(() => keystore.decapsulate(publicKey, ciphertext), failure)
    })
  }
  it('refuses keys that do not encapsulate', async (context) => {
    const bench = the()
    const spec: KeySpec = { algorithm: 'Ed25519', bits: 256 }
    if (bench.lacks(context, { generate: spec })) return
    const secret = await bench.secret(AES)
    const other = await bench.pair(spec)
    const failure = ['cryptographicFailure', ...UNFIT] as const
    await refuses(() => bench.keystore.encapsulate(secret), failure)
    await refuses(() => bench.keystore.encapsulate(other.publicKey), failure)
    await refuses(() => bench.keystore.decapsulate(other.privateKey, TEXT), failure)
  })
}

function rest(the: The): void {
  it('gives random bytes, as many as are asked for', async () => {
    const { keystore } = the()
    for (const length of [0, 1, 32, 5_000]) equal((await keystore.random(length)).length, length)
    const [one, two] = [await keystore.random(32), await keystore.random(32)]
    notDeepEqual(Buffer.from(one), Buffer.from(two))
  })
  it('says how many bytes of a seed it used, and no more than were given', async () => {
    const used = await the().keystore.seed(crypto.randomBytes(20))
    ok(used >= 0 && used <= 20, `${used}`)
  })
  it('is healthy', async () => {
    equal(await the().keystore.health(), undefined)
  })
  it('names itself and says where the keys are', () => {
    const { name, can } = the().keystore
    ok(name.length > 0)
    ok(can.protectionStorageMask > 0)
  })
}
