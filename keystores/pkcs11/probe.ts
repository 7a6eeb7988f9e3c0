/**
 * What a device can do and where it is peculiar, tried out.
 *
 * Everything is done with objects of a session, which are gone with it; the token objects are
 * counted before and after. What cannot be tried out (the meaning of a PIN, idle time-outs) is not
 * said. PKCS#11 3.2 §4 to §6; RFC 3394, RFC 5649, RFC 8017.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import type * as z from 'zod'
import { type Cipher, curveRow, HASHES, type Hash, hashRow } from '#spec/algorithms.ts'
import { CKA, CKF, CKK, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import type { Attribute, Mechanism } from '#spec/pkcs11/types.ts'
import { rsaEncrypt } from '../software/ciphers.ts'
import type { DeviceSession } from './device.ts'
import type { HostDevice } from './host-device.ts'
import type { KekWrap } from './kek.ts'
import { newIv, openWrapped, UNWRAPPINGS } from './kek-forms.ts'
import { kekFindings, kekPrivateOf } from './kek-probe.ts'
import { cipherOf, mechanismName, signatureOf } from './mechanisms.ts'
import { withAes, withKey, withPair, works } from './probe-keys.ts'
import { type Identity, QUIRKS } from './quirks.ts'
import { isTrue } from './templates.ts'
import { agreeBytes, attributesOf, wrapBytes } from './temporaries.ts'

export interface ProbedMechanism {
  readonly name: string
  readonly number: number
  readonly min: number
  readonly max: number
  /** Names of CKF_. */
  readonly does: readonly string[]
}

export interface Probe {
  readonly identity: Identity | undefined
  readonly mechanisms: readonly ProbedMechanism[]
  readonly quirks: z.input<typeof QUIRKS>
  /** What was tried, and how it went. */
  readonly trials: Readonly<Record<string, string>>
  readonly objectsBefore: number
  readonly objectsAfter: number
}

const RSA = { algorithm: 'RSA', bits: 2048 } as const
const SIZES = [4_096, 16_384, 65_536, 262_144] as const
const TEXT = Buffer.from('Claviger looks what this device can do.')
const ALL: readonly Attribute[] = [{ type: CKA.TOKEN, value: isTrue }]

type Findings = Partial<z.input<typeof QUIRKS>>
type Trial = (session: DeviceSession, device: HostDevice) => Promise<readonly [Findings, string]>

const TRIALS: Readonly<Record<string, Trial>> = {
  'temporary objects': tryTemporaries,
  'AES-GCM': tryGcm,
  'key wrapping': tryWrapping,
  HMAC: tryHmac,
  'RSA OAEP': tryOaep,
  'RSA PSS': tryPss,
  ECDH: tryEcdh,
  seed: trySeed,
}

/** @param model Name that the file shall have. */
export async function probe(device: HostDevice, model: string): Promise<Probe> {
  await device.ready()
  const trials: Record<string, string> = {}
  let found: Findings = {}
  const count = () => device.use(async (session) => (await session.findAll(ALL)).length)
  const objectsBefore = await count()
  for (const [name, trial] of Object.entries(TRIALS)) {
    try {
      const [more, outcome] = await device.use((session) => trial(session, device))
      found = { ...found, ...more }
      trials[name] = outcome
    } catch (error) {
      trials[name] = `could not be tried: ${reason(error)}`
    }
  }
  const { identity } = device
  const names = [identity?.manufacturer, identity?.model].filter(Boolean).join(' ')
  const quirks = {
    model,
    title: names === '' ? model : names,
    match: identity === undefined ? [] : [matchOf(identity)],
    proof: `claviger hsm probe on ${names}, ${new Date().toISOString().slice(0, 10)}`,
    ...found,
  }
  // What is written can be read again.
  QUIRKS.parse(quirks)
  const mechanisms = [...device.mechanisms].map(describe)
  return { identity, mechanisms, quirks, trials, objectsBefore, objectsAfter: await count() }
}

function matchOf({ manufacturer, tokenManufacturer, model }: Identity) {
  return {
    ...(manufacturer && { manufacturer }),
    ...(tokenManufacturer && { tokenManufacturer }),
    ...(model && { model }),
  }
}

