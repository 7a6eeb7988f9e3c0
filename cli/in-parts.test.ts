/**
 * Files that are longer than a message, on the command line.
 *
 * @module
 */
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

/** Three messages of the usual limit, and no whole number of parts or blocks. */
const DATA = randomBytes(3 * 1_048_576 + 5)

describe('Data longer than a message', { timeout: 120_000 }, () => {
  let server: OwnServer
  let path: string

  before(async () => {
    server = await startOwnServer()
    path = join(server.dataDir, 'long')
    writeFileSync(path, DATA)
  })
  after(async () => {
    await server?.stop()
  })

  const run = (line: string, input?: Buffer) => {
    const words = [...line.split(' '), '--data', server.dataDir]
    return spawnSync(LAUNCHER, words, { input, timeout: 60_000, maxBuffer: 2 * DATA.length })
  }
  const done = (line: string, input?: Buffer): Buffer => {
    const { status, stdout, stderr } = run(line, input)
    strictEqual(status, 0, `${line}: ${stderr}`)
    return stdout
  }

  it('is hashed, and has a MAC', () => {
    const digest = createHash('sha256').update(DATA).digest()
    deepStrictEqual(done('hash', DATA), digest)
    done('keys create --name tags --algorithm HMAC-SHA256')
    const hmac = createHmac('sha256', done('keys get tags')).update(DATA).digest('hex')
    strictEqual(done(`mac --key tags --hex --in ${path}`).toString(), `${hmac}\n`)
    match(done(`mac --key tags --verify ${hmac} --in ${path}`).toString(), /^valid/)
    const other = `${hmac.startsWith('0') ? '1' : '0'}${hmac.slice(1)}`
    strictEqual(run(`mac --key tags --verify ${other} --in ${path}`).status, 1)
  })

  it('is encrypted and decrypted, in modes with a tag and without', () => {
    done('keys create --name long')
    for (const options of ['', ' --aad invoice-17', ' --mode CBC', ' --mode CTR']) {
      const sealed = done(`encrypt --key long --in ${path}${options}`)
      deepStrictEqual(done(`decrypt --key long${options}`, sealed), DATA, options)
      if (options.includes('mode')) continue
      sealed[sealed.length >> 1] = (sealed[sealed.length >> 1] as number) ^ 1
      const altered = run(`decrypt --key long${options}`, sealed)
      deepStrictEqual([altered.status, altered.stdout.length], [1, 0])
    }
  })

  it('is encrypted and signed by the commands of ckms', () => {
    for (const [bits, cipher] of [
      [256, 'aes-gcm'],
      [256, 'aes-cbc'],
      [512, 'aes-xts'],
    ] as const) {
      done(`sym keys create --number-of-bits ${bits} ${cipher}`)
      const words = `--key-id ${cipher} -d ${cipher}`
      done(`sym encrypt ${words} -o ${path}.enc ${path}`)
      done(`sym decrypt ${words} -o ${path}.dec ${path}.enc`)
      deepStrictEqual(readFileSync(`${path}.dec`), DATA, cipher)
    }
    done('ec keys create ckms-signer')
    done(`ec sign -k ckms-signer -o ${path}.ec ${path}`)
    match(done(`ec sign-verify -k ckms-signer ${path} ${path}.ec`).toString(), /^valid/)
  })

  it('is signed, and its signature checked', () => {
    const signature = join(server.dataDir, 'long.sig')
    for (const algorithm of ['EC', 'RSA', 'Ed25519']) {
      done(`keys create --name ${algorithm} --algorithm ${algorithm}`)
      done(`sign --key ${algorithm} --in ${path} --out ${signature}`)
      const verify = `verify --key ${algorithm} --signature ${signature}`
      match(done(`${verify} --in ${path}`).toString(), /^valid/)
      const other = Buffer.from(readFileSync(path))
      other[0] = (other[0] as number) ^ 1
      strictEqual(run(verify, other).status, 1)
    }
  })
})
