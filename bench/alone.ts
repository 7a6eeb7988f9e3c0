/**
 * The same primitives with nothing around them: node:crypto alone, in a process of its own.
 *
 * RSA runs on the thread pool with as many operations under way as the server has connections, so
 * on all cores; everything else runs on one. Started by `processes.ts`.
 *
 * @module
 */
import {
  createCipheriv,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto'
import type { AloneJob, AloneResult } from './processes.ts'

/** Calls between two looks at the clock. */
const ROUND = 16

const DATA = randomBytes(65_536)

function encryption(bytes: number): () => void {
  const key = createSecretKey(randomBytes(32))
  const data = DATA.subarray(0, bytes)
  return () => {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12))
    cipher.update(data)
    cipher.final()
    cipher.getAuthTag()
  }
}

function ecdsa(): () => void {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return () => sign('sha256', DATA.subarray(0, 64), privateKey)
}

function rsa(): () => Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return () =>
    new Promise((resolve, reject) => {
      sign('sha256', DATA.subarray(0, 64), privateKey, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
}

/** By the name of the primitive; a promise where the thread pool does it. */
export const PRIMITIVES = {
  'gcm-64': () => encryption(64),
  'gcm-1k': () => encryption(1_024),
  'gcm-16k': () => encryption(16_384),
  'gcm-64k': () => encryption(65_536),
  ecdsa,
  rsa,
  random: () => () => randomBytes(32),
} as const satisfies Record<string, () => () => unknown>

async function measured({ primitive, milliseconds, concurrency }: AloneJob): Promise<AloneResult> {
  const work: () => unknown = PRIMITIVES[primitive]()
  const before = process.cpuUsage()
  const start = performance.now()
  const end = start + milliseconds
  let done = 0
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      for (let i = 0; i < ROUND; i++) {
        const result = work()
        if (result instanceof Promise) await result
        done++
      }
    }
  }
  await Promise.all(Array.from({ length: primitive === 'rsa' ? concurrency : 1 }, lane))
  const perSecond = (done / (performance.now() - start)) * 1_000
  const { user, system } = process.cpuUsage(before)
  return { perSecond, processorMicros: (user + system) / done }
}

process.on('message', (job: AloneJob) => {
  void measured(job).then((result) => process.send?.(result))
})
