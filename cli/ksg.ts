/**
 * A configuration of P6R's KMIP Server Gateway (KSG 2018.1) as one of Claviger.
 *
 * Three files of names and values in sections: `ksg.conf` (gateway and HSM), `p6kmipserver.conf`
 * (log, sockets, threads) and `p6kmip_auxiliary_ksg.conf` (what Query answers). Each parameter is a
 * row that says what becomes of it: a value of `claviger.yaml`, or the reason why there is none. A
 * parameter that is absent counts with KSG's default where that differs from ours.
 *
 * Pure: text in, values out. Metadata and keys are not moved: KSG keeps them in a keystore of its
 * own; what clients may fetch they can register anew.
 *
 * @module
 */
import { PROFILE_NAMES } from '#fronts/kmip/offer.ts'
import {
  DestroyAction,
  ObjectType,
  Operation,
  ProfileName,
  RNGMode,
  ShreddingAlgorithm,
  UnwrapMode,
} from '#spec/kmip/enumerations.ts'
import { type Given, KsgError, parseKsg, shellWord } from './ksg-parse.ts'

export { KsgError, parseKsg }

/** Files by name, as they lie in the folder of a gateway. */
export const KSG_FILES = ['ksg.conf', 'p6kmipserver.conf', 'p6kmip_auxiliary_ksg.conf'] as const
export type KsgFile = (typeof KSG_FILES)[number]

/** A parameter without a counterpart, or with less of one. */
export interface Lost {
  readonly file: KsgFile
  readonly parameter: string
  readonly reason: string
}

export interface Carried {
  readonly file: KsgFile
  readonly parameter: string
  /** Key of `claviger.yaml`. */
  readonly key: string
}

export interface Translation {
  /** What `claviger.yaml` holds. */
  readonly config: Tree
  readonly carried: readonly Carried[]
  readonly lost: readonly Lost[]
  /** The user PIN of the HSM; it does not stand in the configuration. */
  readonly pin: string | undefined
}

export interface TranslateOptions {
  /** The HSM's PKCS#11 module; default: what KSG's type of HSM says. */
  readonly module?: string | undefined
  /** Credential in whose name clients of the plain port work. */
  readonly principal: string
  /** Where the PIN will be; default: a variable of the environment. */
  readonly pinFile?: string | undefined
}

interface Tree {
  [key: string]: unknown
}

/** Where a row puts what it has. */
class Target {
  readonly config: Tree = {}
  readonly hsm: Tree = {}
  readonly carried: Carried[] = []
  readonly lost: Lost[] = []
  pin: string | undefined
  isSoftware = false
  host = '0.0.0.0'
  port = 65_524

  /** The row that is at work. */
  row: Row | undefined
  /** Its name as the file spells it; undefined where KSG's default counts. */
  spelled: string | undefined

  put(key: string, value: unknown): void {
    let place = this.config
    const path = key.split('.')
    for (const name of path.slice(0, -1)) {
      place[name] ??= {}
      place = place[name] as Tree
    }
    place[path.at(-1) as string] = value
    this.carry(key)
  }

  putHsm(key: string, value: unknown): void {
    this.hsm[key] = value
    this.carry(`keystores[].${key}`)
  }

  carry(key: string): void {
    if (this.row === undefined || this.spelled === undefined) return
    this.carried.push({ file: this.row.file, parameter: this.spelled, key })
  }

  /** Defaults that are lost are nobody's loss. */
  lose(reason: string): void {
    if (this.row === undefined || this.spelled === undefined) return
    this.lost.push({ file: this.row.file, parameter: this.spelled, reason })
  }
}

/** What KSG knows of a parameter. */
interface Row {
  readonly file: KsgFile
  readonly section: string
  /** The spellings that its documents use, the right one first. */
  readonly names: readonly [string, ...string[]]
  /** KSG's default, where the absent parameter must be said to us. */
  readonly absent?: string
  readonly carry: (text: string, target: Target) => void
}

type Bits = readonly (readonly [bit: number, carry: (target: Target) => void])[]

/** Each bit of a mask by itself; what is no bit of it is told. */
function mask(bits: Bits) {
  return (text: string, target: Target): void => {
    const value = numberIn(text, target)
    if (value === undefined) return
    let left = value
    for (const [bit, carry] of bits) {
      if ((value & bit) === 0) continue
      left &= ~bit
      carry(target)
    }
    if (left !== 0) target.lose(`the bits 0x${left.toString(16)} are none that KSG documents`)
  }
}

