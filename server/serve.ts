/**
 * A running server: the house with its fronts.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { sweep } from '#core/sweep.ts'
import { KmipServer, type ServerIdentity } from '#fronts/kmip/server.ts'
import { WireLog } from '#fronts/kmip/wire-log.ts'
import { serveControl } from './control.ts'
import type { House } from './house.ts'
import type { Logger } from './log.ts'
import { listenPkcs11 } from './pkcs11.ts'

/** How often time's changes are written down, and certificates looked after. */
const SWEEP_MILLISECONDS = 60_000
const RENEW_MILLISECONDS = 86_400_000

export interface RunningServer {
  /** Where KMIP clients connect: HOST:PORT. */
  readonly kmip: string
  /** Path of the socket of PKCS#11 applications; undefined where they are not served. */
  readonly pkcs11: string | undefined
  /** Ends everything in order: no new connections, running requests, then the database. */
  stop(): Promise<void>
}

/** Starts the fronts of a house. */
export async function startServer(house: House, log: Logger): Promise<RunningServer> {
  const wireLog = new WireLog((entry) => log.info(entry, 'wire'))
  const kmip = await kmipServer(house, wireLog, log)
  const address = await kmip.listen()
  const pkcs11 = await listenPkcs11(house, log)
  const started = Date.now()
  const status = () => ({
    running: true,
    process: process.pid,
    kmip: address,
    pkcs11: pkcs11?.path,
    connections: kmip.connections,
    applications: pkcs11?.server.applications ?? 0,
    uptimeSeconds: Math.floor((Date.now() - started) / 1000),
    memoryBytes: process.memoryUsage.rss(),
  })
  const control = await serveControl({ house, wireLog, status })
  const timers = [
    setInterval(() => void attempt(log, () => sweep(house.services)), SWEEP_MILLISECONDS),
    setInterval(() => void attempt(log, () => renew(house, kmip)), RENEW_MILLISECONDS),
  ]
  for (const timer of timers) timer.unref()
  const end = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer)
    await Promise.all([kmip.close(), pkcs11?.close()])
    await closeControl(control)
    await house.close()
  }
  let ended: Promise<void> | undefined
  return {
    kmip: address,
    pkcs11: pkcs11?.path,
    stop() {
      ended ??= end()
      return ended
    },
  }
}

async function kmipServer(house: House, wireLog: WireLog, log: Logger): Promise<KmipServer> {
  const { listen, tls, messageCredentials } = house.config.kmip
  const at = listen.lastIndexOf(':')
  const options = {
    host: listen.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(listen.slice(at + 1)),
    identities: await identities(house),
    clientAuthorities: authorities(house),
    minVersion: tls.minVersion,
    ciphers: tls.ciphers,
    messageCredentials,
    wireLog,
    log,
  }
  return new KmipServer(options, house.services, house.credentials)
}

/** Certificates of the configuration, or those that the house issues itself. */
async function identities({ config, authority }: House): Promise<readonly ServerIdentity[]> {
  const { cert, key, names } = config.kmip.tls
  if (cert === undefined || key === undefined) return authority.serverIdentities(names)
  return [{ cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }]
}

function authorities({ config, authority }: House): readonly string[] {
  return [
    authority.certificate,
    ...config.kmip.tls.clientCa.map((path) => readFileSync(path, 'utf8')),
  ]
}

/** Certificates that end soon are replaced while the server runs. */
async function renew(house: House, kmip: KmipServer): Promise<void> {
  kmip.renew(await identities(house), authorities(house))
}

async function attempt(log: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (err) {
    log.error({ err }, 'a regular task failed; it will be tried again')
  }
}

function closeControl(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
