/**
 * Cryptographic Parameters that contradict the key, the data or each other are refused: what was
 * asked for would not be what is done.
 *
 * KMIP 1.4 §3.6, KMIP 2.1 §4.15; a real server over TLS.
 *
 * @module
 */
import { equal, match, ok, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { KmipClient, KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm as Alg,
  RecommendedCurve as Curve,
  DigitalSignatureAlgorithm as Dsa,
  HashingAlgorithm as Hash,
  BlockCipherMode as Mode,
  PaddingMethod as Padding,
  ResultReason as R,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'

const DATA = Buffer.alloc(32, 7)
const IV = Buffer.alloc(16, 1)
const ACTIVE: ListedAttribute = { id: 'activationDate', value: 1_000 }

const attribute = (id: ListedAttribute['id'], value: unknown): ListedAttribute => ({ id, value })
const usage = (mask: number) => ({ attributes: [attribute('cryptographicUsageMask', mask)] })

let server: OwnServer
let client: KmipClient
let aes = ''
let rsa = ''
let ec = ''

async function pair(given: readonly ListedAttribute[]): Promise<string> {
  const made = await client.call('CreateKeyPair', {
    commonAttributes: { attributes: [...given, ACTIVE] },
    privateKeyAttributes: usage(1),
    publicKeyAttributes: usage(2),
  })
  return made.privateKeyUniqueIdentifier as string
}

before(async () => {
  server = await startOwnServer()
  client = new KmipClient({ ...server.client('admin'), version: 21 })
  const attributes = [
    attribute('cryptographicAlgorithm', Alg.AES),
    attribute('cryptographicLength', 256),
    attribute('cryptographicUsageMask', 12),
    ACTIVE,
  ]
  const made = await client.call('Create', { objectType: 2, attributes: { attributes } })
  aes = made.uniqueIdentifier as string
  rsa = await pair([
    attribute('cryptographicAlgorithm', Alg.RSA),
    attribute('cryptographicLength', 2_048),
  ])
  ec = await pair([
    attribute('cryptographicAlgorithm', Alg.EC),
    attribute('cryptographicDomainParameters', { recommendedCurve: Curve.P_256 }),
  ])
})
after(async () => {
  client?.close()
  await server?.stop()
})

/** Refused with this reason in 2.1, and with Invalid Field in 1.4. */
async function refused(work: (version: 14 | 21) => Promise<unknown>, reason: R, why: RegExp) {
  for (const version of [14, 21] as const) {
    await rejects(work(version), (error) => {
      ok(error instanceof KmipError, String(error))
      equal(error.reason, version === 14 ? R.InvalidField : reason, error.message)
      match(error.message, why)
      return true
    })
  }
}

describe('Encrypt', { timeout: 120_000 }, () => {
  const encrypt = (cryptographicParameters: CryptographicParameters, more: object = {}) => {
    const payload = { uniqueIdentifier: aes, cryptographicParameters, data: DATA, ...more }
    return (version: 14 | 21) => client.call('Encrypt', payload, { version })
  }
  const cbc = { blockCipherMode: Mode.CBC, paddingMethod: Padding.PKCS5 }

  it('takes no additional data where nothing would authenticate it', async () => {
    const more = { ivCounterNonce: IV, authenticatedEncryptionAdditionalData: Buffer.from('who') }
    await refused(encrypt(cbc, more), R.BadCryptographicParameters, /no additional data; GCM/)
    const gcm = encrypt({ blockCipherMode: Mode.GCM, tagLength: 16 }, more)
    ok((await gcm(21)).authenticatedEncryptionTag)
  })

  it('takes no algorithm that the key is not of', async () => {
    const more = { ivCounterNonce: IV }
    const des = encrypt({ ...cbc, cryptographicAlgorithm: Alg.DES3 }, more)
    await refused(des, R.BadCryptographicParameters, /is DES3, the key is of AES/)
    ok(await encrypt({ ...cbc, cryptographicAlgorithm: Alg.AES }, more)(21))
  })
})

describe('Sign', { timeout: 120_000 }, () => {
  const sign = (id: () => string, cryptographicParameters: CryptographicParameters) => {
    return (version: 14 | 21) => {
      const payload = { uniqueIdentifier: id(), cryptographicParameters, data: DATA }
      return client.call('Sign', payload, { version })
    }
  }
  const pss = { paddingMethod: Padding.PSS, hashingAlgorithm: Hash.SHA_256 }
  const cases: readonly [string, () => string, CryptographicParameters, R, RegExp][] = [
    [
      'two hashes',
      () => rsa,
      {
        digitalSignatureAlgorithm: Dsa.SHA_256WithRSAEncryption,
        hashingAlgorithm: Hash.SHA_512,
      },
      R.BadCryptographicParameters,
      /has SHA_256, the Hashing Algorithm is SHA_512/,
    ],
    [
      'two paddings',
      () => rsa,
      {
        digitalSignatureAlgorithm: Dsa.SHA_256WithRSAEncryption,
        paddingMethod: Padding.PSS,
      },
      R.BadCryptographicParameters,
      /the padding PSS/,
    ],
    [
      'a salt of less than nothing',
      () => rsa,
      { ...pss, saltLength: -1 },
      R.UnsupportedCryptographicParameters,
      /Salt Length of -1 bytes is not offered, 0 to 222 are/,
    ],
    [
      'a salt that does not fit',
      () => rsa,
      { ...pss, saltLength: 223 },
      R.UnsupportedCryptographicParameters,
      /0 to 222 are/,
    ],
    [
      'a mask generator that does not exist',
      () => rsa,
      { ...pss, maskGenerator: 9 as never },
      R.UnsupportedCryptographicParameters,
      /MGF1 is/,
    ],
    [
      'a trailer that does not exist',
      () => rsa,
      { ...pss, trailerField: 2 },
      R.UnsupportedCryptographicParameters,
      /Trailer Field 2/,
    ],
  ]
  for (const [name, id, parameters, reason, why] of cases) {
    it(`does not take ${name}`, async () => refused(sign(id, parameters), reason, why))
  }

  it('takes what says the same twice, and an algorithm as the published cases have it', async () => {
    const hashingAlgorithm = Hash.SHA_256
    const twice = { digitalSignatureAlgorithm: Dsa.SHA_256WithRSAEncryption, hashingAlgorithm }
    ok(await sign(() => rsa, { ...twice, paddingMethod: Padding.PKCS1V1_5 })(21))
    ok(await sign(() => rsa, { ...pss, saltLength: 222, trailerField: 1 })(21))
    ok(await sign(() => ec, { hashingAlgorithm, cryptographicAlgorithm: Alg.RSA })(21))
  })
})

describe('Create Key Pair', { timeout: 120_000 }, () => {
  const create = (
    common: readonly ListedAttribute[],
    ofPrivate: readonly ListedAttribute[] = [],
  ) => {
    return (version: 14 | 21) =>
      client.call(
        'CreateKeyPair',
        {
          commonAttributes: { attributes: common },
          privateKeyAttributes: { attributes: [...usage(1).attributes, ...ofPrivate] },
          publicKeyAttributes: usage(2),
        },
        { version },
      )
  }
  const on = (recommendedCurve: number) => {
    return attribute('cryptographicDomainParameters', { recommendedCurve })
  }
  const EC = attribute('cryptographicAlgorithm', Alg.EC)
  const bits = (value: number) => attribute('cryptographicLength', value)

  it('takes no length that the curve does not have', async () => {
    const work = create([EC, bits(384), on(Curve.P_256)])
    await refused(work, R.InvalidAttributeValue, /P_256 has 256 bits, not 384/)
  })

  it('names the curve that is not offered', async () => {
    await refused(create([EC, on(Curve.B_233)]), R.InvalidAttributeValue, /EC on B_233 is not off/)
  })

  it('says which operation makes such a key', async () => {
    const work = create([attribute('cryptographicAlgorithm', Alg.AES), bits(256)])
    await refused(work, R.InvalidAttributeValue, /AES is for Create/)
  })
})
