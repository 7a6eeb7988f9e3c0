/**
 * `claviger import`: the configuration of another system as one of ours.
 *
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { stringify } from 'yaml'
import type { GlobalOptions } from './environment.ts'
import {
  KSG_FILES,
  KsgError,
  type KsgFile,
  type Lost,
  type Translation,
  translateKsg,
} from './ksg.ts'
import { print, UsageError } from './output.ts'

interface KsgOptions extends GlobalOptions {
  readonly out?: string | undefined
  readonly module?: string | undefined
  readonly pinFile?: string | undefined
  readonly principal: string
}

/** Also in the folder `confs`, where an installed gateway has them. */
function readFiles(folder: string): Partial<Record<KsgFile, string>> {
  const found: Partial<Record<KsgFile, string>> = {}
  for (const file of KSG_FILES) {
    const path = [join(folder, file), join(folder, 'confs', file)].find((one) => existsSync(one))
    if (path !== undefined) found[file] = readFileSync(path, 'utf8')
  }
  if (found['ksg.conf'] !== undefined) return found
  throw new UsageError(`${folder}: there is no ksg.conf in it, nor in its folder confs`)
}

/** Comments above what was carried over: what was not, and why. */
function yamlText({ config, lost }: Translation): string {
  const lines = lost.map(lostLine)
  const head = lines.length === 0 ? [] : ['Not carried over:', ...lines.map((line) => `  ${line}`)]
  const comments = ['From a configuration of P6R KMIP Server Gateway.', ...head]
  return `${comments.map((line) => `# ${line}\n`).join('')}${stringify(config)}`
}

function lostLine({ file, parameter, reason }: Lost): string {
  return `${file} ${parameter}: ${reason}`
}

/** Writes a file for its owner only. @throws `UsageError` when it is there already. */
function writeNew(path: string, text: string): void {
  assertNew(path)
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
}

function assertNew(path: string): void {
  if (existsSync(path)) throw new UsageError(`${path} is there already; it is not overwritten`)
}

const PIN_LOST =
  'the PIN is not written into the configuration; set CLAVIGER_HSM_PIN, or give --pin-file'

function pinAbsent(pinFile: string | undefined): string {
  const where = pinFile === undefined ? 'set CLAVIGER_HSM_PIN to it' : `write it into ${pinFile}`
  return `no PIN stands there; ${where}, unless the token needs none`
}

function translated(folder: string, options: KsgOptions): Translation {
  const { module, principal, pinFile } = options
  try {
    // A server may be started in another folder.
    const at = pinFile === undefined ? undefined : resolve(pinFile)
    const result = translateKsg(readFiles(folder), { module, principal, pinFile: at })
    if (!result.hasHsm || (result.pin !== undefined && pinFile !== undefined)) return result
    const reason = result.pin === undefined ? pinAbsent(at) : PIN_LOST
    const parameter = { file: 'ksg.conf', parameter: 'HSM_pin', reason } as const
    return { ...result, lost: [parameter, ...result.lost] }
  } catch (error) {
    throw error instanceof KsgError ? new UsageError(error.message, { cause: error }) : error
  }
}

const ksg = new Command('ksg')
  .description('a configuration of P6R KMIP Server Gateway as claviger.yaml')
  .argument('<dir>', 'folder with ksg.conf, p6kmipserver.conf, p6kmip_auxiliary_ksg.conf')
  .option('--out <file>', 'write it there; default: print it')
  .option('--module <file>', "the HSM's PKCS#11 module; default: what HSM_type says")
  .option('--pin-file <file>', 'write the PIN of the HSM there, for its owner only')
  .option('--principal <name>', 'credential of the clients behind the TLS proxy', 'admin')
  .addHelpText(
    'after',
    `
What has no counterpart is listed with the reason: as comments in the file, and as "lost" with
--json. Files are not overwritten. Keys and metadata are not moved.

The gateway spoke KMIP without TLS behind a proxy such as stunnel. So does kmip.plain, on the
loopback; the TLS of Claviger itself (kmip.listen) makes the proxy unnecessary.

Examples:
  claviger import ksg /opt/p6r/ksg
  claviger import ksg /opt/p6r/ksg --out claviger.yaml --pin-file hsm.pin
  claviger import ksg ./confs --module /usr/lib/softhsm/libsofthsm2.so --json`,
  )
  .action((folder: string, _options, command: Command) => {
    const options = command.optsWithGlobals<KsgOptions>()
    const { out, pinFile } = options
    const result = translated(folder, options)
    const { config, carried, lost, pin } = result
    const text = yamlText(result)
    if (out !== undefined) assertNew(out)
    if (pinFile !== undefined && pin !== undefined) writeNew(pinFile, `${pin}\n`)
    if (out !== undefined) writeNew(out, text)
    print(options.json, { config, carried, lost, written: out }, () => {
      return out === undefined ? text.trimEnd() : summary(out, result)
    })
  })

function summary(out: string, { carried, lost }: Translation): string {
  const head = `${out}: ${carried.length} parameters carried over, ${lost.length} not`
  return [head, ...lost.map((one) => `  ${lostLine(one)}`)].join('\n')
}

export const importCommand = new Command('import')
  .description('configurations of other systems as claviger.yaml')
  .addHelpText(
    'after',
    `
Examples:
  claviger import ksg /opt/p6r/ksg --out claviger.yaml`,
  )
importCommand.addCommand(ksg)
