/**
 * Templates that are kept with a key: CKA_WRAP_TEMPLATE and its like.
 *
 * PKCS#11 3.2 §4.9.1, §4.10.1. As bytes: for each attribute its type (8 bytes, little-endian), the
 * length of its value (8 bytes; all ones where there is none) and the value.
 *
 * @module
 */
import { ULONG_BYTES, ulongBytes, ulongOf } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'

export function writeTemplate(template: readonly Attribute[]): Uint8Array {
  return Buffer.concat(
    template.flatMap(({ type, value }) => {
      const bytes = valueBytes(value)
      return [ulongBytes(type), ulongBytes(bytes?.length ?? -1), bytes ?? Buffer.alloc(0)]
    }),
  )
}

function valueBytes(value: Attribute['value']): Uint8Array | undefined {
  if (value === undefined || value instanceof Uint8Array) return value
  return writeTemplate(value as readonly Attribute[])
}

/** What {@link writeTemplate} wrote. */
export function readTemplate(bytes: Uint8Array): readonly Attribute[] {
  const template: Attribute[] = []
  for (let at = 0; at + 2 * ULONG_BYTES <= bytes.length; ) {
    const type = ulongOf(bytes, at) as number
    const length = ulongOf(bytes, at + ULONG_BYTES) as number
    at += 2 * ULONG_BYTES
    template.push({ type, value: length < 0 ? undefined : bytes.subarray(at, at + length) })
    at += Math.max(0, length)
  }
  return template
}
