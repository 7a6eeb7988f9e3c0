/**
 * The version that a message says which cannot be read as a whole.
 *
 * KMIP 1.4 §7.2: a header begins with the Protocol Version, so that its two numbers have their
 * place in the bytes. Who speaks 1.0 can read a refusal in 1.0 alone.
 *
 * @module
 */
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { spokenVersion, VERSION_MAX, type Version } from '#wire/ttlv/version.ts'

/** Tag and type, as the first four bytes of an item have them, and where they stand. */
const MARKS = [
  [0, Tag.RequestMessage, ItemType.Structure],
  [8, Tag.RequestHeader, ItemType.Structure],
  [16, Tag.ProtocolVersion, ItemType.Structure],
  [24, Tag.ProtocolVersionMajor, ItemType.Integer],
  [40, Tag.ProtocolVersionMinor, ItemType.Integer],
] as const

const [MAJOR_AT, MINOR_AT, BYTES] = [32, 48, 52]

/** @returns Our newest version where the bytes do not say, or say none that is spoken. */
export function saidVersion(bytes: Buffer): Version {
  if (bytes.length < BYTES) return VERSION_MAX
  const isHeader = MARKS.every(([at, tag, type]) => bytes.readUInt32BE(at) === tag * 256 + type)
  if (!isHeader) return VERSION_MAX
  const [major, minor] = [bytes.readInt32BE(MAJOR_AT), bytes.readInt32BE(MINOR_AT)]
  return spokenVersion({ major, minor }) ?? VERSION_MAX
}
