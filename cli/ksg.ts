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
import { isIP } from 'node:net'
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
import {
  type Carried,
  KSG_FILES,
  type KsgFile,
  type Lost,
  mask,
  namesIn,
  numberIn,
  type Outcome,
  type Row,
  Target,
  type Tree,
  UNREAD,
} from './ksg-target.ts'

export { KSG_FILES, KsgError, type KsgFile, type Lost, parseKsg }

export interface Translation {
  /** What `claviger.yaml` holds. */
  readonly config: Tree
  readonly carried: readonly Carried[]
  readonly lost: readonly Lost[]
  /** The user PIN of the HSM; it does not stand in the configuration. */
  readonly pin: string | undefined
  /** Whether keys are to be in one. */
  readonly hasHsm: boolean
}

export interface TranslateOptions {
  /** The HSM's PKCS#11 module; default: what KSG's type of HSM says. */
  readonly module?: string | undefined
  /** Credential in whose name clients of the plain port work. */
  readonly principal: string
  /** Where the PIN will be; default: a variable of the environment. */
  readonly pinFile?: string | undefined
}

/** A value of an enumeration, by its number. */
function member(key: string, members: Readonly<Record<string, number>>) {
  return (text: string, target: Target): Outcome => {
    const number = numberIn(text)
    const name = Object.keys(members).find((one) => members[one] === number)
    if (name === undefined) return target.unread(`"${text}" is no number of a value of KMIP`)
    target.put(key, name)
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

const LEVELS = [
  [0x0004, 'info'],
  [0x0100, 'debug'],
] as const
const TRACE_OFF = 0x0002
const TRACE_MSGS = 0x0008
const HTTP_HEADERS = 0x0800
const FORMATS = [
  [0x0020, 'json'],
  [0x0400, 'xml'],
  [0x2000, 'hex'],
] as const

/** A format counts where messages are logged, and nothing does where it is off. */
function logFlags(text: string, target: Target): Outcome {
  const value = numberIn(text)
  if (value === undefined) return target.unread(`"${text}" is no mask of bits`)
  const has = (bit: number): boolean => (BigInt(value) & BigInt(bit)) !== 0n
  const level = LEVELS.findLast(([bit]) => has(bit))?.[1]
  if (has(TRACE_OFF)) target.put('log.level', 'warn')
  else if (level !== undefined) target.put('log.level', level)
  if (has(TRACE_OFF) && (level !== undefined || has(TRACE_MSGS))) {
    target.lose('the bit 0x2 turns off what other bits of it turn on; it counts')
  } else if (has(TRACE_MSGS)) {
    const formats = FORMATS.filter(([bit]) => has(bit)).map(([, format]) => ` --format ${format}`)
    for (const format of formats.length === 0 ? [''] : formats) {
      const command = `claviger wirelog on NAME${format}`
      target.lose(`messages are logged for one client, while the server runs: ${command}`)
    }
    if (has(HTTP_HEADERS)) target.lose('KMIP is not served over HTTPS, so there are no headers')
  }
  mask(LOG_BITS)(text, target)
}

const LOG_BITS = [...LEVELS, ...FORMATS, [TRACE_OFF], [TRACE_MSGS], [HTTP_HEADERS]].map(
  ([bit]) => [bit as number, () => {}] as const,
)

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
  return (text: string, target: Target): Outcome => {
    const handle = numberIn(text)
    if (handle === undefined) return target.unread(`"${text}" is no handle`)
    const before = (target.hsm['kek'] as Tree | undefined)?.['handle']
    const own =
      target.hsm['model'] ?? (before === undefined ? model : 'not said, and one is enough')
    if (own !== model) target.lose(`the type of the HSM is ${own}`)
    else if (handle >= 1) kek(target, { handle })
    else target.lose('0 is the handle of nothing')
  }
}

function kekFile(text: string, target: Target): Outcome {
  if (text === '') return target.unread('it names no file')
  kek(target, {})
  const name = shellWord(String(target.hsm['name']))
  const how = `claviger hsm kek import ${name} --file ${shellWord(text)}`
  target.lose(`the file is read once, by "${how}", which seals a copy; destroy the file then`)
}

const IDLE = { min: 5, max: 86_400 }

function idle(text: string, target: Target): Outcome {
  const seconds = numberIn(text)
  if (seconds === undefined) return target.unread(`"${text}" is no number`)
  const within = Math.min(IDLE.max, Math.max(IDLE.min, seconds))
  target.put('limits.idleSeconds', within)
  if (within !== seconds) target.lose(`${seconds} seconds became ${within}, the nearest allowed`)
}

/** What KSG does, whether Query says so or not. */
const KSG_DOES = [1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 24, 30, 31, 32, 37, 38]

function operations(text: string, target: Target): Outcome {
  const names = namesIn(text, Operation, target)
  if (names.length === 0) return target.unread('nothing would be left; nothing is hidden')
  target.put('kmip.query.operations', names)
  const hidden = Object.entries(Operation).flatMap(([name, number]) => {
    return KSG_DOES.includes(number) && !names.includes(name) ? name : []
  })
  if (hidden.length === 0) return
  const what = `the gateway hides ${hidden.join(', ')} from Query and does it`
  target.lose(`${what}; here it is refused as well, unless it is added to kmip.query.operations`)
}

function objects(text: string, target: Target): Outcome {
  const names = namesIn(text, ObjectType, target)
  if (names.length === 0) return target.unread('nothing would be left; nothing is hidden')
  target.put('kmip.query.objects', names)
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

const VENDOR_MAX = 200

function vendor(text: string, target: Target): void {
  target.put('kmip.query.vendorIdentification', text.slice(0, VENDOR_MAX))
  if (text.length > VENDOR_MAX) target.lose(`only its first ${VENDOR_MAX} characters are told`)
}

function streaming(text: string, target: Target): Outcome {
  const isTrue = /^(true|1|yes|on)$/i.test(text)
  if (!isTrue && !/^(false|0|no|off)$/i.test(text)) {
    return target.unread(`"${text}" is neither true nor false`)
  }
  target.put('kmip.query.streaming', isTrue)
}

const NAME_MAX = 64

function hsmName(text: string, target: Target): Outcome {
  if (text === '') return target.unread('it is empty')
  target.putHsm('name', text.slice(0, NAME_MAX))
  if (text.length > NAME_MAX) target.lose(`only its first ${NAME_MAX} characters are the name`)
}

function slot(text: string, target: Target): Outcome {
  const number = numberIn(text)
  if (number === undefined) return target.unread(`"${text}" is no number of a slot`)
  target.putHsm('slot', number)
}

function pin(text: string, target: Target): Outcome {
  if (text === '') return target.unread('it is empty')
  target.pin = text
}

function port(text: string, target: Target): Outcome {
  const number = numberIn(text)
  if (number === undefined || number < 1 || number > 65_535) {
    return target.unread(`"${text}" is no port`)
  }
  target.port = number
  target.carry('kmip.plain.listen')
}

function host(text: string, target: Target): Outcome {
  const address = text.toLowerCase() === 'localhost' ? '127.0.0.1' : text
  if (isIP(address) === 0) return target.unread(`"${text}" is no address`)
  target.host = address
  target.carry('kmip.plain.listen')
}

/** Every parameter of the three files. */
const ROWS: readonly Row[] = [
  { ...GEN, names: ['baseKeyPath'], carry: lost(OWN_KEYSTORE) },
  { ...GEN, names: ['customerKeyPath'], carry: lost(OWN_KEYSTORE) },
  { ...GEN, names: ['serverLogFlags'], carry: logFlags },
  { ...GEN, names: ['HSM_pin'], carry: pin },
  { ...GEN, names: ['HSM_slotid'], absent: '0', carry: slot },
  { ...GEN, names: ['HSM_name'], absent: 'hsm', carry: hsmName },
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
          const other = target.hsm['model']
          if (other !== undefined) return target.lose(`it says ${model} too; ${other} counts`)
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
  { ...SERVER, names: ['listenPort'], absent: '65524', carry: port },
  { ...SERVER, names: ['listenIPAddr'], absent: '0.0.0.0', carry: host },
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
  { ...QUERY, names: ['vendorId'], absent: '', carry: vendor },
  { ...QUERY, names: ['operations'], carry: operations },
  { ...QUERY, names: ['objects'], carry: objects },
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
  { ...QUERY, names: ['streamingEnabled'], carry: streaming },
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
    else target.lost.push({ file, parameter: '(the file)', reason: ABSENT[file] })
  }
  target.row = undefined
  target.config['keystores'] = keystores(target, options)
  if (contents['p6kmipserver.conf'] !== undefined) listen(target, options)
  const { config, carried, lost: none, pin } = target
  if (!target.isSoftware) return { config, carried, lost: none, pin, hasHsm: true }
  return { config, ...withoutHsm(target), pin: undefined, hasHsm: false }
}

const ABSENT: Readonly<Record<KsgFile, string>> = {
  'ksg.conf': 'it is not there; nothing is known of the HSM',
  'p6kmipserver.conf': 'it is not there; nothing listens for a TLS proxy: see kmip.plain',
  'p6kmip_auxiliary_ksg.conf': 'it is not there; Query hides nothing',
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
    const text = mine.at(-1)?.text
    const outcome = text === undefined ? UNREAD : row.carry(text, target)
    if (mine.length > 1) target.lose(`it stands there ${mine.length} times; the last one counts`)
    target.spelled = undefined
    if (outcome === UNREAD && row.absent !== undefined) row.carry(row.absent, target)
  }
  for (const { section, name } of given) {
    if (rows.some((row) => row.section === section && row.names.includes(name))) continue
    const reason = `KSG documents no such parameter in [${section}]${meant(file, name)}`
    target.lost.push({ file, parameter: name, reason })
  }
}

