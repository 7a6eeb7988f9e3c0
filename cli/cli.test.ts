/**
 * The command line as people use it: a real server, real commands, real pipes.
 *
 * @module
 */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import {
  AlternativeNameType,
  CryptographicAlgorithm,
  CryptographicUsageMask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { bashScript } from './completion.ts'
import { program } from './program.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const COMMAND_MILLISECONDS = 30_000

interface Outcome {
  readonly code: number | null
  readonly out: Buffer
  readonly text: string
  readonly errors: string
}

/** Runs a program to its end. */
function run(
  file: string,
  words: readonly string[],
  input: string | Buffer = '',
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, { timeout: COMMAND_MILLISECONDS })
    const out: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    // A command that refuses its options does not read its input.
    child.stdin.on('error', () => {})
    child.once('error', reject)
    child.once('close', (code) => {
      const bytes = Buffer.concat(out)
      resolve({
        code,
        out: bytes,
        text: bytes.toString(),
        errors: Buffer.concat(errors).toString(),
      })
    })
    child.stdin.end(input)
  })
}

let server: OwnServer

/** Runs claviger on the server's data. */
function claviger(line: string, input?: string | Buffer): Promise<Outcome> {
  return run(LAUNCHER, [...line.split(' '), '--data', server.dataDir], input)
}

/** Runs it and expects that it works. */
async function done(line: string, input?: string | Buffer): Promise<Outcome> {
  const outcome = await claviger(line, input)
  strictEqual(outcome.code, 0, `${line}: ${outcome.errors}`)
  return outcome
}

function file(name: string): string {
  return join(server.dataDir, name)
}

before(async () => {
  server = await startOwnServer()
})

after(async () => {
  strictEqual(await server.stop(), 0, 'SIGTERM ends the server with 0')
})

describe('keys on the command line', () => {
  it('are created, listed and shown', async () => {
    await done('keys create --name first')
    match((await done('keys list')).text, /^NAME .*\nfirst +SymmetricKey +AES +256 +Active/)
    match((await done('keys show first')).text, /Cryptographic Usage Mask +Encrypt Decrypt/)
    const shown = JSON.parse((await done('keys show first --json')).text)
    strictEqual(shown.attributes['Cryptographic Algorithm'], 'AES')
    const byId = JSON.parse((await done(`keys show ${shown.id} --json`)).text)
    strictEqual(byId.id, shown.id)
  })

  it('are listed by an Alternative Name where they have no Name', async () => {
    await using client = new KmipClient({ ...server.client('admin'), version: 21 })
    const alternativeNameType = AlternativeNameType.UninterpretedTextString
    await client.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 128 },
          { id: 'cryptographicUsageMask', value: CryptographicUsageMask.Encrypt },
          { id: 'alternativeName', value: { alternativeNameValue: 'web', alternativeNameType } },
        ],
      },
    })
    match((await done('keys list')).text, /^\(web\) +SymmetricKey +AES +128/m)
  })

  it('refuse a name that is taken, and one that nobody has', async () => {
    await done('keys create --name taken')
    const taken = await claviger('keys create --name taken --json')
    strictEqual(taken.code, 1)
    strictEqual(JSON.parse(taken.errors).error.reason, 'NonUniqueNameAttribute')
    const nobody = await claviger('keys show nobody')
    strictEqual(nobody.code, 1)
    match(nobody.errors, /no key "nobody".*claviger keys list/)
  })

  it('wait until they are activated', async () => {
    await done('keys create --name later --pre-active')
    const early = await claviger('encrypt --key later', 'x')
    strictEqual(early.code, 1)
    match(early.errors, /Pre-?Active/)
    match((await done('keys activate later')).text, /Active/)
    await done('encrypt --key later', 'x')
  })

  it('are leased, and have no usage to allocate without Usage Limits', async () => {
    await done('keys create --name leased')
    match((await done('keys lease leased')).text, /^seconds +\d+\nchanged +20/m)
    const refused = await claviger('keys allocate leased 10')
    strictEqual(refused.code, 1)
    match(refused.errors, /has no Usage Limits/)
  })

  it('are destroyed after they are revoked', async () => {
    await done('keys create --name gone')
    const refused = await claviger('keys destroy gone')
    strictEqual(refused.code, 1)
    match(refused.errors, /is active.*--revoke/)
    await done('keys destroy gone --revoke Superseded')
    strictEqual((await claviger('keys get gone --hex')).code, 1)
  })

  it('have attributes that are set and deleted', async () => {
    await done('keys create --name labelled')
    await done('keys attributes labelled --set Description=one --set x-team=pay')
    const changed = await done(
      'keys attributes labelled --set x-team=ops --delete Description --json',
    )
    const { attributes } = JSON.parse(changed.text)
    strictEqual(attributes['x-team'], 'ops')
    strictEqual(attributes.Description, undefined)
  })

  it('come in as bytes and PEM, and go out again', async () => {
    const bytes = randomBytes(32)
    await done('keys register --name bytes', bytes)
    deepStrictEqual((await done('keys get bytes')).out, bytes)
    for (const type of ['ed25519', 'ec', 'rsa'] as const) {
      const options = { namedCurve: 'P-256', modulusLength: 2048 }
      const { privateKey } = generateKeyPairSync(type as 'rsa', options)
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
      await done(`keys register --name in-${type}`, pem)
      const target = file(`${type}.pem`)
      await done(`keys get in-${type} --format pem --out ${target}`)
      strictEqual(readFileSync(target, 'utf8'), pem, type)
      strictEqual(statSync(target).mode & 0o777, 0o600)
    }
  })
})

