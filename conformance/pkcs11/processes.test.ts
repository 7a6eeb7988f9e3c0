/**
 * Many applications at once: processes that start together, again and again, each with its own
 * login, keys and signature.
 *
 * @module
 */
import { deepStrictEqual } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { makePair } from './key-pairs.ts'
import { absent, LABEL, PIN, product, startToken, type TokenUnderTest } from './token-under-test.ts'

const PROCESSES = 8
const ROUNDS = Number(process.env['CLAVIGER_CONFORMANCE_ROUNDS'] ?? 10)

const skip =
  product === 'softhsm2' ? 'SoftHSM2 loses some that start together' : absent('pkcs11-tool')

describe('Processes that start together', { skip, timeout: 600_000 }, () => {
  let token: TokenUnderTest
  before(async () => {
    token = await startToken()
    await makePair(token, { id: '01', label: 'rsa', type: 'rsa:2048' })
  })
  after(() => token?.stop())

  const tool = (...args: readonly string[]) => {
    const options = ['--module', token.module, '--token-label', LABEL, '--login', '--pin', PIN]
    return token.run('pkcs11-tool', [...options, ...args])
  }

  it('all of them sign', async () => {
    const data = token.file('data', randomBytes(40))
    const how = ['--sign', '--mechanism', 'SHA256-RSA-PKCS', '--id', '01', '-i', data, '-o']
    for (let round = 0; round < ROUNDS; round++) {
      const outputs = Array.from({ length: PROCESSES }, (_, n) => token.file(`signature${n}`))
      const all = await Promise.all(outputs.map((path) => tool(...how, path)))
      const failed = all.filter(({ code }) => code !== 0).map(({ output }) => output)
      deepStrictEqual(failed, [], `round ${round}`)
      const signatures = outputs.map((path) => readFileSync(path).toString('hex'))
      deepStrictEqual(new Set(signatures).size, 1)
    }
  })

  it('all of them make, use and delete objects of their own', async () => {
    const bytes = token.file('data', randomBytes(40))
    const life = async (n: number): Promise<string[]> => {
      const as = ['--type', 'data', '--label', `object ${n}`]
      const steps = [
        ['--write-object', bytes, ...as],
        ['--read-object', ...as, '-o', token.file(`back${n}`)],
        ['--delete-object', ...as],
      ]
      const failures: string[] = []
      for (const step of steps) {
        const { code, output } = await tool(...step)
        if (code !== 0) failures.push(output)
      }
      return failures
    }
    const found = await Promise.all(Array.from({ length: PROCESSES }, (_, n) => life(n)))
    deepStrictEqual(found.flat(), [])
  })
})
