/**
 * The log stays readable whatever clients do.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startOwnServer } from '#conformance/own-server.ts'
import { createLog } from './log.ts'
import { Quiet, type QuietOptions } from './quiet.ts'

interface Entry {
  readonly msg: string
  readonly time: string
  readonly peer?: string
  readonly repeated?: number
  readonly unsaid?: number
}

function open(options: Partial<QuietOptions> = {}) {
  const stream = new PassThrough()
  let written = ''
  stream.on('data', (chunk: Buffer) => {
    written += chunk
  })
  const quiet = new Quiet(options)
  const log = createLog({ level: 'info', format: 'json' }, stream, quiet)
  const entries = (): readonly Entry[] => {
    const lines = written.split('\n').filter((line) => line !== '')
    written = ''
    return lines.map((line) => JSON.parse(line) as Entry)
  }
  return { log, quiet, entries }
}

describe('a log that is flooded', () => {
  it('says the same five times a minute, and then how often it was', () => {
    const { log, quiet, entries } = open()
    for (let n = 0; n < 1_000; n++) log.warn({ peer: '10.0.0.9', reason: 'no' }, 'failed')
    log.warn({ peer: '10.0.0.8', reason: 'no' }, 'failed')
    equal(entries().length, 6)
    quiet.tell()
    deepEqual(
      entries().map(({ msg, peer, repeated }) => ({ msg, peer, repeated })),
      [{ msg: 'failed', peer: '10.0.0.9', repeated: 995 }],
    )
    log.warn({ peer: '10.0.0.9', reason: 'no' }, 'failed')
    equal(entries().length, 1, 'a new minute begins')
  })

  it('says no more than a hundred lines of a kind that clients cause', () => {
    const { log, quiet, entries } = open()
    for (let n = 0; n < 5_000; n++) log.warn({ peer: `10.0.${n >> 8}.${n & 255}` }, 'failed')
    for (let n = 0; n < 5_000; n++) log.info({ rv: 'CKR_DEVICE_ERROR' }, `no object ${n}`)
    log.error({ keystore: 'hsm' }, 'keystore is away')
    const before = entries()
    equal(before.length, 201)
    equal(before.at(-1)?.msg, 'keystore is away', 'others are not silenced by it')
    quiet.tell()
    deepEqual(
      entries().map(({ unsaid }) => unsaid),
      [4_900, 4_900],
    )
  })

  it('writes what was left out by itself, in time', async () => {
    const { log, entries } = open({ milliseconds: 50 })
    for (let n = 0; n < 7; n++) log.info('again')
    equal(entries().length, 5)
    const end = Date.now() + 5_000
    let late: readonly Entry[] = []
    while (late.length === 0 && Date.now() < end) {
      await delay(20)
      late = entries()
    }
    equal(late[0]?.repeated, 2)
  })

  it('holds a bounded number of lines in memory, whoever causes them', () => {
    const { log, quiet, entries } = open()
    for (let n = 0; n < 10_000; n++) log.warn({ n }, 'something else')
    const said = entries().length
    ok(said <= 2_100, `${said} lines`)
    quiet.tell()
    match(entries()[0]?.msg ?? '', /left out/)
  })

  it('leaves out nothing of a wire log, which somebody has asked for', () => {
    const { log, entries } = open()
    for (let n = 0; n < 500; n++) log.info({ principal: 'app1', message: 'same' }, 'wire')
    equal(entries().length, 500)
  })

  it('repeats no trace', () => {
    const { log, quiet, entries } = open()
    const err = new Error('broken')
    for (let n = 0; n < 6; n++) log.error({ err }, 'a KMIP operation failed')
    entries()
    quiet.tell()
    const [last] = entries() as readonly (Entry & { err?: object; reason?: string })[]
    equal(last?.err, undefined)
    equal(last?.reason, 'broken')
  })
})

describe('the log of a server', { timeout: 90_000 }, () => {
  it('does not grow with those who knock at its ports', async () => {
    const server = await startOwnServer()
    const knock = async (path: string | undefined): Promise<void> => {
      const { host, port } = server
      const socket = path === undefined ? connect(port, host) : connect(path)
      socket.on('error', () => {}).resume()
      // Nothing of either protocol: no record of TLS, and no call.
      socket.end(Buffer.alloc(64, 0xff).fill(1, 0, 1))
      await once(socket, 'close')
    }
    try {
      for (let n = 0; n < 200; n++) {
        await knock(undefined)
        await knock(`${server.dataDir}/run/pkcs11.sock`)
      }
      await delay(200)
      const lines = server.log().split('\n')
      for (const said of ['a TLS handshake failed', 'a client was cut off']) {
        const count = lines.filter((line) => line.includes(said)).length
        ok(count >= 1 && count <= 5, `${count} lines: ${said}`)
      }
      ok(lines.length < 30, `${lines.length} lines`)
    } finally {
      await server.stop()
    }
    // The minute is not over, and its count is not lost.
    const last = (): string => server.log().trimEnd().split('\n').slice(-4).join('\n')
    const end = Date.now() + 5_000
    while (!last().includes('repeated') && Date.now() < end) await delay(20)
    match(last(), /a TLS handshake failed .*repeated=19\d/)
    match(last(), /a client was cut off .*repeated=19\d/)
  })
})