describe('data on the command line', () => {
  before(async () => {
    await done('keys create --name sealing')
  })

  it('comes back from a pipe through encrypt and decrypt', async () => {
    const data = randomBytes(10_000)
    const sealed = await done('encrypt --key sealing', data)
    strictEqual(sealed.out.subarray(0, 4).toString(), 'CLV1')
    deepStrictEqual((await done('decrypt --key sealing', sealed.out)).out, data)
  })

  it('comes back from the parts that --json names', async () => {
    const json = await done('encrypt --key sealing --aad a --json', 'secret')
    const { iv, tag, data } = JSON.parse(json.text)
    const [ivHex, tagHex] = [iv, tag].map((text) => Buffer.from(text, 'base64').toString('hex'))
    const line = `decrypt --key sealing --iv ${ivHex} --tag ${tagHex}`
    const bare = Buffer.from(data, 'base64')
    strictEqual((await done(`${line} --aad a`, bare)).text, 'secret')
    strictEqual((await claviger(`${line} --aad b`, bare)).code, 1)
  })

  it('is refused when it was altered, and nothing is written', async () => {
    const { out } = await done('encrypt --key sealing', 'secret')
    out[out.length - 1] = (out.at(-1) as number) ^ 1
    const altered = await claviger('decrypt --key sealing', out)
    strictEqual(altered.code, 1)
    strictEqual(altered.out.length, 0)
  })

  it('is signed, and the signature is valid for that data only', async () => {
    writeFileSync(file('data'), 'data')
    writeFileSync(file('other'), 'other')
    for (const algorithm of ['Ed25519', 'P-256', 'ML-DSA-65']) {
      await done(`keys create --name sign-${algorithm} --algorithm ${algorithm}`)
      await done(`sign --key sign-${algorithm} --in ${file('data')} --out ${file('sig')}`)
      const line = `verify --key sign-${algorithm} --signature ${file('sig')} --in`
      strictEqual((await done(`${line} ${file('data')}`)).text, 'valid\n')
      strictEqual((await claviger(`${line} ${file('other')}`)).code, 1)
    }
  })

  it('has codes and hashes, and random bytes come', async () => {
    await done('keys create --name tags --algorithm HMAC-SHA256')
    const code = (await done('mac --key tags --hex', 'data')).text.trim()
    strictEqual(code.length, 64)
    await done(`mac --key tags --verify ${code}`, 'data')
    strictEqual((await claviger(`mac --key tags --verify ${code}`, 'other')).code, 1)
    const digest = (await done('hash --algorithm SHA-256 --hex', 'abc')).text
    match(digest, /^ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n$/)
    const [one, two] = [await done('random 16 --hex'), await done('random 16 --hex')]
    notStrictEqual(one.text, two.text)
  })
})