/** How the parameter is spelled, or where it belongs, that has nearly this name. */
function meant(file: KsgFile, name: string): string {
  const alike = (one: string): boolean => one.toLowerCase() === name.toLowerCase()
  const row = ROWS.find((one) => one.file === file && one.names.some(alike))
  return row === undefined ? '' : `; it is ${row.names.find(alike)} in [${row.section}]`
}

const PIN_VARIABLE = 'CLAVIGER_HSM_PIN'

/** The HSM first, which takes new keys; certificates and data find room beside it. */
function keystores(target: Target, options: TranslateOptions): readonly Tree[] {
  const isTaken = !target.isSoftware && target.hsm['name'] === 'software'
  const software = { name: isTaken ? 'beside' : 'software', type: 'software' }
  if (target.isSoftware) return [software]
  const module = options.module ?? target.hsm['module']
  if (module === undefined) {
    const what = 'The PKCS#11 module of the HSM stands in none of the files'
    const unread = target.lost.filter(({ file }) => file === 'ksg.conf')
    const said = unread.map(({ parameter, reason }) => `\n  ${parameter}: ${reason}`).join('')
    throw new KsgError(`${what}; name it with --module${said && `. Not carried over:${said}`}`)
  }
  const { pinFile } = options
  const pin = pinFile === undefined ? { pinVariable: PIN_VARIABLE } : { pinFile }
  const { name, ...rest } = target.hsm
  return [{ name, type: 'pkcs11', ...rest, module, ...pin }, software]
}

function listen(target: Target, { principal }: TranslateOptions): void {
  const isLoopback = /^127\./.test(target.host) || target.host === '::1'
  const address = isLoopback ? target.host : '127.0.0.1'
  const listenAt = `${isIP(address) === 6 ? `[${address}]` : address}:${target.port}`
  target.config['kmip'] = {
    ...(target.config['kmip'] as Tree | undefined),
    plain: { listen: listenAt, principal },
  }
  if (isLoopback) return
  const reason = `without TLS it is 127.0.0.1 instead of ${target.host}; with TLS see kmip.listen`
  target.lost.push({ file: 'p6kmipserver.conf', parameter: 'listenIPAddr', reason })
}
