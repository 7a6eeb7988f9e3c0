/**
 * Message authentication codes and digests: part of `contract.ts`.
 *
 * Every row of both is tried; data in parts are in `contract-streams.ts`.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { it } from 'node:test'
import {
  HASHES,
  type Hash,
  hashRow,
  type KeyAlgorithm,
  type KeySpec,
  MACS,
  type Mac,
  macRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { HASHES_OF_ABC, MAC_ANSWERS } from './contract-answers.ts'
import {
  AES,
  altered,
  type Bench,
  cannotTryKnown,
  hex,
  refuses,
  secretSpecs,
  TEXT,
  type The,
  UNFIT,
} from './contract-bench.ts'

export function macsAndDigests(the: The): void {
  for (const name of Object.keys(MACS)) {
    const mac = name as Mac
    it(`authenticates with ${mac}`, async (context) => {
      const bench = the()
      const spec = specForMac(mac)
      if (bench.lacks(context, { mac }, { generate: spec })) return
      await authenticates(bench, mac, spec)
    })
  }
  for (const { source, mac, algorithm, key, nonce, data, code } of MAC_ANSWERS) {
    it(`gives the answer of ${source} for ${mac} of ${data.length / 2} bytes`, async (context) => {
      const bench = the()
      if (cannotTryKnown(bench, context)) return
      if (bench.lacks(context, { mac, bits: key.length * 4 })) return
      const bits = algorithm === 'DES3' ? 168 : key.length * 4
      const known = await bench.imported('secret', { algorithm, bits }, KeyFormatType.Raw, hex(key))
      const mechanism = { mac, ...(nonce && { nonce: hex(nonce) }) }
      const made = await bench.keystore.mac(known, mechanism, hex(data))
      equal(Buffer.from(made).toString('hex'), code)
      const short = await bench.keystore.mac(known, { ...mechanism, bytes: 4 }, hex(data))
      equal(Buffer.from(short).toString('hex'), code.slice(0, 8))
    })
  }
  for (const [name, digest] of Object.entries(HASHES_OF_ABC)) {
    it(`gives the published digest of "abc" for ${name}`, async (context) => {
      const bench = the()
      const hash = name as Hash
      if (bench.lacks(context, { digest: hash })) return
      const made = await bench.keystore.digest(hash, Buffer.from('abc'))
      equal(Buffer.from(made).toString('hex'), digest)
      equal(made.length, HASHES[hash].bytes)
    })
  }
}

function specForMac(mac: Mac): KeySpec {
  const row = macRow(mac)
  if (row.hash !== undefined) {
    const algorithm = (mac in MAC_KEYS ? mac : 'HMAC_SHA512') as KeyAlgorithm
    return { algorithm, bits: hashRow(row.hash).bytes * 8 }
  }
  if (mac === 'POLY1305') return { algorithm: 'Poly1305', bits: 256 }
  return mac.startsWith('DES3') ? { algorithm: 'DES3', bits: 168 } : AES
}

/** Secret keys whose algorithm is a MAC of the same name. */
const MAC_KEYS = Object.fromEntries(secretSpecs().map(({ algorithm }) => [algorithm, true]))

async function authenticates(bench: Bench, mac: Mac, spec: KeySpec): Promise<void> {
  const { keystore } = bench
  const row = macRow(mac)
  const key = await bench.secret(spec)
  const nonce = row.nonce && crypto.randomBytes(12)
  const mechanism = { mac, ...(nonce && { nonce }) }
  const code = Buffer.from(await keystore.mac(key, mechanism, TEXT))
  equal(code.length, row.bytes)
  deepEqual(Buffer.from(await keystore.mac(key, mechanism, TEXT)), code)
  notDeepEqual(Buffer.from(await keystore.mac(key, mechanism, altered(TEXT))), code)
  notDeepEqual(Buffer.from(await keystore.mac(await bench.secret(spec), mechanism, TEXT)), code)
  for (const bytes of [0, row.bytes + 1]) {
    await refuses(() => keystore.mac(key, { ...mechanism, bytes }, TEXT), UNFIT)
  }
  if (row.nonce) await refuses(() => keystore.mac(key, { mac }, TEXT), ['missingIv'])
  await bench.refusesPrivate((privateKey) => keystore.mac(privateKey, mechanism, TEXT))
}
