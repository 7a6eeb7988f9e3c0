/**
 * libclaviger.so with the engine of `fronts/pkcs11` behind it: what the scenarios of the other
 * tests ask of a peer, asked of what answers in earnest.
 *
 * @module
 */
import { deepStrictEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { newOwnToken } from '#conformance/own-token.ts'
import { limitsWith } from '#core/limits.ts'
import { Pkcs11Server } from '#fronts/pkcs11/server.ts'
import { buildModule, buildScenarios, COMPILER, Folder, needsCompiler } from './testing/build.ts'

const MILLISECONDS = 60_000
const LOG = { debug() {}, info() {}, warn() {}, error() {} }

describe('libclaviger.so and the engine', needsCompiler(), () => {
  const folder = new Folder()
  const module = folder.file('libclaviger.so')
  const program = folder.file('scenarios')
  const socket = folder.file('pkcs11.sock')

  before(() => {
    buildModule(module, COMPILER as string)
    buildScenarios(program, COMPILER as string)
  })
  after(() => folder.remove())

  it('sign, encrypt and find, in threads and beside a child, and survive a restart', async () => {
    const token = await newOwnToken()
    const listen = async () => {
      const server = new Pkcs11Server({ engine: token.engine, limits: limitsWith(), log: LOG })
      await server.listen(socket)
      return server
    }
    let server = await listen()
    const child = spawn(program, [module, 'engine'], {
      env: { CLAVIGER_PKCS11: socket },
      timeout: MILLISECONDS,
      killSignal: 'SIGKILL',
    })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    createInterface({ input: child.stdout }).on('line', async (said) => {
      if (said === 'down') await server.close()
      if (said === 'up') server = await listen()
      child.stdin.write('.')
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    await server.close()
    await token.close()
    deepStrictEqual({ code, errors }, { code: 0, errors: '' })
  })
})
