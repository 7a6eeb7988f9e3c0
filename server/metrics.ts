/**
 * What Prometheus reads: the state of a running server as numbers.
 *
 * Everything is looked up when somebody asks; between two looks nothing is done. Labels are fronts,
 * operations, outcomes, keystores and certificates of the server: never names, identifiers or
 * addresses of clients, and never of keys. So there are never more lines than our tables have rows.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import { statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { DURATIONS, type Meter, type Tally } from '#core/meter.ts'
import type { ObjectCounts } from '#core/object-counts.ts'
import type { KmipServer } from '#fronts/kmip/server.ts'
import type { WireLog } from '#fronts/kmip/wire-log.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import type { Pkcs11Server } from '#fronts/pkcs11/server.ts'
import { ObjectType, State } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { House } from './house.ts'
import { hsmStatus } from './hsm.ts'

/** What there is to look at. */
export interface Watched {
  readonly house: House
  readonly kmip: KmipServer
  readonly pkcs11: Pkcs11Server<Application> | undefined
  readonly wireLog: WireLog
  readonly objects: ObjectCounts
}

type Labels = Readonly<Record<string, string>>
type Sample = readonly [value: number, labels?: Labels]

/** A metric whose values are looked up when they are asked for. */
interface Row {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly labels?: readonly string[]
  readonly samples: () => Iterable<Sample>
}

const STATES = ['running', 'starting', 'stopped', 'broken', 'closed'] as const

/** Credentials are read for it: not at every look. */
const CREDENTIALS_MILLISECONDS = 300_000

export class Metrics {
  readonly #registry = new Registry()
  readonly #watched: Watched
  #credentials: readonly Sample[] = []
  #nextEnd: number | undefined
  #credentialsRead = Number.NEGATIVE_INFINITY

  constructor(watched: Watched) {
    this.#watched = watched
    collectDefaultMetrics({ register: this.#registry })
    for (const row of this.#rows()) register(this.#registry, row)
    const { meter } = watched.house.services
    if (meter === undefined) return
    // The library's own histogram would have to be told of every request.
    const histogram = new Durations(meter) as unknown as Metric
    this.#registry.registerMetric(histogram)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    await this.#readCredentials()
    return this.#registry.metrics()
  }

  *#rows(): Generator<Row> {
    yield* this.#requests()
    yield* this.#connections()
    yield* this.#objects()
    yield* this.#storage()
    yield* this.#keystores()
    yield* this.#certificates()
    yield {
      name: 'claviger_wirelog_clients',
      help: 'Clients whose messages are written to the log.',
      type: 'gauge',
      samples: () => [[this.#watched.wireLog.list().size]],
    }
    yield {
      name: 'claviger_limit',
      help: 'The limits of the configuration, in their own units.',
      type: 'gauge',
      labels: ['name'],
      samples: () => {
        const { limits } = this.#watched.house.services
        return Object.entries(limits).map(([name, value]) => [value, { name }] as const)
      },
    }
  }

  *#requests(): Generator<Row> {
    const { meter } = this.#watched.house.services
    if (meter === undefined) return
    yield {
      name: 'claviger_requests_total',
      help: 'Operations of KMIP and calls of PKCS#11, by how they ended.',
      type: 'counter',
      labels: ['front', 'operation', 'outcome'],
      samples: function* () {
        for (const [front, operation, tally] of tallies(meter)) {
          for (const [outcome, { count }] of tally.outcomes) {
            yield [count, { front, operation, outcome }]
          }
        }
      },
    }
  }

  *#connections(): Generator<Row> {
    const { kmip, pkcs11 } = this.#watched
    yield {
      name: 'claviger_connections',
      help: 'Connections of clients at this moment.',
      type: 'gauge',
      labels: ['front'],
      samples: () => byFront(kmip.connections, pkcs11?.connections),
    }
    yield {
      name: 'claviger_connections_accepted_total',
      help: 'Connections of clients that were let in.',
      type: 'counter',
      labels: ['front'],
      samples: () => byFront(kmip.counts.accepted, pkcs11?.counts.accepted),
    }
    yield {
      name: 'claviger_connections_refused_total',
      help: 'Connections that were not let in, or cut off: the log says why.',
      type: 'counter',
      labels: ['front', 'cause'],
      samples: () => [...refused('kmip', kmip.counts), ...refused('pkcs11', pkcs11?.counts)],
    }
    yield {
      name: 'claviger_pkcs11_applications',
      help: 'Applications of PKCS#11 that are connected.',
      type: 'gauge',
      samples: () => [[pkcs11?.applications ?? 0]],
    }
  }

  *#objects(): Generator<Row> {
    const { types, states } = this.#watched.objects
    yield {
      name: 'claviger_objects',
      help: 'Objects in the database, by their type; those that were destroyed are there as well.',
      type: 'gauge',
      labels: ['type'],
      samples: () => [...types].map(([type, count]) => [count, { type: nameOf(ObjectType, type) }]),
    }
    yield {
      name: 'claviger_objects_in_state',
      help: 'Objects in the database that have a state, by it.',
      type: 'gauge',
      labels: ['state'],
      samples: () => [...states].map(([state, count]) => [count, { state: nameOf(State, state) }]),
    }
    const { store } = this.#watched.house.services
    yield {
      name: 'claviger_altered_reads_total',
      help: 'How often an object was refused or left out because its record was altered.',
      type: 'counter',
      samples: () => [[store.alteredReads]],
    }
  }

  *#storage(): Generator<Row> {
    const { services, database, dataDir } = this.#watched.house
    yield {
      name: 'claviger_writes_waiting',
      help: 'Changes that wait for the disk.',
      type: 'gauge',
      samples: () => [[database.waiting ?? 0]],
    }
    yield {
      name: 'claviger_audit_entries_waiting',
      help: 'Different entries of the audit trail that are not written yet.',
      type: 'gauge',
      samples: () => [[services.journal.waiting]],
    }
    yield {
      name: 'claviger_audit_failures_total',
      help: 'How often entries of the audit trail could not be written; they are kept.',
      type: 'counter',
      samples: () => [[services.journal.failures]],
    }
    yield {
      name: 'claviger_database_bytes',
      help: 'Size of the database and of its write-ahead log.',
      type: 'gauge',
      labels: ['file'],
      samples: () => [
        [sizeOf(join(dataDir, 'claviger.db')), { file: 'database' }],
        [sizeOf(join(dataDir, 'claviger.db-wal')), { file: 'wal' }],
      ],
    }
    yield {
      name: 'claviger_disk_free_bytes',
      help: 'Room on the disk of the data directory.',
      type: 'gauge',
      samples: () => freeBytes(dataDir),
    }
  }

