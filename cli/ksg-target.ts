/**
 * Where parameters of P6R's KMIP Server Gateway go, and how their values are read.
 *
 * What is read wrongly, or means nothing here, is told with the reason; nothing is passed over in
 * silence. Pure.
 *
 * @module
 */

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

export interface Tree {
  [key: string]: unknown
}

/** What KSG knows of a parameter. */
export interface Row {
  readonly file: KsgFile
  readonly section: string
  /** The spellings that its documents use, the right one first. */
  readonly names: readonly [string, ...string[]]
  /** KSG's default, where the absent parameter must be said to us. */
  readonly absent?: string
  readonly carry: (text: string, target: Target) => Outcome
}

/** What a row answers whose value means nothing: the default counts. */
export const UNREAD = Symbol('unread')
// biome-ignore lint/suspicious/noConfusingVoidType: all others have nothing to say.
export type Outcome = typeof UNREAD | void

/** Where a row puts what it has. */
export class Target {
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

  /** What cannot be read; where there is a default, that counts. */
  unread(reason: string): typeof UNREAD {
    const absent = this.row?.absent
    this.lose(absent === undefined ? reason : `${reason}; it counts as ${absent || 'absent'}`)
    return UNREAD
  }
}

type Bits = readonly (readonly [bit: number, carry: (target: Target) => void])[]

/** Each bit of a mask by itself; what is no bit of it is told. */
export function mask(bits: Bits) {
  return (text: string, target: Target): Outcome => {
    const value = numberIn(text)
    if (value === undefined) return target.unread(`"${text}" is no mask of bits`)
    let left = BigInt(value)
    for (const [bit, carry] of bits) {
      if ((left & BigInt(bit)) === 0n) continue
      left &= ~BigInt(bit)
      carry(target)
    }
    if (left !== 0n) target.lose(`the bits 0x${left.toString(16)} are none that KSG documents`)
  }
}

/** Undefined where it is none, or one that is not written exactly. */
export function numberIn(text: string): number | undefined {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

/** The names of a list of numbers, each once; what has none is told. */
export function namesIn(
  text: string,
  members: Readonly<Record<string, number>>,
  target: Target,
): readonly string[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  const names = words.flatMap((word) => {
    const number = numberIn(word)
    const name = Object.keys(members).find((one) => members[one] === number)
    if (name === undefined) target.lose(`KMIP gives the number ${word} to nothing`)
    return name ?? []
  })
  return [...new Set(names)]
}