function numberIn(text: string, target: Target): number | undefined {
  if (/^(\d+|0x[0-9a-f]+)$/i.test(text)) return Number(text)
  target.lose(`"${text}" is no number`)
  return undefined
}

/** The names of a list of numbers; what has none is told. */
function namesIn(
  text: string,
  members: Readonly<Record<string, number>>,
  target: Target,
): readonly string[] {
  const words = text.split(',').map((word) => word.trim())
  return words
    .filter((word) => word !== '')
    .flatMap((word) => {
      const name = Object.keys(members).find((one) => members[one] === Number(word))
      if (name === undefined) target.lose(`KMIP gives the number ${word} to nothing`)
      return name ?? []
    })
}

/** A value of an enumeration, by its number. */
function member(key: string, members: Readonly<Record<string, number>>) {
  return (text: string, target: Target): void => {
    const [name] = namesIn(text, members, target)
    if (name !== undefined) target.put(key, name)
  }
}

function lost(reason: string) {
  return (_text: string, target: Target): void => target.lose(reason)
}

const GEN = { file: 'ksg.conf', section: 'p6ksg-gen' } as const
const LOG = { file: 'p6kmipserver.conf', section: 'p6kmip-gen' } as const
const SERVER = { file: 'p6kmipserver.conf', section: 'p6kmip-server-gen' } as const
const QUERY = { file: 'p6kmip_auxiliary_ksg.conf', section: 'p6kmip-server-auxiliary' } as const

const OWN_KEYSTORE = 'it protects KSG’s own keystore; Claviger makes a root key of its own'
const NO_BUFFERS = 'messages take the memory they need, up to limits.messageBytesMax'
const LOG_GOES = 'the log goes to standard error; whoever starts the server keeps it'

function wireLog(format: string) {
  return (target: Target): void => {
    const command = `claviger wirelog on NAME --format ${format}`
    target.lose(`messages are logged for one client, while the server runs: ${command}`)
  }
}

const MAKERS = [
  [0x1, 'aws-cloudhsm', '/opt/cloudhsm/lib/libcloudhsm_pkcs11.so'],
  [0x2, 'cavium-liquidsecurity', undefined],
] as const

/** KSG looks for this label, whatever else is said. */
const KEK_LABEL = 'P6RKEK1'

/** Keys that are made can be got, through the key-encrypting key. */
function kek(target: Target, more: Tree): void {
  target.hsm['kek'] = { label: KEK_LABEL, ...(target.hsm['kek'] as Tree | undefined), ...more }
  target.hsm['extractable'] = true
  target.carry(`keystores[].kek.${Object.keys(more)[0] ?? 'label'}`)
  target.carry('keystores[].extractable')
}

/** The handle counts for the HSM that it is named for. */
function kekHandle(model: string) {
  return (text: string, target: Target): void => {
    const handle = numberIn(text, target)
    if (handle === undefined) return
    const own = target.hsm['model'] ?? model
    if (own !== model) target.lose(`the type of the HSM is ${own}`)
    else if (handle >= 1) kek(target, { handle })
    else target.lose('0 is the handle of nothing')
  }
}

function kekFile(text: string, target: Target): void {
  kek(target, {})
  const name = shellWord(String(target.hsm['name']))
  const how = `claviger hsm kek import ${name} --file ${shellWord(text)}`
  target.lose(`the file is read once, by "${how}", which seals a copy; destroy the file then`)
}

const IDLE = { min: 5, max: 86_400 }

function idle(text: string, target: Target): void {
  const seconds = numberIn(text, target)
  if (seconds === undefined) return
  const within = Math.min(IDLE.max, Math.max(IDLE.min, seconds))
  target.put('limits.idleSeconds', within)
  if (within !== seconds) target.lose(`${seconds} seconds became ${within}, the nearest allowed`)
}

function operations(text: string, target: Target): void {
  const names = namesIn(text, Operation, target)
  target.put('kmip.query.operations', names)
}

function profiles(text: string, target: Target): void {
  const claimed: readonly string[] = PROFILE_NAMES
  const names = namesIn(text, ProfileName, target)
  for (const name of names) {
    if (!claimed.includes(name)) target.lose(`the profile ${name} is not claimed`)
  }
  target.put(
    'kmip.query.profiles',
    names.filter((name) => claimed.includes(name)),
  )
}

