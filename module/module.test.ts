/**
 * libclaviger.so as an application sees it: compiled here, loaded by a program of scenarios
 * (`testing/scenarios.c`), against a peer that does what the test says (`testing/peer.ts`).
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CKA, CKM } from '#spec/pkcs11/constants.ts'
import { FUNCTIONS_2_40 } from '#spec/pkcs11/function-names.ts'
import type { Fields, Mechanism } from '#spec/pkcs11/types.ts'
import { buildModule, buildScenarios, COMPILER, Folder, needsCompiler } from './testing/build.ts'
import { Peer } from './testing/peer.ts'

const MILLISECONDS = 30_000

const PEER = fileURLToPath(new URL('testing/peer.ts', import.meta.url))

interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** What the test does when the scenario says something. */
type Reply = (said: string) => void | Promise<void>

describe('libclaviger.so', needsCompiler(), () => {
  const folder = new Folder()
  const module = folder.file('libclaviger.so')
  const program = folder.file('scenarios')
  const socket = folder.file('peer.sock')
  let peer = new Peer()

  before(() => {
    buildModule(module, COMPILER as string)
    buildScenarios(program, COMPILER as string)
  })
  after(() => folder.remove())
  afterEach(async () => {
    await peer.stop()
    peer = new Peer()
  })

  /** Runs a scenario to its end; whatever it says is answered when the test is ready. */
  async function outcome(
    name: string,
    env: NodeJS.ProcessEnv,
    reply: Reply = () => {},
    input = '',
  ): Promise<Outcome> {
    const child: ChildProcessWithoutNullStreams = spawn(program, [module, name], {
      env: { PATH: process.env['PATH'], HOME: folder.path, ...env },
      timeout: MILLISECONDS,
      killSignal: 'SIGKILL',
    })
    const said: string[] = []
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    child.stdin.on('error', () => {})
    if (input !== '') child.stdin.end(input)
    const lines = createInterface({ input: child.stdout })
    lines.on('line', async (line) => {
      said.push(line)
      await reply(line)
      if (input === '') child.stdin.write('.')
    })
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, output: said.join('\n'), errors }
  }

  /** Runs a scenario against the peer, which must find nothing wrong. */
  async function scenario(
    name: string,
    env: NodeJS.ProcessEnv = {},
    reply?: Reply,
  ): Promise<string> {
    await peer.listen(socket)
    const { code, output, errors } = await outcome(name, { CLAVIGER_PKCS11: socket, ...env }, reply)
    deepStrictEqual({ code, errors }, { code: 0, errors: '' })
    return output
  }

  async function alone(name: string, env: NodeJS.ProcessEnv = {}, input = ''): Promise<void> {
    const { code, errors } = await outcome(name, env, undefined, input)
    deepStrictEqual({ code, errors }, { code: 0, errors: '' })
  }

  it('has interfaces of 3.2, 3.0 and 2.40, found by the rules of C_GetInterface', async () => {
    await alone('interfaces')
  })

  it('says before C_Initialize that it is not initialised, whatever the arguments', async () => {
    await alone('uninitialised')
  })

  it('exports every function of 2.40, and calls its own, not those of the program', async () => {
    const names = [...FUNCTIONS_2_40, 'C_GetInterface', 'C_GetInterfaceList']
    await alone('symbols', {}, `${names.join('\n')}\n`)
  })

  it('is initialised and finished by the rules, in less than 5 ms with a server', async () => {
    const times: number[] = []
    // The machine may be busy with other tests: once in ten is enough to show that it can.
    for (let round = 0; round < 10 && !(Math.min(...times) < 5); round++) {
      const output = await scenario('lifecycle')
      match(output, /^\d+\.\d+ ms$/)
      times.push(Number.parseFloat(output))
      await peer.stop()
    }
    ok(Math.min(...times) < 5, `took ${times} ms`)
  })

  it('works in a process that gets one signal after the other', async () => {
    await scenario('interrupted')
  })

  it('finds the server that pReserved names, with odd characters', async () => {
    await peer.listen(socket)
    const address = `unix:path=${socket.replace('peer', '%70eer')}`
    await alone('reserved', { SOCKET: address, PLACE: socket })
    strictEqual(
      Buffer.from(peer.calls('C_Initialize')[0]?.['reserved'] as Buffer).toString(),
      address,
    )
  })

  /** Steps of a scenario that took another number of round trips than they say. */
  const wrongTrips = async (name: string): Promise<readonly string[]> => {
    let frames = 0
    const trips: string[] = []
    await scenario(name, {}, (said) => {
      if (said === 'revoke') {
        peer.revoked.add(8)
        return
      }
      const wanted = /: (\d+)$/.exec(said)?.[1]
      if (wanted !== undefined && peer.frames - frames !== Number(wanted)) {
        trips.push(`${said}, but took ${peer.frames - frames}`)
      }
      frames = peer.frames
    })
    return trips
  }

  it('finds the server at its default place', async () => {
    mkdirSync(folder.file('claviger'))
    await peer.listen(folder.file('claviger/pkcs11.sock'))
    const path = folder.file('claviger/pkcs11.sock')
    await alone('reserved', { XDG_RUNTIME_DIR: folder.path, PLACE: path })
    strictEqual(peer.accepted, 2)
  })

  it('gives up at once where there is no server and no agent', async () => {
    await alone('no_server', { CLAVIGER_PKCS11: folder.file('nobody.sock') })
    await alone('no_server', { CLAVIGER_AGENT: folder.file('no-agent') })
    await alone('no_server', { CLAVIGER_AGENT: '/bin/false' })
  })

  it('knows buffers that are missing, empty, too small and large enough', async () => {
    await scenario('buffers')
  })

  it('reads attributes one by one, and templates in templates', async () => {
    await scenario('attributes')
    const [created] = peer.calls('C_CreateObject')
    deepStrictEqual(plain(created?.['pTemplate']), [
      { type: CKA.LABEL, value: 'ab' },
      { type: CKA.ID, value: undefined },
      {
        type: CKA.UNWRAP_TEMPLATE,
        value: [
          { type: CKA.LABEL, value: 'c' },
          { type: CKA.TOKEN, value: '\x01' },
        ],
      },
      { type: CKA.TOKEN, value: '\x01' },
    ])
  })

  it('finds objects in the order of the server, however many are taken at a time', async () => {
    await scenario('searching')
  })

  it('finds few objects in one round trip each, and keeps errors in their places', async () => {
    deepStrictEqual(await wrongTrips('finding'), [])
  })

  it('ends an operation whose arguments are refused, as the standard says', async () => {
    await scenario('bad_arguments')
  })

  it('keeps nothing of sessions that end all at once, and all of those of other slots', async () => {
    await scenario('closing_all')
  })

  it('sends parameters by their members, and takes back what the token wrote', async () => {
    await scenario('parameters')
    const fieldsOf = (call: 'C_EncryptInit' | 'C_DecryptInit' | 'C_SignInit' | 'C_DeriveKey') =>
      peer
        .calls(call)
        .map((args) => plain((args['pMechanism'] as Mechanism | undefined)?.parameter))
    deepStrictEqual(fieldsOf('C_EncryptInit'), [
      { pIv: 'iviviviviviv', ulIvBits: 96, pAAD: undefined, ulTagBits: 128 },
    ])
    deepStrictEqual(fieldsOf('C_DecryptInit'), [
      { hashAlg: CKM.SHA256, mgf: 2, source: 1, pSourceData: 'l' },
      { pNonce: 'nononononono', pAAD: undefined },
    ])
    deepStrictEqual(fieldsOf('C_SignInit'), ['ivi', undefined])
    const counter = `\x01${'\0'.repeat(7)}\x10${'\0'.repeat(7)}`
    deepStrictEqual(fieldsOf('C_DeriveKey'), [
      {
        prfType: CKM.SHA256_HMAC,
        pDataParams: [
          { type: 1, pValue: counter },
          { type: 4, pValue: 'ab' },
        ],
        pAdditionalDerivedKeys: [{ pTemplate: [{ type: CKA.LABEL, value: 'k' }], phKey: 0 }],
      },
    ])
    const message = peer.calls('C_EncryptMessage')[0]?.['pParameter'] as { fields: Fields }
    deepStrictEqual(plain(message.fields['pIv']), 'iviviviviviv')
    deepStrictEqual(
      peer.calls('C_SignMessageNext').map((args) => args['isLast']),
      [false, true],
    )
  })

  it('sends Init with its operation where the server would accept it again', async () => {
    deepStrictEqual(await wrongTrips('memory'), [])
  })

  it('has a connection for each of eight threads, and keeps some for the next', async () => {
    await scenario('threads', {}, () => {
      ok(peer.sockets.size <= 10, `${peer.sockets.size} connections are open`)
    })
    ok(peer.connectionsMax >= 8 && peer.connectionsMax <= 10, `had ${peer.connectionsMax}`)
    ok(peer.accepted <= 10, `accepted ${peer.accepted}`)
    strictEqual(peer.calls('C_Sign').length, 8 * 200 + 2)
  })

  it('waits for a slot as long as it takes, and until C_Finalize', async () => {
    await scenario('waiting', { CLAVIGER_TIMEOUT_SECONDS: '1' })
  })

  it('leaves a forked child without what the parent has', async () => {
    await scenario('forking')
  })

  it('leaves a child that is forked in the midst of a call no memory of that call', async () => {
    await scenario('forking_at_free')
  })

  it('initialises forked workers by itself where that is wanted', async () => {
    await scenario('workers', { CLAVIGER_FORK: 'reinitialise' })
  })

  it('can be unloaded while threads that have used it live on', async () => {
    await scenario('unloading')
  })

  it('survives a program that closes all descriptors, and leaves what it opens alone', async () => {
    await scenario('closing')
  })

  it('works in functions of atexit() while threads are at work', async () => {
    for (let round = 0; round < 5; round++) {
      await scenario('exiting')
      await peer.stop()
    }
  })

  it('loses no more than its sessions when the server is started anew', async () => {
    await scenario('restart', {}, async (said) => {
      if (said === 'down') await peer.stop()
      if (said === 'up') await peer.listen(socket)
      if (said !== 'break') return
      peer.options = {
        change: (answer) => {
          peer.options = {}
          for (const one of peer.sockets) one.destroy()
          return answer
        },
      }
    })
  })

  it('ends a call at its deadline, also where the answer comes byte by byte', async () => {
    await scenario('deadline', { CLAVIGER_TIMEOUT_SECONDS: '1' }, (said) => {
      if (said === 'silent') peer.options = { change: () => undefined }
      if (said === 'well') peer.options = {}
      if (said !== 'slow') return
      peer.options = {
        change: (answer, name) => {
          if (name === 'C_Initialize') return answer
          const [last] = [...peer.sockets].slice(-1)
          for (let index = 0; index < 30; index++) {
            setTimeout(() => {
              if (last?.writable) last.write(answer.subarray(index, index + 1))
            }, index * 100)
          }
          return undefined
        },
      }
    })
  })

  it('starts an agent with nothing but its socket, which is not the child of the program', async () => {
    const agent = folder.file('agent')
    const report = folder.file('agent.txt')
    const further = folder.file('agent.sock')
    writeFileSync(agent, agentSource(report, further))
    chmodSync(agent, 0o755)
    const { code, errors } = await outcome('agent', { CLAVIGER_AGENT: agent })
    deepStrictEqual({ code, errors }, { code: 0, errors: '' })
    const { args, files, session } = JSON.parse(readFileSync(report, 'utf8'))
    deepStrictEqual(args, ['agent', '--fd', '3'])
    deepStrictEqual(files.slice(0, 3), ['/dev/null', '/dev/null', '/dev/null'])
    match(files[3], /^socket:/)
    ok(files.length === 4, `the agent has inherited ${files}`)
    ok(session !== readSession(process.pid), 'the agent is in the session of the program')
    // Its connections are gone, and so is it.
    for (let round = 0; round < 100 && existsSync(further); round++) await pause(50)
    ok(!existsSync(further), 'the agent is still there')
  })
})

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** The session that a process belongs to. */
function readSession(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]
}

