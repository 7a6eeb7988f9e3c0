/**
 * Requests of KMIP that tests of the listener send, and what they look for in the answers.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { decodeResponse, encodeRequest, type KmipClient } from '#clients/kmip/client.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import type { Item } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

export const AES = [
  { id: 'cryptographicAlgorithm', value: 3 },
  { id: 'cryptographicLength', value: 256 },
  { id: 'cryptographicUsageMask', value: 12 },
] as const
/** Create for a key of AES-256 that encrypts and decrypts. */
export const CREATE = { objectType: 2, attributes: { attributes: AES } } as const

/** Query in bytes, in KMIP 1.4. */
export const QUERY = encodeItem(encodeRequest([query()], 14))

export function query() {
  return { operation: 'Query', payload: { queryFunction: [1] } } as const
}

/** The Result Reason of the first answer; undefined for a success. */
export function reasonOf(item: Item | undefined, version: Version = 21): number | undefined {
  assert.ok(item, 'the server has closed without an answer')
  const [result] = decodeResponse(item, version)
  return result?.ok === false ? result.error.reason : undefined
}

/** Whether every answer of a batch is one. */
export function isSuccess(item: Item | undefined, version: Version = 14): boolean {
  assert.ok(item, 'the server has closed without an answer')
  return decodeResponse(item, version).every(({ ok }) => ok)
}

/** Creates a key; its identifier as text. */
export async function created(kmip: KmipClient): Promise<string> {
  const { uniqueIdentifier } = await kmip.call('Create', CREATE)
  assert.ok(typeof uniqueIdentifier === 'string')
  return uniqueIdentifier
}
