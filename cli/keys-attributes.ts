/**
 * `claviger keys show` and `claviger keys attributes`: what is known of a key but its value, and
 * how that is changed.
 *
 * KMIP 2.1 §6.1 by name of the operation, §4 (Attributes).
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { type AttributeId, isVendorKey, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ATTRIBUTES } from '#spec/kmip/attributes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { print, UsageError } from './output.ts'
import { attributesOf, findKey, KEY_HELP } from './references.ts'
import { attributeCalled, attributeGiven, attributeLines, attributesObject } from './values.ts'

export const show = withServer(new Command('show'))
  .description('everything that is known of a key, but not its value')
  .argument('<key>', KEY_HELP)
  .addHelpText(
    'after',
    `
Examples:
  claviger keys show first
  claviger keys show first --json`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      showAttributes(options.json, id, await attributesOf(client, id))
    })
  })

function showAttributes(json: boolean, id: string, attributes: readonly ListedAttribute[]): void {
  print(json, { id, attributes: attributesObject(attributes) }, () => attributeLines(attributes))
}

interface AttributeOptions extends ClientOptions {
  readonly set: readonly string[]
  readonly add: readonly string[]
  readonly delete: readonly string[]
}

const repeated = (given: string, before: readonly string[]): readonly string[] => [...before, given]

export const attributes = withServer(new Command('attributes'))
  .description('show, add, change and delete attributes of a key')
  .argument('<key>', KEY_HELP)
  .option('--set <name=value>', 'give it this value, whether it has one or not', repeated, [])
  .option('--add <name=value>', 'add an instance', repeated, [])
  .option('--delete <name>', 'delete it with all its instances', repeated, [])
  .addHelpText(
    'after',
    `
Names are those of KMIP; your own begin with x-. Deletions come first, then values.

Examples:
  claviger keys attributes first
  claviger keys attributes first --set Description="customer data" --set x-team=payments
  claviger keys attributes first --set Name=better-name
  claviger keys attributes first --add Name=second-name --delete x-team`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<AttributeOptions>()
    const gone = options.delete.map(attributeCalled)
    const [set, added] = [options.set.map(attributeGiven), options.add.map(attributeGiven)]
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      for (const attribute of gone) await deleteAll(client, id, attribute)
      for (const attribute of set) await setOne(client, id, attribute)
      for (const newAttribute of added) {
        await client.call('AddAttribute', { uniqueIdentifier: id, newAttribute })
      }
      showAttributes(options.json, id, await attributesOf(client, id))
    })
  })

/** KMIP 1.x deletes by name and index, 2.x by reference. */
async function deleteAll(client: KmipClient, id: string, attribute: AttributeId): Promise<void> {
  if ((await client.version()) >= 20) {
    await client.call('DeleteAttribute', { uniqueIdentifier: id, attributeReference: attribute })
    return
  }
  for (const { index } of await instances(client, id, attribute)) {
    const request = { uniqueIdentifier: id, attributeName: attribute, attributeIndex: index }
    await client.call('DeleteAttribute', request)
  }
}

async function instances(client: KmipClient, id: string, attribute: AttributeId) {
  return (await attributesOf(client, id, [attribute])).filter((one) => one.id === attribute)
}

async function setOne(client: KmipClient, id: string, attribute: ListedAttribute): Promise<void> {
  const present = await instances(client, id, attribute.id)
  const [first, second] = present
  if (second !== undefined) {
    const what = `It has ${present.length} values of ${attribute.id}, and --set replaces one`
    throw new UsageError(`${what}; delete them with --delete, then --add the new ones`)
  }
  if (first === undefined) {
    await client.call('AddAttribute', { uniqueIdentifier: id, newAttribute: attribute })
    return
  }
  const several = isVendorKey(attribute.id) || ATTRIBUTES[attribute.id].multiple
  const modern = (await client.version()) >= 20
  await client.call('ModifyAttribute', {
    uniqueIdentifier: id,
    currentAttribute: modern && several ? first : undefined,
    newAttribute: modern ? attribute : { ...attribute, index: first.index },
  })
}
