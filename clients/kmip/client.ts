/**
 * A KMIP client for Node: typed operations, a pool of connections, and the version that the server
 * speaks.
 *
 * Every operation of KMIP 1.0 to 2.1 can be called with {@link KmipClient.call}: its payloads are
 * typed by the tables of `spec/kmip`. The version is agreed upon with Discover Versions on first
 * use (a server of KMIP 1.0 does not know that operation, which tells its version as well); a
 * single call may ask for another one.
 *
 * A pool opens connections as they are needed, sends each request on the one with the fewest in
 * flight, and opens a new one where an old one has failed. A request is sent once: whether it was
 * done, when no answer came, only the caller can find out.
 *
 * @module
 */
import { ResultStatus } from '#spec/kmip/enumerations.ts'
import { RequestBatchItem, RequestMessage, ResponseMessage } from '#spec/kmip/messages.ts'
import {
  type OperationName,
  operationName,
  operationNumber,
  payloadCoders,
  type RequestOf,
  type ResponseOf,
} from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import type { Item } from '#wire/ttlv/item.ts'
import { protocolVersionOf, VERSIONS, type Version } from '#wire/ttlv/version.ts'
import { type ConnectOptions, KmipConnection } from './connection.ts'
import { KmipConnectionError, KmipError } from './errors.ts'

export type { ConnectOptions } from './connection.ts'
export { KmipConnectionError, KmipError } from './errors.ts'

export interface ClientOptions
  extends Omit<ConnectOptions, 'connectMilliseconds' | 'requestMilliseconds' | 'messageBytesMax'> {
  /** Default 10,000. */
  readonly connectMilliseconds?: number
  /** Default 30,000. */
  readonly requestMilliseconds?: number
  /** Default 64 MiB. */
  readonly messageBytesMax?: number
  /** Connections at the same time. Default 4. */
  readonly connectionsMax?: number
  /** Requests in flight on one connection before another is opened. Default 1. */
  readonly pipelineMax?: number
  /** The version to speak; default: the newest that client and server have. */
  readonly version?: Version
}

/** One operation of a batch. */
export interface BatchRequest<N extends OperationName = OperationName> {
  readonly operation: N
  readonly payload: RequestOf<N>
}

export interface BatchOptions {
  /** Default: stop at the first failure. */
  readonly onError?: 'continue' | 'stop' | 'undo'
  readonly version?: Version
}

/** How one operation of a batch ended; operations after a failure that stopped it are not there. */
export type BatchResult =
  | { readonly ok: true; readonly operation: OperationName; readonly payload: unknown }
  | { readonly ok: false; readonly operation: OperationName | undefined; readonly error: KmipError }

const ON_ERROR = { continue: 1, stop: 2, undo: 3 } as const

export class KmipClient {
  readonly #options: ConnectOptions
  readonly #connectionsMax: number
  readonly #pipelineMax: number
  #connections: KmipConnection[] = []
  #opening: Promise<KmipConnection>[] = []
  #version: Promise<Version> | undefined
  #closed = false

