/**
 * A process that may open too few files says so, at its start and when they run out.
 *
 * @module
 */
import { equal, match, ok } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { askServer } from './control.ts'
import { descriptorsMax } from './descriptors.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

/** Enough to start, and for few clients. */
const FILES = 64

async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  const end = Date.now() + 30_000
  while (!isTrue()) {
    ok(Date.now() < end, what())
    await delay(50)
  }
}

describe('file descriptors', { timeout: 90_000 }, () => {
  it('that run out are named in the log with the remedy, and the server goes on', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-files-'))
    const script = `ulimit -n ${FILES}; exec "$0" serve --data "$1" --kmip 127.0.0.1:0`
    const child = spawn('sh', ['-c', script, LAUNCHER, dataDir], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    const sockets: Socket[] = []
    let text = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        text += chunk
      })
    }
    try {
      await until(
        () => /^ready/m.test(text),
        () => `not ready: ${text}`,
      )
      const port = Number(/kmip 127\.0\.0\.1:(\d+)/.exec(text)?.[1])
      match(text, /may open fewer files than .*LimitNOFILE.* allowed=64 needed=4600/)
      for (let n = 0; n < FILES; n++) {
        sockets.push(connect({ host: '127.0.0.1', port }).on('error', () => {}))
      }
      await until(
        () => /WARN file descriptors run out.*LimitNOFILE.* allowed=64 inUse=\d+/.test(text),
        () => `nothing said: ${text}`,
      )
      for (const socket of sockets) socket.destroy()
      await delay(500)
      const status = (await askServer(dataDir, 'status', {})) as { readonly running: boolean }
      equal(status.running, true)
    } finally {
      for (const socket of sockets) socket.destroy()
      child.kill('SIGKILL')
      await exited
      rmSync(dataDir, { recursive: true, force: true })
    }
  })

  it('are as many as the system says', () => {
    equal(
      descriptorsMax(() => 'Max open files            1024                 4096      files\n'),
      1_024,
    )
    equal(
      descriptorsMax(() => 'Max open files            unlimited            unlimited files\n'),
      undefined,
    )
    equal(
      descriptorsMax(() => ''),
      undefined,
    )
  })
})