/** Every parameter of the three files. */
const ROWS: readonly Row[] = [
  { ...GEN, names: ['baseKeyPath'], carry: lost(OWN_KEYSTORE) },
  { ...GEN, names: ['customerKeyPath'], carry: lost(OWN_KEYSTORE) },
  {
    ...GEN,
    names: ['serverLogFlags'],
    carry: mask([
      [0x0002, (target) => target.put('log.level', 'warn')],
      [0x0004, (target) => target.put('log.level', 'info')],
      [0x0008, () => {}],
      [0x0020, wireLog('json')],
      [0x0100, (target) => target.put('log.level', 'debug')],
      [0x0400, wireLog('xml')],
      [0x0800, (target) => target.lose('KMIP is not served over HTTPS, so there are no headers')],
      [0x2000, wireLog('hex')],
    ]),
  },
  {
    ...GEN,
    names: ['HSM_pin'],
    carry: (text, target) => {
      target.pin = text
    },
  },
  {
    ...GEN,
    names: ['HSM_slotid'],
    absent: '0',
    carry: (text, target) => {
      const slot = numberIn(text, target)
      if (slot !== undefined) target.putHsm('slot', slot)
    },
  },
  {
    ...GEN,
    names: ['HSM_name'],
    absent: 'hsm',
    carry: (text, target) => target.putHsm('name', text.slice(0, 64)),
  },
  {
    ...GEN,
    names: ['HSM_addr'],
    carry: lost('where the HSM is, is said in the configuration of its own PKCS#11 module'),
  },
  {
    ...GEN,
    names: ['HSM_type', 'HSMType'],
    carry: mask(
      MAKERS.map(([bit, model, module]) => [
        bit,
        (target) => {
          target.putHsm('model', model)
          if (module !== undefined) target.putHsm('module', module)
        },
      ]),
    ),
  },
  {
    ...GEN,
    names: ['gateFlags'],
    carry: mask([
      [0x1, (target) => target.lose('what was altered is never opened')],
      [
        0x2,
        (target) => {
          target.isSoftware = true
          target.carry('keystores[].type')
        },
      ],
      [0x4, (target) => target.lose('C_DigestKey is called only where the device has it')],
    ]),
  },
  { ...GEN, names: ['AWSCloudHSM_KEKHandle'], carry: kekHandle('aws-cloudhsm') },
  {
    ...GEN,
    names: ['CaviumLiquidSec_KEKHandle'],
    carry: kekHandle('cavium-liquidsecurity'),
  },
  { ...GEN, names: ['KEKKeyPath'], carry: kekFile },
  { ...LOG, names: ['logDir'], carry: lost(LOG_GOES) },
  { ...LOG, names: ['errorStream'], carry: lost(LOG_GOES) },
  {
    ...SERVER,
    names: ['listenPort'],
    absent: '65524',
    carry: (text, target) => {
      const port = numberIn(text, target)
      if (port === undefined) return
      target.port = port
      target.carry('kmip.plain.listen')
    },
  },
  {
    ...SERVER,
    names: ['listenIPAddr'],
    absent: '0.0.0.0',
    carry: (text, target) => {
      target.host = text
      target.carry('kmip.plain.listen')
    },
  },
  { ...SERVER, names: ['maxBufSize'], carry: lost(NO_BUFFERS) },
  { ...SERVER, names: ['initialBufCount'], carry: lost(NO_BUFFERS) },
  { ...SERVER, names: ['growBufBy'], carry: lost(NO_BUFFERS) },
  {
    ...SERVER,
    names: ['threadCount'],
    carry: lost('one thread serves all; what an HSM does at a time is keystores[].sessions'),
  },
  { ...SERVER, names: ['receiveTimeout'], absent: '300', carry: idle },
  {
    ...SERVER,
    names: ['sendTimeout'],
    carry: lost(
      'a client that does not read is asked no more, and is idle after limits.idleSeconds',
    ),
  },
  { ...SERVER, names: ['acceptTimeout'], carry: lost('the listener needs no waking') },
  {
    ...QUERY,
    names: ['vendorId'],
    absent: '',
    carry: (text, target) => target.put('kmip.query.vendorIdentification', text),
  },
  { ...QUERY, names: ['operations'], carry: operations },
  {
    ...QUERY,
    names: ['objects'],
    carry: (text, target) => {
      target.put('kmip.query.objects', namesIn(text, ObjectType, target))
    },
  },
  { ...QUERY, names: ['profiles'], carry: profiles },
  {
    ...QUERY,
    names: ['shreddingAlgorithm', 'shreadingAlgorithm'],
    absent: '1',
    carry: member('kmip.query.shreddingAlgorithm', ShreddingAlgorithm),
  },
  {
    ...QUERY,
    names: ['destroyAction'],
    absent: '1',
    carry: member('kmip.query.destroyAction', DestroyAction),
  },
  {
    ...QUERY,
    names: ['unwrapMode', 'unrapMode'],
    absent: '1',
    carry: member('kmip.query.unwrapMode', UnwrapMode),
  },
  { ...QUERY, names: ['RNGMode'], absent: '1', carry: member('kmip.query.rngMode', RNGMode) },
  {
    ...QUERY,
    names: ['streamingEnabled'],
    carry: (text, target) => target.put('kmip.query.streaming', /^(true|1|yes)$/i.test(text)),
  },
]

