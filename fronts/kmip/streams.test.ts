/**
 * Data in parts, by KMIP: whatever the parts are, they give what one part gives; who has begun may
 * go on, nobody else; what waits has limits.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  HashingAlgorithm,
  PaddingMethod,
  RecommendedCurve,
  ResultReason,
  ValidityIndicator,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'

const GCM = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 } as const
const CBC = { blockCipherMode: BlockCipherMode.CBC, paddingMethod: PaddingMethod.PKCS5 } as const
const SHA_256 = { hashingAlgorithm: HashingAlgorithm.SHA_256 } as const
const STREAM_SECONDS = 2
const STREAMS_MAX = 3

describe('data in parts', { timeout: 120_000 }, () => {
  let server: OwnServer
  let kmip: KmipClient

  before(async () => {
    server = await startOwnServer({
      env: {
        CLAVIGER_LIMITS_STREAM_SECONDS: `${STREAM_SECONDS}`,
        CLAVIGER_LIMITS_STREAMS_MAX: `${STREAMS_MAX}`,
        CLAVIGER_LIMITS_BUFFERED_BYTES_MAX: '1024',
      },
    })
    kmip = new KmipClient(await server.newClient())
  })
  after(async () => {
    kmip.close()
    await server.stop()
  })

  const aesKey = async (
    more: readonly { readonly id: 'usageLimits'; readonly value: object }[] = [],
  ): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      // Encrypt, Decrypt, MAC Generate, MAC Verify
      { id: 'cryptographicUsageMask', value: 0x18c },
      { id: 'activationDate', value: 1 },
      ...more,
    ] as const
    const made = await kmip.call('Create', { objectType: 2, attributes: { attributes } })
    return made.uniqueIdentifier as string
  }

  const pair = async (algorithm: number, given: readonly object[], parameters: object) => {
    const common = [
      { id: 'cryptographicAlgorithm', value: algorithm },
      { id: 'activationDate', value: 1 },
      { id: 'cryptographicParameters', value: parameters },
      ...(given as { readonly id: 'cryptographicLength'; readonly value: number }[]),
    ] as const
    const made = await kmip.call('CreateKeyPair', {
      commonAttributes: { attributes: common },
      privateKeyAttributes: { attributes: [{ id: 'cryptographicUsageMask', value: 1 }] },
      publicKeyAttributes: { attributes: [{ id: 'cryptographicUsageMask', value: 2 }] },
    })
    return {
      privateId: made.privateKeyUniqueIdentifier as string,
      publicId: made.publicKeyUniqueIdentifier as string,
    }
  }

  /** Encrypts or decrypts part by part. */
  const ciphered = async (
    operation: 'Encrypt' | 'Decrypt',
    uniqueIdentifier: string,
    first: {
      readonly cryptographicParameters: CryptographicParameters
      readonly ivCounterNonce: Uint8Array
      readonly authenticatedEncryptionAdditionalData?: Uint8Array
    },
    parts: readonly Uint8Array[],
    authenticatedEncryptionTag?: Uint8Array,
  ) => {
    const init = { ...first, uniqueIdentifier, initIndicator: true }
    let answer = await kmip.call(operation, init)
    const out = [answer.data ?? new Uint8Array(0)]
    for (const data of parts) {
      const { correlationValue } = answer
      answer = await kmip.call(operation, { uniqueIdentifier, correlationValue, data })
      out.push(answer.data ?? new Uint8Array(0))
    }
    const { correlationValue } = answer
    const last = { correlationValue, finalIndicator: true, authenticatedEncryptionTag }
    const end = await kmip.call(operation, last)
    assert.equal(end.correlationValue, undefined)
    out.push(end.data ?? new Uint8Array(0))
    const tag = 'authenticatedEncryptionTag' in end ? end.authenticatedEncryptionTag : undefined
    return { data: Buffer.concat(out), tag }
  }

  it('is encrypted and decrypted as in one part, in CBC and in GCM', async () => {
    const uniqueIdentifier = await aesKey()
    const data = randomBytes(100)
    const parts = [data.subarray(0, 7), data.subarray(7, 40), data.subarray(40)]
    const aad = Buffer.from('beside')
    for (const [cryptographicParameters, iv] of [
      [CBC, randomBytes(16)],
      [GCM, randomBytes(12)],
    ] as const) {
      const beside =
        cryptographicParameters === GCM ? { authenticatedEncryptionAdditionalData: aad } : {}
      const how = { cryptographicParameters, ivCounterNonce: iv, ...beside }
      const whole = await kmip.call('Encrypt', { uniqueIdentifier, data, ...how })
      const sealed = await ciphered('Encrypt', uniqueIdentifier, how, parts)
      assert.deepEqual(sealed.data, Buffer.from(whole.data ?? []))
      assert.deepEqual(sealed.tag, whole.authenticatedEncryptionTag)
      const cut = [sealed.data.subarray(0, 33), sealed.data.subarray(33)]
      const opened = await ciphered('Decrypt', uniqueIdentifier, how, cut, sealed.tag)
      assert.deepEqual(opened.data, data)
    }
  })

  it('shows nothing of an AEAD before its tag is right', async () => {
    const uniqueIdentifier = await aesKey()
    const how = { cryptographicParameters: GCM, ivCounterNonce: randomBytes(12) }
    const sealed = await ciphered('Encrypt', uniqueIdentifier, how, [randomBytes(50)])
    const begun = await kmip.call('Decrypt', { uniqueIdentifier, ...how, initIndicator: true })
    const { correlationValue } = begun
    const part = await kmip.call('Decrypt', { correlationValue, data: sealed.data })
    assert.equal(part.data, undefined)
    const end = kmip.call('Decrypt', {
      correlationValue,
      finalIndicator: true,
      authenticatedEncryptionTag: new Uint8Array(16),
    })
    await assert.rejects(end, { reason: ResultReason.CryptographicFailure })
    const more = kmip.call('Decrypt', { correlationValue, finalIndicator: true })
    await assert.rejects(more, { reason: ResultReason.InvalidCorrelationValue })
  })

  it('is signed and verified as in one part, by digest or gathered', async () => {
    const curve = (value: number) => [
      { id: 'cryptographicDomainParameters', value: { recommendedCurve: value } },
    ]
    const pairs = [
      await pair(CryptographicAlgorithm.RSA, [{ id: 'cryptographicLength', value: 2048 }], SHA_256),
      await pair(CryptographicAlgorithm.EC, curve(RecommendedCurve.P_256), SHA_256),
      await pair(CryptographicAlgorithm.Ed25519, [], {}),
    ]
    for (const { privateId, publicId } of pairs) {
      const [one, two] = [randomBytes(30), randomBytes(40)]
      const init = { uniqueIdentifier: privateId, initIndicator: true, data: one }
      const { correlationValue } = await kmip.call('Sign', init)
      const last = { correlationValue, finalIndicator: true, data: two }
      const { signatureData } = await kmip.call('Sign', last)
      assert.ok(signatureData)
      const whole = await kmip.call('SignatureVerify', {
        uniqueIdentifier: publicId,
        data: Buffer.concat([one, two]),
        signatureData,
      })
      assert.equal(whole.validityIndicator, ValidityIndicator.Valid)
      const ends: readonly (readonly [Uint8Array, ValidityIndicator])[] = [
        [two, ValidityIndicator.Valid],
        [one, ValidityIndicator.Invalid],
      ]
      for (const [data, expected] of ends) {
        const first = { uniqueIdentifier: publicId, initIndicator: true, data: one }
        const begun = await kmip.call('SignatureVerify', first)
        assert.ok(begun.validityIndicator === undefined)
        const { validityIndicator }: { readonly validityIndicator?: number | undefined } =
          await kmip.call('SignatureVerify', {
            correlationValue: begun.correlationValue,
            finalIndicator: true,
            data,
            signatureData,
          })
        assert.equal(validityIndicator, expected)
      }
    }
  })

  it('has the MAC and the hash of one part', async () => {
    const uniqueIdentifier = await aesKey()
    const cryptographicParameters = { blockCipherMode: BlockCipherMode.CMAC }
    const [one, two] = [randomBytes(30), randomBytes(40)]
    const key = { uniqueIdentifier, cryptographicParameters }
    const whole = await kmip.call('MAC', { ...key, data: Buffer.concat([one, two]) })
    const begun = await kmip.call('MAC', { ...key, data: one, initIndicator: true })
    const { correlationValue } = begun
    const end = await kmip.call('MAC', { correlationValue, data: two, finalIndicator: true })
    assert.deepEqual(end.macData, whole.macData)
    const checking = await kmip.call('MACVerify', { ...key, data: one, initIndicator: true })
    const checked = await kmip.call('MACVerify', {
      correlationValue: checking.correlationValue,
      data: two,
      macData: end.macData,
      finalIndicator: true,
    })
    assert.equal(checked.validityIndicator, ValidityIndicator.Valid)
    const algorithm = { cryptographicParameters: SHA_256 }
    const hash = await kmip.call('Hash', { ...algorithm, data: Buffer.concat([one, two]) })
    const first = await kmip.call('Hash', { ...algorithm, data: one, initIndicator: true })
    const last = await kmip.call('Hash', {
      ...algorithm,
      correlationValue: first.correlationValue,
      data: two,
      finalIndicator: true,
    })
    assert.deepEqual(last.data, hash.data)
  })

  it('goes on for who has begun it, on any connection, and for nobody else', async () => {
    const begin = { cryptographicParameters: SHA_256, data: Buffer.from('a'), initIndicator: true }
    const { correlationValue } = await kmip.call('Hash', begin)
    const go = { cryptographicParameters: SHA_256, correlationValue, data: Buffer.from('b') }
    const other = new KmipClient(await server.newClient())
    try {
      const reason = ResultReason.InvalidCorrelationValue
      await assert.rejects(other.call('Hash', go), { reason })
      const old = { version: 14, reason: ResultReason.InvalidField } as const
      await assert.rejects(other.call('Hash', go, { version: 14 }), { reason: old.reason })
    } finally {
      other.close()
    }
    const uniqueIdentifier = await aesKey()
    const wrong = kmip.call('MAC', { uniqueIdentifier, correlationValue, finalIndicator: true })
    await assert.rejects(wrong, { reason: ResultReason.InvalidCorrelationValue })
    assert.ok((await kmip.call('Hash', { ...go, finalIndicator: true })).data)
  })

  it('refuses parts that contradict each other', async () => {
    const parameters = { cryptographicParameters: SHA_256 }
    const reason = ResultReason.InvalidField
    const end = { ...parameters, data: Buffer.from('a'), finalIndicator: true }
    await assert.rejects(kmip.call('Hash', end), { reason })
    const both = { ...parameters, initIndicator: true, correlationValue: randomBytes(16) }
    await assert.rejects(kmip.call('Hash', both), { reason })
    const [one, two] = [await aesKey(), await aesKey()]
    const how = { cryptographicParameters: CBC, ivCounterNonce: randomBytes(16) }
    const begun = await kmip.call('Encrypt', { uniqueIdentifier: one, ...how, initIndicator: true })
    const { correlationValue } = begun
    const other = { uniqueIdentifier: two, correlationValue, finalIndicator: true }
    await assert.rejects(kmip.call('Encrypt', other), { reason, message: /first part was for/ })
  })

  it('counts in the Usage Limits, and goes no further once the key is revoked', async () => {
    const limits = {
      id: 'usageLimits',
      value: { usageLimitsTotal: 20n, usageLimitsUnit: 1 },
    } as const
    const uniqueIdentifier = await aesKey([limits])
    const how = { cryptographicParameters: CBC, ivCounterNonce: randomBytes(16) }
    const init = { uniqueIdentifier, ...how, data: randomBytes(16), initIndicator: true }
    const { correlationValue } = await kmip.call('Encrypt', init)
    const more = kmip.call('Encrypt', { correlationValue, data: randomBytes(16) })
    await assert.rejects(more, { message: /Usage Limits leave 4/ })
    const second = await aesKey()
    const begun = await kmip.call('Encrypt', { ...init, uniqueIdentifier: second })
    const revocationReason = { revocationReasonCode: 1 } as const
    await kmip.call('Revoke', { uniqueIdentifier: second, revocationReason })
    const end = { correlationValue: begun.correlationValue, finalIndicator: true }
    await assert.rejects(kmip.call('Encrypt', end), { message: /Deactivated/ })
  })

  it('has limits: streamsMax, bufferedBytesMax, streamSeconds', async () => {
    const begin = { cryptographicParameters: SHA_256, data: Buffer.from('a'), initIndicator: true }
    const begun: (Uint8Array | undefined)[] = []
    for (let count = 0; count < STREAMS_MAX; count++) {
      begun.push((await kmip.call('Hash', begin)).correlationValue)
    }
    const reason = ResultReason.ServerLimitExceeded
    await assert.rejects(kmip.call('Hash', begin), { reason })
    await sleep(STREAM_SECONDS * 1_000 + 500)
    const { correlationValue } = await kmip.call('Hash', begin)
    const late = { ...begin, initIndicator: undefined, correlationValue: begun[0] }
    await assert.rejects(kmip.call('Hash', late), { reason: ResultReason.InvalidCorrelationValue })
    const end = { ...begin, initIndicator: undefined, correlationValue, finalIndicator: true }
    await kmip.call('Hash', end)
    const uniqueIdentifier = await aesKey()
    const how = { cryptographicParameters: GCM, ivCounterNonce: randomBytes(12) }
    const long = { uniqueIdentifier, ...how, data: randomBytes(1_025), initIndicator: true }
    await assert.rejects(kmip.call('Decrypt', long), { reason })
  })

  it('keeps the order of parts that are sent without waiting', async () => {
    const pipelined = new KmipClient({
      ...(await server.newClient()),
      connectionsMax: 1,
      pipelineMax: 50,
    })
    try {
      const parameters = { cryptographicParameters: SHA_256 }
      const chunks = Array.from({ length: 20 }, () => randomBytes(50))
      const { correlationValue } = await pipelined.call('Hash', {
        ...parameters,
        initIndicator: true,
      })
      const sent = chunks.map((data) =>
        pipelined.call('Hash', { ...parameters, correlationValue, data }),
      )
      const end = pipelined.call('Hash', { ...parameters, correlationValue, finalIndicator: true })
      await Promise.all(sent)
      const whole = await pipelined.call('Hash', { ...parameters, data: Buffer.concat(chunks) })
      assert.deepEqual((await end).data, whole.data)
    } finally {
      pipelined.close()
    }
  })
})

describe('a server whose operator takes data in whole only', { timeout: 60_000 }, () => {
  it('says so in Query, and refuses parts', async () => {
    const server = await startOwnServer({ env: { CLAVIGER_KMIP_QUERY_STREAMING: 'false' } })
    const kmip = new KmipClient(server.client('admin'))
    try {
      const { capabilityInformation } = await kmip.call('Query', { queryFunction: [11] })
      assert.equal(capabilityInformation[0]?.streamingCapability, false)
      const begin = { cryptographicParameters: SHA_256, initIndicator: true }
      const reason = ResultReason.FeatureNotSupported
      await assert.rejects(kmip.call('Hash', begin), { reason })
    } finally {
      kmip.close()
      await server.stop()
    }
  })
})
