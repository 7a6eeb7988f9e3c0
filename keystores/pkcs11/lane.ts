/**
 * A pipe to the host of a module, with a logged-in session: how pieces of work become calls.
 *
 * One message and one answer for each piece, whatever calls it needs.
 *
 * @module
 */
import { type Pkcs11Client, Pkcs11ConnectionError } from '#clients/pkcs11-rpc/client.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import type { Arguments, Attribute, RemoteFunction, Results } from '#spec/pkcs11/types.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { DeviceSession, InSession, KeyAndMechanism } from './device.ts'
import {
  FUNCTIONS_OF,
  GROWTH_BYTES,
  type QuickAnswer,
  type QuickJob,
  readQuickAnswers,
  writeQuick,
} from './quick.ts'
import { textOf } from './token.ts'

const FOUND_MAX = 64
const PAGE_MAX = 500
/** More are not in a device, but in one that comes to no end. */
const OBJECTS_MAX = 200_000

/** How often which function of the module has been called. */
export type Calls = Map<RemoteFunction, number>

/** The token that a session is with. */
export interface LaneToken {
  readonly slotID: number
  readonly serial: string | undefined
}

export class Lane implements DeviceSession {
  readonly client: Pkcs11Client
  readonly hSession: number
  readonly handles: Map<string, number>
  readonly #calls: Calls
  readonly #token: LaneToken

  constructor(
    client: Pkcs11Client,
    hSession: number,
    token: LaneToken,
    handles: Map<string, number>,
    calls: Calls,
  ) {
    this.client = client
    this.hSession = hSession
    this.#token = token
    this.handles = handles
    this.#calls = calls
  }

  call<F extends RemoteFunction>(name: F, args: InSession<F>): Promise<Results<F>> {
    this.#count(name)
    return this.client.call(name, { ...args, hSession: this.hSession } as unknown as Arguments<F>)
  }

  async assertToken(): Promise<void> {
    const { slotID, serial } = this.#token
    let found: string
    try {
      found = textOf((await this.client.call('C_GetTokenInfo', { slotID })).pInfo.serialNumber)
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error
      const what = `the token says nothing of itself any more (${rvName(error.rv)})`
      throw new CryptokiError(CKR.TOKEN_NOT_PRESENT, what)
    }
    if (serial === undefined || found === serial) return
    const what = `another token is there: its serial number is ${found}, and was ${serial}`
    throw new CryptokiError(CKR.TOKEN_NOT_PRESENT, what)
  }

  async find(pTemplate: readonly Attribute[]): Promise<readonly number[]> {
    const { hSession } = this
    this.#count('C_FindObjectsInit', 'C_FindObjects', 'C_FindObjectsFinal')
    const answers = await this.client.batch(
      [
        { name: 'C_FindObjectsInit', args: { hSession, pTemplate } },
        { name: 'C_FindObjects', args: { hSession, phObject: FOUND_MAX } },
        { name: 'C_FindObjectsFinal', args: { hSession } },
      ],
      // A search that has failed is ended as well, or the session would have no other one.
      false,
    )
    return resultOf<'C_FindObjects'>(answers, 1).phObject
  }

  async findAll(pTemplate: readonly Attribute[]): Promise<readonly number[]> {
    await this.call('C_FindObjectsInit', { pTemplate })
    try {
      return await this.#pages()
    } finally {
      await this.call('C_FindObjectsFinal', {})
    }
  }

  async #pages(): Promise<readonly number[]> {
    const found: number[] = []
    for (;;) {
      const { phObject } = await this.call('C_FindObjects', { phObject: PAGE_MAX })
      // The end is an empty page: some devices give fewer than are asked for.
      if (phObject.length === 0) return found
      found.push(...phObject)
      if (found.length > OBJECTS_MAX) throw new Error(`it lists more than ${OBJECTS_MAX} objects`)
    }
  }

  async encrypt(init: KeyAndMechanism, pData: Uint8Array): Promise<Uint8Array> {
    const pEncryptedData = pData.length + GROWTH_BYTES
    const args = { hSession: this.hSession, pData, pEncryptedData }
    const answers = await this.#pair('C_EncryptInit', init, 'C_Encrypt', args)
    return whole(resultOf<'C_Encrypt'>(answers, 1).pEncryptedData)
  }

  async decrypt(init: KeyAndMechanism, pEncryptedData: Uint8Array): Promise<Uint8Array> {
    const pData = pEncryptedData.length + GROWTH_BYTES
    const args = { hSession: this.hSession, pEncryptedData, pData }
    const answers = await this.#pair('C_DecryptInit', init, 'C_Decrypt', args)
    return whole(resultOf<'C_Decrypt'>(answers, 1).pData)
  }

  async sign(init: KeyAndMechanism, pData: Uint8Array): Promise<Uint8Array> {
    const args = { hSession: this.hSession, pData, pSignature: GROWTH_BYTES }
    const answers = await this.#pair('C_SignInit', init, 'C_Sign', args)
    return whole(resultOf<'C_Sign'>(answers, 1).pSignature)
  }

  /** Several short operations in one message; the answers are in the order of the jobs. */
  quick(
    jobs: readonly QuickJob[],
    resolve: (answers: readonly QuickAnswer[]) => void,
    reject: (error: Error) => void,
  ): void {
    for (const { verb } of jobs) this.#count(...FUNCTIONS_OF[verb])
    const read = (body: Buffer): void => {
      let answers: readonly QuickAnswer[]
      try {
        answers = readQuickAnswers(new Reader(body), jobs.length)
      } catch (cause) {
        reject(new Pkcs11ConnectionError((cause as Error).message, { cause }))
        return
      }
      resolve(answers)
    }
    this.client.exchange((w) => writeQuick(w, this.hSession, jobs), read, reject)
  }

  #pair<I extends RemoteFunction, F extends RemoteFunction>(
    initName: I,
    init: KeyAndMechanism,
    name: F,
    args: Arguments<F>,
  ): ReturnType<Pkcs11Client['batch']> {
    const { hSession } = this
    const first = { name: initName, args: { hSession, ...init } as unknown as Arguments<I> }
    this.#count(initName, name)
    return this.client.batch([first, { name, args }] as never, true)
  }

  #count(...names: readonly RemoteFunction[]): void {
    for (const name of names) this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1)
  }
}

/** The answer to one call of a batch; the first failure counts for all behind it. */
function resultOf<F extends RemoteFunction>(
  answers: Awaited<ReturnType<Pkcs11Client['batch']>>,
  index: number,
): Results<F> {
  for (const answer of answers) if (answer instanceof CryptokiError) throw answer
  const answer = answers[index]
  if (answer !== undefined) return answer as Results<F>
  throw new CryptokiError(CKR.DEVICE_ERROR, 'the host has not answered the whole batch')
}

function whole(output: Uint8Array | number): Uint8Array {
  if (output instanceof Uint8Array) return output
  throw new CryptokiError(
    CKR.OPERATION_ACTIVE,
    `the output of ${output} bytes is longer than expected`,
  )
}
