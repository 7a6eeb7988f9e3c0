/**
 * The keys of a TLS 1.2 connection: `CKM_TLS12_KEY_AND_MAC_DERIVE` and `CKM_TLS12_KEY_SAFE_DERIVE`.
 *
 * PKCS#11 3.2 §6.29.5 and §6.29.6; RFC 5246 §6.3. Up to four keys are made of one block, and what
 * they are is told in the parameter: `C_DeriveKey` itself gives no handle. The template is that of
 * the two that encrypt. None of the four may be read more easily than the master secret. The
 * initialisation vectors are no secret and leave the token, but for the second mechanism.
 *
 * @module
 */
import { Secret } from '#core/secret.ts'
import { hashOfCkm } from '#spec/algorithms.ts'
import { CKA, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute, Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import type { Offered } from '../mechanisms.ts'
import { fixedBytes } from '../objects/classes.ts'
import { flagOf } from '../objects/flags.ts'
import { makeSecret } from '../objects/make.ts'
import { ckaName } from '../objects/table.ts'
import { Template } from '../objects/template.ts'
import { type HeldKey, use } from '../objects/use.ts'
import { parameterInvalid } from '../parameters.ts'
import type { Session } from '../session.ts'
import { objects } from './objects.ts'
import { withoutLength } from './wrap.ts'

type Fields = StructureFields<'CK_TLS12_KEY_MAT_PARAMS'>

/** What one block is cut into, twice each: for the client and for the server. */
interface Cut {
  readonly mac: number
  readonly key: number
  readonly iv: number
}

/** Longest piece of any cipher suite, HMAC-SHA-512 and all. */
const BYTES_MAX = 64
const IV_BYTES_MAX = 16

export function makesKeyBlock(mechanism: number): boolean {
  return mechanism === CKM.TLS12_KEY_AND_MAC_DERIVE || mechanism === CKM.TLS12_KEY_SAFE_DERIVE
}

/** Makes the keys. @returns The mechanism, with their handles. */
export async function deriveKeyBlock(
  application: Application,
  session: Session,
  held: HeldKey,
  mechanism: Mechanism,
  list: readonly Attribute[],
): Promise<Mechanism> {
  const { offered } = held
  const fields = fieldsOf(offered, mechanism)
  const cut = cutOf(offered, fields)
  const templates = templatesOf(held, list, cut)
  const hash = hashOfCkm(fields.prfHashMechanism)
  if (hash === undefined) {
    const what = `0x${fields.prfHashMechanism.toString(16)} is no hash that is offered`
    throw parameterInvalid(offered, what)
  }
  const seed = seedOf(offered, fields)
  return use(held, async () => {
    const total = 2 * (cut.mac + cut.key + cut.iv)
    const kdf = { kdf: 'TLS12_PRF', hash, seed } as const
    using block = await held.keystore.derive(held.key, kdf, total)
    const handles = await allMade(application, session, held, templates, block, cut)
    const [client, server] = [total - 2 * cut.iv, total - cut.iv]
    const iv = (at: number) => Uint8Array.from(block.expose().subarray(at, at + cut.iv))
    const material = {
      ...fields.pReturnedKeyMaterial,
      ...handles,
      pIVClient: cut.iv === 0 ? undefined : iv(client),
      pIVServer: cut.iv === 0 ? undefined : iv(server),
    }
    return { ...mechanism, parameter: { ...fields, pReturnedKeyMaterial: material } }
  })
}

function fieldsOf(offered: Offered, { parameter }: Mechanism): Fields {
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_TLS12_KEY_MAT_PARAMS is needed')
  }
  return parameter as unknown as Fields
}

function cutOf(offered: Offered, fields: Fields): Cut {
  const { ulMacSizeInBits, ulKeySizeInBits, ulIVSizeInBits, bIsExport } = fields
  const material = fields.pReturnedKeyMaterial
  if (bIsExport) throw parameterInvalid(offered, 'bIsExport: export ciphers are not offered')
  if (material === undefined) throw parameterInvalid(offered, 'pReturnedKeyMaterial is NULL')
  const isSafe = offered.type === CKM.TLS12_KEY_SAFE_DERIVE
  const cut = {
    mac: bytesOf(offered, 'ulMacSizeInBits', ulMacSizeInBits, BYTES_MAX),
    key: bytesOf(offered, 'ulKeySizeInBits', ulKeySizeInBits, BYTES_MAX),
    iv: isSafe ? 0 : bytesOf(offered, 'ulIVSizeInBits', ulIVSizeInBits, IV_BYTES_MAX),
  }
  // A block without keys would be nothing but bytes that leave the token.
  if (cut.key === 0) throw parameterInvalid(offered, 'ulKeySizeInBits is 0')
  const { pIVClient, pIVServer } = material
  if (cut.iv > 0 && (pIVClient === undefined || pIVServer === undefined)) {
    throw parameterInvalid(offered, 'there is no room for the initialisation vectors')
  }
  return cut
}

