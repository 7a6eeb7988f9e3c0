/**
 * The printed page on algorithms: keys, curves, ciphers, signatures, MACs and hashes.
 *
 * @module
 */
import {
  CIPHERS,
  type CipherRow,
  CURVES,
  type CurveRow,
  HASHES,
  MACS,
  type MacRow,
  PAIRS,
  type PairRow,
  SECRET_KEYS,
  type SecretKeyRow,
  SIGNATURES,
  type SignatureRow,
} from '#spec/algorithms.ts'
import { BlockCipherMode, PaddingMethod } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { code, hex, page, type Row, table } from './markdown.ts'

export function algorithmsPage(): string {
  return page(
    '# Algorithms',
    `Rows of \`spec/algorithms/\`. A dash: the protocol has no number for it. KMIP numbers above
those of version 2.1 (ML-KEM, ML-DSA, SLH-DSA) are of the drafts of KMIP 3.0; see
[the decision](../decisions/0006-draft-numbers.md).`,
    '## Secret keys\n\nThe first length is the default.',
    table(['Algorithm', 'KMIP', 'Bits'], Object.entries(SECRET_KEYS).map(secretRow)),
    '## Key pairs\n\nNo bits: the algorithm or its curve says them.',
    table(['Algorithm', 'KMIP', 'Bits', 'For'], Object.entries(PAIRS).map(pairRow)),
    '## Curves\n\nWhere a request names none, Cryptographic Length alone means the curve of NIST.',
    table(
      ['Curve', 'KMIP', 'Bits', 'Length alone', 'OpenSSL'],
      Object.entries<CurveRow>(CURVES).map(([name, { kmip, bits, byLength, node }]) => {
        return [name, hex(kmip, 2), bits, byLength ? 'yes' : '', code(node)]
      }),
    ),
    '## Ciphers and key wrapping',
    table(
      ['Cipher', 'Block Cipher Mode', 'Padding Method', 'IV bytes', 'Tag bytes', 'Wraps keys'],
      Object.entries(CIPHERS).map(cipherRow),
    ),
    '## Signatures',
    table(
      ['Scheme', 'Input', 'Hashes with a number in KMIP'],
      Object.entries(SIGNATURES).map(signatureRow),
    ),
    '## Message authentication codes',
    table(['MAC', 'KMIP', 'Block Cipher Mode', 'Bytes'], Object.entries(MACS).map(macRow)),
    '## Hashes',
    table(
      ['Hash', 'KMIP', 'Bytes'],
      Object.entries(HASHES).map(([name, { kmip, bytes }]) => [name, hex(kmip, 2), bytes]),
    ),
  )
}

function numbers(values: readonly number[]): string {
  return values.map((value) => hex(value, 2)).join(', ')
}

function secretRow([name, { kmip, bits, anyBits }]: [string, SecretKeyRow]): Row {
  const lengths = bits.join(', ')
  return [
    name,
    numbers(kmip),
    anyBits ? `${lengths}, or other whole bytes from 8 bits on` : lengths,
  ]
}

function pairRow([name, { kmip, bits, importBitsMin, importOnly, does }]: [string, PairRow]): Row {
  const made = importOnly ? 'none made' : bits.join(', ') || '-'
  const lengths = importBitsMin === undefined ? made : `${made}; imported from ${importBitsMin} on`
  return [name, numbers(kmip), lengths, does.join(', ')]
}

function cipherRow([name, row]: [string, CipherRow]): Row {
  const { mode, padding, ivBytes, anyIv, tagBytes = [], wraps } = row
  const iv = ivBytes.join(', ') || '-'
  return [
    name,
    mode === undefined ? '-' : nameOf(BlockCipherMode, mode),
    padding === undefined ? '-' : nameOf(PaddingMethod, padding),
    anyIv ? `${iv}, or any` : iv,
    tagBytes.join(', ') || '-',
    wraps ? 'yes' : '-',
  ]
}

const INPUTS = { digest: 'message or digest', whole: 'message', raw: 'block' } as const

function signatureRow([name, { input, kmipWith = {} }]: [string, SignatureRow]): Row {
  return [name, INPUTS[input], Object.keys(kmipWith).join(', ') || '-']
}

function macRow([name, { kmip, mode, bytes }]: [string, MacRow]): Row {
  const number = kmip === undefined ? '-' : hex(kmip, 2)
  return [name, number, mode === undefined ? '-' : nameOf(BlockCipherMode, mode), bytes]
}
