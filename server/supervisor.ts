/**
 * Telling systemd that the server listens, for units of `Type=notify`.
 *
 * sd_notify(3): a datagram to the socket that `NOTIFY_SOCKET` names. Node has no such sockets, so
 * systemd's own program sends it; nobody else sets that variable. What is not started by systemd
 * has nobody to tell.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import type { Logger } from './log.ts'

const PROGRAM = 'systemd-notify'
/** systemd-notify itself waits for at most five seconds. */
const TELL_MILLISECONDS = 10_000

/** Modules of HSMs run as our children, and have nothing to tell. */
const socket = process.env['NOTIFY_SOCKET']
delete process.env['NOTIFY_SOCKET']

/** @param status What `systemctl status` shows. */
export function tellReady(status: string, log: Logger): void {
  if (socket === undefined) return
  const child = spawn(PROGRAM, ['--ready', `--status=${status}`], {
    env: { ...process.env, NOTIFY_SOCKET: socket },
    stdio: 'ignore',
    timeout: TELL_MILLISECONDS,
  })
  const fail = (reason: string): void => {
    log.error({ reason }, 'systemd could not be told that the server is ready: it will end it')
  }
  child.once('error', ({ message }) => fail(message))
  child.once('exit', (code, signal) => {
    if (code !== 0) fail(`${PROGRAM} has ended with ${code ?? signal}`)
  })
}
