/**
 * The load generator: a process of its own that sends ready-made messages and times the answers.
 *
 * Each connection has one message in flight and sends the next when the answer is there. Of an
 * answer it looks at the length and at the Result Status, so that the generator is not what is
 * measured. The same generator drives our server, the echo and the other server. Started by
 * `processes.ts`.
 *
 * @module
 */
import { connect, type TLSSocket } from 'node:tls'
import type { LoadJob, LoadResult } from './processes.ts'

/** Result Status Success, as an item. */
const SUCCESS = Buffer.from('42007f05000000040000000000000000', 'hex')
const HEADER_BYTES = 8

interface Run {
  readonly requests: readonly Buffer[]
  readonly answerBytes: number
  readonly milliseconds: number[]
  answered: number
  next: number
  running: boolean
  failure: string | undefined
}

process.on('message', (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: Error) => process.send?.({ failure: error.message }),
  )
})

async function run(job: LoadJob): Promise<LoadResult> {
  const state: Run = {
    requests: job.requests.map((text) => Buffer.from(text, 'base64')),
    answerBytes: job.answerBytes,
    milliseconds: [],
    answered: 0,
    next: 0,
    running: true,
    failure: undefined,
  }
  const sockets = await Promise.all(Array.from({ length: job.connections }, () => open(job)))
  for (const socket of sockets) drive(socket, state)
  await pause(job.warmMilliseconds)
  state.milliseconds.length = 0
  const start = performance.now()
  await pause(job.milliseconds)
  const took = performance.now() - start
  state.running = false
  for (const socket of sockets) socket.destroy()
  if (state.failure !== undefined) throw new Error(state.failure)
  const sorted = Float64Array.from(state.milliseconds).sort()
  return {
    perSecond: (sorted.length / took) * 1_000,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    answered: state.answered,
  }
}

function open({ host, port, ca, cert, key }: LoadJob): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ca, cert, key }, () => resolve(socket))
    socket.setNoDelay(true)
    socket.once('error', reject)
  })
}

/** Sends message after message for as long as the run lasts. */
function drive(socket: TLSSocket, state: Run): void {
  let sent = 0
  let held: Buffer | undefined
  const send = (): void => {
    const request = state.requests[state.next++ % state.requests.length] as Buffer
    sent = performance.now()
    socket.write(request)
  }
  socket.on('data', (chunk: Buffer) => {
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk])
    if (bytes.length < HEADER_BYTES || bytes.length < HEADER_BYTES + bytes.readUInt32BE(4)) {
      held = bytes
      return
    }
    held = undefined
    state.answered++
    state.milliseconds.push(performance.now() - sent)
    if (bytes.length !== state.answerBytes || bytes.indexOf(SUCCESS) < 0) {
      state.failure ??= `an answer of ${bytes.length} bytes is not what was measured out`
    }
    if (state.running) send()
  })
  socket.on('error', (error) => {
    if (state.running) state.failure ??= error.message
  })
  socket.on('close', () => {
    if (state.running) state.failure ??= 'the server has closed a connection'
  })
  send()
}

function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
