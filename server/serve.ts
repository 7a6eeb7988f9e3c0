/**
 * A running server: the house with its fronts.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { KmsError } from '#core/errors.ts'
import { ObjectCounts } from '#core/object-counts.ts'
import { sweep } from '#core/sweep.ts'
import { Offer } from '#fronts/kmip/offer.ts'
import { KmipServer, type ServerIdentity } from '#fronts/kmip/server.ts'
import { Streams } from '#fronts/kmip/streams.ts'
import { WireLog } from '#fronts/kmip/wire-log.ts'
import { contradictionsOfTls } from './config-contradictions.ts'
import { serveControl } from './control.ts'
import { watchDescriptors } from './descriptors.ts'
import type { House } from './house.ts'
import type { Logger } from './log.ts'
import type { Watched } from './metrics.ts'
import type { MetricsServer } from './metrics-server.ts'
import { listenPkcs11, type ServedPkcs11 } from './pkcs11.ts'

/** How often time's changes are written down, audit entries removed, certificates looked after. */
const SWEEP_MILLISECONDS = 60_000
const TRIM_MILLISECONDS = 3_600_000
const RENEW_MILLISECONDS = 3_600_000
const DAY_MILLISECONDS = 86_400_000

/** Looks at a certificate in its time: one of a few seconds is looked at every second. */
const LOOKS = 20
const RENEW_MILLISECONDS_MIN = 1_000

/** Days before its end from which on the authority is spoken of in the log. */
const AUTHORITY_WARN_DAYS = 365

export interface RunningServer {
  /** Where KMIP clients connect: HOST:PORT. */
  readonly kmip: string
  /** Where they may connect without TLS, on this machine; undefined where they may not. */
  readonly plain: string | undefined
  /** Path of the socket of PKCS#11 applications; undefined where they are not served. */
  readonly pkcs11: string | undefined
  /** Where Prometheus reads; undefined where it does not. */
  readonly metrics: string | undefined
  /** Reads certificates anew, and shows those that are others now. */
  renew(): Promise<void>
  /** Ends everything in order: no new connections, running requests, then the database. */
  stop(): Promise<void>
}

/** Starts the fronts of a house. */
export async function startServer(house: House, log: Logger): Promise<RunningServer> {
  const wireLog = new WireLog((entry) => log.info(entry, 'wire'))
  // Before anybody can change anything.
  const isWatched = house.config.metrics.listen !== undefined
  const objects = isWatched ? await ObjectCounts.begin(house.services.store) : undefined
  const kmip = await kmipServer(house, wireLog, log)
  const addresses = await kmip.listen().catch((error: Error) => {
    const way = 'choose another address with --kmip or kmip.listen, or see who has this one'
    error.message = `Cannot serve KMIP on ${house.config.kmip.listen}: ${error.message}; ${way}`
    throw error
  })
  // Half a server would keep the process, and look to its supervisor like one that runs.
  const pkcs11 = await orClose(kmip, listenPkcs11(house, log))
  const watched = objects && { house, kmip, pkcs11: pkcs11?.server, wireLog, objects }
  const metrics = await orClose({ close: () => closeAll(kmip, pkcs11) }, serveMetrics(watched, log))
  const where = {
    kmip: addresses.tls,
    plain: addresses.plain,
    pkcs11: pkcs11?.path,
    metrics: metrics?.url,
  }
  const started = Date.now()
  const status = () => ({
    running: true,
    process: process.pid,
    ...where,
    connections: kmip.connections,
    applications: pkcs11?.server.applications ?? 0,
    uptimeSeconds: Math.floor((Date.now() - started) / 1000),
    memoryBytes: process.memoryUsage.rss(),
  })
  const renewal = new Renewal(house, kmip, log)
  const serving = serveControl({ house, wireLog, status, renewed: () => renewal.look(), log })
  const opened = { close: () => closeAll(kmip, pkcs11, metrics?.server) }
  const control = await orClose(opened, serving)
  const unschedule = schedule(house, renewal, log)
  const unwatch = watchDescriptors(house.services.limits, log)
  void attempt(log, () => house.trimAudit())
  renewal.warn()
  const end = async (): Promise<void> => {
    unschedule()
    unwatch()
    await closeAll(kmip, pkcs11, metrics?.server)
    await closeControl(control)
    await house.close()
  }
  let ended: Promise<void> | undefined
  return {
    ...where,
    renew: () => attempt(log, () => renewal.look()),
    stop() {
      ended ??= end()
      return ended
    },
  }
}

/** What is done again and again. @returns Ends it. */
function schedule(house: House, renewal: Renewal, log: Logger): () => void {
  const { services } = house
  const every = (milliseconds: number, work: () => Promise<void>) => {
    return setInterval(() => void attempt(log, work), milliseconds).unref()
  }
  const timers = [
    every(SWEEP_MILLISECONDS, () => sweep(services)),
    every(SWEEP_MILLISECONDS, () => services.destructions.finish(services)),
    every(TRIM_MILLISECONDS, () => house.trimAudit()),
    every(renewal.interval, () => renewal.look()),
  ]
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}

