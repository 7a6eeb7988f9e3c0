/**
 * Tokens of SoftHSM2 for tests, each in a folder of its own.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HostOptions } from './host-device.ts'

const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm2.so']
const HOST = fileURLToPath(new URL('../../server/hsm-host.ts', import.meta.url))
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'] as const

/** Undefined where Debian's softhsm2 is not installed. */
export const SOFTHSM = MODULES.find((path) => existsSync(path))
export const SOFTHSM_PIN = '1234'

/** The command of a host for a module. */
export function hostCommand(
  module: string,
  lanes: number,
  spinMicroseconds = 0,
): HostOptions['command'] {
  return [
    ...NODE,
    HOST,
    module,
    String(lanes),
    String(spinMicroseconds),
  ] as unknown as HostOptions['command']
}

/** A host of a token, as tests want it: its words are nobody's, and a hung call is found out. */
export function softHsmHost(
  label: string,
  environment: NonNullable<HostOptions['environment']>,
  lanes = 2,
  module = SOFTHSM as string,
): HostOptions {
  return {
    name: label,
    command: hostCommand(module, lanes),
    environment,
    token: { label },
    pin: SOFTHSM_PIN,
    lanes,
    callMilliseconds: 20_000,
    log: { info: () => {}, warn: () => {} },
  }
}

/** A new token. @returns The environment in which the module finds it. */
export function newSoftHsmToken(folder: string, label: string): { readonly SOFTHSM2_CONF: string } {
  const home = mkdtempSync(join(folder, 'token-'))
  mkdirSync(join(home, 'tokens'))
  const config = join(home, 'softhsm2.conf')
  writeFileSync(config, `directories.tokendir = ${join(home, 'tokens')}\nlog.level = ERROR\n`)
  const environment = { SOFTHSM2_CONF: config }
  const pins = ['--so-pin', '12345678', '--pin', SOFTHSM_PIN]
  const args = ['--init-token', '--free', '--label', label, ...pins]
  execFileSync('softhsm2-util', args, { env: { ...process.env, ...environment }, stdio: 'ignore' })
  return environment
}

/** The token once more, empty and with another PIN. */
export function newSoftHsmPin(environment: HostOptions['environment'], label: string, pin: string) {
  const args = ['--init-token', '--token', label, '--label', label, '--so-pin', '12345678']
  const env = { ...process.env, ...environment }
  execFileSync('softhsm2-util', [...args, '--pin', pin], { env, stdio: 'ignore' })
}
