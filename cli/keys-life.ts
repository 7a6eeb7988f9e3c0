/**
 * The life of a key: `claviger keys activate`, `revoke` and `destroy`, and how much of it is left:
 * `lease` and `allocate`.
 *
 * KMIP 2.1 §6.1 by name of the operation, §4.57 (State).
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { RevocationReasonCode, State } from '#spec/kmip/enumerations.ts'
import { chosen } from './algorithms.ts'
import { wholeNumber } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { date, list as lines, print, RefusedError } from './output.ts'
import { attributesOf, type Found, findKey, KEY_HELP, valueIn } from './references.ts'
import { memberName } from './values.ts'

export const activate = withServer(new Command('activate'))
  .description('make a key usable that was created with --pre-active')
  .argument('<key>', KEY_HELP)
  .addHelpText(
    'after',
    `
Examples:
  claviger keys activate later`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      await client.call('Activate', { uniqueIdentifier: id })
      await sayState(options.json, client, id)
    })
  })

async function sayState(json: boolean, client: KmipClient, id: string): Promise<void> {
  const state = memberName('state', valueIn(await attributesOf(client, id, ['state']), 'state'))
  print(json, { id, state }, () => lines({ id, state }))
}

export const REASONS = Object.keys(RevocationReasonCode) as (keyof typeof RevocationReasonCode)[]
const REASON_HELP = `why: ${REASONS.join(', ')}`

export async function revokeKey(
  client: KmipClient,
  id: string,
  reason: string,
  revocationMessage?: string,
): Promise<void> {
  const code = RevocationReasonCode[chosen(REASONS, reason, 'reason')]
  const revocationReason = { revocationReasonCode: code, revocationMessage }
  await client.call('Revoke', { uniqueIdentifier: id, revocationReason })
}

export const revoke = withServer(new Command('revoke'))
  .description('end the use of a key: it protects nothing new from now on')
  .argument('<key>', KEY_HELP)
  .option('--reason <reason>', REASON_HELP, 'Unspecified')
  .option('--message <text>', 'a note that is kept with the key')
  .addHelpText(
    'after',
    `
KeyCompromise and CACompromise make the key Compromised, other reasons Deactivated.

Examples:
  claviger keys revoke first
  claviger keys revoke signer --reason KeyCompromise --message "laptop stolen"`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<RevokeOptions>()
    chosen(REASONS, options.reason, '--reason')
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      await revokeKey(client, id, options.reason, options.message)
      await sayState(options.json, client, id)
    })
  })

interface RevokeOptions extends ClientOptions {
  readonly reason: string
  readonly message?: string | undefined
}

interface DestroyOptions extends ClientOptions {
  readonly revoke?: string | undefined
}

export const destroy = withServer(new Command('destroy'))
  .description('destroy the value of a key for ever; its attributes stay as a record')
  .argument('<key>', KEY_HELP)
  .option('--revoke <reason>', `revoke it first, if it is active; ${REASON_HELP}`)
  .addHelpText(
    'after',
    `
What the key has encrypted is lost with it. An active key must be revoked first.

Examples:
  claviger keys revoke first && claviger keys destroy first
  claviger keys destroy first --revoke CessationOfOperation`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<DestroyOptions>()
    if (options.revoke !== undefined) chosen(REASONS, options.revoke, '--revoke')
    await withClient(options, async (client) => {
      const found = await findKey(client, called)
      await revokeFirst(client, found, options.revoke)
      await client.call('Destroy', { uniqueIdentifier: found.id })
      print(options.json, { id: found.id, state: 'Destroyed' }, () => {
        return lines({ id: found.id, state: 'Destroyed' })
      })
    })
  })

async function revokeFirst(
  client: KmipClient,
  { id, called, attributes }: Found,
  reason: string | undefined,
): Promise<void> {
  if (valueIn(attributes, 'state') !== State.Active) return
  if (reason !== undefined) return revokeKey(client, id, reason)
  const hint = `claviger keys destroy ${called} --revoke CessationOfOperation`
  throw new RefusedError(
    `Cannot destroy "${called}": it is active. Revoke it first, or do both with: ${hint}`,
  )
}

export const lease = withServer(new Command('lease'))
  .description('ask for how long a key that one has got may be used without asking again')
  .argument('<key>', KEY_HELP)
  .addHelpText(
    'after',
    `
A lease of 0 seconds has no limit. A compromised key is not leased.

Examples:
  claviger keys lease first`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      const answer = await client.call('ObtainLease', { uniqueIdentifier: id })
      const { leaseTime: seconds, lastChangeDate: changed } = answer
      print(options.json, { id, seconds, changed }, () => {
        return lines({ id, seconds, changed: date(changed) })
      })
    })
  })

const ALLOCATION_MAX = Number.MAX_SAFE_INTEGER

export const allocate = withServer(new Command('allocate'))
  .description('take uses from the Usage Limits of a key, for work that is done elsewhere')
  .argument('<key>', KEY_HELP)
  .argument(
    '<count>',
    'bytes or objects, by the unit of the limits',
    wholeNumber('count', 1, ALLOCATION_MAX),
  )
  .addHelpText(
    'after',
    `
All of it is taken, or nothing and the exit code is 1. The server's own Encrypt, Sign and MAC count
by themselves.

Examples:
  claviger keys allocate first 1000000`,
  )
  .action(async (called: string, count: number, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      const usageLimitsCount = BigInt(count)
      await client.call('GetUsageAllocation', { uniqueIdentifier: id, usageLimitsCount })
      const limits = valueIn(await attributesOf(client, id, ['usageLimits']), 'usageLimits')
      const left = limits?.usageLimitsCount
      print(options.json, { id, left }, () => lines({ id, left: left?.toString() }))
    })
  })
