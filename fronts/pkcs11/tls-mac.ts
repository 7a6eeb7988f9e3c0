/**
 * The MAC that ends a TLS 1.2 handshake: `CKM_TLS_MAC` and `CKM_TLS12_MAC`.
 *
 * PKCS#11 3.2 §6.29.7; RFC 5246 §5 (the pseudo-random function) and §7.4.9 (`verify_data`). It is a
 * few HMACs with the master secret, so every keystore does it that does HMAC. The data is the hash
 * of the handshake. The function of TLS 1.0 and 1.1 is not offered.
 *
 * @module
 */
import { type Awaitable, after } from '#core/awaitable.ts'
import type { MacMechanism } from '#core/keystore.ts'
import { type Hash, hashOfCkm, hashRow, MACS, type Mac, type MacRow } from '#spec/algorithms.ts'
import type { Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import type { Offered } from './mechanisms.ts'
import { parameterInvalid } from './parameters.ts'

/** A MAC as the handshake of TLS has it. */
export interface TlsMac {
  readonly mechanism: MacMechanism
  readonly label: Uint8Array
  readonly bytes: number
}

/** RFC 5246 §7.4.9: what a suite does not say otherwise. */
const BYTES_MIN = 12

/** By `ulServerOrClient`. */
const LABELS: Readonly<Record<number, string>> = { 1: 'server finished', 2: 'client finished' }

const HMACS: ReadonlyMap<Hash, Mac> = new Map(
  Object.entries<MacRow>(MACS).flatMap(([name, { hash }]) => {
    return hash === undefined ? [] : [[hash, name as Mac] as const]
  }),
)

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function tlsMac(offered: Offered, given: Mechanism['parameter']): TlsMac {
  if (given === undefined || given instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_TLS_MAC_PARAMS is needed')
  }
  const fields = given as unknown as StructureFields<'CK_TLS_MAC_PARAMS'>
  const { prfHashMechanism, ulMacLength: bytes, ulServerOrClient } = fields
  const hash = hashOfCkm(prfHashMechanism)
  const mac = hash === undefined ? undefined : HMACS.get(hash)
  if (hash === undefined || mac === undefined) {
    const what = `0x${prfHashMechanism.toString(16)} is no hash that is offered`
    throw parameterInvalid(offered, what)
  }
  const label = LABELS[ulServerOrClient]
  if (label === undefined) {
    throw parameterInvalid(offered, `ulServerOrClient is 1 or 2, not ${ulServerOrClient}`)
  }
  const most = hashRow(hash).bytes
  if (bytes >= BYTES_MIN && bytes <= most) {
    return { mechanism: { mac }, label: Buffer.from(label), bytes }
  }
  throw parameterInvalid(offered, `a MAC of ${BYTES_MIN} to ${most} bytes, not ${bytes}`)
}

/** @param hmac With the master secret. */
export function tlsMacOf(
  { label, bytes }: TlsMac,
  data: Uint8Array,
  hmac: (data: Uint8Array) => Awaitable<Uint8Array>,
): Awaitable<Uint8Array> {
  const seed = Buffer.concat([label, data])
  return after(hmac(seed), (first) => {
    const block = hmac(Buffer.concat([first, seed]))
    return after(block, (code) => code.subarray(0, bytes))
  })
}
