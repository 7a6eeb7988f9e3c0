/**
 * Undo of a batch, where other clients have changed the same objects meanwhile.
 *
 * KMIP 1.4 §6.13 and KMIP 2.1 §8.3.3. What others were told stands; all else is as it was before.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import { created } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { State } from '#spec/kmip/enumerations.ts'
import { ResponseMessage } from '#spec/kmip/messages.ts'

const [SUCCESS, FAILED, UNDONE] = [0, 1, 3]

/** Takes long enough for another client to come in between. */
const SLOW_PAIR = {
  commonAttributes: {
    attributes: [
      { id: 'cryptographicAlgorithm', value: 4 },
      { id: 'cryptographicLength', value: 4_096 },
      { id: 'objectGroup', value: 'slow' },
    ],
  },
  privateKeyAttributes: { attributes: [{ id: 'cryptographicUsageMask', value: 1 }] },
  publicKeyAttributes: { attributes: [{ id: 'cryptographicUsageMask', value: 2 }] },
} as const

describe('Undo, with another client in between', { timeout: 120_000 }, () => {
  let server: OwnServer
  let one: KmipClient
  let other: KmipClient
  before(async () => {
    server = await startOwnServer()
    one = new KmipClient({ ...server.client('admin'), version: 21 })
    other = new KmipClient({ ...server.client('admin'), version: 21 })
  })
  after(async () => {
    one?.close()
    other?.close()
    await server?.stop()
  })

  const stateOf = async (uniqueIdentifier: string) => {
    const request = { uniqueIdentifier, attributeRefs: ['state', 'comment'] as const }
    const { attributes } = await other.call('GetAttributes', request)
    return attributes?.attributes.map(({ value }) => value)
  }
  const until = async (id: string, state: State) => {
    for (let turn = 0; (await stateOf(id))?.[0] !== state; turn++) ok(turn < 2_000)
  }
  /** Activates two keys, does slow work, and fails. */
  const failing = async (keys: readonly string[]) => {
    const requests = [
      ...keys.map((uniqueIdentifier) => {
        return { operation: 'Activate', payload: { uniqueIdentifier } } as const
      }),
      { operation: 'CreateKeyPair', payload: SLOW_PAIR } as const,
      { operation: 'Activate', payload: { uniqueIdentifier: 'none' } } as const,
    ]
    const answer = await one.send(encodeRequest(requests, 21, 'undo'))
    const { batchItem } = ResponseMessage.decode(answer, { version: 21, misplaced: 'ignore' })
    return batchItem.map(({ resultStatus }) => resultStatus)
  }
  const pairs = async () => {
    const attributes = { attributes: [{ id: 'objectGroup', value: 'slow' } as const] }
    return (await other.call('Locate', { attribute: [], attributes })).uniqueIdentifier
  }

  it('takes everything back where nobody was', async () => {
    const keys = [await created(one), await created(one)]
    deepEqual(await failing(keys), [UNDONE, UNDONE, UNDONE, FAILED])
    for (const key of keys) deepEqual(await stateOf(key), [State.PreActive])
    deepEqual(await pairs(), [])
  })

  it('leaves what another has changed, says so, and takes the rest back', async () => {
    const [first, second] = [await created(one), await created(one)]
    const batch = failing([first, second])
    await until(second, State.Active)
    const newAttribute = { id: 'comment', value: 'acknowledged' } as const
    await other.call('AddAttribute', { uniqueIdentifier: second, newAttribute })
    deepEqual(await batch, [UNDONE, SUCCESS, UNDONE, FAILED])
    deepEqual(await stateOf(first), [State.PreActive])
    deepEqual(await stateOf(second), [State.Active, 'acknowledged'])
    deepEqual(await pairs(), [])
    equal(server.log().match(/not undone/g)?.length, 1)
  })
})
