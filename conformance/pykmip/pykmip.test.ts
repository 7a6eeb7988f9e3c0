/**
 * PyKMIP's client (0.10, as Debian packages it) against a server of our own, in every version it
 * speaks.
 *
 * Two things run over TLS with a client certificate: PyKMIP's own demonstrations, each a process
 * with a configuration file as a user would write it, and `every_operation.py`. PyKMIP is not ours
 * and is not installed by us: without it the tests skip, and say so.
 *
 * @module
 */
import { deepStrictEqual, doesNotMatch, match, ok } from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ConnectOptions, KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'

const PYTHON = process.env['CLAVIGER_PYKMIP_PYTHON'] ?? '/usr/bin/python3'
const EVERY_OPERATION = fileURLToPath(new URL('./every_operation.py', import.meta.url))
const DEMO = fileURLToPath(new URL('./demo.py', import.meta.url))
const VERSIONS = ['1.0', '1.1', '1.2', '1.3', '1.4', '2.0'] as const

/** Time for one child, in milliseconds. */
const CHILD_MILLISECONDS = 60_000

interface Ended {
  readonly code: number
  readonly output: string
}

/** What the demonstrations of one version hand on. */
type Known = Map<string, string>

interface Demo {
  readonly name: string
  /** Its options; values in braces are what an earlier demonstration has said. */
  readonly options?: readonly string[]
  /** What it has to say, once for each. */
  readonly says: readonly RegExp[]
  /** Remembers the first group of this pattern under a name. */
  readonly keeps?: readonly [string, RegExp]
  /** How many of its requests the server has to refuse; default 0. */
  readonly refused?: number
  /** The exit code; default 0. */
  readonly code?: number
  readonly since?: string
  readonly until?: string
}

const ID = /ID: ([0-9a-f-]{36})/
const made = (kind: RegExp): readonly RegExp[] => [kind, ID]

/** In this order: later ones use what earlier ones have made. */
const DEMOS: readonly Demo[] = [
  {
    name: 'create',
    options: ['-a', 'AES', '-l', '256'],
    says: made(/Successfully created symmetric key/),
    keeps: ['key', ID],
  },
  {
    name: 'create_key_pair',
    options: ['-a', 'RSA', '-l', '2048', '-n', 'pair'],
    says: made(/Successfully created/),
  },
  {
    name: 'register_certificate',
    says: made(/Successfully registered/),
  },
  { name: 'register_opaque_object', says: made(/Successfully registered/) },
  { name: 'register_private_key', says: made(/Successfully registered/) },
  { name: 'register_public_key', says: made(/Successfully registered/) },
  { name: 'register_secret_data', says: made(/Successfully registered/) },
  { name: 'register_split_key', says: made(/Successfully registered/) },
  {
    name: 'register_symmetric_key',
    says: made(/Successfully registered/),
    keeps: ['registered', ID],
  },
  { name: 'get', options: ['-i', '{key}'], says: [/Successfully retrieved/] },
  {
    name: 'get_attribute_list',
    options: ['-i', '{key}'],
    says: [/Successfully retrieved/, /State/],
  },
  {
    name: 'get_attributes',
    options: ['-i', '{key}', '-a', 'State', '-a', 'Cryptographic Length'],
    says: [/Successfully retrieved/, /256/],
  },
  {
    name: 'locate',
    options: ['--cryptographic-length', '256', '--cryptographic-algorithm', 'AES'],
    says: [/Located uuids: \['[0-9a-f-]{36}'\]/],
  },
  {
    name: 'modify_attribute',
    options: ['-i', '{registered}'],
    says: [/Successfully modified/, /Modified Name/],
    until: '1.4',
  },
  {
    name: 'delete_attribute',
    options: ['-i', '{registered}'],
    says: [/Successfully deleted/],
    until: '1.4',
  },
  // It speaks 2.0 whatever it is told.
  { name: 'set_attribute', options: ['-i', '{key}'], says: [/Successfully set/] },
  // It derives from a key that it has not activated: KMIP 1.2 section 3.22 forbids all use of such.
  { name: 'derive_key', refused: 5, says: [/ERROR.*PERMISSION_DENIED.*Pre-Active, not Active/] },
  {
    name: 'encrypt',
    options: ['-m', 'a message in the clear'],
    says: [/Successfully encrypted/, /Cipher text: b'[0-9a-f]{64}'/],
    keeps: ['encrypting', /Secret ID: ([0-9a-f-]{36})/],
    since: '1.2',
  },
  {
    name: 'decrypt',
    options: ['-i', '{encrypting}', '-m', 'b{cipher}'],
    says: [/Successfully decrypted/, /'a message in the clear'/],
    since: '1.2',
  },
  { name: 'sign', says: [/Successfully/, /Signature: /], since: '1.2' },
  {
    // It says that its key of 1024 bits has 1120, and ends where that is refused.
    name: 'signature_verify',
    code: 255,
    refused: 1,
    says: [/ERROR.*it is RSA 1024, the attributes say otherwise/],
    since: '1.2',
  },
  {
    name: 'mac',
    options: ['-i', '{mac}', '-a', 'HMAC_SHA256'],
    says: [/Successfully done MAC/, /MACed data: b'[0-9a-f]{64}'/],
    since: '1.2',
  },
  { name: 'revoke', options: ['-i', '{key}'], says: [/Successfully revoked/] },
  { name: 'destroy', options: ['-i', '{key}'], says: [/Successfully destroyed/] },
]

