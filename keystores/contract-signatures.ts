/**
 * Signatures: part of `contract.ts`.
 *
 * Every row of the signature schemes is tried with every kind of pair that can make it; data in
 * parts are in `contract-streams.ts`.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { it, type TestContext } from 'node:test'
import type { KeyInUse, SignatureMechanism } from '#core/keystore.ts'
import {
  type Hash,
  type KeySpec,
  type PairAlgorithm,
  pairRow,
  type SignatureScheme,
  schemesOfNode,
  signatureRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { ED25519_ANSWERS } from './contract-answers.ts'
import {
  AES,
  altered,
  type Bench,
  cannotTryKnown,
  hex,
  nameOfSpec,
  P256,
  pairSpecs,
  RSA,
  refuses,
  TEXT,
  type The,
  UNFIT,
} from './contract-bench.ts'

export function signatures(the: The): void {
  for (const spec of pairSpecs()) {
    const row = pairRow(spec.algorithm as PairAlgorithm)
    if (!row.does.includes('sign')) continue
    for (const scheme of schemesOfNode(row.node)) {
      for (const mechanism of mechanismsOf(scheme, spec)) {
        const form = [mechanism.hash, mechanism.digested && 'digest', mechanism.encoding]
        const name = [nameOfSpec(spec), scheme, ...form.filter(Boolean)].join(' ')
        it(`signs and verifies: ${name}`, async (context) => {
          const bench = the()
          if (bench.lacks(context, abilityOf(mechanism))) return
          const pair = await signingPair(bench, context, spec)
          if (pair !== undefined) await signsAndVerifies(bench, spec, mechanism, pair)
        })
      }
    }
  }
  it('signs with the private key only, and with the schemes of its algorithm only', async (context) => {
    const bench = the()
    if (bench.lacks(context, { generate: P256 }, { signature: 'ECDSA' })) return
    const { keystore } = bench
    const { privateKey, publicKey } = await bench.pair(P256)
    const secret = await bench.secret(AES)
    const ecdsa: SignatureMechanism = { scheme: 'ECDSA', hash: 'SHA_256' }
    const rsa: SignatureMechanism = { scheme: 'RSA_PKCS', hash: 'SHA_256' }
    await refuses(() => keystore.sign(publicKey, ecdsa, TEXT), UNFIT)
    await refuses(() => keystore.sign(secret, ecdsa, TEXT), UNFIT)
    await refuses(() => keystore.verify(secret, ecdsa, TEXT, TEXT), UNFIT)
    await refuses(() => keystore.sign(privateKey, rsa, TEXT), UNFIT)
    await refuses(() => keystore.verify(publicKey, rsa, TEXT, TEXT), UNFIT)
    await refuses(() => keystore.sign(privateKey, { scheme: 'ECDSA' }, TEXT), UNFIT)
  })
  it('refuses a digest of the wrong length', async (context) => {
    const bench = the()
    const mechanism = { scheme: 'ECDSA', hash: 'SHA_256', digested: true } as const
    if (bench.lacks(context, { signature: 'ECDSA' })) return
    const { privateKey } = await bench.pair(P256)
    const call = () => bench.keystore.sign(privateKey, mechanism, new Uint8Array(31))
    await refuses(call, ['dataLength'])
  })
  it('verifies a context string as part of the signature', async (context) => {
    const bench = the()
    const spec: KeySpec = { algorithm: 'ML_DSA_44', bits: 10_496 }
    if (bench.lacks(context, { generate: spec }, { signature: 'ML_DSA' })) return
    const { privateKey, publicKey } = await bench.pair(spec)
    const mechanism = { scheme: 'ML_DSA', context: Buffer.from('context') } as const
    const signature = await bench.keystore.sign(privateKey, mechanism, TEXT)
    equal(await bench.keystore.verify(publicKey, mechanism, TEXT, signature), true)
    const bare = { scheme: 'ML_DSA' } as const
    equal(await bench.keystore.verify(publicKey, bare, TEXT, signature), false)
  })
  it('recovers the data of RSA signatures that carry it', async (context) => {
    const bench = the()
    if (bench.lacks(context, { signature: 'RSA_PKCS' }, { generate: RSA })) return
    const { keystore } = bench
    const { privateKey, publicKey } = await bench.pair(RSA)
    const raw = Buffer.concat([Buffer.alloc(192), TEXT])
    for (const [mechanism, data] of [
      [{ scheme: 'RSA_PKCS', digested: true }, TEXT],
      [{ scheme: 'RSA_X_509' }, raw],
    ] as const) {
      const signature = await keystore.sign(privateKey, mechanism, data)
      const back = await keystore.recover(publicKey, mechanism, signature)
      deepEqual(Buffer.from(back), data)
      equal(await keystore.verify(publicKey, mechanism, data, signature), true)
    }
    const pss = { scheme: 'RSA_PKCS_PSS', hash: 'SHA_256' } as const
    await refuses(() => keystore.recover(publicKey, pss, Buffer.alloc(256)), UNFIT)
    const wrong = () => keystore.recover(publicKey, { scheme: 'RSA_PKCS' }, Buffer.alloc(256, 1))
    await refuses(wrong, ['cryptographicFailure'])
  })
  for (const [spec, mechanism] of WITHOUT_CONTEXT) {
    it(`refuses a context string for ${nameOfSpec(spec)} ${mechanism.scheme}`, async (test) => {
      const bench = the()
      if (bench.lacks(test, { generate: spec }, abilityOf(mechanism))) return
      const { privateKey, publicKey } = await bench.pair(spec)
      const context = { ...mechanism, context: Buffer.from('context') }
      const signature = await bench.keystore.sign(privateKey, mechanism, TEXT)
      await refuses(() => bench.keystore.sign(privateKey, context, TEXT), UNFIT)
      await refuses(() => bench.keystore.verify(publicKey, context, TEXT, signature), UNFIT)
    })
  }
  for (const answer of ED25519_ANSWERS) {
    const length = answer.message.length / 2
    it(`gives the answer of RFC 8032 §7.1 for a message of ${length} bytes`, async (context) => {
      const bench = the()
      if (cannotTryKnown(bench, context) || bench.lacks(context, { signature: 'EDDSA' })) return
      const spec: KeySpec = { algorithm: 'Ed25519', bits: 256 }
      const take = (kind: 'private' | 'public', text: string) =>
        bench.imported(kind, spec, KeyFormatType.Raw, hex(text))
      const key = await take('private', answer.privateKey)
      const data = hex(answer.message)
      const signature = await bench.keystore.sign(key, { scheme: 'EDDSA' }, data)
      equal(Buffer.from(signature).toString('hex'), answer.signature)
      const verifier = await take('public', answer.publicKey)
      const scheme = { scheme: 'EDDSA' } as const
      equal(await bench.keystore.verify(verifier, scheme, data, signature), true)
    })
  }
}

/** Nothing in these signatures could hold one: it must not be dropped. RFC 8032 §5.1, RFC 8017. */
const WITHOUT_CONTEXT: readonly (readonly [KeySpec, SignatureMechanism])[] = [
  [P256, { scheme: 'ECDSA', hash: 'SHA_256' }],
  [RSA, { scheme: 'RSA_PKCS', hash: 'SHA_256' }],
  [RSA, { scheme: 'RSA_PKCS_PSS', hash: 'SHA_256' }],
]