/** What comes of a step of the start; what listens already ends with one that fails. */
async function orClose<T>(opened: { close(): Promise<void> }, step: Promise<T>): Promise<T> {
  try {
    return await step
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function closeAll(
  kmip: KmipServer,
  pkcs11: ServedPkcs11 | undefined,
  metrics?: MetricsServer | undefined,
): Promise<void> {
  await Promise.all([kmip.close(), pkcs11?.close(), metrics?.close()])
}

interface ServedMetrics {
  readonly url: string
  readonly server: MetricsServer
}

/** The page of Prometheus; what makes it is loaded where somebody wants it. */
async function serveMetrics(
  watched: Watched | undefined,
  log: Logger,
): Promise<ServedMetrics | undefined> {
  const listen = watched?.house.config.metrics.listen
  if (watched === undefined || listen === undefined) return undefined
  const [{ Metrics }, { MetricsServer }] = await Promise.all([
    import('./metrics.ts'),
    import('./metrics-server.ts'),
  ])
  const server = new MetricsServer(new Metrics(watched), log)
  const { host, port } = hostAndPort(listen)
  const url = await server.listen(host, port).catch((error: Error) => {
    const way = 'choose another address with metrics.listen, or see who has this one'
    error.message = `Cannot serve metrics on ${listen}: ${error.message}; ${way}`
    throw error
  })
  return { url, server }
}

async function kmipServer(house: House, wireLog: WireLog, log: Logger): Promise<KmipServer> {
  const { listen, tls, messageCredentials, plain, query } = house.config.kmip
  const options = {
    ...hostAndPort(listen),
    plain: plain && { ...hostAndPort(plain.listen), principal: plain.principal },
    identities: await identities(house),
    clientAuthorities: house.clientAuthorities(),
    minVersion: tls.minVersion,
    ciphers: tls.ciphers,
    messageCredentials,
    offer: new Offer(query),
    streams: new Streams(house.services.limits),
    wireLog,
    log,
  }
  return new KmipServer(options, house.services, house.credentials)
}

function hostAndPort(listen: string) {
  const at = listen.lastIndexOf(':')
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) }
}

/** Certificates of the configuration, or those that the house issues itself. */
async function identities({ config, authority }: House): Promise<readonly ServerIdentity[]> {
  const { cert, key, names } = config.kmip.tls
  if (cert === undefined || key === undefined) return authority.serverIdentities(names)
  return [{ cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }]
}

/** Certificates that end soon, or whose files are others now, are replaced while it serves. */
class Renewal {
  readonly #house: House
  readonly #kmip: KmipServer
  readonly #log: Logger
  #shown: string | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(house: House, kmip: KmipServer, log: Logger) {
    this.#house = house
    this.#kmip = kmip
    this.#log = log
  }

  /** Milliseconds between two looks. */
  get interval(): number {
    const life = this.#house.config.kmip.tls.days * DAY_MILLISECONDS
    return Math.max(RENEW_MILLISECONDS_MIN, Math.min(RENEW_MILLISECONDS, life / LOOKS))
  }

  /** One look at a time, or two of them would write the same files. */
  look(): Promise<void> {
    const look = this.#turn.then(() => this.#look())
    this.#turn = look.catch(() => {})
    return look
  }

  async #look(): Promise<void> {
    const [wrong] = contradictionsOfTls(this.#house.config.kmip.tls)
    if (wrong !== undefined) {
      const what = `Cannot renew certificates: ${wrong.path.join('.')}: ${wrong.what}`
      throw new KmsError('storageUnavailable', `${what}; the ones before stay in use`)
    }
    const shown = await identities(this.#house)
    const trusted = this.#house.clientAuthorities()
    const all = JSON.stringify([shown, trusted])
    if (all === this.#shown) return
    this.#kmip.renew(shown, trusted)
    if (this.#shown !== undefined) this.#log.info('new certificates for connections from now on')
    this.#shown = all
    this.warn()
  }

  /** The authority is renewed by a person, who must pass its certificate on. */
  warn(): void {
    const { expires } = this.#house.authority
    if (expires * 1_000 - Date.now() > AUTHORITY_WARN_DAYS * DAY_MILLISECONDS) return
    const ends = new Date(expires * 1_000).toISOString()
    this.#log.warn({ ends }, 'the certificate authority ends; do: claviger authority renew')
  }
}

async function attempt(log: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    // Where a refusal came from helps nobody; where a defect did, does.
    const why = error instanceof KmsError ? { reason: error.message } : { err: error }
    log.error(why, 'a regular task failed; it will be tried again')
  }
}

function closeControl(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