const DEEDS = Object.entries({
  encrypt: CKF.ENCRYPT,
  decrypt: CKF.DECRYPT,
  digest: CKF.DIGEST,
  sign: CKF.SIGN,
  verify: CKF.VERIFY,
  generate: CKF.GENERATE,
  'generate pair': CKF.GENERATE_KEY_PAIR,
  wrap: CKF.WRAP,
  unwrap: CKF.UNWRAP,
  derive: CKF.DERIVE,
})

function describe([number, info]: [
  number,
  { readonly ulMinKeySize: number; readonly ulMaxKeySize: number; readonly flags: number },
]): ProbedMechanism {
  const does = DEEDS.filter(([, flag]) => (info.flags & flag) !== 0).map(([name]) => name)
  const [min, max] = [info.ulMinKeySize, info.ulMaxKeySize]
  return { name: mechanismName(number), number, min, max, does }
}

function reason(error: unknown): string {
  return error instanceof CryptokiError ? rvName(error.rv) : (error as Error).message
}

async function tryTemporaries(session: DeviceSession): Promise<readonly [Findings, string]> {
  const value = crypto.randomBytes(16)
  const can = await works(() =>
    withKey(session, CKK.GENERIC_SECRET, value, async (hKey) => {
      const [read] = await attributesOf(session, hKey, [CKA.VALUE])
      return value.equals(read as Uint8Array)
    }),
  )
  return can ? [{}, 'can be made and read'] : [{ plainTemporaries: false }, 'cannot be read']
}

async function tryGcm(
  session: DeviceSession,
  device: HostDevice,
): Promise<readonly [Findings, string]> {
  const why = device.lacks({ type: CKM.AES_GCM, flag: CKF.ENCRYPT })
  if (why !== undefined) return [{}, why]
  const mechanism = { cipher: 'AES_GCM', iv: crypto.randomBytes(12) } as const
  return withAes(session, async (hKey) => {
    const both = async (size: number): Promise<boolean> => {
      const pMechanism = cipherOf(mechanism, size, CKM.AES_GCM)
      const plain = crypto.randomBytes(size)
      const sealed = await session.encrypt({ pMechanism, hKey }, plain)
      return plain.equals(await session.decrypt({ pMechanism, hKey }, sealed))
    }
    if (!(await works(() => both(64)))) return [{ gcmIv: 'device' }, 'the IV is not ours to give']
    let most: number | undefined
    for (const size of SIZES) {
      if (!(await works(() => both(size)))) break
      most = size
    }
    if (most === SIZES.at(-1)) return [{}, `takes our IV, and ${most} bytes at least`]
    return [{ partBytesMax: most ?? 64 }, `takes our IV, and ${most ?? 64} bytes at most`]
  })
}

/** Numbers that may stand for a scheme, the standard's own first. */
const WRAPPERS = [
  CKM.AES_KEY_WRAP,
  CKM.AES_KEY_WRAP_KWP,
  CKM.AES_KEY_WRAP_PAD,
  CKM.AES_KEY_WRAP_PKCS7,
  0x8000_2109,
  0x8000_210a,
  0x8000_216f,
] as const

/** What each mechanism gives for a known key, compared with what the RFCs give. */
async function tryWrapping(
  session: DeviceSession,
  device: HostDevice,
): Promise<readonly [Findings, string]> {
  const kek = crypto.randomBytes(32)
  const [even, odd] = [crypto.randomBytes(16), crypto.randomBytes(20)]
  const ciphers: Partial<Record<Cipher, number>> = {}
  const broken: number[] = []
  const said: string[] = []
  const kekWrap: KekWrap[] = []
  for (const type of WRAPPERS) {
    if (device.lacks({ type, flag: CKF.WRAP }) !== undefined) continue
    const scheme = await withKey(session, CKK.AES, kek, async (hKey) => {
      const pMechanism: Mechanism = { type, parameter: undefined }
      const wrap = (bytes: Uint8Array) => {
        return wrapBytes(session, { pMechanism, hKey }, bytes).catch(() => Buffer.alloc(0))
      }
      const [one, two] = [await wrap(even), await wrap(odd)]
      const unwrap = UNWRAPPINGS.find((form) => even.equals(openWrapped(form, kek, one) ?? odd))
      if (unwrap !== undefined) kekWrap.push({ mechanism: type, unwrap })
      if (wrapped('id-aes256-wrap-pad', kek, odd).equals(two)) return 'AES_KEY_WRAP_KWP'
      return wrapped('id-aes256-wrap', kek, even).equals(one) ? 'AES_KEY_WRAP' : undefined
    })
    said.push(`${mechanismName(type)} is ${scheme ?? 'another scheme'}`)
    const standard = scheme && CKM[scheme]
    if (scheme === undefined && (type === CKM.AES_KEY_WRAP || type === CKM.AES_KEY_WRAP_KWP)) {
      broken.push(type)
    } else if (scheme !== undefined && standard !== type) ciphers[scheme] ??= type
  }
  const offered = await withCbc(session, device, kek, even, kekWrap)
  const kekPrivate = await kekPrivateOf(session, kek, offered)
  said.push(`private keys: ${kekPrivate.join(', ') || 'none'}`)
  const findings = {
    ...kekFindings(offered),
    ...(kekPrivate.length > 0 && { kekPrivate }),
    ...(Object.keys(ciphers).length > 0 && { ciphers }),
    ...(broken.length > 0 && { broken }),
  }
  return [findings, said.join('; ') || 'not offered']
}

