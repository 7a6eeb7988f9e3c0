/**
 * TLS 1.2: the master secret, the extended one, and what is exported.
 *
 * PKCS#11 3.2 §6, the section on TLS 1.2; RFC 5246 §8.1, RFC 7627, RFC 5705. The key block, which
 * is several keys, is in `functions/key-block.ts`.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { StructureFields, Version } from '#spec/pkcs11/types.ts'
import { parameterInvalid } from '../parameters.ts'
import { type Asked, hashGiven, NOTHING, type Plan, structureOf } from './plan.ts'

const MASTER_BYTES = 48

function randoms(
  { offered }: Asked,
  { pClientRandom, pServerRandom }: StructureFields<'CK_SSL3_RANDOM_DATA'>,
): Uint8Array {
  if (pClientRandom !== undefined && pServerRandom !== undefined) {
    return Buffer.concat([pClientRandom, pServerRandom])
  }
  throw parameterInvalid(offered, 'a random value is missing')
}

function master(asked: Asked, seed: Uint8Array, prf: number, version: Version | undefined): Plan {
  const { offered, baseBytes } = asked
  const isDh = offered.name.endsWith('_DH')
  if (isDh && version !== undefined) throw parameterInvalid(offered, 'pVersion shall be NULL')
  if (!isDh && baseBytes !== MASTER_BYTES) {
    const what = `a premaster secret of RSA has ${MASTER_BYTES} bytes, not ${baseBytes}`
    throw new CryptokiError(CKR.KEY_SIZE_RANGE, what)
  }
  const mechanism = { kdf: 'TLS12_PRF', hash: hashGiven(asked, prf), seed } as const
  const tells = version === undefined ? {} : ({ tellsVersion: true } as const)
  return { mechanism, usualBytes: MASTER_BYTES, exactBytes: MASTER_BYTES, ...tells }
}

export function masterKey(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS12_MASTER_KEY_DERIVE_PARAMS')
  const { RandomInfo, pVersion, prfHashMechanism } = fields
  const seed = Buffer.concat([Buffer.from('master secret'), randoms(asked, RandomInfo)])
  return master(asked, seed, prfHashMechanism, pVersion)
}

/** RFC 7627 §4. */
export function extendedMasterKey(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS')
  const { pSessionHash, pVersion, prfHashMechanism } = fields
  if (pSessionHash === undefined) throw parameterInvalid(asked.offered, 'pSessionHash is missing')
  const seed = Buffer.concat([Buffer.from('extended master secret'), pSessionHash])
  return master(asked, seed, prfHashMechanism, pVersion)
}

/** RFC 5705 §4: with a context, its length in two bytes comes before it. */
export function exporter(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS_KDF_PARAMS')
  const { prfMechanism, pLabel, RandomInfo, pContextData: context } = fields
  const seed = [pLabel ?? NOTHING, randoms(asked, RandomInfo)]
  if (context !== undefined) {
    if (context.length > 0xffff) throw parameterInvalid(asked.offered, 'a context beyond 2^16')
    seed.push(Buffer.of(context.length >> 8, context.length & 0xff), context)
  }
  const hash = hashGiven(asked, prfMechanism)
  return { mechanism: { kdf: 'TLS12_PRF', hash, seed: Buffer.concat(seed) } }
}
