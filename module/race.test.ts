/**
 * libclaviger.so in programs with threads, compiled with ThreadSanitizer.
 *
 * @module
 */
import { deepStrictEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { buildModule, buildScenarios, COMPILER, Folder, needsSanitizer } from './testing/build.ts'
import { Peer } from './testing/peer.ts'

const MILLISECONDS = 60_000
const SANITIZER = ['-g', '-O1', '-fsanitize=thread']

describe('libclaviger.so with ThreadSanitizer', needsSanitizer('thread'), () => {
  const folder = new Folder()
  const module = folder.file('libclaviger.so')
  const program = folder.file('scenarios')
  const socket = folder.file('peer.sock')

  before(() => {
    buildModule(module, COMPILER as string, SANITIZER)
    buildScenarios(program, COMPILER as string, SANITIZER)
  })
  after(() => folder.remove())

  for (const scenario of ['threads', 'waiting', 'exiting', 'forking', 'unloading']) {
    it(`has no race in the scenario "${scenario}"`, async () => {
      const peer = new Peer()
      await peer.listen(socket)
      const child = spawn(program, [module, scenario], {
        env: {
          CLAVIGER_PKCS11: socket,
          TSAN_OPTIONS: 'die_after_fork=0 report_thread_leaks=0',
        },
        timeout: MILLISECONDS,
        killSignal: 'SIGKILL',
      })
      let errors = ''
      child.stderr.on('data', (chunk: Buffer) => {
        errors += chunk
      })
      child.stdout.on('data', () => child.stdin.write('.'))
      const code = await new Promise((resolve) => child.once('close', resolve))
      await peer.stop()
      deepStrictEqual({ code, errors }, { code: 0, errors: '' })
    })
  }
})
