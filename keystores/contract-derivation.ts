/**
 * Derivation and agreement in the keystore contract.
 *
 * Part of `contract.ts`: known answers (RFC 5869, RFC 6070, RFC 7748, CAVP for SP 800-108 and TLS
 * 1.2, the examples of PKCS#11 3.2) where keys can be taken in, compositions of what the
 * keystore's other operations give, and the refusals.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { it, type TestContext } from 'node:test'
import type {
  DerivationMechanism,
  Expansion,
  Ingredient,
  KeyInUse,
  RoundInput,
} from '#core/keystore.ts'
import type { Secret } from '#core/secret.ts'
import { type PairAlgorithm, pairRow } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import {
  HASHES_OF_ABC,
  HKDF_ANSWER,
  PBKDF2_ANSWERS,
  SP800_108_ANSWERS,
  TLS12_ANSWERS,
  X25519_ANSWER,
} from './contract-answers.ts'
import {
  AES,
  cannotTryKnown,
  hex,
  nameOfSpec,
  P256,
  pairSpecs,
  refuses,
  type The,
  UNFIT,
} from './contract-bench.ts'

const TEXT = Buffer.from('What is derived is known to those who know the key and the data.')

function textOf(secret: Secret): string {
  return hexOf(secret.expose())
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function derivation(the: The): void {
  const generic = (bytes: Uint8Array): Promise<KeyInUse> => the().known('HMAC_SHA256', bytes)

  const lacks = (context: TestContext, ...functions: DerivationMechanism['kdf'][]): boolean =>
    the().lacks(context, ...functions.map((derive) => ({ derive })))

  it('gives the answer of RFC 5869 A.1 for HKDF', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'HKDF')) return
    const { key, salt, info, output } = HKDF_ANSWER
    const mechanism = { kdf: 'HKDF', hash: 'SHA_256', salt: hex(salt), info: hex(info) } as const
    equal(textOf(await the().keystore.derive(await generic(hex(key)), mechanism, 42)), output)
  })
  for (const { iterations, output } of PBKDF2_ANSWERS) {
    it(`gives the answer of RFC 6070 for PBKDF2 with ${iterations} iterations`, async (context) => {
      if (cannotTryKnown(the(), context) || lacks(context, 'PBKDF2')) return
      const salt = Buffer.from('salt')
      const key = await generic(Buffer.from('password'))
      const mechanism = { kdf: 'PBKDF2', hash: 'SHA_1', salt, iterations } as const
      equal(textOf(await the().keystore.derive(key, mechanism, 20)), output)
    })
  }
  it('derives from secret keys only, and agrees with private ones only', async (context) => {
    if (lacks(context, 'HKDF', 'HMAC', 'DH')) return
    const { keystore } = the()
    const pair = await the().somePair()
    if (pair === undefined) return context.skip('no pair is made')
    const { privateKey, publicKey } = pair
    const secret = await the().secret(AES)
    const data = TEXT
    const hkdf = { kdf: 'HKDF', hash: 'SHA_256', salt: data, info: data } as const
    for (const mechanism of [hkdf, { kdf: 'HMAC', hash: 'SHA_256', data } as const]) {
      await refuses(() => keystore.derive(privateKey, mechanism, 16), UNFIT)
      await refuses(() => keystore.derive(publicKey, mechanism, 16), UNFIT)
    }
    await refuses(() => keystore.derive(secret, { kdf: 'DH', peer: data }, 16), UNFIT)
    await refuses(() => keystore.derive(secret, hkdf, 0), ['cryptographicFailure'])
    await refuses(() => keystore.derive(secret, hkdf, 255 * 32 + 1), ['cryptographicFailure'])
  })
  it('refuses PBKDF2 without iterations', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'PBKDF2')) return
    const mechanism = { kdf: 'PBKDF2', hash: 'SHA_1', salt: TEXT, iterations: 0 } as const
    const key = await generic(TEXT)
    await refuses(() => the().keystore.derive(key, mechanism, 20), ['invalidField'])
  })
  it('derives with HASH, HMAC and ENCRYPT what the operations themselves give', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'HASH', 'HMAC', 'ENCRYPT')) return
    if (the().lacks(context, { mac: 'HMAC_SHA256', bits: 24 })) return
    const { keystore } = the()
    const key = await generic(Buffer.from('abc'))
    const nothing = new Uint8Array(0)
    const hash = { kdf: 'HASH', hash: 'SHA_256', data: nothing } as const
    equal(textOf(await keystore.derive(key, hash, 32)), HASHES_OF_ABC.SHA_256)
    const hmac = await keystore.mac(key, { mac: 'HMAC_SHA256' }, TEXT)
    const byHmac = { kdf: 'HMAC', hash: 'SHA_256', data: TEXT } as const
    equal(textOf(await keystore.derive(key, byHmac, 20)), hexOf(hmac).slice(0, 40))
    await refuses(() => keystore.derive(key, byHmac, 33), ['cryptographicFailure'])
    const aes = await the().known('AES', crypto.randomBytes(32))
    const mechanism = { cipher: 'AES_CBC', iv: Buffer.alloc(16, 3) } as const
    const { data } = await keystore.encrypt(aes, mechanism, TEXT)
    const byCipher = { kdf: 'ENCRYPT', mechanism, data: TEXT } as const
    equal(textOf(await keystore.derive(aes, byCipher, TEXT.length)), hexOf(data))
  })
  it('derives with the modes of SP 800-108 as §4 composes them of HMAC', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'SP800_108')) return
    const { keystore } = the()
    const key = await generic(crypto.randomBytes(32))
    const prf = async (...parts: readonly Uint8Array[]) =>
      Buffer.from(await keystore.mac(key, { mac: 'HMAC_SHA256' }, Buffer.concat(parts)))
    const [one, two] = [hex('00000001'), hex('00000002')]
    const iv = Buffer.alloc(32, 7)
    const derive = async (mode: 'COUNTER' | 'FEEDBACK' | 'DOUBLE_PIPELINE') => {
      const counter = { counterBits: 32 }
      const input = mode === 'COUNTER' ? [counter, TEXT] : (['chain', counter, TEXT] as const)
      const mechanism = { kdf: 'SP800_108', mode, prf: 'HMAC_SHA256', input, iv } as const
      return textOf(await keystore.derive(key, mechanism, 40))
    }
    const expect = (...blocks: readonly Buffer[]) => hexOf(Buffer.concat(blocks)).slice(0, 80)
    equal(await derive('COUNTER'), expect(await prf(one, TEXT), await prf(two, TEXT)))
    const fed = await prf(iv, one, TEXT)
    equal(await derive('FEEDBACK'), expect(fed, await prf(fed, two, TEXT)))
    const first = await prf(TEXT)
    const second = await prf(first)
    const blocks = [await prf(first, one, TEXT), await prf(second, two, TEXT)]
    equal(await derive('DOUBLE_PIPELINE'), expect(...blocks))
  })
  for (const { counterBits, key, input, output } of SP800_108_ANSWERS) {
    it(`gives the answer of CAVP for a counter of ${counterBits} bits`, async (context) => {
      if (cannotTryKnown(the(), context) || lacks(context, 'SP800_108')) return
      const known = await the().known('AES', hex(key))
      const parts = [{ counterBits }, hex(input)]
      const mechanism = {
        kdf: 'SP800_108',
        mode: 'COUNTER',
        prf: 'AES_CMAC',
        input: parts,
      } as const
      const length = output.length / 2
      equal(textOf(await the().keystore.derive(known, mechanism, length)), output)
    })
  }
  it('puts counters and other keys where the input of SP 800-108 has them', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'SP800_108')) return
    if (the().lacks(context, { mac: 'AES_CMAC' })) return
    const { keystore } = the()
    const [key, other] = [await the().secret(AES), await generic(TEXT)]
    const derive = async (...input: readonly RoundInput[]) => {
      const mechanism = { kdf: 'SP800_108', mode: 'COUNTER', prf: 'AES_CMAC', input } as const
      return textOf(await keystore.derive(key, mechanism, 32))
    }
    const prf = async (...parts: readonly Uint8Array[]) =>
      hexOf(await keystore.mac(key, { mac: 'AES_CMAC' }, Buffer.concat(parts)))
    const blocks = [await prf(TEXT, hex('0100')), await prf(TEXT, hex('0200'))]
    const counter = { counterBits: 16, littleEndian: true }
    equal(await derive(TEXT, counter), blocks.join(''))
    equal(await derive(other, counter), blocks.join(''))
    const codes = ['invalidField'] as const
    await refuses(() => derive({ counterBits: 12 }, TEXT), codes)
    const many = { kdf: 'SP800_108', mode: 'COUNTER', prf: 'AES_CMAC' } as const
    const input = [{ counterBits: 8 }, TEXT]
    await refuses(() => keystore.derive(key, { ...many, input }, 256 * 16), codes)
    equal((await keystore.derive(key, { ...many, input }, 255 * 16)).length, 255 * 16)
  })
  it('extracts and expands with HKDF one after the other, as RFC 5869 does', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'HKDF_EXTRACT', 'HKDF_EXPAND')) return
    const { keystore } = the()
    const { key, salt, info, extracted, output } = HKDF_ANSWER
    const hash = 'SHA_256'
    const base = await generic(hex(key))
    const bySalt = { kdf: 'HKDF_EXTRACT', hash, salt: hex(salt) } as const
    equal(textOf(await keystore.derive(base, bySalt, 32)), extracted)
    // A key as salt; of a length that every way of taking keys out of a device takes.
    const long = Buffer.alloc(32, hex(salt))
    const inClear = textOf(await keystore.derive(base, { ...bySalt, salt: long }, 32))
    const byKey = { ...bySalt, salt: await generic(long) }
    equal(textOf(await keystore.derive(base, byKey, 32)), inClear)
    const expand = { kdf: 'HKDF_EXPAND', hash, info: hex(info) } as const
    const prk = await generic(hex(extracted))
    equal(textOf(await keystore.derive(prk, expand, output.length / 2)), output)
    await refuses(() => keystore.derive(base, bySalt, 33), ['cryptographicFailure'])
    await refuses(() => keystore.derive(prk, expand, 255 * 32 + 1), ['cryptographicFailure'])
    await the().refusesPrivate((salt) => keystore.derive(base, { ...bySalt, salt }, 32))
  })
  for (const { key, seed, output } of TLS12_ANSWERS) {
    it(`gives the answer of CAVP for ${output.length / 2} bytes of TLS 1.2`, async (context) => {
      if (cannotTryKnown(the(), context) || lacks(context, 'TLS12_PRF')) return
      const mechanism = { kdf: 'TLS12_PRF', hash: 'SHA_256', seed: hex(seed) } as const
      const secret = await the().keystore.derive(
        await generic(hex(key)),
        mechanism,
        output.length / 2,
      )
      equal(textOf(secret), output)
    })
  }
  it('joins, cuts and combines values as the examples of PKCS#11 show', async (context) => {
    if (cannotTryKnown(the(), context) || lacks(context, 'CONCATENATE', 'XOR', 'EXTRACT')) return
    const { keystore } = the()
    const data = hex('89abcdef')
    const [key, other] = [await generic(hex('01234567')), await generic(data)]
    const join = async (parts: readonly (Ingredient | 'base')[], length = 8) =>
      textOf(await keystore.derive(key, { kdf: 'CONCATENATE', parts }, length))
    equal(await join(['base', other]), '0123456789abcdef')
    equal(await join(['base', data], 6), '0123456789ab')
    equal(await join([data, 'base']), '89abcdef01234567')
    await refuses(() => join(['base', data], 9), ['cryptographicFailure'])
    equal(textOf(await keystore.derive(key, { kdf: 'XOR', data }, 4)), '88888888')
    await refuses(() => keystore.derive(key, { kdf: 'XOR', data }, 5), ['cryptographicFailure'])
    const base = await generic(hex('329f84a9'))
    equal(textOf(await keystore.derive(base, { kdf: 'EXTRACT', bit: 21 }, 2)), '9526')
    equal(textOf(await keystore.derive(base, { kdf: 'EXTRACT', bit: 0 }, 4)), '329f84a9')
    await refuses(() => keystore.derive(base, { kdf: 'EXTRACT', bit: 32 }, 2), ['invalidField'])
    const long = () => keystore.derive(base, { kdf: 'EXTRACT', bit: 0 }, 5)
    await refuses(long, ['cryptographicFailure'])
  })
  it('hashes a shared secret with a counter before or behind it', async (context) => {
    const bench = the()
    if (bench.lacks(context, { generate: P256 }, { derive: 'DH' })) return
    const { keystore } = bench
    const [ours, theirs] = [await bench.pair(P256), await bench.newPair(P256)]
    const peer = (await keystore.export(theirs.publicKey)).expose()
    const agree = async (expand?: Expansion, length = 32) =>
      Buffer.from(
        (await keystore.derive(ours.privateKey, { kdf: 'DH', peer, expand }, length)).expose(),
      )
    const shared = await agree()
    const digest = async (...parts: readonly Uint8Array[]) =>
      Buffer.from(await keystore.digest('SHA_256', Buffer.concat(parts)))
    const [one, two] = [hex('00000001'), hex('00000002')]
    const x963 = [await digest(shared, one, TEXT), await digest(shared, two, TEXT)]
    const nist = [await digest(one, shared, TEXT), await digest(two, shared, TEXT)]
    const expand = { hash: 'SHA_256', info: TEXT } as const
    deepEqual(await agree({ ...expand, form: 'X9_63' }, 40), Buffer.concat(x963).subarray(0, 40))
    deepEqual(await agree({ ...expand, form: 'SP800_56C' }, 64), Buffer.concat(nist))
  })
  it('gives the answer of RFC 7748 §6.1 for X25519', async (context) => {
    const bench = the()
    if (cannotTryKnown(bench, context)) return
    const { algorithm, privateKey, peer, shared } = X25519_ANSWER
    const spec = { algorithm, bits: 256 }
    if (bench.lacks(context, { import: 'private', spec }, { derive: 'DH' })) return
    const key = await bench.imported('private', spec, KeyFormatType.Raw, hex(privateKey))
    equal(textOf(await bench.keystore.derive(key, { kdf: 'DH', peer: hex(peer) }, 32)), shared)
  })
  for (const spec of pairSpecs()) {
    if (!pairRow(spec.algorithm as PairAlgorithm).does.includes('agree')) continue
    it(`agrees on one secret from both sides with ${nameOfSpec(spec)}`, async (context) => {
      const bench = the()
      if (bench.lacks(context, { generate: spec }, { derive: 'DH' })) return
      const [ours, theirs] = [await bench.pair(spec), await bench.newPair(spec)]
      const peerOf = async (key: KeyInUse) => (await bench.keystore.export(key)).expose()
      const length = spec.algorithm === 'X448' ? 56 : Math.ceil(spec.bits / 8)
      const agree = async (key: KeyInUse, peer: KeyInUse) =>
        textOf(await bench.keystore.derive(key, { kdf: 'DH', peer: await peerOf(peer) }, length))
      const secret = await agree(ours.privateKey, theirs.publicKey)
      equal(secret, await agree(theirs.privateKey, ours.publicKey))
      const wrong = { kdf: 'DH', peer: Buffer.alloc(200, 0x30) } as const
      const call = () => bench.keystore.derive(ours.privateKey, wrong, length)
      await refuses(call, ['cryptographicFailure'])
    })
  }
}
