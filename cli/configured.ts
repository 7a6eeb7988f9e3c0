/**
 * Which configuration a command works with.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '#server/config.ts'

/** `claviger.yaml` that was named, or that lies in the data directory. */
export function configPath(options: {
  readonly config?: string | undefined
  readonly data: string
}): string | undefined {
  if (options.config !== undefined) return options.config
  const usual = join(options.data, 'claviger.yaml')
  return existsSync(usual) ? usual : undefined
}

/** @param kmip Option `--kmip` of the command line. */
export function loadConfig(
  options: { readonly config?: string | undefined; readonly data: string },
  kmip?: string,
): Config {
  const path = configPath(options)
  if (kmip === undefined) return readConfig(path, process.env)
  const environment = { ...process.env, CLAVIGER_KMIP_LISTEN: kmip }
  return readConfig(path, environment, { CLAVIGER_KMIP_LISTEN: `--kmip ${kmip}` })
}