/** Why PyKMIP cannot be run here; false when it can. */
function absent(): string | false {
  try {
    execFileSync(PYTHON, ['-W', 'ignore', '-c', 'import kmip.pie.client, ssl; ssl.wrap_socket'], {
      stdio: 'pipe',
      timeout: CHILD_MILLISECONDS,
    })
    return false
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n').at(-1)
    return `python3-pykmip cannot be run with ${PYTHON}: ${said || (error as Error).message}`
  }
}

/** Runs Python; never rejects. */
function python(...given: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: CHILD_MILLISECONDS, encoding: 'utf8' } as const
    execFile(PYTHON, ['-W', 'ignore', ...given], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: stdout + stderr })
    })
  })
}

/** A configuration file as PyKMIP's documentation shows it, for a client that nobody else is. */
async function newConfiguration(server: OwnServer, folder: string): Promise<string> {
  return configuration(await server.newClient(), folder)
}

function configuration({ ca, cert, key, host, port }: ConnectOptions, folder: string): string {
  const path = mkdtempSync(join(folder, 'client-'))
  const file = (name: string, text: unknown): string => {
    writeFileSync(join(path, name), String(text), { mode: 0o600 })
    return join(path, name)
  }
  const lines = [
    '[client]',
    `host=${host}`,
    `port=${port}`,
    `certfile=${file('client.pem', cert)}`,
    `keyfile=${file('client.key', key)}`,
    `ca_certs=${file('ca.pem', ca)}`,
    'cert_reqs=CERT_REQUIRED',
    'ssl_version=PROTOCOL_TLSv1_2',
    'do_handshake_on_connect=True',
    'suppress_ragged_eofs=True',
  ]
  return file('pykmip.conf', `${lines.join('\n')}\n`)
}

const MAC_KEY = [
  { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.HMAC_SHA256 },
  { id: 'cryptographicLength', value: 256 },
  { id: 'cryptographicUsageMask', value: CryptographicUsageMask.MACGenerate },
  { id: 'activationDate', value: 1 },
] as const

/** An active key for MACs: no demonstration makes one. */
async function macKey(connect: ConnectOptions): Promise<string> {
  await using client = new KmipClient({ ...connect, version: 20 })
  const { uniqueIdentifier } = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes: MAC_KEY },
  })
  return String(uniqueIdentifier)
}

function optionsOf({ options = [] }: Demo, known: Known): readonly string[] {
  return options.map((option) =>
    option.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = known.get(name)
      ok(value !== undefined, `no earlier demonstration has made ${name}`)
      return value
    }),
  )
}

/** Whether a version has what a demonstration shows. */
function shows({ since = '1.0', until = '2.0' }: Demo, version: string): boolean {
  return since <= version && version <= until
}

async function runDemo(demo: Demo, version: string, config: string, known: Known): Promise<void> {
  const options = optionsOf(demo, known)
  const { code, output } = await python(DEMO, version, demo.name, '-s', config, ...options)
  doesNotMatch(output, /Traceback/, `${demo.name}: ${output}`)
  const refused = output.split(' - ERROR - ').length - 1
  deepStrictEqual(refused, demo.refused ?? 0, `${demo.name}: ${output}`)
  deepStrictEqual(code, demo.code ?? 0, output)
  for (const said of demo.says) match(output, said, demo.name)
  const { keeps } = demo
  if (keeps !== undefined) known.set(keeps[0], keeps[1].exec(output)?.[1] ?? '')
  const cipher = /Cipher text: b'([0-9a-f]+)'/.exec(output)?.[1]
  if (cipher !== undefined) known.set('cipher', cipher)
}

describe("PyKMIP's client", { skip: absent(), timeout: 600_000 }, () => {
  let server: OwnServer
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-pykmip-'))
    server = await startOwnServer()
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const version of VERSIONS) {
    it(`does every operation in KMIP ${version}`, async (test) => {
      const config = await newConfiguration(server, folder)
      const { code, output } = await python(EVERY_OPERATION, config, version)
      deepStrictEqual(code, 0, output)
      match(output, /^\d+ passed, 0 failed$/m)
      test.diagnostic(`KMIP ${version}: ${output.trim().split('\n').at(-1)}`)
    })

    it(`runs its demonstrations in KMIP ${version}`, async () => {
      const client = await server.newClient()
      const config = configuration(client, folder)
      const known: Known = new Map([['mac', await macKey(client)]])
      const problems: string[] = []
      for (const demo of DEMOS.filter((one) => shows(one, version))) {
        await runDemo(demo, version, config, known).catch(({ message }: Error) => {
          problems.push(message)
        })
      }
      deepStrictEqual(problems, [])
    })
  }

  it('is told in KMIP 1.1 that Encrypt is not there yet', async () => {
    const config = await newConfiguration(server, folder)
    const { output } = await python(DEMO, '1.1', 'encrypt', '-s', config, '-m', 'message')
    match(output, /ERROR.*OPERATION_NOT_SUPPORTED.*KMIP 1\.1 does not have it/)
  })

  it('fails every check with a server that it cannot reach', async () => {
    const gone = await startOwnServer()
    const config = await newConfiguration(gone, folder)
    await gone.stop()
    const { code, output } = await python(EVERY_OPERATION, config, '1.2')
    ok(code !== 0)
    match(output, /ConnectionRefusedError/)
  })
})
