/**
 * Query and Discover Versions.
 *
 * KMIP 1.4 §4.25 and §4.26, KMIP 2.1 §6.1.18 and §6.1.39. The answers come from the tables: what is
 * offered is what has a handler and what the operator leaves in, in versions that have it.
 *
 * @module
 */
import { GENERATOR } from '#core/operations/make.ts'
import {
  ClientRegistrationMethod,
  QueryFunction as Fn,
  ObjectType,
  Operation,
} from '#spec/kmip/enumerations.ts'
import { type OperationName, operationName, type ResponseOf } from '#spec/kmip/operations.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { protocolVersionOf, VERSIONS, type Version } from '#wire/ttlv/version.ts'
import type { Call } from '../call.ts'
import { handler } from '../handler.ts'
import { VENDOR } from '../offer.ts'

type QueryResponse = ResponseOf<'Query'>
type Part = Partial<QueryResponse>

/** Values of a table that a version has. */
function known<V extends number>(
  members: Readonly<Record<string, V>>,
  version: Version,
): readonly V[] {
  return tableOf(members)
    .values.filter(({ since, until }) => since <= version && version <= until)
    .map(({ value }) => value as V)
}

type Answers = Partial<Record<Fn, (call: Call, offered: readonly Operation[]) => Part>>

/** One entry for each function; a function without an entry has nothing to answer. */
const ANSWERS: Answers = {
  [Fn.QueryOperations]: ({ version, offer }, offered) => {
    const inVersion = new Set(known(Operation, version))
    return {
      operation: offered.filter((operation) => {
        return (
          inVersion.has(operation) && offer.hasOperation(operationName(operation) as OperationName)
        )
      }),
    }
  },
  [Fn.QueryObjects]: ({ version, offer }) => ({
    objectType: known(ObjectType, version).filter((type) => offer.hasObject(type)),
  }),
  [Fn.QueryServerInformation]: ({ offer: { vendorIdentification } }) => {
    if (vendorIdentification === undefined) return {}
    const serverInformation = {
      serverName: VENDOR,
      productName: VENDOR,
      alternateFailoverEndpoints: [],
    }
    return { vendorIdentification, serverInformation }
  },
  [Fn.QueryRNGs]: () => ({ rngParameters: [GENERATOR] }),
  [Fn.QueryProfiles]: ({ version, offer }) => ({
    profileInformation: version < 20 ? [] : offer.profiles.map((profileName) => ({ profileName })),
  }),
  [Fn.QueryCapabilities]: ({ offer }) => ({
    capabilityInformation: [
      {
        streamingCapability: offer.streaming,
        asynchronousCapability: false,
        attestationCapability: false,
        batchUndoCapability: true,
        batchContinueCapability: true,
        ...offer.capabilities,
        quantumSafeCapability: true,
      },
    ],
  }),
  [Fn.QueryClientRegistrationMethods]: () => ({
    clientRegistrationMethod: [ClientRegistrationMethod.ServerPreGenerated],
  }),
  [Fn.QueryStorageProtectionMasks]: ({ context }) => ({
    protectionStorageMasks: [...context.services.keystores.all()].map(({ can }) => ({
      protectionStorageMask: [can.protectionStorageMask],
    })),
  }),
}

const NOTHING: QueryResponse = {
  operation: [],
  objectType: [],
  applicationNamespace: [],
  extensionInformation: [],
  attestationType: [],
  rngParameters: [],
  profileInformation: [],
  validationInformation: [],
  capabilityInformation: [],
  clientRegistrationMethod: [],
  protectionStorageMasks: [],
}

/** Query, answering from the operations that the table of handlers has. */
export function queryHandler(offered: () => readonly Operation[]) {
  return handler('Query', 'read', async (request, call) => {
    const parts = request.queryFunction.map((fn) => ANSWERS[fn]?.(call, offered()) ?? {})
    return { payload: Object.assign({}, NOTHING, ...parts) as QueryResponse }
  })
}

/** Newest first; what the client lists, where it lists any. */
export const DiscoverVersions = handler('DiscoverVersions', 'read', async (request) => {
  const ours = VERSIONS.toReversed().map(protocolVersionOf)
  const listed = request.protocolVersion
  const both = ours.filter(({ major, minor }) => {
    return listed.some((one) => one.major === major && one.minor === minor)
  })
  return { payload: { protocolVersion: listed.length === 0 ? ours : both } }
})
