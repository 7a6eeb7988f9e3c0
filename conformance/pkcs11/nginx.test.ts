/**
 * nginx (1.22, as Debian packages it) with a key in the token: the master loads the module, workers
 * that it has forked sign, and a reload brings others.
 *
 * @module
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { userInfo } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { ENGINE, engineConfig, makePair, PAIRS, selfSigned } from './key-pairs.ts'
import {
  absent,
  end,
  freePort,
  startToken,
  type TokenUnderTest,
  until,
} from './token-under-test.ts'

/** Enough that both workers have some. */
const REQUESTS = 40

const skip = absent('nginx', 'openssl', 'pkcs11-tool', ENGINE)

describe('nginx', { skip, timeout: 300_000 }, () => {
  let token: TokenUnderTest
  before(async () => {
    token = await startToken()
  })
  after(() => token?.stop())

  const configuration = (port: number, label: string, cert: string): string => {
    const user = userInfo()
    const kept = ['OPENSSL_CONF', ...Object.keys(token.env)].map((name) => `env ${name};`)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `  ${name}_temp_path ${token.file(name)};`)
      .join('\n')
    return `${kept.join('\n')}
${user.uid === 0 ? `user ${user.username};` : ''}
daemon off;
worker_processes 2;
pid ${token.file('nginx.pid')};
error_log ${token.file('error.log')} info;
ssl_engine pkcs11;
events { worker_connections 64; }
http {
  access_log off;
${temporary}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${cert};
    ssl_certificate_key "engine:pkcs11:${token.uri(label)}";
    ssl_session_cache off;
    ssl_session_tickets off;
    location / { return 200 "$pid"; }
  }
}
`
  }

  for (const pair of PAIRS) {
    it(`serves with two workers, through reloads, with a key of ${pair.type}`, async () => {
      await makePair(token, pair)
      const cert = await selfSigned(token, pair.label)
      const port = await freePort()
      const config = token.file('nginx.conf', configuration(port, pair.label, cert))
      const log = (): string => readFileSync(token.file('error.log'), 'utf8')
      const options = ['-c', config, '-p', token.folder, '-e', token.file('error.log')]
      const master = token.start('nginx', options, { env: engineConfig(token) })
      const ca = readFileSync(cert)
      try {
        await until(() => ask(port, ca).then(Boolean, () => false), 'nginx serves')
        let workers = await askMany(port, ca, log)
        for (let reload = 0; reload < 3; reload++) {
          const before = workers
          master.kill('SIGHUP')
          await until(async () => !before.has(await ask(port, ca)), `others serve: ${log()}`)
          await until(() => [...before].every(isGone), `the workers before are gone: ${log()}`)
          workers = await askMany(port, ca, log)
          ok([...workers].every((pid) => !before.has(pid)))
        }
        master.kill('SIGQUIT')
        await until(() => master.exitCode !== null, `nginx ends: ${log()}`)
        deepStrictEqual(master.exitCode, 0)
        ok(!/\[(alert|crit|emerg|error)\]/.test(log()), log())
      } finally {
        await end(master)
      }
    })
  }
})

function isGone(pid: string): boolean {
  try {
    process.kill(Number(pid), 0)
    return false
  } catch {
    return true
  }
}

/** Workers that have answered. */
async function askMany(port: number, ca: Buffer, log: () => string): Promise<Set<string>> {
  const workers = new Set<string>()
  try {
    for (let wave = 0; wave < REQUESTS; wave += 8) {
      const some = Array.from({ length: 8 }, () => ask(port, ca))
      for (const pid of await Promise.all(some)) workers.add(pid)
    }
  } catch (error) {
    throw new Error(`a request has failed: ${(error as Error).message}\n${log()}`)
  }
  return workers
}

/** One request over a connection of its own. @returns The process that has answered. */
function ask(port: number, ca: Buffer): Promise<string> {
  const to = { host: '127.0.0.1', port, servername: 'localhost', ca, agent: false }
  return new Promise((resolve, reject) => {
    const request = get({ ...to, timeout: 10_000 }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () => resolve(body))
    })
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
    request.on('error', reject)
  })
}
