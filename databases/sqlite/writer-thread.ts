/**
 * The thread that writes.
 *
 * Takes every request that waits, writes them in one transaction, and answers each. While it waits
 * for the disk, further requests gather for the next transaction.
 *
 * @module
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { openForWriting } from './connection.ts'
import { type WriteOutcome, type WriteRequest, Writer } from './writer.ts'

/** Given by the thread that starts this one. */
export interface WriterData {
  readonly path: string
  readonly ledgerKey: Uint8Array
  readonly auditKey: Uint8Array
}

export interface WriteMessage {
  readonly number: number
  readonly request: WriteRequest
}

export interface WriteAnswer {
  readonly number: number
  readonly outcome: WriteOutcome
}

/** Requests in one transaction; keeps an answer from waiting for ever. */
const REQUESTS_MAX = 500

const { path, ledgerKey, auditKey } = workerData as WriterData
const port = parentPort
if (port === null) throw new Error('this module is a thread')
const database = openForWriting(path)
const writer = new Writer(database, ledgerKey, auditKey)

port.on('message', (first: WriteMessage | 'close') => {
  const messages: WriteMessage[] = []
  let closing = first === 'close'
  if (first !== 'close') messages.push(first)
  while (!closing && messages.length < REQUESTS_MAX) {
    const next = receiveMessageOnPort(port)?.message as WriteMessage | 'close' | undefined
    if (next === undefined) break
    if (next === 'close') closing = true
    else messages.push(next)
  }
  if (messages.length > 0) answer(messages)
  if (closing) {
    database.close()
    port.close()
  }
})

function answer(messages: readonly WriteMessage[]): void {
  const outcomes = writer.write(messages.map(({ request }) => request))
  messages.forEach(({ number }, index) => {
    port?.postMessage({ number, outcome: outcomes[index] } satisfies WriteAnswer)
  })
}