/** CBC, where there is nothing better. */
async function withCbc(
  session: DeviceSession,
  device: HostDevice,
  kek: Uint8Array,
  value: Buffer,
  found: readonly KekWrap[],
): Promise<readonly KekWrap[]> {
  const type = CKM.AES_CBC_PAD
  if (found.length > 0 || device.lacks({ type, flag: CKF.WRAP }) !== undefined) return found
  const iv = newIv('cbc')
  const can = await works(() =>
    withKey(session, CKK.AES, kek, async (hKey) => {
      const pMechanism = { type, parameter: iv }
      const bytes = await wrapBytes(session, { pMechanism, hKey }, value)
      return value.equals(openWrapped('cbc', kek, bytes, iv) ?? new Uint8Array(0))
    }),
  )
  return can ? [{ mechanism: type, unwrap: 'cbc' }] : found
}

function wrapped(node: string, kek: Uint8Array, bytes: Uint8Array): Buffer {
  const iv = Buffer.from(node.endsWith('pad') ? 'a65959a6' : 'a6a6a6a6a6a6a6a6', 'hex')
  const cipher = crypto.createCipheriv(node, kek, iv)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}

async function tryHmac(
  session: DeviceSession,
  device: HostDevice,
): Promise<readonly [Findings, string]> {
  const why = device.lacks({ type: CKM.SHA256_HMAC, flag: CKF.SIGN })
  if (why !== undefined) return [{}, why]
  const pMechanism = { type: CKM.SHA256_HMAC, parameter: undefined }
  const can = (bytes: number): Promise<boolean> =>
    works(() =>
      withKey(session, CKK.GENERIC_SECRET, crypto.randomBytes(bytes), (hKey) =>
        session.sign({ pMechanism, hKey }, TEXT),
      ),
    )
  let least: number | undefined
  for (const bytes of [1, 14, 16, 31, 32]) {
    if (!(await can(bytes))) continue
    least = bytes
    break
  }
  if (least === 1) return [{}, 'keys of any length']
  if (least === undefined) return [{ broken: [CKM.SHA256_HMAC] }, 'does not work']
  const hmacKeyBytesMin = least === 32 ? ('hash' as const) : least
  return [{ hmacKeyBytesMin }, `keys of ${least} bytes at least`]
}

const WITH_MASK = (Object.keys(HASHES) as Hash[]).filter((hash) => hashRow(hash).ckg !== undefined)

async function tryOaep(session: DeviceSession): Promise<readonly [Findings, string]> {
  return withPair(session, RSA, [CKA.DECRYPT], async (hKey, half) => {
    const opens = (hash: Hash, mgfHash: Hash, label?: Buffer): Promise<boolean> =>
      works(async () => {
        const mechanism = { cipher: 'RSA_PKCS_OAEP', hash, mgfHash, label } as const
        const sealed = rsaEncrypt(half, mechanism, TEXT)
        const pMechanism = cipherOf(mechanism, sealed.length, CKM.RSA_PKCS_OAEP)
        return TEXT.equals(await session.decrypt({ pMechanism, hKey }, sealed))
      })
    const hashes: Hash[] = []
    for (const hash of WITH_MASK) if (await opens(hash, hash)) hashes.push(hash)
    const [first = 'SHA_1'] = hashes
    const label = await opens(first, first, Buffer.from('label'))
    const otherMask = hashes.includes('SHA_256') && (await opens('SHA_256', 'SHA_1'))
    const said = `${hashes.join(', ') || 'no hash'}; label: ${label}; other mask: ${otherMask}`
    return [{ oaep: limited(hashes, { label, otherMask }) }, said]
  })
}

