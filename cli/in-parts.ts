/**
 * Data that is longer than a message: it goes to the server in parts, and its results come back as
 * if it had gone as a whole.
 *
 * KMIP 1.4 §4.29 to §4.37 (Init Indicator, Correlation Value, Final Indicator); from 1.3 on. A
 * server may still set a limit to what it has to gather before it can answer, such as the
 * ciphertext of an AEAD.
 *
 * @module
 */
import type { KmipClient } from '#clients/kmip/client.ts'
import type { RequestOf, ResponseOf } from '#spec/kmip/operations.ts'

type Streaming = 'Encrypt' | 'Decrypt' | 'Sign' | 'SignatureVerify' | 'MAC' | 'MACVerify' | 'Hash'

/** Bytes of one part, well below what a server allows in a message. */
const PART_BYTES = 262_144

/** Fields of the first part alone, and of the last. */
const FIRST = ['ivCounterNonce', 'authenticatedEncryptionAdditionalData']
const LAST = ['authenticatedEncryptionTag', 'signatureData', 'macData']

interface Answer {
  readonly data?: Uint8Array
  readonly correlationValue?: Uint8Array
  readonly ivCounterNonce?: Uint8Array
}

/** Does one operation, with as many requests as its data needs. */
export async function callInParts<N extends Streaming>(
  client: KmipClient,
  operation: N,
  request: RequestOf<N>,
): Promise<ResponseOf<N>> {
  const { data } = request
  if (!(data instanceof Uint8Array) || data.length <= PART_BYTES) {
    return client.call(operation, request)
  }
  const output: Uint8Array[] = []
  let [first, last]: Answer[] = []
  for (let from = 0; from < data.length; from += PART_BYTES) {
    const isLast = from + PART_BYTES >= data.length
    const fields = {
      ...without(request, [...(from === 0 ? [] : FIRST), ...(isLast ? [] : LAST)]),
      data: data.subarray(from, from + PART_BYTES),
      ...(from === 0 ? { initIndicator: true } : { correlationValue: first?.correlationValue }),
      ...(isLast && { finalIndicator: true }),
    }
    last = (await client.call(operation, fields as RequestOf<N>)) as Answer
    first ??= last
    if (last.data !== undefined) output.push(last.data)
  }
  const whole = output.length === 0 ? undefined : Buffer.concat(output)
  return { ...last, ivCounterNonce: first?.ivCounterNonce, data: whole } as ResponseOf<N>
}

function without(request: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(request).filter(([key]) => !keys.includes(key)))
}
