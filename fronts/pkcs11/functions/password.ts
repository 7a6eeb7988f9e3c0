/**
 * Keys made of passwords: `CKM_PKCS5_PBKD2` of `C_GenerateKey`.
 *
 * PKCS#11 3.2 §6 (PKCS #5 mechanisms), RFC 8018 §5.2. The function is the keystore's: the password
 * is taken in as a key, derived from and destroyed. What is made of a password is known to those
 * who know it: it was never unextractable, and is not local.
 *
 * @module
 */
import type { KeyInUse } from '#core/keystore.ts'
import { newId } from '#core/operations/make.ts'
import type { Secret } from '#core/secret.ts'
import { HASHES, type Hash, type HashRow } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKR, CKZ } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Attribute, Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import { type Offered, offeredFor } from '../mechanisms.ts'
import { fixedBytes } from '../objects/classes.ts'
import { makeSecret } from '../objects/make.ts'
import { Template } from '../objects/template.ts'
import { parameterInvalid } from '../parameters.ts'
import type { Session } from '../session.ts'
import { withoutLength } from './wrap.ts'

const HASH_OF_PRF: ReadonlyMap<number, Hash> = new Map(
  Object.entries<HashRow>(HASHES).flatMap(([name, { prf }]) => {
    return prf === undefined ? [] : [[prf, name as Hash] as const]
  }),
)

/** @returns The handle. */
export async function generateFromPassword(
  session: Session,
  mechanism: Mechanism,
  list: readonly Attribute[],
): Promise<number> {
  const offered = offeredFor(session, mechanism, 'generate')
  const fields = fieldsOf(offered, mechanism)
  const template = new Template(list)
  const keyType = template.number(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET
  const bytes = fixedBytes(keyType) ?? template.number(CKA.VALUE_LEN)
  if (bytes === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_VALUE_LEN is missing')
  }
  const value = await derived(session, fields, bytes)
  return makeSecret(session, withoutLength(list), value, { origin: 'derived' }, keyType)
}

interface Wish {
  readonly hash: Hash
  readonly salt: Uint8Array
  readonly iterations: number
  readonly password: Uint8Array
}

function fieldsOf(offered: Offered, { parameter }: Mechanism): Wish {
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_PKCS5_PBKD2_PARAMS2 is needed')
  }
  const fields = parameter as StructureFields<'CK_PKCS5_PBKD2_PARAMS2'>
  const { saltSource, pSaltSourceData: salt, iterations, prf, pPrfData, pPassword } = fields
  const hash = HASH_OF_PRF.get(prf)
  if (hash === undefined) throw parameterInvalid(offered, `prf ${prf} is not offered`)
  if (saltSource !== CKZ.SALT_SPECIFIED) throw parameterInvalid(offered, `saltSource ${saltSource}`)
  if (salt === undefined) throw parameterInvalid(offered, 'there is no salt')
  if (iterations < 1) throw parameterInvalid(offered, `${iterations} iterations`)
  if (pPrfData !== undefined && pPrfData.length > 0) {
    throw parameterInvalid(offered, 'the function takes no pPrfData')
  }
  if (pPassword === undefined || pPassword.length === 0) {
    throw parameterInvalid(offered, 'there is no password')
  }
  return { hash, salt, iterations, password: pPassword }
}

async function derived(
  session: Session,
  { hash, salt, iterations, password }: Wish,
  bytes: number,
): Promise<Secret> {
  const keystore = session.services.keystores.forNew(undefined)
  const kept = { id: newId(), kind: 'secret', format: KeyFormatType.Raw } as const
  const made = await keystore.import({ ...kept, bytes: password })
  const key: KeyInUse = { ...kept, handle: made.handle }
  try {
    return await keystore.derive(key, { kdf: 'PBKDF2', hash, salt, iterations }, bytes)
  } finally {
    await keystore.destroy(made.handle)
  }
}
