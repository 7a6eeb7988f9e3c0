/**
 * Commands of an operator where things are not as they should be: a server that is stuck, a data
 * directory of somebody else, files that were put back carelessly.
 *
 * @module
 */
import { equal, match, ok } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const NOBODY = 65_534

interface Said {
  readonly code: number | null
  readonly errors: string
  readonly milliseconds: number
}

function claviger(line: string, dataDir: string, uid?: number): Promise<Said> {
  const begun = Date.now()
  const who = uid === undefined ? {} : { uid, gid: uid, cwd: '/' }
  const child = spawn(LAUNCHER, [...line.split(' '), '--data', dataDir], {
    timeout: 60_000,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...who,
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, errors, milliseconds: Date.now() - begun }))
  })
}

describe('a command', { timeout: 120_000 }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer()
  })
  after(() => server.stop())

  it('says that the server is stuck, and does not wait for ever', async () => {
    server.process.kill('SIGSTOP')
    try {
      const lines = ['status', 'keys list', 'credential list']
      const all = await Promise.all(lines.map((line) => claviger(line, server.dataDir)))
      for (const [index, { code, errors, milliseconds }] of all.entries()) {
        equal(code, 1, `${lines[index]}: ${errors}`)
        match(errors, /Cannot ask the server: it listens on .* and says nothing for 10 seconds/)
        ok(milliseconds < 45_000, `${lines[index]} took ${milliseconds} ms`)
      }
    } finally {
      server.process.kill('SIGCONT')
    }
    equal((await claviger('status', server.dataDir)).code, 0)
  })

  const skip = process.getuid?.() !== 0 && 'only root can be somebody else'
  it('of another user is told whose the server is', { skip }, async () => {
    const said = async (line: string) => (await claviger(line, server.dataDir, NOBODY)).errors
    match(await said('status'), /another user's; do it as the user who runs the server/)
    match(await said('credential list'), /another user's data directory; do it as the user/)
    match(await said('keys list'), /another user's; do it as/)
  })
})

describe('a data directory that was put back', { timeout: 60_000 }, () => {
  it('with a database that others may read is spoken of', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-restored-'))
    const config = readConfig(undefined, {})
    const silent = createLog({ level: 'silent', format: 'json' })
    const warned: string[] = []
    const log = Object.assign(Object.create(silent) as typeof silent, {
      warn: (_details: object, message: string) => warned.push(message),
    })
    try {
      await (await House.open({ dataDir, config, log })).close()
      chmodSync(join(dataDir, 'claviger.db'), 0o600)
      await (await House.open({ dataDir, config, log })).close()
      equal(warned.length, warned.filter((one) => one.includes('others may read')).length)
      const before = warned.length
      chmodSync(join(dataDir, 'claviger.db'), 0o644)
      await (await House.open({ dataDir, config, log })).close()
      equal(warned.length, before + 1)
      match(warned.at(-1) ?? '', /others may read or write the database.*chmod 600/)
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })

  it('without its root key is refused with the one that it needs', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-restored-'))
    const log = createLog({ level: 'silent', format: 'json' })
    const config = readConfig(undefined, {})
    try {
      const house = await House.open({ dataDir, config, log })
      const { id } = house.root as { readonly id: string }
      await house.close()
      rmSync(join(dataDir, 'root.key'))
      const refused = await House.open({ dataDir, config, log }).then(
        () => '',
        (error: Error) => error.message,
      )
      match(refused, new RegExp(`Cannot read root key .* is not there; put back .* ${id}$`))
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})
