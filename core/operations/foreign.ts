/**
 * What an object that was made elsewhere says about itself, beside its key.
 *
 * KMIP 1.4 §2.2, KMIP 2.1 §2: types that exist, and numbers of a split key that fit together.
 *
 * @module
 */
import { CertificateType, SecretDataType, SplitKeyMethod } from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { EXTENSIONS } from '#spec/kmip/values.ts'
import { KmsError } from '../errors.ts'

/** @throws {@link KmsError} `unknownEnumeration`, `invalidField`. */
export function assertSound(object: ObjectInMessage): void {
  if (object.tag === Tag.SecretData) assertIs(SecretDataType, object.value.secretDataType)
  if (object.tag === Tag.Certificate) assertIs(CertificateType, object.value.certificateType)
  if (object.tag === Tag.SplitKey) assertSplit(object.value)
}

function assertIs(members: Readonly<Record<string, number>>, value: number): void {
  const { title, byValue } = tableOf(members)
  if (byValue.has(value) || value >= EXTENSIONS) return
  const names = Object.keys(members).join(', ')
  const what = `Cannot register object: ${value} is no ${title}`
  throw new KmsError('unknownEnumeration', `${what}; there are ${names}`)
}

interface Split {
  readonly splitKeyParts: number
  readonly keyPartIdentifier: number
  readonly splitKeyThreshold: number
  readonly splitKeyMethod: number
}

function assertSplit(split: Split): void {
  const { splitKeyParts: parts, keyPartIdentifier: part, splitKeyThreshold: threshold } = split
  assertIs(SplitKeyMethod, split.splitKeyMethod)
  if (isWithin(part, parts) && isWithin(threshold, parts)) return
  const what = `Cannot register Split Key: part ${part} of ${parts}, of which ${threshold} are needed`
  throw new KmsError('invalidField', `${what}; both numbers go from 1 to the Split Key Parts`)
}

function isWithin(number: number, most: number): boolean {
  return 1 <= number && number <= most
}
