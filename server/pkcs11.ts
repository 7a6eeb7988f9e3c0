/**
 * The PKCS#11 engine of a house: its tokens, as the configuration has them.
 *
 * @module
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Principal, Services } from '#core/context.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import { Pkcs11Engine } from '#fronts/pkcs11/engine.ts'
import { isUsual, RULE_NAMES, RULES, type RuleSet, SWITCHES } from '#fronts/pkcs11/rule-table.ts'
import { Pkcs11Server } from '#fronts/pkcs11/server.ts'
import { Token, type TokenOptions } from '#fronts/pkcs11/token.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { type Config, ConfigError } from './config.ts'
import type { House } from './house.ts'
import type { Logger } from './log.ts'
import { placesOf, servicesWith } from './places.ts'
import { socketPath } from './sockets.ts'

type TokenConfig = Config['pkcs11']['tokens'][number]

export async function openEngine(house: House): Promise<Pkcs11Engine> {
  const tokens = await house.tokens()
  await tellRules(house)
  const newVolatile = (token: Token): Services => house.volatile(token.services)
  const engine = new Pkcs11Engine({ tokens, newVolatile }, house.services)
  house.credentials.onRevoked(({ name }) => {
    const gone = tokens.filter(({ principal }) => principal.name === name)
    for (const token of gone) token.withdraw(revoked(name))
    engine.forsake(gone)
    void engine.expel(name)
  })
  return engine
}

function revoked(principal: string): string {
  return `the credential "${principal}" that it works for is revoked; configure another principal`
}

/** PKCS#11 as it is served. */
export interface ServedPkcs11 {
  readonly path: string
  readonly server: Pkcs11Server<Application>
  close(): Promise<void>
}

/** Serves PKCS#11 on the socket of the configuration; undefined where it is switched off. */
export async function listenPkcs11(house: House, log: Logger): Promise<ServedPkcs11 | undefined> {
  const { enabled, socket, socketMode } = house.config.pkcs11
  if (!enabled) return undefined
  const engine = await openEngine(house)
  mkdirSync(join(house.dataDir, 'run'), { recursive: true, mode: 0o700 })
  const path = socket ?? socketPath(house.dataDir, 'pkcs11')
  const { limits } = house.services
  const server = new Pkcs11Server({ engine, limits, log, further: path })
  await server.listen(path, socketMode === '0660' ? 0o660 : 0o600)
  const close = async (): Promise<void> => {
    await server.close()
    engine.close()
  }
  return { path, server, close }
}

/** @throws `ConfigError` when a token names what there is not. */
export async function openTokens(house: House): Promise<readonly Token[]> {
  const { tokens: configured } = house.config.pkcs11
  const tokens: Token[] = []
  for (const [index, config] of configured.entries()) {
    tokens.push(await openToken(house, config, config.slot ?? index))
  }
  return tokens
}

async function openToken(house: House, config: TokenConfig, slot: number): Promise<Token> {
  const { name, label, principal, login, readOnly } = config
  const credential = await house.credentials.named(principal)
  if (credential === undefined) {
    const what = `pkcs11.tokens: "${name}" works for "${principal}", which is no credential`
    throw new ConfigError(`${what}; create it with: claviger credential create ${principal}`)
  }
  const { scope } = credential
  const services =
    config.keystore === undefined
      ? house.services
      : servicesWith(house.services, name, config.keystore)
  const options = { name, slot, label, login, readOnly, rules: rulesOf(house) }
  const owner = { principal: { name: principal, scope } }
  const further = furtherOptions(house, config, services)
  const token = await Token.open({ ...options, ...owner, ...further }, services, house.settings)
  if (credential.revoked !== undefined) {
    token.withdraw(revoked(principal))
    house.services.log.warn({ token: name }, `no token in slot ${slot}: ${revoked(principal)}`)
  }
  return token
}

/** What stands in the configuration of how the token behaves, and what that needs. */
function furtherOptions(
  house: House,
  config: TokenConfig,
  services: Services,
): Pick<TokenOptions, 'manner' | 'placeOf' | 'principalOf'> {
  const { name, login, pinFormat, users, beforeLogin } = config
  if (login === 'none' && (pinFormat !== 'pin' || users === 'own' || beforeLogin === 'nothing')) {
    const rule = 'login none goes with no pinFormat, users and beforeLogin: nobody logs in there'
    throw new ConfigError(`pkcs11.tokens: "${name}": ${rule}`)
  }
  const principalOf = (user: string): Promise<Principal> => ownPrincipal(house, user)
  return {
    manner: config,
    ...(pinFormat === 'pin' ? {} : { placeOf: placesOf(services, config, house.config.keystores) }),
    ...(users === 'token' ? {} : { principalOf }),
  }
}

/** The credential of a user's name, for the user whose PIN was right. */
async function ownPrincipal({ credentials }: House, user: string): Promise<Principal> {
  const credential = await credentials.named(user)
  if (credential !== undefined && credential.revoked === undefined) {
    return { name: user, scope: credential.scope }
  }
  const state = credential === undefined ? 'there is no credential' : 'revoked is the credential'
  const what = `${state} "${user}", in whose name the user would work (users: own)`
  const way = `create it with: claviger credential create ${user}`
  throw new CryptokiError(CKR.PIN_INCORRECT, credential === undefined ? `${what}; ${way}` : what)
}

function rulesOf({ config }: House): RuleSet {
  const { rules } = config.pkcs11
  return new Set(RULE_NAMES.filter((name) => rules[name] !== false))
}

/** Whoever switches a rule off shall be reminded of it. */
async function tellRules({ config, services }: House): Promise<void> {
  const off = SWITCHES.filter((name) => isUsual(name) && config.pkcs11.rules[name] === false)
  for (const rule of off) {
    const { prevents } = RULES[rule]
    services.log.warn({ rule, prevents }, 'a rule against attacks on PKCS#11 is switched off')
    const event = { principal: 'server', front: 'pkcs11', operation: 'SwitchRuleOff' } as const
    await services.journal.record({ ...event, outcome: 'success', detail: rule })
  }
}