  *#keystores(): Generator<Row> {
    const { house } = this.#watched
    const each = (of: (one: ReturnType<typeof hsmStatus>[number]) => number) => () => {
      return hsmStatus(house).map((one) => [of(one), { keystore: one.name }] as const)
    }
    yield {
      name: 'claviger_hsm_state',
      help: 'The state of the host of an HSM: 1 where it is this one.',
      type: 'gauge',
      labels: ['keystore', 'state'],
      samples: function* () {
        for (const { name, state: now } of hsmStatus(house)) {
          for (const state of STATES) yield [Number(now === state), { keystore: name, state }]
        }
      },
    }
    yield {
      name: 'claviger_hsm_member_state',
      help: 'The state of each HSM of a group, in the order of the configuration.',
      type: 'gauge',
      labels: ['keystore', 'member', 'state'],
      samples: function* () {
        for (const { name: keystore, members = [] } of hsmStatus(house)) {
          for (const [index, { state: now }] of members.entries()) {
            const labels = { keystore, member: String(index + 1) }
            for (const state of STATES) yield [Number(now === state), { ...labels, state }]
          }
        }
      },
    }
    yield {
      name: 'claviger_hsm_calls_total',
      help: 'Calls of functions of the module of an HSM.',
      type: 'counter',
      labels: ['keystore', 'function'],
      samples: function* () {
        for (const { name: keystore, calls } of hsmStatus(house)) {
          for (const [name, count] of Object.entries(calls)) {
            yield [count, { keystore, function: name }]
          }
        }
      },
    }
    yield {
      name: 'claviger_hsm_starts_total',
      help: 'Starts of the host of an HSM: more than one are restarts.',
      type: 'counter',
      labels: ['keystore'],
      samples: each(({ starts }) => starts),
    }
    yield {
      name: 'claviger_hsm_sessions',
      help: 'Sessions with an HSM.',
      type: 'gauge',
      labels: ['keystore'],
      samples: each(({ sessions }) => sessions),
    }
    yield {
      name: 'claviger_hsm_sessions_idle',
      help: 'Sessions with an HSM that have nothing to do.',
      type: 'gauge',
      labels: ['keystore'],
      samples: each(({ sessionsIdle }) => sessionsIdle),
    }
    yield {
      name: 'claviger_hsm_waiting',
      help: 'Work that waits for a session with an HSM.',
      type: 'gauge',
      labels: ['keystore'],
      samples: each(({ waiting }) => waiting),
    }
  }

  *#certificates(): Generator<Row> {
    const { house, kmip } = this.#watched
    yield {
      name: 'claviger_certificate_expiry_timestamp_seconds',
      help: 'When a certificate ends: the authority, those that the server shows.',
      type: 'gauge',
      labels: ['certificate'],
      samples: function* () {
        yield [house.authority.expires, { certificate: 'authority' }]
        for (const { cert } of kmip.identities) {
          const { validTo, publicKey } = new X509Certificate(cert)
          const kind = publicKey.asymmetricKeyType ?? 'other'
          yield [Math.floor(Date.parse(validTo) / 1_000), { certificate: `server-${kind}` }]
        }
      },
    }
    yield {
      name: 'claviger_credentials',
      help: 'Credentials of clients.',
      type: 'gauge',
      labels: ['state'],
      samples: () => this.#credentials,
    }
    yield {
      name: 'claviger_credential_next_expiry_timestamp_seconds',
      help: 'When the next certificate of a credential ends: claviger credential list says which.',
      type: 'gauge',
      samples: () => (this.#nextEnd === undefined ? [] : [[this.#nextEnd]]),
    }
  }

  async #readCredentials(): Promise<void> {
    const { credentials, services } = this.#watched.house
    const milliseconds = services.clock()
    if (milliseconds - this.#credentialsRead < CREDENTIALS_MILLISECONDS) return
    this.#credentialsRead = milliseconds
    let altered = 0
    const all = await credentials.list(() => {
      altered++
    })
    const now = milliseconds / 1_000
    const standing = all.filter(({ revoked }) => revoked === undefined)
    const valid = standing.filter(({ expires }) => expires > now)
    this.#nextEnd = valid.length === 0 ? undefined : Math.min(...valid.map((one) => one.expires))
    this.#credentials = [
      [valid.length, { state: 'valid' }],
      [standing.length - valid.length, { state: 'expired' }],
      [all.length - standing.length, { state: 'revoked' }],
      [altered, { state: 'altered' }],
    ]
  }
}

