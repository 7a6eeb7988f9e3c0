/**
 * `claviger query`: what a KMIP server says of itself.
 *
 * KMIP 2.1 §6.1.39 (Query) and §6.1.18 (Discover Versions).
 *
 * @module
 */
import { Command } from 'commander'
import { ObjectType, Operation, ProfileName, QueryFunction } from '#spec/kmip/enumerations.ts'
import { knows, nameOf } from '#spec/kmip/table.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { print } from './output.ts'

const FUNCTIONS = [
  QueryFunction.QueryServerInformation,
  QueryFunction.QueryOperations,
  QueryFunction.QueryObjects,
  QueryFunction.QueryProfiles,
  QueryFunction.QueryCapabilities,
] as const

export const query = withServer(new Command('query'))
  .description('what the server is, and which versions, operations and objects it knows')
  .addHelpText(
    'after',
    `
Examples:
  claviger query
  claviger query --server kms.example.com:5696 --json`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    const result = await withClient(options, async (client) => {
      const version = await client.version()
      const queryFunction = FUNCTIONS.filter((one) => knows(QueryFunction, one, version))
      const answer = await client.call('Query', { queryFunction })
      return {
        vendor: answer.vendorIdentification ?? '',
        version: `${Math.floor(version / 10)}.${version % 10}`,
        operations: answer.operation.map((one) => nameOf(Operation, one)),
        objects: answer.objectType.map((one) => nameOf(ObjectType, one)),
        profiles: answer.profileInformation.map(({ profileName }) =>
          nameOf(ProfileName, profileName),
        ),
        capabilities: answer.capabilityInformation[0] ?? {},
      }
    })
    print(options.json, result, () => {
      const { vendor, version, operations, objects, profiles } = result
      const rows = [
        ['server', [vendor]],
        ['KMIP', [version]],
        ['objects', objects],
        ['operations', operations],
        ['profiles', profiles],
      ] as const
      return rows.map(([title, values]) => paragraph(title, values)).join('\n')
    })
  })

const TITLE_WIDTH = 12
const LINE_WIDTH = 96

/** A title and its values, in lines that are not too long. */
function paragraph(title: string, values: readonly string[]): string {
  const lines: string[] = []
  let line = title.padEnd(TITLE_WIDTH)
  for (const value of values) {
    if (line.trim() !== '' && line.length + value.length > LINE_WIDTH) {
      lines.push(line.trimEnd())
      line = ' '.repeat(TITLE_WIDTH)
    }
    line += `${value} `
  }
  return [...lines, line.trimEnd()].join('\n')
}
