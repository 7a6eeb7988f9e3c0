/**
 * The page of Prometheus, read while real clients work, and asked by those who mean no good.
 *
 * @module
 */
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeRequest, KmipClient, KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { LIMITS } from '#core/limits.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { readConfig } from './config.ts'
import { askServer } from './control.ts'
import { MetricsServer, PATH } from './metrics-server.ts'

/** A line of the text format, version 0.0.4. */
const COMMENT = /^# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+$/
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})?) (\S+)$/

const CREATE = {
  objectType: 2,
  attributes: {
    attributes: [
      { id: 'cryptographicAlgorithm', value: 3 },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 12 },
    ],
  },
} as const

/** Sends bytes; what comes back until the other side hangs up. */
async function raw(url: string, bytes: string | Uint8Array, milliseconds = 10_000) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.setTimeout(milliseconds, () => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

describe('the metrics', { timeout: 120_000 }, () => {
  let server: OwnServer
  let url: string
  before(async () => {
    server = await startOwnServer({
      env: {
        CLAVIGER_METRICS_LISTEN: '127.0.0.1:0',
        CLAVIGER_LIMITS_HANDSHAKE_SECONDS: '1',
      },
    })
    const status = (await askServer(server.dataDir, 'status', {})) as { readonly metrics: string }
    url = status.metrics
  })
  after(() => server.stop())

  /** Every sample by its name and labels. */
  const scraped = async (): Promise<ReadonlyMap<string, number>> => {
    // A page is good for a second.
    await delay(1_100)
    const response = await fetch(url)
    equal(response.status, 200)
    match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    const samples = new Map<string, number>()
    for (const line of (await response.text()).split('\n')) {
      if (line === '' || COMMENT.test(line)) continue
      const [, name = '', value = ''] = SAMPLE.exec(line) ?? []
      ok(name !== '', `no line of the format: ${line}`)
      ok(!samples.has(name), `twice: ${name}`)
      ok(!Number.isNaN(Number(value)), line)
      samples.set(name, Number(value))
    }
    return samples
  }
  const requests = (operation: string, outcome: string, front = 'kmip'): string =>
    `claviger_requests_total{front="${front}",operation="${operation}",outcome="${outcome}"}`

  it('count what a client does, by operation and outcome, and how long it took', async () => {
    const options = await server.newClient()
    await using client = new KmipClient(options)
    const { uniqueIdentifier } = await client.call('Create', CREATE)
    for (let n = 0; n < 25; n++) await client.call('Get', { uniqueIdentifier })
    const refusal = client.call('Get', { uniqueIdentifier: 'no such key' })
    await refusal.catch((error: unknown) => ok(error instanceof KmipError))
    const samples = await scraped()
    equal(samples.get(requests('Create', 'success')), 1)
    equal(samples.get(requests('Get', 'success')), 25)
    equal(samples.get(requests('Get', 'notFound')), 1)
    const get = 'front="kmip",operation="Get"'
    equal(samples.get(`claviger_request_seconds_count{${get}}`), 26)
    equal(samples.get(`claviger_request_seconds_bucket{${get},le="+Inf"}`), 26)
    equal(samples.get(`claviger_request_seconds_bucket{${get},le="5"}`), 26)
    ok((samples.get(`claviger_request_seconds_sum{${get}}`) ?? 0) > 0)
    equal(samples.get('claviger_connections{front="kmip"}'), 1)
    equal(samples.get('claviger_limit{name="connectionsMax"}'), LIMITS.connectionsMax.default)
    equal(samples.get('claviger_credentials{state="valid"}'), 2)
  })

  it('have the number of objects by type and state, as they are made, change and end', async () => {
    const counts = async (): Promise<readonly (number | undefined)[]> => {
      const samples = await scraped()
      const states = ['PreActive', 'Active', 'Destroyed'].map((state) => {
        return samples.get(`claviger_objects_in_state{state="${state}"}`)
      })
      return [samples.get('claviger_objects{type="SymmetricKey"}'), ...states]
    }
    const added = (counts: readonly (number | undefined)[], change: readonly number[]) =>
      counts.map((count, index) => (count ?? Number.NaN) + (change[index] ?? 0))
    await using client = new KmipClient(await server.newClient())
    const before = await counts()
    const [one, two] = [await client.call('Create', CREATE), await client.call('Create', CREATE)]
    deepEqual(await counts(), added(before, [2, 2, 0, 0]))
    await client.call('Activate', { uniqueIdentifier: one.uniqueIdentifier })
    deepEqual(await counts(), added(before, [2, 1, 1, 0]))
    await client.call('Destroy', { uniqueIdentifier: two.uniqueIdentifier })
    const last = added(before, [2, 0, 1, 1])
    deepEqual(await counts(), last)
    // What is counted from the index at the start is what was counted at each change.
    await server.kill()
    server = await server.restart()
    url = ((await askServer(server.dataDir, 'status', {})) as { readonly metrics: string }).metrics
    deepEqual(await counts(), last)
  })

  it('have the state of process, disk and certificates', async () => {
    const samples = await scraped()
    const now = Date.now() / 1_000
    for (const certificate of ['authority', 'server-ec', 'server-rsa']) {
      const name = `claviger_certificate_expiry_timestamp_seconds{certificate="${certificate}"}`
      ok((samples.get(name) ?? 0) > now + 86_400, certificate)
    }
    ok((samples.get('claviger_credential_next_expiry_timestamp_seconds') ?? 0) > now)
    ok((samples.get('claviger_disk_free_bytes') ?? 0) > 0)
    ok((samples.get('claviger_database_bytes{file="database"}') ?? 0) > 0)
    ok((samples.get('process_resident_memory_bytes') ?? 0) > 0)
    ok(samples.has('process_cpu_seconds_total'))
    ok(samples.has('nodejs_eventloop_lag_p99_seconds'))
    equal(samples.get('claviger_audit_failures_total'), 0)
    ok(samples.has('claviger_writes_waiting'))
  })

  it('are those of the documentation, each of them', async () => {
    await scraped()
    const text = await (await fetch(url)).text()
    const made = new Set([...text.matchAll(/^# TYPE (claviger_\w+)/gm)].map(([, name]) => name))
    const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
    const written = [...page.matchAll(/claviger_[a-z0-9_]+/g)].map(([name]) => name)
    const told = new Set(written.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
    deepEqual([...told].toSorted(), [...made].toSorted())
  })

  it('name no key, no client and no address, and do not grow with what clients send', async () => {
    const options = await server.newClient()
    await using client = new KmipClient(options)
    const { uniqueIdentifier } = await client.call('Create', CREATE)
    const before = await scraped()
    for (let n = 0; n < 50; n++) {
      await client.call('Get', { uniqueIdentifier: `guess ${n}` }).catch(() => {})
    }
    // An operation that no table has, each time another number.
    const numbered = Array.from({ length: 20 }, (_, n) => {
      const item = encodeRequest([{ operation: 'Get', payload: { uniqueIdentifier } }], 14)
      const bytes = Buffer.from(encodeItem(item))
      const tag = Buffer.alloc(4)
      tag.writeUInt32BE(Tag.Operation * 256 + 5)
      bytes.writeUInt32BE(0x7000_0000 + n, bytes.indexOf(tag) + 8)
      return bytes
    })
    const { connect: connectTls } = await import('node:tls')
    const { host, port, ca, cert, key } = options
    const socket = connectTls({ host, port, ca, cert, key, servername: 'localhost' })
    await once(socket, 'secureConnect')
    let answered = 0
    socket.on('data', (chunk: Buffer) => {
      answered += chunk.toString('latin1').split('B\0{').length - 1
    })
    for (const bytes of numbered) socket.write(bytes)
    for (let n = 0; n < 100 && answered < numbered.length; n++) await delay(50)
    socket.destroy()
    equal(answered, numbered.length, 'every message is answered')
    const samples = await scraped()
    const unknown = [...samples].filter(([name]) => name.includes('operation="Unknown"'))
    const kinds = unknown.filter(([name]) => name.startsWith('claviger_requests_total'))
    equal(kinds.length, 2, `success, and one for all of them: ${kinds}`)
    equal(samples.get(requests('Unknown', 'operationNotSupported')), numbered.length)
    ok(samples.size - before.size < 40, `${before.size} became ${samples.size}`)
    const names = [...samples.keys()].join('\n')
    for (const secret of [uniqueIdentifier, 'client-', 'admin', 'guess', '127.0.0.1']) {
      ok(!names.includes(String(secret)), `names ${secret}`)
    }
  })

  it('count who is not let in, and why', async () => {
    const before = await scraped()
    const cause = (name: string): string =>
      `claviger_connections_refused_total{front="kmip",cause="${name}"}`
    const { host, port } = server
    const socket = connect(port, host).on('error', () => {})
    socket.end('this is no TLS at all\r\n\r\n')
    await once(socket, 'close')
    const name = 'leaver'
    await askServer(server.dataDir, 'credential.create', { name })
    const options = server.client(name)
    await askServer(server.dataDir, 'credential.revoke', { name })
    await using client = new KmipClient(options)
    await client.call('Query', { queryFunction: [1] }).catch(() => {})
    const samples = await scraped()
    equal(samples.get(cause('handshake')), (before.get(cause('handshake')) ?? 0) + 1)
    ok((samples.get(cause('credential')) ?? 0) > (before.get(cause('credential')) ?? 0))
  })

  it('are given for GET on one path, and for nothing else', async () => {
    const head = await fetch(url, { method: 'HEAD' })
    equal(head.status, 200)
    equal(await head.text(), '')
    equal((await fetch(`${url}?x=1`)).status, 200)
    equal((await fetch(new URL('/', url))).status, 404)
    equal((await fetch(new URL('/metrics/../status', url))).status, 404)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await fetch(url, { method, ...(method === 'POST' ? { body: 'x' } : {}) })
      equal(answer.status, 405, method)
      equal(answer.headers.get('allow'), 'GET, HEAD')
    }
  })

  it('stand hostile HTTP, and the server goes on meanwhile', async () => {
    match(await raw(url, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /)
    match(await raw(url, Buffer.alloc(65_536, 0xff)), /^(HTTP\/1\.1 400 |$)/)
    const long = `GET ${PATH} HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`
    match(await raw(url, long), /^HTTP\/1\.1 431 /)
    match(await raw(url, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`), /^(HTTP\/1\.1 4|$)/)
    const twice = 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'
    match(
      await raw(url, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n${twice}\r\n0\r\n\r\n`),
      /^HTTP\/1\.1 400/,
    )
    const pipelined = `GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(1_000)
    const answers = await raw(url, pipelined)
    equal(answers.split('HTTP/1.1 200 OK').length - 1, 1, 'a connection has one answer')
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
    match(
      await raw(url, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`),
      /^HTTP\/1\.1 (200|4)/,
    )
    // Two hundred that say nothing more: they are few, and not for long.
    const begun = Date.now()
    const slow = Array.from({ length: 200 }, () => raw(url, `GET ${PATH} HTTP/1.1\r\n`, 20_000))
    await delay(200)
    await using client = new KmipClient(server.client('admin'))
    await client.call('Query', { queryFunction: [1] })
    await Promise.all(slow)
    ok(Date.now() - begun < 15_000, `they were held for ${Date.now() - begun} ms`)
    equal((await fetch(url)).status, 200)
  })

  it('count calls of PKCS#11 by their names', async () => {
    const { execFile } = await import('node:child_process')
    const { existsSync } = await import('node:fs')
    const module = new URL('../module/build/libclaviger.so', import.meta.url).pathname
    if (!existsSync(module) || !existsSync('/usr/bin/pkcs11-tool')) return
    const env = { ...process.env, CLAVIGER_PKCS11: `${server.dataDir}/run/pkcs11.sock` }
    await new Promise<void>((resolve) => {
      const words = ['--module', module, '--list-slots']
      execFile('pkcs11-tool', words, { env, timeout: 20_000 }, () => resolve())
    })
    const samples = await scraped()
    ok((samples.get(requests('C_GetSlotInfo', 'success', 'pkcs11')) ?? 0) > 0)
  })
})

describe('the page of the metrics', () => {
  it('is made once a second, however many ask', async () => {
    let made = 0
    const page = {
      contentType: 'text/plain',
      text: async () => {
        made++
        return 'page'
      },
    }
    const log = { error: () => {} } as unknown as ConstructorParameters<typeof MetricsServer>[1]
    const server = new MetricsServer(page, log)
    const url = await server.listen('127.0.0.1', 0)
    try {
      for (let n = 0; n < 20; n++) equal(await (await fetch(url)).text(), 'page')
      ok(made <= 3, `made ${made} times`)
    } finally {
      await server.close()
    }
  })

  it('is not there unless it is configured, and on the loopback only', () => {
    equal(readConfig(undefined, {}).metrics.listen, undefined)
    for (const listen of ['0.0.0.0:9464', '10.0.0.1:9464', 'localhost:9464', '[::]:9464']) {
      throws(() => readConfig(undefined, { CLAVIGER_METRICS_LISTEN: listen }), /metrics\.listen/)
    }
    equal(readConfig(undefined, { CLAVIGER_METRICS_LISTEN: '[::1]:1' }).metrics.listen, '[::1]:1')
  })
})
