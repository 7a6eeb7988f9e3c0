/**
 * `claviger serve` and `claviger init`.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { unknownVariables } from '#server/config.ts'
import type { RunningServer } from '#server/serve.ts'
import { tellReady } from '#server/supervisor.ts'
import { VERSION } from './about.ts'
import { loadConfig } from './configured.ts'
import { askPassphrase, type GlobalOptions } from './environment.ts'
import { print } from './output.ts'

interface ServeOptions extends GlobalOptions {
  readonly kmip?: string | undefined
}

/** What a server is made of; other commands start sooner without it. */
async function serverParts() {
  const [house, log, serving, lastResort] = await Promise.all([
    import('#server/house.ts'),
    import('#server/log.ts'),
    import('#server/serve.ts'),
    import('#server/last-resort.ts'),
  ])
  return { ...house, ...log, ...serving, ...lastResort }
}

/** Files of a data directory are nobody else's business. */
const PRIVATE_UMASK = 0o077

export const serve = new Command('serve')
  .description('run the server; a new data directory is furnished first')
  .option('--kmip <host:port>', 'where KMIP clients connect (default 127.0.0.1:5696)')
  .addHelpText(
    'after',
    `
Examples:
  claviger serve --data ./data
  claviger serve --data /var/lib/claviger --config /etc/claviger.yaml
  claviger serve --data ./data --kmip 0.0.0.0:5696

It prints a line that begins with "ready" once it listens. SIGTERM and SIGINT end it in order:
running requests are answered first. SIGHUP reads certificate files anew; a changed configuration
needs a new start.`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ServeOptions>()
    process.umask(PRIVATE_UMASK)
    const isNew = !existsSync(join(options.data, 'claviger.db'))
    const config = loadConfig(options, options.kmip)
    const { House, createLog, endLog, startServer, surviveRejections } = await serverParts()
    const log = createLog(config.log)
    for (const variable of unknownVariables(process.env)) {
      log.warn({ variable }, 'a variable is none of the configuration: claviger config variables')
    }
    const ask = askPassphrase()
    const house = await House.open({ dataDir: options.data, config, log, askPassphrase: ask })
    const server = await startServer(house, log).catch(async (error: unknown) => {
      await house.close()
      throw error
    })
    let stopping = false
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) return
      stopping = true
      log.info({ signal }, 'stopping: running requests are answered first')
      const stopped = server.stop().then(
        () => {
          process.exitCode = 0
        },
        (err: unknown) => {
          log.error({ err }, 'could not stop in order')
          process.exitCode = 1
        },
      )
      void stopped.finally(() => endLog(log))
    }
    surviveRejections(log)
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    process.on('SIGHUP', () => void server.renew())
    const { kmip, plain, pkcs11, metrics } = server
    const result = { ready: true, kmip, plain, pkcs11, metrics, data: house.dataDir, new: isNew }
    print(options.json, result, () => welcome(server, house.dataDir, isNew))
    tellReady(listenersOf(server), log)
  })

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

/** A path from where we are, or the whole of it where that would lead upwards. */
function shownPath(path: string): string {
  const near = relative('', path)
  if (near === '') return '.'
  return near.startsWith('..') ? path : near
}

/** A word as a shell reads it. */
function shellWord(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

const MODULE = fileURLToPath(new URL('../module/build/libclaviger.so', import.meta.url))

/** How a PKCS#11 application gets in. */
function moduleHint(claviger: string, flags: string, socket: string): string {
  if (!existsSync(MODULE)) return ''
  const module = shellWord(shownPath(MODULE))
  return `
And for PKCS#11 applications, with a PIN of your choice:
  CLAVIGER_PIN=1234 ${claviger} token pin${flags}
  export CLAVIGER_PKCS11=${shellWord(resolve(socket))}
  pkcs11-tool --module ${module} --login --pin 1234 --list-objects
`
}

type Listening = Pick<RunningServer, 'kmip' | 'plain' | 'pkcs11' | 'metrics'>

/** Where it can be reached, in one line. */
function listenersOf({ kmip, plain, pkcs11, metrics }: Listening): string {
  return [
    `kmip ${kmip}`,
    ...(plain === undefined ? [] : [`without TLS ${plain}`]),
    ...(pkcs11 === undefined ? [] : [`pkcs11 ${shownPath(pkcs11)}`]),
    ...(metrics === undefined ? [] : [`metrics ${metrics}`]),
  ].join(', ')
}

/** What a stranger reads first; the commands work as they stand here. */
function welcome(server: Listening, dataDir: string, isNew: boolean): string {
  const { pkcs11 } = server
  const data = shownPath(dataDir)
  const flags = data === 'data' ? '' : ` --data ${shellWord(data)}`
  const claviger = shellWord(shownPath(LAUNCHER))
  const [seal, open] = ['encrypt', 'decrypt'].map((verb) => {
    return `${claviger} ${verb} --key first${flags}`
  })
  return `Claviger ${VERSION}, ${isNew ? 'new data' : 'data'} in ${data}
ready       ${listenersOf(server)}
credential  ${data}/pki/admin.pem and admin.key; authority ${data}/pki/ca.pem

Try, in another terminal:
  ${claviger} keys create --name first${flags}
  echo hello | ${seal} | ${open}
  ${claviger} keys list${flags}
${pkcs11 === undefined ? '' : moduleHint(claviger, flags, shownPath(pkcs11))}`
}

export const init = new Command('init')
  .description('furnish a data directory: database, root key, certificate authority, administrator')
  .addHelpText(
    'after',
    `
Examples:
  claviger init --data ./data
  CLAVIGER_ROOT_KEY_SOURCE=passphrase claviger init --data ./data`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    process.umask(PRIVATE_UMASK)
    const config = loadConfig(options)
    const { House, createLog } = await serverParts()
    const log = createLog({ ...config.log, level: 'warn' })
    const ask = askPassphrase('New passphrase: ')
    const house = await House.open({ dataDir: options.data, config, log, askPassphrase: ask })
    const pki = join(shownPath(house.dataDir), 'pki')
    await house.close()
    const files = {
      ca: join(pki, 'ca.pem'),
      cert: join(pki, 'admin.pem'),
      key: join(pki, 'admin.key'),
    }
    print(options.json, files, () => {
      return `Furnished. Authority ${files.ca}, credential ${files.cert} and ${files.key}`
    })
  })