function register(registry: Registry, { name, help, type, labels = [], samples }: Row): void {
  const common = { name, help, labelNames: labels, registers: [registry] }
  if (type === 'gauge') {
    const gauge: Gauge = new Gauge({
      ...common,
      collect() {
        gauge.reset()
        for (const [value, labels = {}] of samples()) gauge.set(labels, value)
      },
    })
    return
  }
  const counter: Counter = new Counter({
    ...common,
    collect() {
      counter.reset()
      for (const [value, labels = {}] of samples()) counter.inc(labels, value)
    },
  })
}

function* tallies(meter: Meter): Generator<readonly [string, string, Tally]> {
  for (const front of ['kmip', 'pkcs11'] as const) {
    for (const [operation, tally] of meter[front].entries()) {
      // Functions are known before they are called.
      if (tally.durations.some((count) => count > 0)) yield [front, operation, tally]
    }
  }
}

/** A histogram that has been counted elsewhere. */
class Durations {
  readonly name = 'claviger_request_seconds'
  readonly help = 'How long operations took, without the network.'
  readonly type = 'histogram'
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  async get(): Promise<object> {
    const { name, help, type } = this
    return { name, help, type, values: [...this.#values()] }
  }

  *#values(): Generator<object> {
    for (const [front, operation, { durations, milliseconds }] of tallies(this.#meter)) {
      const labels = { front, operation }
      let count = 0
      for (const [at, inClass] of durations.entries()) {
        const end = DURATIONS[at]
        count += inClass
        const le = end === undefined ? '+Inf' : end / 1_000
        yield { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: count }
      }
      yield { metricName: `${this.name}_sum`, labels, value: milliseconds / 1_000 }
      yield { metricName: `${this.name}_count`, labels, value: count }
    }
  }
}

function byFront(kmip: number, pkcs11: number | undefined): readonly Sample[] {
  const first: Sample = [kmip, { front: 'kmip' }]
  return pkcs11 === undefined ? [first] : [first, [pkcs11, { front: 'pkcs11' }]]
}

/** What stands in the counts of a front that is not success. */
const CAUSES = {
  handshakesFailed: 'handshake',
  turnedAway: 'credential',
  noRoom: 'limit',
  malformed: 'malformed',
} as const

function refused(front: string, counts: object | undefined): readonly Sample[] {
  return Object.entries(CAUSES).flatMap(([key, cause]) => {
    const value = (counts as Readonly<Record<string, number>> | undefined)?.[key]
    return value === undefined ? [] : [[value, { front, cause }] as const]
  })
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function freeBytes(path: string): readonly Sample[] {
  const { bavail, bsize } = statfsSync(path)
  return [[bavail * bsize]]
}
