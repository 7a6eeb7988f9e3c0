/**
 * `claviger access`: who beyond the owners may do what with a single object.
 *
 * The words are those of `ckms access-rights`, which is the same here. They go over KMIP, by
 * operations of our own (`spec/kmip/extensions.ts`), so that owners share from wherever they are.
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { KmipError } from '#clients/kmip/errors.ts'
import { ResultReason } from '#spec/kmip/enumerations.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { date, list, print, table, UsageError } from './output.ts'
import { isHardware, locate, nameAttribute } from './references.ts'

interface ObjectOptions extends ClientOptions {
  readonly objectUid?: string | undefined
}

const RIGHTS = `
Rights: get (export), encrypt (also wrapping), decrypt (also unwrapping), sign, signature_verify,
mac, derive_key, add_attribute, modify_attribute, set_attribute, delete_attribute, activate,
revoke, destroy, get_attributes, locate. Any right lets the user read the attributes, and find
the object where a credential of access.sharers has shared it. Keys called hsm::... are revoked
and destroyed by the administrators of their HSM alone. The user * means every credential.`

/** The object by its identifier, or by a name that it has. */
async function idIn(client: KmipClient, called: string): Promise<string> {
  const ids = isHardware(called) ? [] : await locate(client, [nameAttribute(called)])
  if (ids.length <= 1) return ids[0] ?? called
  throw new UsageError(`"${called}" is the name of several objects: ${ids.join(', ')}`)
}

function change(verb: 'grant' | 'revoke'): Command {
  const [operation, what] =
    verb === 'grant'
      ? (['GrantAccess', 'let a user do single operations with an object'] as const)
      : (['RevokeAccess', 'take such rights back; at once'] as const)
  return withServer(new Command(verb))
    .description(what)
    .argument('<user>', 'name of a credential, or *')
    .argument('<rights...>', 'such as: get encrypt decrypt')
    .option('-i, --object-uid <id>', 'identifier or name of the object')
    .addHelpText(
      'after',
      `${RIGHTS}

Examples:
  claviger access ${verb} app1 -i hsm::4::payroll encrypt decrypt
  claviger access ${verb} app1 --object-uid my_key get`,
    )
    .action(async (user: string, rights: readonly string[], _options, command: Command) => {
      const options = command.optsWithGlobals<ObjectOptions>()
      const { objectUid } = options
      if (objectUid === undefined) throw new UsageError('No object is called: give --object-uid')
      const right = rights.flatMap((word) => word.split(',')).filter((word) => word !== '')
      const answer = await withClient(options, async (client) => {
        const uniqueIdentifier = await idIn(client, objectUid)
        return understood(client.call(operation, { uniqueIdentifier, principal: user, right }))
      })
      const id = String(answer.uniqueIdentifier)
      const result = { object: id, user, rights: answer.right }
      print(options.json, result, () => {
        return list({ object: id, user, rights: answer.right.join(', ') || 'none' })
      })
    })
}

/** Another server does not know the operation. */
async function understood<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const unknown =
      error instanceof KmipError && error.reason === ResultReason.OperationNotSupported
    if (!unknown) throw error
    throw new UsageError('This server has no rights to single objects', { cause: error })
  }
}

interface Shown {
  readonly object: string
  readonly user: string
  readonly rights: readonly string[]
  readonly by: string
  readonly since: string
}

async function grants(
  options: ClientOptions,
  wish: { readonly called: string } | { readonly obtained: true },
): Promise<readonly Shown[]> {
  const { grant } = await withClient(options, async (client) => {
    const request = 'called' in wish ? { uniqueIdentifier: await idIn(client, wish.called) } : wish
    return understood(client.call('ListAccess', request))
  })
  return grant.map(({ uniqueIdentifier, principal, right, grantedBy, grantedAt }) => ({
    object: String(uniqueIdentifier),
    user: principal,
    rights: right,
    by: grantedBy,
    since: new Date(grantedAt * 1_000).toISOString(),
  }))
}

function show(options: ClientOptions, all: readonly Shown[]): void {
  print(options.json, all, () => {
    return all.length === 0
      ? 'none'
      : table(
          all.map(({ rights, since, ...rest }) => {
            return { ...rest, since: date(Date.parse(since) / 1_000), rights: rights.join(', ') }
          }),
        )
  })
}

const listOn = withServer(new Command('list'))
  .description('who may do what with an object that is yours')
  .argument('<id>', 'identifier or name of the object')
  .addHelpText('after', '\nExamples:\n  claviger access list hsm::4::payroll')
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    show(options, await grants(options, { called }))
  })

const obtained = withServer(new Command('obtained'))
  .description('what others have granted to you')
  .addHelpText('after', '\nExamples:\n  claviger access obtained --as app1')
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    show(options, await grants(options, { obtained: true }))
  })

export const access = new Command('access')
  .alias('access-rights')
  .description('rights of others to single objects, with the commands of ckms')
  .addHelpText(
    'after',
    `
Examples:
  claviger access grant app1 -i my_key encrypt decrypt
  claviger access-rights list my_key    the same, as ckms calls it`,
  )
  .addCommand(change('grant'))
  .addCommand(change('revoke'))
  .addCommand(listOn)
  .addCommand(obtained)