  constructor(options: ClientOptions) {
    this.#options = {
      ...options,
      connectMilliseconds: options.connectMilliseconds ?? 10_000,
      requestMilliseconds: options.requestMilliseconds ?? 30_000,
      messageBytesMax: options.messageBytesMax ?? 67_108_864,
    }
    this.#connectionsMax = options.connectionsMax ?? 4
    this.#pipelineMax = options.pipelineMax ?? 1
    this.#version = options.version === undefined ? undefined : Promise.resolve(options.version)
  }

  /** The version that is spoken, agreed upon with the server when nobody has chosen one. */
  version(): Promise<Version> {
    this.#version ??= this.#negotiate().catch((error: unknown) => {
      this.#version = undefined
      throw error
    })
    return this.#version
  }

  /**
   * Does one operation.
   *
   * @throws {@link KmipError} when the server refuses it, {@link KmipConnectionError} when there is
   * no answer.
   */
  async call<N extends OperationName>(
    operation: N,
    payload: RequestOf<N>,
    options: { readonly version?: Version } = {},
  ): Promise<ResponseOf<N>> {
    const version = options.version ?? (await this.version())
    const [result] = await this.#exchange([{ operation, payload }], version, undefined)
    if (result === undefined) throw new KmipConnectionError('The answer has no Batch Item')
    if (!result.ok) throw result.error
    return result.payload as ResponseOf<N>
  }

  /** Does several operations in one message, in order. */
  async batch(
    requests: readonly BatchRequest[],
    { onError, version }: BatchOptions = {},
  ): Promise<readonly BatchResult[]> {
    return this.#exchange(requests, version ?? (await this.version()), onError ?? 'stop')
  }

  /** Sends a message as it is; for what has no operation. */
  async send(message: Item): Promise<Item> {
    return (await this.#connection()).send(message)
  }

  /** Ends all connections; requests without an answer fail. */
  close(): void {
    this.#closed = true
    for (const connection of this.#connections) connection.close()
    this.#connections = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #exchange(
    requests: readonly BatchRequest[],
    version: Version,
    onError: BatchOptions['onError'],
  ): Promise<readonly BatchResult[]> {
    const message = encodeRequest(requests, version, onError)
    const answer = await (await this.#connection()).send(message)
    return decodeResponse(answer, version)
  }

  /**
   * Asks with the newest version, then with 1.1, which every server but those of 1.0 understands.
   */
  async #negotiate(): Promise<Version> {
    const ours = VERSIONS.toReversed()
    const payload = { protocolVersion: ours.map(protocolVersionOf) }
    for (const version of [21, 11] as const) {
      try {
        const { protocolVersion } = await this.call('DiscoverVersions', payload, { version })
        const theirs = protocolVersion.map(({ major, minor }) => major * 10 + minor)
        const common = ours.find((one) => theirs.includes(one))
        if (common !== undefined) return common
      } catch (error) {
        if (!(error instanceof KmipError)) throw error
      }
    }
    return 10
  }

  /** The connection with the fewest requests in flight, or a new one while there may be more. */
  async #connection(): Promise<KmipConnection> {
    if (this.#closed) throw new KmipConnectionError('The client is closed')
    this.#connections = this.#connections.filter(({ isOpen }) => isOpen)
    const [best] = this.#connections.toSorted((a, b) => a.pending - b.pending)
    if (best !== undefined && best.pending < this.#pipelineMax) return best
    const count = this.#connections.length + this.#opening.length
    if (count < this.#connectionsMax) return this.#open()
    return best ?? (this.#opening[0] as Promise<KmipConnection>)
  }

  async #open(): Promise<KmipConnection> {
    const opening = KmipConnection.open(this.#options)
    this.#opening.push(opening)
    try {
      const connection = await opening
      this.#connections.push(connection)
      return connection
    } finally {
      this.#opening = this.#opening.filter((one) => one !== opening)
    }
  }
}

/** A request message with these operations. */
export function encodeRequest(
  requests: readonly BatchRequest[],
  version: Version,
  onError?: BatchOptions['onError'],
): Item {
  const context = { version, beyondVersion: 'refuse' } as const
  const several = requests.length > 1
  const batchItem = requests.map(({ operation, payload }, index) => {
    const { request } = payloadCoders(operation)
    const item = {
      operation: operationNumber(operation),
      uniqueBatchItemID: several ? Uint8Array.of(index >> 8, index & 0xff) : undefined,
      requestPayload: request.encode(Tag.RequestPayload, payload, context),
      messageExtension: [],
    }
    return RequestBatchItem.encode(Tag.BatchItem, item, context)
  })
  const requestHeader = {
    protocolVersion: protocolVersionOf(version),
    attestationType: [],
    batchErrorContinuationOption: several && onError ? ON_ERROR[onError] : undefined,
    batchOrderOption: several ? true : undefined,
    batchCount: requests.length,
  }
  return RequestMessage.encode(Tag.RequestMessage, { requestHeader, batchItem }, context)
}

/** What a response message says of each operation. */
export function decodeResponse(message: Item, version: Version): readonly BatchResult[] {
  const context = { version, misplaced: 'ignore' } as const
  const { batchItem } = ResponseMessage.decode(message, context)
  return batchItem.map((item) => {
    const name = item.operation === undefined ? undefined : operationName(item.operation)
    if (item.resultStatus !== ResultStatus.Success || name === undefined) {
      const error = new KmipError(name, item.resultReason ?? 0, item.resultMessage)
      return { ok: false, operation: name, error }
    }
    const { response } = payloadCoders(name)
    const empty = { tag: Tag.ResponsePayload, type: 1, value: [] } as const
    const payload = response.decode(item.responsePayload ?? empty, context)
    return { ok: true, operation: name, payload }
  })
}
