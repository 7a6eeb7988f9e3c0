/**
 * Signatures of ECDSA and DSA in their two forms.
 *
 * PKCS#11 3.2 §6.3.1: r and s side by side, each as long as the order of the curve. RFC 3279
 * §2.2.3: a DER SEQUENCE of two INTEGERs.
 *
 * @module
 */
import { integer, SEQUENCE, tagged } from './der.ts'

/** @param raw r and s side by side. */
export function derOfRaw(raw: Uint8Array): Buffer {
  const half = raw.length / 2
  return tagged(SEQUENCE, integer(raw.subarray(0, half)), integer(raw.subarray(half)))
}