function bytesOf(offered: Offered, name: string, bits: number, most: number): number {
  if (bits % 8 === 0 && bits <= most * 8) return bits / 8
  throw parameterInvalid(offered, `${name} is whole bytes up to ${most}, not ${bits} bits`)
}

/** RFC 5246 §6.3: the server's random comes first, unlike for the master secret. */
function seedOf(offered: Offered, { RandomInfo }: Fields): Uint8Array {
  const { pClientRandom, pServerRandom } = RandomInfo
  if (pClientRandom === undefined || pServerRandom === undefined) {
    throw parameterInvalid(offered, 'a random value is missing')
  }
  return Buffer.concat([Buffer.from('key expansion'), pServerRandom, pClientRandom])
}

interface Templates {
  readonly mac: readonly Attribute[]
  readonly key: readonly Attribute[]
}

const bool = (type: number, value: boolean): Attribute => ({ type, value: boolBytes(value) })

/** Whether they can be read is the base's to say, and no template's. */
const INHERITED = [CKA.SENSITIVE, CKA.EXTRACTABLE] as const

/** What the template says of where keys are holds for those of the MACs as well. */
const SHARED: ReadonlySet<number> = new Set([CKA.TOKEN, CKA.PRIVATE])

function templatesOf(
  { object }: HeldKey,
  list: readonly Attribute[],
  { key: bytes }: Cut,
): Templates {
  const template = new Template(list)
  const inherited = INHERITED.map((type) => {
    const value = flagOf(object, type)
    const given = template.flag(type)
    if (given === undefined || given === value) return bool(type, value)
    const what = `${ckaName(type)} ${given}: the master secret says ${value}`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  })
  const keyType = template.number(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET
  const needed = fixedBytes(keyType) ?? template.number(CKA.VALUE_LEN) ?? bytes
  if (needed !== bytes) {
    const what = `ulKeySizeInBits says ${bytes} bytes, the template ${needed}`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  const isInherited = ({ type }: Attribute) => INHERITED.some((one) => one === type)
  const rest = withoutLength(list).filter((one) => !isInherited(one))
  const usual = [CKA.ENCRYPT, CKA.DECRYPT].filter((type) => template.flag(type) === undefined)
  const mac = [
    { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
    { type: CKA.KEY_TYPE, value: ulongBytes(CKK.GENERIC_SECRET) },
    ...list.filter(({ type }) => SHARED.has(type)),
    ...[CKA.SIGN, CKA.VERIFY, CKA.DERIVE].map((type) => bool(type, true)),
    ...inherited,
  ]
  return { mac, key: [...rest, ...usual.map((type) => bool(type, true)), ...inherited] }
}

/** The names of the handles, in the order of the pieces. */
const PIECES = [
  ['hClientMacSecret', 'mac'],
  ['hServerMacSecret', 'mac'],
  ['hClientKey', 'key'],
  ['hServerKey', 'key'],
] as const

type Handles = Readonly<Record<(typeof PIECES)[number][0], number>>

/** All that have a length; what cannot be made whole is not made at all. */
async function allMade(
  application: Application,
  session: Session,
  { seen }: HeldKey,
  templates: Templates,
  block: Secret,
  cut: Cut,
): Promise<Handles> {
  const handles = { hClientMacSecret: 0, hServerMacSecret: 0, hClientKey: 0, hServerKey: 0 }
  let at = 0
  try {
    for (const [name, piece] of PIECES) {
      const end = at + cut[piece]
      if (end === at) continue
      const value = new Secret(Uint8Array.from(block.expose().subarray(at, end)))
      const template = templates[piece]
      const provenance = { origin: 'derived', base: seen } as const
      handles[name] = await makeSecret(session, template, value, provenance, CKK.GENERIC_SECRET)
      at = end
    }
    return handles
  } catch (error) {
    for (const hObject of Object.values(handles)) {
      if (hObject === 0) continue
      await objects.C_DestroyObject(application, { hSession: session.handle, hObject })
    }
    throw error
  }
}
