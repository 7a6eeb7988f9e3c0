/**
 * The failure of a PKCS#11 function: its return value, and the reason for the log.
 *
 * PKCS#11 3.2 §5.1. Only the number reaches the application; the words stay on this side.
 *
 * @module
 */
import { CKR } from './constants.ts'

/** Thrown where a function of PKCS#11 returns anything but CKR_OK. */
export class CryptokiError extends Error {
  override readonly name = 'CryptokiError'
  /** The return value, a {@link CKR} or a vendor's. */
  readonly rv: number

  /** @param rule what was refused and what would be allowed: for the log, never sent */
  constructor(rv: number, rule: string, options?: ErrorOptions) {
    super(`${rvName(rv)}: ${rule}`, options)
    this.rv = rv
  }
}

const NAMES = new Map<number, string>(Object.entries(CKR).map(([name, rv]) => [rv, name]))

/** The header's name of a return value, or its hexadecimal form when it has none. */
export function rvName(rv: number): string {
  const name = NAMES.get(rv)
  return name === undefined ? `0x${rv.toString(16).padStart(8, '0')}` : `CKR_${name}`
}
