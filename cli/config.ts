/**
 * `claviger config`: the configuration before a server reads it.
 *
 * @module
 */
import { Command } from 'commander'
import { configSchema, readConfig, unknownVariables, variables } from '#server/config.ts'
import { configPath } from './configured.ts'
import type { GlobalOptions } from './environment.ts'
import { print, table } from './output.ts'

/** Variables that are not values of the configuration. */
export const OTHER_VARIABLES = [
  { name: 'CLAVIGER_DATA', description: 'The data directory, as --data.' },
  { name: 'CLAVIGER_SERVER', description: 'The KMIP server of client commands, as --server.' },
  { name: 'CLAVIGER_PASSPHRASE', description: 'Passphrase of the root key.' },
  { name: 'CLAVIGER_NEW_PASSPHRASE', description: 'The new one, for rootkey rotate.' },
  { name: 'CLAVIGER_PIN', description: "The user's PIN, for token init, token pin, hsm probe." },
  {
    name: 'CLAVIGER_SO_PIN',
    description: "The security officer's, for token init, token pin --so.",
  },
]

/** The JSON Schema as it is written to a file. */
export function schemaText(): string {
  return `${JSON.stringify(configSchema(), undefined, 2)}\n`
}

const check = new Command('check')
  .description('read a configuration as serve would, environment included, and say what is wrong')
  .argument('[file]', 'claviger.yaml; default: --config, or the one in the data directory')
  .addHelpText(
    'after',
    `
The exit code is 2 when it cannot be used. With --json: the whole configuration, defaults included.

Examples:
  claviger config check claviger.yaml
  claviger config check --data /var/lib/claviger --json`,
  )
  .action((file: string | undefined, _options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const path = file ?? configPath(options)
    const config = readConfig(path, process.env)
    for (const name of unknownVariables(process.env)) {
      process.stderr.write(`warning: ${name} is no variable of the configuration\n`)
    }
    print(options.json, config, () => `${path ?? 'Defaults and environment'}: in order`)
  })

const schema = new Command('schema')
  .description('the JSON Schema of claviger.yaml, for editors')
  .addHelpText(
    'after',
    `
Examples:
  claviger config schema > claviger.schema.json`,
  )
  .action(() => {
    process.stdout.write(schemaText())
  })

const listVariables = new Command('variables')
  .description('environment variables that are read')
  .addHelpText(
    'after',
    `
The order of precedence: command line, environment, file, default.

Examples:
  claviger config variables
  CLAVIGER_LIMITS_IDLE_SECONDS=60 claviger serve`,
  )
  .action((_options, command: Command) => {
    const { json } = command.optsWithGlobals<GlobalOptions>()
    const ofConfig = variables().map(({ name, path, description }) => {
      return { name, key: path.join('.'), description }
    })
    const others = OTHER_VARIABLES.map(({ name, description }) => ({ name, key: '', description }))
    const all = [...ofConfig, ...others]
    print(json, all, () => table(all))
  })

export const config = new Command('config').description('the configuration').addHelpText(
  'after',
  `
Examples:
  claviger config check claviger.yaml
  claviger config variables`,
)
for (const command of [check, schema, listVariables]) config.addCommand(command)
