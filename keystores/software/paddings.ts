/**
 * Paddings of block ciphers that OpenSSL does not do by itself.
 *
 * KMIP 2.1 §11.37: ANSI X9.23 (zeros, then the length) and ISO 10126 (random bytes, then the
 * length). PKCS#5 is OpenSSL's own.
 *
 * Removing a padding looks at every byte of the last block before it decides, so that the time does
 * not say where it was wrong.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { PaddingMethod } from '#spec/kmip/enumerations.ts'

export interface PaddingScheme {
  pad(data: Uint8Array, blockBytes: number): Uint8Array
  /** @throws `KmsError` `cryptographicFailure` when the padding is wrong. */
  unpad(data: Uint8Array, blockBytes: number): Uint8Array
}

function scheme(filler: (bytes: number) => Uint8Array, zeros: boolean): PaddingScheme {
  return {
    pad(data, blockBytes) {
      const count = blockBytes - (data.length % blockBytes)
      return Buffer.concat([data, filler(count - 1), Uint8Array.of(count)])
    },
    unpad(data, blockBytes) {
      const count = data.at(-1) ?? 0
      let wrong = count === 0 || count > blockBytes || count > data.length ? 1 : 0
      for (let i = 2; i <= Math.min(blockBytes, data.length); i++) {
        const byte = data[data.length - i] as number
        wrong |= zeros && i <= count ? byte : 0
      }
      if (wrong !== 0) {
        throw new KmsError('cryptographicFailure', 'Cannot decrypt: the padding is wrong')
      }
      return data.subarray(0, data.length - count)
    },
  }
}

/** By Padding Method; methods that are absent are OpenSSL's or no padding at all. */
export const PADDINGS: Partial<Readonly<Record<number, PaddingScheme>>> = {
  [PaddingMethod.ANSIX9_23]: scheme((bytes) => new Uint8Array(bytes), true),
  [PaddingMethod.ISO10126]: scheme((bytes) => randomBytes(bytes), false),
}
