/**
 * What TLS in Node costs by itself: a server that answers bytes with bytes.
 *
 * For every so many bytes it writes one answer that never changes. No message is read, nothing is
 * computed. Started by `processes.ts`, which also says what sizes to use next.
 *
 * @module
 */
import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:tls'
import type { EchoJob, EchoSetup } from './processes.ts'

let requestBytes = 1
let answer: Buffer = Buffer.alloc(0)
let listener: Server | undefined

function listen({ ca, cert, key }: EchoSetup): void {
  const server = createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true })
  listener?.close()
  listener = server
  server.on('secureConnection', (socket) => {
    let received = 0
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      for (; received >= requestBytes; received -= requestBytes) socket.write(answer)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}

// Whoever started it has gone: nobody will stop it.
process.on('disconnect', () => process.exit())

process.on('message', (message: EchoSetup | EchoJob) => {
  if ('ca' in message) {
    listen(message)
    return
  }
  requestBytes = message.requestBytes
  answer = Buffer.from(message.answer, 'base64')
  process.send?.(true)
})
