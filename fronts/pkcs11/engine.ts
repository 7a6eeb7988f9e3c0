/**
 * The engine: all functions of PKCS#11 over the operations of the core.
 *
 * PKCS#11 3.2 §5. What is refused is told to the application by a return value alone; the reason,
 * with the rule that refused, goes to the log. A failure of the core has its return value in
 * `core/errors.ts`.
 *
 * Each group of functions is a file in `functions/`; none knows how a call came here.
 *
 * @module
 */

import type { Services } from '#core/context.ts'
import { FAILURES, failureCode, failureMessage, isServersOwn } from '#core/errors.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'
import type { Handlers, RemoteFunction } from '#spec/pkcs11/types.ts'
import { Application, type Surroundings } from './application.ts'
import { assertLoggedIn } from './before-login.ts'
import type { ApplicationInfo, Engine } from './contract.ts'
import { ciphers } from './functions/cipher.ts'
import { derive } from './functions/derive.ts'
import { digest } from './functions/digest.ts'
import { dual } from './functions/dual.ts'
import { general } from './functions/general.ts'
import { generation } from './functions/generate.ts'
import { kem } from './functions/kem.ts'
import { mechanisms } from './functions/mechanisms.ts'
import { message } from './functions/message.ts'
import { objects } from './functions/objects.ts'
import { random } from './functions/random.ts'
import { recover } from './functions/recover.ts'
import { sessions } from './functions/sessions.ts'
import { sign } from './functions/sign.ts'
import { state } from './functions/state.ts'
import { wrap } from './functions/wrap.ts'
import { metered } from './metered.ts'
import type { Token } from './token.ts'
import { refuseTooLong } from './too-long.ts'

type Offered = Engine<Application>['handlers']

/** Groups of functions; together every one but C_Initialize and C_Finalize, the server's. */
export const FUNCTION_GROUPS = {
  general,
  sessions,
  mechanisms,
  objects,
  generation,
  wrap,
  derive,
  kem,
  ciphers,
  digest,
  sign,
  recover,
  dual,
  message,
  state,
  random,
} as const

const FUNCTIONS = {
  ...general,
  ...sessions,
  ...mechanisms,
  ...objects,
  ...generation,
  ...wrap,
  ...derive,
  ...kem,
  ...ciphers,
  ...digest,
  ...sign,
  ...recover,
  ...dual,
  ...message,
  ...state,
  ...random,
} satisfies Offered

export class Pkcs11Engine implements Engine<Application> {
  readonly handlers: Offered
  readonly #surroundings: Surroundings
  readonly #services: Services
  readonly #applications = new Set<Application>()

  constructor(surroundings: Surroundings, services: Services) {
    this.#surroundings = surroundings
    this.#services = services
    const entries = Object.entries(FUNCTIONS) as [FunctionName, Handler][]
    this.handlers = Object.fromEntries(
      entries.map(([name, run]) => [name, this.#counted(name, this.#explained(name, run))]),
    ) as unknown as Offered
  }

  open(_info: ApplicationInfo): Application {
    const application = new Application(this.#surroundings)
    this.#applications.add(application)
    void application.ended.then(() => this.#applications.delete(application))
    return application
  }

  tooLong(
    application: Application,
    name: RemoteFunction,
    hSession: number,
    bytes: number,
  ): CryptokiError {
    const error = refuseTooLong(application, name, hSession, bytes)
    this.#services.meter?.pkcs11.of(name).add(rvName(error.rv), 0)
    return this.#refused(name, error)
  }

  /** Applications at this time. */
  get applications(): number {
    return this.#applications.size
  }

  /** Ends what applications have with tokens that have been withdrawn. */
  forsake(withdrawn: readonly Token[]): void {
    for (const application of this.#applications) {
      for (const token of withdrawn) application.lose(token)
    }
  }

  /** Logs out whoever works in the name of a credential that is revoked. */
  async expel(principal: string): Promise<void> {
    for (const application of this.#applications) await application.expel(principal)
  }

  close(): void {
    for (const application of [...this.#applications]) application.close()
  }

  #counted(name: FunctionName, run: Handler): Handler {
    const { meter } = this.#services
    return meter === undefined ? run : metered(meter.pkcs11.of(name), run)
  }

  /** The function, with every failure a return value, and its reason in the log. */
  #explained(name: FunctionName, run: Handler): Handler {
    const refused = (error: unknown): CryptokiError => this.#refused(name, error)
    const { tokens } = this.#surroundings
    const isGuarded = tokens.some(({ manner }) => manner.beforeLogin === 'nothing')
    return (application, args) => {
      try {
        if (isGuarded) assertLoggedIn(name, application, args)
        const answer = run(application, args)
        if (!(answer instanceof Promise)) return answer
        return answer.catch((error: unknown) => {
          throw refused(error)
        })
      } catch (error) {
        throw refused(error)
      }
    }
  }

  #refused(name: FunctionName, error: unknown): CryptokiError {
    const { log } = this.#services
    if (error instanceof CryptokiError) {
      log.info({ function: name, rv: rvName(error.rv) }, error.message)
      return error
    }
    const code = failureCode(error)
    const { ckr } = FAILURES[code]
    const details = { function: name, rv: rvName(ckr) }
    if (code === 'internal') log.error({ ...details, err: error }, 'an internal error')
    else if (isServersOwn(code)) log.error(details, failureMessage(error))
    else log.info(details, failureMessage(error))
    return new CryptokiError(ckr, failureMessage(error), { cause: error })
  }
}

/** A row of {@link Handlers}, whatever it takes. */
type Handler = (application: Application, args: never) => unknown
