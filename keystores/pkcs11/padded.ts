/**
 * Ciphers with a padding that a device does not have: it does the blocks, the padding is done here.
 *
 * KMIP 2.1 §11.37 (Padding Method); RFC 5652 §6.3 (PKCS#5, which KMIP calls so for every block).
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { CIPHERS, type Cipher, type CipherRow, cipherRow } from '#spec/algorithms.ts'
import { PaddingMethod } from '#spec/kmip/enumerations.ts'
import { PADDINGS, type PaddingScheme } from '../software/paddings.ts'

/** Looks at the whole block before it decides. */
const PKCS5: PaddingScheme = {
  pad(data, blockBytes) {
    const count = blockBytes - (data.length % blockBytes)
    return Buffer.concat([data, Buffer.alloc(count, count)])
  },
  unpad(data, blockBytes) {
    const count = data.at(-1) ?? 0
    let wrong = count === 0 || count > blockBytes || count > data.length ? 1 : 0
    for (let i = 1; i <= Math.min(blockBytes, data.length); i++) {
      const byte = data[data.length - i] as number
      wrong |= i <= count ? byte ^ count : 0
    }
    if (wrong === 0) return data.subarray(0, data.length - count)
    throw new KmsError('cryptographicFailure', 'Cannot decrypt: the padding is wrong')
  },
}

export interface Padded {
  /** The same without padding. */
  readonly base: Cipher
  readonly blockBytes: number
  readonly scheme: PaddingScheme
}

/** Undefined where the cipher has no padding of blocks. */
export function paddedOver(cipher: Cipher): Padded | undefined {
  return KNOWN.get(cipher)
}

const KNOWN: ReadonlyMap<Cipher, Padded> = new Map(
  (Object.keys(CIPHERS) as Cipher[]).flatMap((cipher) => {
    const padded = made(cipherRow(cipher))
    return padded === undefined ? [] : [[cipher, padded] as const]
  }),
)

function made({ key, mode, padding, blockBytes }: CipherRow): Padded | undefined {
  if (padding === undefined || mode === undefined || blockBytes !== undefined) return undefined
  const scheme = padding === PaddingMethod.PKCS5 ? PKCS5 : PADDINGS[padding]
  const base = Object.entries<CipherRow>(CIPHERS).find(([, row]) => {
    const isBare = row.padding === PaddingMethod.None && row.blockBytes !== undefined
    return isBare && row.key === key && row.mode === mode
  })
  if (scheme === undefined || base === undefined) return undefined
  return { base: base[0] as Cipher, blockBytes: base[1].blockBytes as number, scheme }
}