function mechanismsOf(scheme: SignatureScheme, spec: KeySpec): readonly SignatureMechanism[] {
  const row = signatureRow(scheme)
  if (row.input !== 'digest') {
    // The slow ones are tried in one form.
    const slow = scheme === 'SLH_DSA' && !spec.algorithm.endsWith('_128f')
    if (row.ckmHash === undefined || slow) return [{ scheme }]
    const context = Buffer.from('context')
    return [
      { scheme },
      { scheme, context },
      { scheme, hash: 'SHA_256' },
      { scheme, hash: 'SHA3_512', context },
      { scheme, hash: 'SHA_512', digested: true },
    ]
  }
  const hashes = Object.keys(row.ckmWith ?? {}) as Hash[]
  const bare = scheme === 'ECDSA' || scheme === 'DSA'
  return [
    ...hashes.map((hash) => ({ scheme, hash })),
    { scheme, hash: 'SHA_256', digested: true },
    ...(bare ? [{ scheme, hash: 'SHA_256', encoding: 'raw' } as const] : []),
    ...(bare ? [{ scheme, hash: 'SHA_256', digested: true, encoding: 'raw' } as const] : []),
    ...(scheme === 'RSA_PKCS_PSS' ? [{ scheme, hash: 'SHA_256', mgfHash: 'SHA_1' } as const] : []),
  ]
}

function abilityOf({ scheme, hash, digested, mgfHash }: SignatureMechanism) {
  if (mgfHash !== undefined) return { signature: scheme, hash, mgfHash }
  const bare = hash === undefined || digested
  return { signature: scheme, ...(bare ? {} : { hash }) }
}

/** Made inside, or, where only taking in is offered, made here. */
async function signingPair(bench: Bench, context: TestContext, spec: KeySpec) {
  if (bench.keystore.cannot({ generate: spec }) === undefined) return bench.pair(spec)
  if (spec.algorithm !== 'DSA' || cannotTryKnown(bench, context)) return undefined
  if (bench.lacks(context, { import: 'private', spec })) return undefined
  return bench.shared('DSA', async () => {
    const made = crypto.generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
    const { privateKey, publicKey } = made
    const short = { ...spec, bits: 1024 }
    const [pkcs8, spki] = [
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      publicKey.export({ format: 'der', type: 'spki' }),
    ]
    return {
      privateKey: await bench.imported('private', short, KeyFormatType.PKCS_8, pkcs8),
      publicKey: await bench.imported('public', short, KeyFormatType.X_509, spki),
    }
  })
}

async function signsAndVerifies(
  { keystore }: Bench,
  spec: KeySpec,
  mechanism: SignatureMechanism,
  { privateKey, publicKey }: { readonly privateKey: KeyInUse; readonly publicKey: KeyInUse },
): Promise<void> {
  const { scheme, hash, digested } = mechanism
  const whole = scheme === 'RSA_X_509' ? Buffer.concat([Buffer.alloc(192), TEXT]) : TEXT
  const data = digested ? await keystore.digest(hash as Hash, TEXT) : whole
  const signature = await keystore.sign(privateKey, mechanism, data)
  const verify = (bytes: Uint8Array, sig: Uint8Array) =>
    keystore.verify(publicKey, mechanism, bytes, sig)
  equal(await verify(data, signature), true)
  equal(await keystore.verify(privateKey, mechanism, data, signature), true)
  // The first byte: of a digest that is longer than the order, only the leftmost bits count.
  equal(await verify(altered(data), signature), false)
  equal(await verify(data, altered(signature, -1)), false)
  equal(await verify(data, signature.subarray(1)), false)
  equal(await verify(data, Buffer.concat([signature, Buffer.alloc(1)])), false)
  equal(await verify(data, new Uint8Array(0)), false)
  if (digested) {
    const { digested: _, ...overMessage } = mechanism
    equal(await keystore.verify(publicKey, overMessage, TEXT, signature), true)
  }
  if (mechanism.encoding === 'raw') {
    const bytes = spec.algorithm === 'DSA' ? 20 : Math.ceil(spec.bits / 8)
    equal(signature.length, bytes * 2)
  }
}
