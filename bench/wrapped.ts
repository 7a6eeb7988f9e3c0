/**
 * Encrypt by KMIP with a key that is kept under a key in an HSM, beside Encrypt with a plain key of
 * the software keystore: on one server, in turns, once the key is warm.
 *
 * Many short rounds take turns, so that what else the machine does falls on both alike; what counts
 * is the median of what the two rounds of a turn are to each other. Beside it stands the processor
 * time of the server, which a busy machine changes least.
 * `bench/hsm.ts` starts the server.
 *
 * @module
 */
import { KmipClient } from '#clients/kmip/client.ts'
import { KmipConnection } from '#clients/kmip/connection.ts'
import type { OwnServer } from '#conformance/own-server.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
  ProtectionStorageMask,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { type Load, processorSeconds, type Target } from './processes.ts'
import { median } from './rounds.ts'
import { requestBytes } from './scenarios.ts'

/** KMIP 2.1: Protection Storage Masks. */
const VERSION = 21
const ROUNDS = 21
/** How long a round is, of the time that other measurements take. */
const PART = 0.25
const WARM = 0.2
const MEBIBYTE = 1_048_576
const MILLION = 1_000_000
const LIMITS = { depthMax: 32, itemsMax: 1_000 }
const TARGET = 0.05

interface Measured {
  readonly perSecond: number
  /** Processor time of the server for one operation, in microseconds. */
  readonly micros: number
}

export interface WrappedRow {
  readonly clients: number
  /** Medians of the rounds. */
  readonly plain: Measured
  readonly wrapped: Measured
  /** Wrapped by plain, the median of the turns. */
  readonly ratio: Measured
}

/** Measures with each number of clients. */
export async function wrappedRows(
  server: OwnServer,
  load: Load,
  crowds: readonly number[],
  milliseconds: number,
): Promise<readonly WrappedRow[]> {
  const { host, port, ca, cert, key } = server.client('admin')
  const target = { host, port, ca, cert, key } as Target
  const requests = await twoRequests(target)
  const rows: WrappedRow[] = []
  for (const clients of crowds) {
    const rounds = { plain: [] as Measured[], wrapped: [] as Measured[] }
    for (let round = 0; round < ROUNDS; round++) {
      const names =
        round % 2 === 0 ? (['plain', 'wrapped'] as const) : (['wrapped', 'plain'] as const)
      for (const name of names) {
        const job = { ...requests[name], connections: clients, milliseconds: milliseconds * PART }
        rounds[name].push(await measure(server, load, { ...target, ...job }))
      }
    }
    const { plain, wrapped } = rounds
    const turns = plain.map((one, round) => quotient(wrapped[round] as Measured, one))
    const both = { plain: medians(plain), wrapped: medians(wrapped), ratio: medians(turns) }
    rows.push({ clients, ...both })
  }
  return rows
}

interface Ready {
  readonly requests: readonly string[]
  readonly answerBytes: number
}

async function twoRequests(target: Target): Promise<Readonly<Record<'plain' | 'wrapped', Ready>>> {
  const client = new KmipClient({ ...target, version: VERSION })
  const { Hardware, Software } = ProtectionStorageMask
  const keeper = await aesKey(client, Mask.WrapKey | Mask.UnwrapKey, Hardware)
  const use = Mask.Encrypt | Mask.Decrypt
  const ids = {
    plain: await aesKey(client, use, Software),
    wrapped: await aesKey(client, use, Software, keeper),
  }
  client.close()
  return {
    plain: await ready(target, ids.plain),
    wrapped: await ready(target, ids.wrapped),
  }
}

async function aesKey(
  client: KmipClient,
  mask: number,
  place: number,
  keeper?: string,
): Promise<string> {
  const value = { tag: Tag.AttributeValue, type: ItemType.TextString, value: keeper }
  const attributes = [
    { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
    { id: 'cryptographicLength', value: 256 },
    { id: 'cryptographicUsageMask', value: mask },
    { id: 'activationDate', value: 1 },
    ...(keeper === undefined ? [] : [{ id: 'x:wrapping_key_id' as const, value }]),
  ] as const
  const answer = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes },
    protectionStorageMasks: { protectionStorageMask: [place] },
  })
  return String(answer.uniqueIdentifier)
}

async function ready(target: Target, uniqueIdentifier: string): Promise<Ready> {
  const cryptographicParameters = { blockCipherMode: BlockCipherMode.GCM, randomIV: true }
  const payload = { uniqueIdentifier, cryptographicParameters, data: Buffer.alloc(64, 0x61) }
  const bytes = requestBytes({ operation: 'Encrypt', payload })
  const limits = { connectMilliseconds: 10_000, requestMilliseconds: 10_000 }
  const connection = await KmipConnection.open({ ...target, ...limits, messageBytesMax: MEBIBYTE })
  const answer = encodeItem(await connection.send(decodeItem(bytes, LIMITS)))
  connection.close()
  return { requests: [Buffer.from(bytes).toString('base64')], answerBytes: answer.length }
}

async function measure(
  { process: { pid } }: OwnServer,
  load: Load,
  job: Omit<Parameters<Load['run']>[0], 'warmMilliseconds'>,
): Promise<Measured> {
  const before = processorSeconds(pid) ?? Number.NaN
  const warmMilliseconds = job.milliseconds * WARM
  const { perSecond, answered } = await load.run({ ...job, warmMilliseconds })
  const after = processorSeconds(pid) ?? Number.NaN
  return { perSecond, micros: ((after - before) / answered) * MILLION }
}

function quotient(one: Measured, other: Measured): Measured {
  return { perSecond: one.perSecond / other.perSecond, micros: one.micros / other.micros }
}

function medians(rounds: readonly Measured[]): Measured {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    micros: median(rounds.map(({ micros }) => micros)),
  }
}

export function wrappedText(rows: readonly WrappedRow[]): string {
  const lines = rows.map(({ clients, plain, wrapped, ratio }) => {
    const said = Object.entries({ plain, wrapped }).map(([name, { perSecond, micros }]) => {
      return `${name} ${Math.round(perSecond)}/s, ${micros.toFixed(1)} us of processor`
    })
    const { perSecond: rate, micros: time } = ratio
    const rated = `${rate.toFixed(3)} as many, ${time.toFixed(3)} of the time`
    const met = `target within ${TARGET * 100} %: ${rate >= 1 - TARGET ? 'met' : 'missed'}`
    return `Encrypt GCM 64 B, kept under an HSM key, ${clients} clients: ${said.join('; ')}; ${rated}; ${met}`
  })
  return `${lines.join('\n')}\n`
}