async function tryPss(session: DeviceSession): Promise<readonly [Findings, string]> {
  return withPair(session, RSA, [CKA.SIGN], async (hKey) => {
    const signs = (hash: Hash, mgfHash: Hash): Promise<boolean> =>
      works(() => {
        const { mechanism, data } = signatureOf({ scheme: 'RSA_PKCS_PSS', hash, mgfHash }, TEXT)
        return session.sign({ pMechanism: mechanism, hKey }, data)
      })
    const hashes: Hash[] = []
    for (const hash of WITH_MASK) if (await signs(hash, hash)) hashes.push(hash)
    const otherMask = hashes.includes('SHA_256') && (await signs('SHA_256', 'SHA_1'))
    const said = `${hashes.join(', ') || 'no hash'}; other mask: ${otherMask}`
    return [{ pss: limited(hashes, { otherMask }) }, said]
  })
}

/** What is not as the standard has it. */
function limited<T extends { readonly otherMask: boolean; readonly label?: boolean }>(
  hashes: readonly Hash[],
  { otherMask, label }: T,
): Findings['oaep'] {
  return {
    ...(hashes.length < WITH_MASK.length && { hashes: [...hashes] }),
    ...(otherMask ? {} : { otherMask }),
    ...(label === false && { label }),
  }
}

const CURVES_TRIED = ['P_256', 'BRAINPOOLP512R1'] as const

/** Points that look like an OCTET STRING by their first byte: some devices misread them. */
async function tryEcdh(
  session: DeviceSession,
  device: HostDevice,
): Promise<readonly [Findings, string]> {
  const why = device.lacks({ type: CKM.ECDH1_DERIVE, flag: CKF.DERIVE })
  if (why !== undefined) return [{}, why]
  const [bare, inOctets] = [
    { works: 0, fails: 0 },
    { works: 0, fails: 0 },
  ]
  const tried = async (curve: (typeof CURVES_TRIED)[number], hKey: number): Promise<void> => {
    const { bits, node } = curveRow(curve)
    const bytes = bits / 8
    for (const first of [2 * bytes - 1, 0x81]) {
      const point = pointBeginning(node, bytes, first)
      const agrees = (way: boolean) => {
        return works(() => agreeBytes(session, hKey, point, bytes, way))
      }
      bare[(await agrees(false)) ? 'works' : 'fails']++
      inOctets[(await agrees(true)) ? 'works' : 'fails']++
    }
  }
  for (const curve of CURVES_TRIED) {
    const spec = { algorithm: 'EC', bits: curveRow(curve).bits, curve } as const
    const work = (hKey: number) => tried(curve, hKey)
    // Such a device may not have the curve at all.
    await withPair(session, spec, [CKA.DERIVE], work).catch(() => undefined)
  }
  if (bare.fails === 0 && bare.works > 0) return [{}, 'points bare']
  if (inOctets.fails === 0 && inOctets.works > 0) {
    return [{ ecdhPoint: 'octets' }, 'points in an OCTET STRING; bare ones are misread']
  }
  return [{ broken: [CKM.ECDH1_DERIVE] }, 'does not work']
}

/** X of the point begins with this byte. */
function pointBeginning(namedCurve: string, bytes: number, first: number): Buffer {
  for (;;) {
    const { publicKey } = crypto.generateKeyPairSync('ec', { namedCurve })
    const spki = publicKey.export({ format: 'der', type: 'spki' })
    const point = spki.subarray(-(2 * bytes + 1))
    if (point[1] === first) return point
  }
}

async function trySeed(session: DeviceSession): Promise<readonly [Findings, string]> {
  try {
    await session.call('C_SeedRandom', { pSeed: crypto.randomBytes(16) })
    return [{}, 'is taken']
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error
    if (error.rv === CKR.USER_NOT_LOGGED_IN) throw error
    return [{ seed: false }, `is not taken: ${rvName(error.rv)}`]
  }
}