/**
 * What `claviger.yaml` must say to serve as the gateway did.
 *
 * @param contents Of the files that there are.
 * @throws {@link KsgError} when the HSM's module is not known.
 */
export function translateKsg(
  contents: Partial<Readonly<Record<KsgFile, string>>>,
  options: TranslateOptions,
): Translation {
  const target = new Target()
  for (const file of KSG_FILES) {
    const content = contents[file]
    if (content !== undefined) translateFile(file, parseKsg(file, content), target)
  }
  target.row = undefined
  target.config['keystores'] = keystores(target, options)
  if (contents['p6kmipserver.conf'] !== undefined) listen(target, options)
  const { config, carried, lost: none, pin } = target
  if (!target.isSoftware) return { config, carried, lost: none, pin }
  return { config, ...withoutHsm(target), pin: undefined }
}

const NO_HSM = 'by gateFlags 0x2 the gateway works without an HSM; so does Claviger'

/** Whatever is said of the HSM has gone nowhere. */
function withoutHsm({ carried, lost: none, pin }: Target) {
  const isOfHsm = ({ key }: Carried): boolean => /^keystores\[\]\.(?!type$)/.test(key)
  const given = carried.filter(isOfHsm).map(({ file, parameter }) => [file, parameter] as const)
  if (pin !== undefined) given.push(['ksg.conf', 'HSM_pin'])
  const gone = new Map(given.map(([file, parameter]) => [parameter, { file, parameter }]))
  const reasons = [...gone.values()].map((one) => ({ ...one, reason: NO_HSM }))
  const others = none.filter(({ parameter }) => !gone.has(parameter))
  return { carried: carried.filter((one) => !isOfHsm(one)), lost: [...others, ...reasons] }
}

function translateFile(file: KsgFile, given: readonly Given[], target: Target): void {
  const rows = ROWS.filter((row) => row.file === file)
  for (const row of rows) {
    const mine = given.filter(({ section, name }) => {
      return section === row.section && row.names.includes(name)
    })
    target.row = row
    target.spelled = mine.at(-1)?.name
    const text = mine.at(-1)?.text ?? row.absent
    if (text !== undefined) row.carry(text, target)
    if (mine.length > 1) target.lose(`it stands there ${mine.length} times; the last one counts`)
  }
  for (const { section, name } of given) {
    if (rows.some((row) => row.section === section && row.names.includes(name))) continue
    target.lost.push({
      file,
      parameter: name,
      reason: `KSG documents no such parameter in [${section}]`,
    })
  }
}

const PIN_VARIABLE = 'CLAVIGER_HSM_PIN'

/** The HSM first, which takes new keys; certificates and data find room beside it. */
function keystores(target: Target, options: TranslateOptions): readonly Tree[] {
  const software = { name: 'software', type: 'software' }
  if (target.isSoftware) return [software]
  const module = options.module ?? target.hsm['module']
  if (module === undefined) {
    const what = 'The PKCS#11 module of the HSM stands in none of the files'
    throw new KsgError(`${what}; name it with --module`)
  }
  const { pinFile } = options
  const pin = pinFile === undefined ? { pinVariable: PIN_VARIABLE } : { pinFile }
  const { name, ...rest } = target.hsm
  return [{ name, type: 'pkcs11', ...rest, module, ...pin }, software]
}

function listen(target: Target, { principal }: TranslateOptions): void {
  const { host, port } = target
  const isLoopback = /^127\./.test(host)
  const address = isLoopback ? host : '127.0.0.1'
  target.config['kmip'] = {
    ...(target.config['kmip'] as Tree | undefined),
    plain: { listen: `${address}:${port}`, principal },
  }
  if (isLoopback) return
  const reason = `without TLS it is 127.0.0.1 instead of ${host}; with TLS see kmip.listen`
  target.lost.push({ file: 'p6kmipserver.conf', parameter: 'listenIPAddr', reason })
}
