/**
 * `claviger audit`, `data` and `status`: what happened, whether it is whole, and how it is now.
 *
 * @module
 */
import { Command } from 'commander'
import type { AuditEntry } from '#core/audit.ts'
import { wholeNumber } from './bytes.ts'
import { control, type GlobalOptions, type ServerStatus, serverStatus } from './environment.ts'
import { date, list as lines, print, table, UsageError } from './output.ts'

interface AuditOptions extends GlobalOptions {
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly by?: string | undefined
  readonly operation?: string | undefined
  readonly object?: string | undefined
  readonly limit: number
}

const AUDIT_MAX = 10_000
const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds since the epoch: of a date, or of so long ago (`90s`, `15m`, `2h`, `7d`). */
function moment(option: string): (text: string) => number {
  return (text) => {
    const ago = /^(\d{1,9})([smhd])$/.exec(text)
    if (ago !== null) return Date.now() - Number(ago[1]) * UNITS[ago[2] as keyof typeof UNITS]
    const milliseconds = Date.parse(text)
    if (!Number.isNaN(milliseconds)) return milliseconds
    const allowed = 'a date such as 2026-11-21T12:00Z, or how long ago: 90s, 15m, 2h, 7d'
    throw new UsageError(`${option} ${text}: must be ${allowed}`)
  }
}

const listAudit = new Command('list')
  .description('the newest entries of the audit trail')
  .option('--since <when>', 'only from then on: a date, or 15m, 2h, 7d ago', moment('--since'))
  .option('--until <when>', 'only until then', moment('--until'))
  .option('--by <name>', 'only of this credential')
  .option('--operation <name>', 'only this operation, such as Encrypt')
  .option('--object <id>', 'only about this unique identifier')
  .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, AUDIT_MAX), 50)
  .addHelpText(
    'after',
    `
Uses of a key that follow one another are one entry with their count.

Examples:
  claviger audit list --since 1h
  claviger audit list --by app1 --operation Get --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<AuditOptions>()
    const { since, until, by: principal, operation, object, limit } = options
    const query = { since, until, principal, operation, object, limit }
    const entries = (await control(options, 'audit.list', query)) as readonly AuditEntry[]
    print(options.json, entries, () => {
      return entries.length === 0 ? 'There are no entries.' : table(entries.map(auditRow))
    })
  })

function auditRow({ time, principal, operation, object, outcome, count, detail }: AuditEntry) {
  return { time: date(time / 1000), by: principal, operation, object, outcome, count, detail }
}

export const audit = new Command('audit').description('who did what').addHelpText(
  'after',
  `
Examples:
  claviger audit list --since 1h`,
)
audit.addCommand(listAudit)

const verifyData = new Command('verify')
  .description('read every record and check that it is the one that was written')
  .addHelpText(
    'after',
    `
The exit code is 1 when a record was altered, swapped, rolled back or taken away.

Examples:
  claviger data verify
  claviger data verify --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const result = (await control(options, 'verify', {})) as { readonly problems: string[] }
    const { problems } = result
    print(options.json, { whole: problems.length === 0, problems }, () => {
      return problems.length === 0 ? 'Every record is as it was written.' : problems.join('\n')
    })
    if (problems.length > 0) process.exitCode = 1
  })

export const data = new Command('data').description('the data directory').addHelpText(
  'after',
  `
Examples:
  claviger data verify`,
)
data.addCommand(verifyData)

const MIB = 1_048_576

export const status = new Command('status')
  .description('whether a server runs on the data directory; the exit code is 1 when none does')
  .addHelpText(
    'after',
    `
Examples:
  claviger status
  claviger status --data /var/lib/claviger --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const running = await serverStatus(options.data)
    print(options.json, running ?? { running: false }, () => statusText(running, options.data))
    if (running === undefined) process.exitCode = 1
  })

function statusText(running: ServerStatus | undefined, dataDir: string): string {
  if (running === undefined) {
    return `No server runs on ${dataDir}; start one with: claviger serve --data ${dataDir}`
  }
  const { process: id, kmip, plain, pkcs11, metrics, connections, applications } = running
  const uptime = `${running.uptimeSeconds} s`
  const memory = `${Math.round(running.memoryBytes / MIB)} MiB`
  const clients = { connections, applications: pkcs11 && applications }
  return lines({ kmip, plain, pkcs11, metrics, process: id, ...clients, uptime, memory })
}
