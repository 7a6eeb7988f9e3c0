/**
 * The wire log: what one client and this server say to each other, for whoever has to find out why
 * they do not understand each other.
 *
 * Off for everybody until it is switched on for a credential, while the server runs. Written as
 * TTLV in hexadecimal, as JSON or as XML. Secrets never reach it: key values, data, passwords and
 * their like are masked, and only their length is said.
 *
 * @module
 */
import type { Principal } from '#core/context.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { protocolVersionOfMessage } from '#spec/kmip/messages.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { toJson } from '#wire/ttlv/json.ts'
import { toXml } from '#wire/ttlv/xml.ts'

export type WireFormat = 'hex' | 'json' | 'xml'

/** One message, as it is written down. */
export interface WireEntry {
  readonly principal: string
  readonly direction: 'request' | 'response'
  readonly text: string
}

/** Fields whose content is never written down. */
const SECRET_TAGS: ReadonlySet<number> = new Set<number>([
  Tag.KeyMaterial,
  Tag.KeyValue,
  Tag.Data,
  Tag.Password,
  Tag.CredentialValue,
  Tag.OpaqueDataValue,
  Tag.SignatureData,
  Tag.MACData,
  Tag.DigestedData,
  Tag.DerivationData,
  Tag.Salt,
  Tag.TicketValue,
  Tag.HashedPassword,
  Tag.OneTimePassword,
  Tag.PKCS_11InputParameters,
  Tag.PKCS_11OutputParameters,
])

export class WireLog {
  readonly #formats = new Map<string, WireFormat>()
  readonly #write: (entry: WireEntry) => void

  constructor(write: (entry: WireEntry) => void) {
    this.#write = write
  }

  /** @param name Name of a credential. */
  switchOn(name: string, format: WireFormat): void {
    this.#formats.set(name, format)
  }

  switchOff(name: string): void {
    this.#formats.delete(name)
  }

  /** Names for which it is on, with their format. */
  list(): ReadonlyMap<string, WireFormat> {
    return this.#formats
  }

  record({ name }: Principal, direction: 'request' | 'response', item: Item): void {
    if (this.#formats.size === 0) return
    const format = this.#formats.get(name)
    if (format === undefined) return
    this.#write({ principal: name, direction, text: written(masked(item), format) })
  }
}

function written(item: Item, format: WireFormat): string {
  if (format === 'hex') return Buffer.from(encodeItem(item)).toString('hex')
  const dictionary = dictionaryOf(versionOf(item))
  try {
    return format === 'json' ? JSON.stringify(toJson(item, dictionary)) : toXml(item, dictionary)
  } catch {
    // A text that the encoding cannot hold.
    return Buffer.from(encodeItem(item)).toString('hex')
  }
}

function versionOf(item: Item): number | undefined {
  try {
    const { major, minor } = protocolVersionOfMessage(item)
    return major * 10 + minor
  } catch {
    return undefined
  }
}

/** The same tree with secrets replaced by text that says how long they were. */
export function masked(item: Item): Item {
  if (SECRET_TAGS.has(item.tag))
    return { tag: item.tag, type: ItemType.TextString, value: mask(item) }
  if (item.type !== ItemType.Structure) return item
  return { ...item, value: item.value.map(masked) }
}

function mask(item: Item): string {
  const bytes = item.value instanceof Uint8Array ? item.value.length : undefined
  return bytes === undefined ? '[secret]' : `[secret of ${bytes} bytes]`
}