/** A program that does for this test what `claviger agent` does. */
function agentSource(report: string, further: string): string {
  return `#!${process.execPath} --disable-warning=ExperimentalWarning
const { readdirSync, readlinkSync, readFileSync, writeFileSync, rmSync } = require('node:fs')
const { Socket } = require('node:net')
const stat = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')
const files = [0, 1, 2, 3].map((fd) => readlinkSync('/proc/self/fd/' + fd))
// What Node itself has open is marked to be closed when a program is started.
for (const fd of readdirSync('/proc/self/fdinfo')) {
  let flags = 0o2000000
  try {
    flags = parseInt(/flags:\\t(\\d+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8)
  } catch {}
  if (fd > 3 && (flags & 0o2000000) === 0) files.push(readlinkSync('/proc/self/fd/' + fd))
}
writeFileSync(${JSON.stringify(report)}, JSON.stringify({
  args: process.argv.slice(2), files, session: stat[3],
}))
import(${JSON.stringify(PEER)}).then(async ({ Peer }) => {
  const peer = new Peer({ further: ${JSON.stringify(further)} })
  await peer.listen(${JSON.stringify(further)})
  const first = new Socket({ fd: 3 })
  peer.serve(first)
  first.on('close', () => {
    const timer = setInterval(() => {
      if (peer.sockets.size > 0) return
      clearInterval(timer)
      rmSync(${JSON.stringify(further)}, { force: true })
      peer.stop()
    }, 20)
  })
})
`
}

/** Bytes as text, so that a difference can be read. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
}
