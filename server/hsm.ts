/**
 * Keystores of HSMs, as the configuration has them.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Keystore } from '#core/keystore.ts'
import { HostDevice, type SlotChoice } from '#keystores/pkcs11/host-device.ts'
import { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { type Config, ConfigError } from './config.ts'
import type { Logger } from './log.ts'

export type HsmConfig = Extract<Config['keystores'][number], { readonly type: 'pkcs11' }>

const HOST = fileURLToPath(new URL('./hsm-host.ts', import.meta.url))
const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning']

/**
 * @param beside Keeps public keys and what is no key.
 * @throws `ConfigError` when the token or the PIN is not said.
 */
export function hsmKeystore(config: HsmConfig, beside: Keystore, log: Logger): Pkcs11Keystore {
  const { name, extractable } = config
  return new Pkcs11Keystore({ name, extractable }, hsmDevice(config, log), beside)
}

/** The device of a keystore, not started yet. */
export function hsmDevice(config: HsmConfig, log: Logger): HostDevice {
  const { name, module, sessions, callSeconds, reserved, environment } = config
  const args = [...NODE_OPTIONS, HOST, module, String(sessions)]
  return new HostDevice({
    name,
    command: [process.execPath, ...args, ...(reserved === undefined ? [] : [reserved])],
    environment,
    token: tokenOf(config),
    pin: pinOf(config),
    lanes: sessions,
    callMilliseconds: callSeconds * 1_000,
    log,
  })
}

function tokenOf({ name, slot, label, serial }: HsmConfig): SlotChoice {
  const given = [slot, label, serial].filter((one) => one !== undefined)
  if (given.length !== 1) {
    throw new ConfigError(`keystores: "${name}" must name its token by one of slot, label, serial`)
  }
  if (slot !== undefined) return { slot }
  return label === undefined ? { serial: serial as string } : { label }
}

function pinOf({ name, pinFile, pinVariable }: HsmConfig): string | undefined {
  if (pinFile !== undefined && pinVariable !== undefined) {
    throw new ConfigError(`keystores: "${name}" has a pinFile and a pinVariable; one is enough`)
  }
  if (pinVariable !== undefined) {
    const pin = process.env[pinVariable]
    if (pin !== undefined && pin !== '') return pin
    throw new ConfigError(`keystores: "${name}": the variable ${pinVariable} is not set`)
  }
  if (pinFile === undefined) return undefined
  try {
    return readFileSync(pinFile, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new ConfigError(`keystores: "${name}": ${pinFile}: ${(error as Error).message}`)
  }
}
