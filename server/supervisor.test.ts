/**
 * The unit of docs/operations.md, and what systemd is told: by systemd's own programs.
 *
 * @module
 */
import { equal, match, ok } from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startOwnServer } from '#conformance/own-server.ts'

/** Stands in for systemd: prints the first datagram, which begins with READY=1. */
const LISTENER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
print('bound', flush=True)
print(s.recv(4096).decode(), flush=True)
s.recv(4096)`

const missing = ['systemd-notify', 'systemd-analyze', 'python3'].find((program) => {
  return spawnSync(program, ['--version']).error !== undefined
})
const skip = missing !== undefined && `there is no ${missing}`

describe('under systemd', { timeout: 120_000, skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-systemd-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('the unit of the documentation is in order, and waits to be told', () => {
    const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
    const [, unit = ''] = /```ini\n(.*?)```/s.exec(page) ?? []
    const here = fileURLToPath(new URL('../', import.meta.url)).replace(/\/$/, '')
    const path = join(folder, 'claviger.service')
    writeFileSync(path, unit.replaceAll('/opt/claviger', here))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' })
    equal(status, 0, stderr)
    equal(stderr, '')
    match(unit, /^Type=notify$/m)
    match(unit, /^NotifyAccess=all$/m)
  })

  it('says that it is ready once it listens, and where', async () => {
    const path = join(folder, 'notify.sock')
    const listener = spawn('python3', ['-c', LISTENER, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    listener.stdout.on('data', (chunk: Buffer) => {
      said += chunk
    })
    try {
      while (!said.includes('bound')) await once(listener.stdout, 'data')
      const server = await startOwnServer({ env: { NOTIFY_SOCKET: path } })
      try {
        while (!said.includes('STATUS')) await once(listener.stdout, 'data')
        match(said, /^READY=1$/m)
        match(said, new RegExp(`^STATUS=kmip ${server.host}:${server.port}`, 'm'))
        ok(!server.log().includes('could not be told'), server.log())
      } finally {
        await server.stop()
      }
    } finally {
      listener.kill('SIGKILL')
    }
  })

  it('says in the log that it could not tell', async () => {
    const server = await startOwnServer({ env: { NOTIFY_SOCKET: join(folder, 'nobody.sock') } })
    try {
      while (!server.log().includes('could not be told')) {
        ok(server.process.stderr !== null)
        await once(server.process.stderr, 'data')
      }
    } finally {
      await server.stop()
    }
  })
})
