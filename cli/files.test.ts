/**
 * Files that results go to and data comes from: what is there already, what is not, what cannot be.
 *
 * @module
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

let server: OwnServer
let letter: string

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

async function run(line: string): Promise<Outcome> {
  const words = [...line.split(' '), '--data', server.dataDir]
  const child = spawn(LAUNCHER, words, { timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, errors }
}

async function done(line: string): Promise<string> {
  const { code, out, errors } = await run(line)
  equal(code, 0, `${line}: ${errors}`)
  return out
}

function at(name: string): string {
  return join(server.dataDir, name)
}

before(async () => {
  server = await startOwnServer()
  letter = at('letter.txt')
  writeFileSync(letter, 'a letter')
  await done('keys create --name first')
  await done('keys create --name codes --algorithm HMAC-SHA256')
  await done('keys create --name signer --algorithm Ed25519')
})

after(() => server.stop())

describe('a result that goes to a file', () => {
  it('goes there with --json too, which names the file in place of the bytes', async () => {
    for (const command of [
      `encrypt --key first --in ${letter}`,
      `sign --key signer --in ${letter}`,
      `mac --key codes --in ${letter}`,
      `hash --in ${letter}`,
      'random 8',
      'keys get first',
    ]) {
      const file = at('result')
      rmSync(file, { force: true })
      const {
        key: _key,
        id: _id,
        ...rest
      } = JSON.parse(await done(`${command} --out ${file} --json`))
      deepEqual(rest, { file }, command)
      equal(readFileSync(file).length > 0, true, command)
    }
    await done(`encrypt --key first --in ${letter} --out ${at('sealed')} --json`)
    equal(await done(`decrypt --key first --in ${at('sealed')}`), 'a letter')
  })

  it('has it for its owner alone, also where others could read the file that was there', async () => {
    const file = at('there-already')
    writeFileSync(file, 'something longer than a key of sixteen bytes or thirty-two', {
      mode: 0o644,
    })
    await done(`keys get first --out ${file}`)
    equal((statSync(file).mode & 0o777).toString(8), '600')
    equal(readFileSync(file).length, 32)
  })

  it('may go to a device, which stays as it is', async () => {
    const { mode } = statSync('/dev/null')
    await done('keys get first --out /dev/null')
    equal(statSync('/dev/null').mode, mode)
  })
})

describe('a file that cannot be used', () => {
  it('is named, with the reason in words', async () => {
    const folder = at('folder')
    mkdirSync(folder)
    const none = at('none')
    for (const [line, words] of [
      [`encrypt --key first --in ${none}`, `Cannot open ${none}: there is no such file or folder`],
      [`encrypt --key first --in ${folder}`, `Cannot read ${folder}: it is a folder`],
      [`hash --in ${letter} --out ${folder}`, `Cannot open ${folder}: it is a folder`],
      [`hash --in ${letter} --out ${none}/x`, `Cannot open ${none}/x: there is no such file`],
      [`hash --in ${letter}/x`, `Cannot open ${letter}/x: what should be a folder in it is a file`],
      [`sym encrypt -k first ${folder}`, `Cannot read ${folder}: it is a folder`],
      [
        `verify --key signer --in ${letter} --signature ${none}`,
        `Cannot open ${none}: there is no`,
      ],
    ] as const) {
      const { code, out, errors } = await run(line)
      deepEqual([code, out], [1, ''], line)
      equal(errors.startsWith(`error: ${words}`), true, errors)
    }
  })

  it('is told of where it is the output that cannot be written', async () => {
    for (const line of ['keys list', 'random 100000', 'keys list --json']) {
      const command = `"$0" ${line} --data "$1" > /dev/full`
      const { status, stderr } = spawnSync('sh', ['-c', command, LAUNCHER, server.dataDir], {
        encoding: 'utf8',
        timeout: 30_000,
      })
      equal(status, 1, line)
      equal(stderr.trim().split('\n').length, 1, stderr)
      match(stderr, /Cannot write the output: the disk is full \(ENOSPC\)/)
    }
  })

  it('is one text or the other, and not both', async () => {
    const { code, errors } = await run('random 8 --hex --base64')
    equal(code, 2)
    match(errors, /'--hex' cannot be used with option '--base64'/)
  })
})