describe('the server on the command line', () => {
  it('is looked after through the control socket', async () => {
    strictEqual(JSON.parse((await done('status --json')).text).kmip.split(':')[1], `${server.port}`)
    match((await done('rootkey rotate')).text, /^kind +file/)
    await done('wirelog on admin --format hex')
    match((await done('wirelog list')).text, /admin +hex/)
    await done('wirelog off admin')
    strictEqual(JSON.parse((await done('data verify --json')).text).whole, true)
    match((await done('query')).text, /KMIP +2\.1/)
    match((await done('audit list --operation Query --by admin --since 1h')).text, /Query/)
  })

  it('lets a client in, and out', async () => {
    await done('credential create app1')
    const twice = await claviger('credential register app2 -', readFileSync(file('pki/app1.pem')))
    strictEqual(twice.code, 1)
    match(twice.errors, /its certificate is that of "app1"/)
    strictEqual((await done('keys list --as app1')).text, 'There are none.\n')
    await done('credential revoke app1')
    const refused = await claviger('keys list --as app1')
    strictEqual(refused.code, 1)
    match(refused.errors, /revoked|hung up/)
  })

  it('is the only one on its data', async () => {
    const second = await claviger('serve --kmip 127.0.0.1:0')
    strictEqual(second.code, 1)
    match(second.errors, /in use by another Claviger/)
  })

  it('works with the commands that it prints, as they are printed', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-test-'))
    const words = ['serve', '--data', dataDir, '--kmip', '127.0.0.1:0']
    const child = spawn(LAUNCHER, words, { timeout: 2 * COMMAND_MILLISECONDS })
    const ended = new Promise((resolve) => child.once('close', resolve))
    try {
      const lines = (await welcomeOf(child)).split('\n').filter((line) => line.startsWith('  '))
      // The last three are for PKCS#11 applications, where the module has been built.
      const [kmip, pkcs11] = [lines.slice(0, 3), lines.slice(3)]
      strictEqual(kmip.length, 3)
      const outcomes: Outcome[] = []
      for (const line of kmip) outcomes.push(await run('sh', ['-c', line]))
      const hasTool = (await run('sh', ['-c', 'command -v pkcs11-tool'])).code === 0
      if (hasTool && pkcs11.length > 0) outcomes.push(await run('sh', ['-c', pkcs11.join('\n')]))
      const said = outcomes.map(({ errors }) => errors).join('')
      strictEqual(
        outcomes.every(({ code }) => code === 0),
        true,
        said,
      )
      strictEqual(outcomes[1]?.text, 'hello\n')
      match(outcomes[2]?.text ?? '', /first +SymmetricKey/)
    } finally {
      child.kill('SIGTERM')
      await ended
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

/** What serve prints, which ends with an empty line. */
function welcomeOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.endsWith('\n\n')) resolve(text)
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error(`serve has ended after: ${text}`)))
  })
}

describe('usage', () => {
  it('that is wrong ends with 2 and says how it is right', async () => {
    const wrong = [
      ['bogus', /unknown command/],
      ['encrypt', /--key/],
      ['keys create --name x --algorithm DES', /allowed are/],
      ['keys destroy first --revoke Boredom', /allowed are/],
      ['random none', /whole number/],
      ['keys list --data /nonexistent', /name the data directory/],
    ] as const
    for (const [line, says] of wrong) {
      const { code, errors } = await run(LAUNCHER, line.split(' '))
      strictEqual(code, 2, line)
      match(errors, says)
    }
  })

  it('that is wrong is told to a machine as one JSON object, whatever is wrong', async () => {
    const wrong = [
      ['--json', /^a command is missing/],
      ['--json keys crate', /^unknown command 'crate' \(Did you mean create\?\)$/],
      ['keys list --bogus --json', /^unknown option '--bogus'$/],
      ['keys show --json', /^missing required argument 'key'$/],
      ['random none --json', /whole number/],
      ['keys list --data /nonexistent --json', /name the data directory/],
    ] as const
    for (const [line, says] of wrong) {
      const { code, text, errors } = await run(LAUNCHER, line.split(' '))
      strictEqual(code, 2, line)
      strictEqual(text, '', line)
      const { error, ...rest } = JSON.parse(errors) as { error: { message: string } }
      match(error.message, says)
      deepStrictEqual(rest, {})
    }
  })

  it('has help with examples for every command', () => {
    const walk = (command: typeof program): void => {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      match(help, /Examples:\n {2}\S/, command.name())
      ok(command.description() !== '', command.name())
      for (const inner of command.commands) walk(inner)
    }
    walk(program)
  })

  it('is completed by what the tree of commands has', async () => {
    const script = `${bashScript(program)}
COMP_WORDS=(claviger --json keys create --na); COMP_CWORD=4; _claviger; echo "\${COMPREPLY[@]}"
COMP_WORDS=(claviger rootkey ""); COMP_CWORD=2; _claviger; echo "\${COMPREPLY[@]:0:2}"`
    const { text } = await run('bash', ['-c', script])
    strictEqual(text, '--name\nshow rotate\n')
  })
})
