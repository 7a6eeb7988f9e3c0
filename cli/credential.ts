/**
 * `claviger credential`: who may connect.
 *
 * Through the control socket of the running server, or on the data directory where none runs.
 *
 * @module
 */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Credential } from '#core/credentials.ts'
import { readInput, wholeNumber } from './bytes.ts'
import { control, type GlobalOptions } from './environment.ts'
import { date, list as lines, print, RefusedError, table } from './output.ts'

interface CreateOptions extends GlobalOptions {
  readonly scope?: string | undefined
  readonly days?: number | undefined
  readonly out?: string | undefined
}

const DAYS_MAX = 36_500
const NAME = 'name of the credential'

const create = new Command('create')
  .description('let another client in: issue a certificate and its private key')
  .argument('<name>', NAME)
  .option('--scope <scope>', 'share the keys of this scope; default: keys of its own')
  .option('--days <days>', 'how long it is valid; default 365', wholeNumber('--days', 1, DAYS_MAX))
  .option('--out <folder>', 'where the files go; default: the folder pki of the data directory')
  .addHelpText(
    'after',
    `
Credentials of one scope see the same keys; the scope is the credential's name unless it is given.

Examples:
  claviger credential create app1
  claviger credential create app2 --scope app1 --days 90 --out ./app2
  claviger keys list --as app1`,
  )
  .action(async (name: string, _options, command: Command) => {
    const options = command.optsWithGlobals<CreateOptions>()
    const { scope, days } = options
    // The server may run elsewhere: a path is said from where we are.
    const out = options.out === undefined ? undefined : resolve(options.out)
    const wish = { name, scope, days, out }
    const files = (await control(options, 'credential.create', wish)) as Record<string, string>
    print(options.json, { name, ...files }, () => {
      return lines({ name, certificate: files['cert'], key: files['key'], authority: files['ca'] })
    })
  })

interface RegisterOptions extends GlobalOptions {
  readonly scope?: string | undefined
}

const register = new Command('register')
  .description('let a client in with a certificate that another authority has issued')
  .argument('<name>', NAME)
  .argument('<certificate>', 'its certificate (PEM); - for standard input')
  .option('--scope <scope>', 'share the keys of this scope; default: keys of its own')
  .addHelpText(
    'after',
    `
The authority must be in kmip.tls.clientCa of the configuration, or the client cannot shake hands.
The certificate alone is the credential: when it is renewed, register the new one under a new name
and the same scope, and revoke the old one.

Examples:
  claviger credential register app3 app3.pem
  claviger credential register app3-2027 app3-2027.pem --scope app3`,
  )
  .action(async (name: string, path: string, _options, command: Command) => {
    const options = command.optsWithGlobals<RegisterOptions>()
    const certificate = (await readInput({ in: path })).toString()
    const wish = { name, scope: options.scope, certificate }
    const answer = (await control(options, 'credential.register', wish)) as {
      readonly credential: Credential
      readonly trusted: boolean
    }
    print(options.json, { ...answer.credential, trusted: answer.trusted }, () => {
      const { state: _state, ...shown } = row(answer.credential)
      return lines({ ...shown, note: answer.trusted ? undefined : NOT_TRUSTED })
    })
  })

const NOT_TRUSTED =
  'none of kmip.tls.clientCa has issued it itself: the client must send what is in between'

const listAll = new Command('list')
  .description('who may connect')
  .addHelpText(
    'after',
    `
Examples:
  claviger credential list
  claviger credential list --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const all = (await control(options, 'credential.list', {})) as readonly Listed[]
    const altered = all.flatMap((one) => ('error' in one ? `  ${one.error}` : []))
    const read = all.flatMap((one) => ('error' in one ? [] : one))
    print(options.json, all, () => table(read.map(row)))
    if (altered.length === 0) return
    const what = 'Nobody is let in with a credential whose record was altered:'
    const way = 'See what else was: claviger data verify (docs/operations.md)'
    throw new RefusedError([what, ...altered, way].join('\n'))
  })

/** A credential, or why it cannot be read. */
type Listed = Credential | { readonly name: string; readonly error: string }

function row({ name, scope, created, expires, revoked, fingerprint }: Credential) {
  const state = revoked === undefined ? 'valid' : `revoked ${date(revoked)}`
  return { name, scope, state, created: date(created), expires: date(expires), fingerprint }
}

const revoke = new Command('revoke')
  .description('lock a client out, at once and for ever; its connections end')
  .argument('<name>', NAME)
  .addHelpText(
    'after',
    `
The name is not used again. Keys of its scope stay.

Examples:
  claviger credential revoke app1`,
  )
  .action(async (name: string, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const revoked = (await control(options, 'credential.revoke', { name })) as Credential
    print(options.json, revoked, () => lines({ name, revoked: date(revoked.revoked) }))
  })

export const credential = new Command('credential')
  .description('clients that may connect')
  .addHelpText(
    'after',
    `
Examples:
  claviger credential create app1
  claviger credential revoke app1`,
  )
for (const command of [create, register, listAll, revoke]) credential.addCommand(command)
