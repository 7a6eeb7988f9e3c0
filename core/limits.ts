/**
 * Every limit, with its unit, its default and what it protects.
 *
 * The names are the keys of the section `limits` of `claviger.yaml`; `server/config.ts` takes
 * names, defaults and bounds from here. A test hits each of them.
 *
 * @module
 */

interface LimitRow {
  readonly default: number
  readonly min: number
  readonly max: number
  readonly unit: 'bytes' | 'days' | 'seconds' | 'milliseconds' | 'microseconds' | 'count'
  /** Completes "How many ..." or "How long ...", for the documentation. */
  readonly what: string
}

// biome-ignore format: a table
export const LIMITS = {
  messageBytesMax:        { default: 1_048_576,  min: 8_192, max: 268_435_456, unit: 'bytes',        what: 'Size of one request; a longer one ends the connection' },
  depthMax:               { default: 32,         min: 8,     max: 256,         unit: 'count',        what: 'Structures within structures in one message' },
  itemsMax:               { default: 20_000,     min: 100,   max: 1_000_000,   unit: 'count',        what: 'Items in one message' },
  batchItemsMax:          { default: 1_000,      min: 1,     max: 100_000,     unit: 'count',        what: 'Operations in one request' },
  answerBytesMax:         { default: 16_777_216, min: 65_536, max: 1_073_741_824, unit: 'bytes',     what: 'Answers to the items of one batch; what comes behind is refused' },
  connectionsMax:         { default: 2_000,      min: 1,     max: 100_000,     unit: 'count',        what: 'Connections at a time; a further one is closed at once' },
  connectionsPerClientMax: { default: 500,       min: 1,     max: 100_000,     unit: 'count',        what: 'Connections at a time of one credential' },
  pipelineMax:            { default: 64,         min: 1,     max: 10_000,      unit: 'count',        what: 'Requests of one connection that wait for their answers; reading pauses beyond' },
  handshakeSeconds:       { default: 10,         min: 1,     max: 300,         unit: 'seconds',      what: 'Time for the TLS handshake, or for C_Initialize of a PKCS#11 connection' },
  handshakesMax:          { default: 500,        min: 1,     max: 100_000,     unit: 'count',        what: 'TLS handshakes under way at a time, beside the connections; the one that takes longest is ended for a further one' },
  idleSeconds:            { default: 600,        min: 5,     max: 86_400,      unit: 'seconds',      what: 'Time a connection may stay without a request' },
  requestSeconds:         { default: 30,         min: 1,     max: 3_600,       unit: 'seconds',      what: 'Time for a request to arrive in whole once it has begun' },
  drainSeconds:           { default: 10,         min: 0,     max: 600,         unit: 'seconds',      what: 'Time that running requests get when the server is told to stop' },
  attributeInstancesMax:  { default: 1_000,      min: 1,     max: 100_000,     unit: 'count',        what: 'Instances of all attributes of one object' },
  attributeBytesMax:      { default: 262_144,    min: 1_024, max: 16_777_216,  unit: 'bytes',        what: 'Attributes of one object, encoded' },
  locateItemsMax:         { default: 10_000,     min: 1,     max: 1_000_000,   unit: 'count',        what: 'Identifiers in one answer of Locate; Located Items tells the total' },
  searchMilliseconds:     { default: 30_000,     min: 10,    max: 3_600_000,   unit: 'milliseconds', what: 'Time of a search that has to read objects, because no index decides what it asks for' },
  randomBytesMax:         { default: 262_144,    min: 1,     max: 16_777_216,  unit: 'bytes',        what: 'Bytes of one RNG Retrieve' },
  objectCacheMax:         { default: 20_000,     min: 0,     max: 10_000_000,  unit: 'count',        what: 'Objects kept decoded in memory' },
  auditQueueMax:          { default: 50_000,     min: 100,   max: 10_000_000,  unit: 'count',        what: 'Distinct audit entries that wait to be written; requests wait beyond' },
  auditFlushMilliseconds: { default: 200,        min: 10,    max: 60_000,      unit: 'milliseconds', what: 'Time that uses of keys are gathered before they are written' },
  auditDaysMax:           { default: 3_650,      min: 1,     max: 36_500,      unit: 'days',         what: 'Time that entries of the audit trail are kept; the oldest are removed' },
  auditEntriesMax:        { default: 10_000_000, min: 100,   max: 1_000_000_000, unit: 'count',      what: 'Entries of the audit trail that are kept; looked after every hour' },
  writeQueueMax:          { default: 10_000,     min: 10,    max: 1_000_000,   unit: 'count',        what: 'Changes that wait to be written; further ones are refused' },
  callBytesMax:           { default: 4_194_304,  min: 65_536, max: 268_435_456, unit: 'bytes',       what: 'Size of one PKCS#11 call; a longer one is refused' },
  callConnectionsMax:     { default: 2_000,      min: 1,     max: 100_000,     unit: 'count',        what: 'Connections of PKCS#11 applications at a time; a further one is closed at once' },
  callIdleSeconds:        { default: 0,          min: 0,     max: 31_536_000,  unit: 'seconds',      what: 'Time a PKCS#11 connection may stay without a call; 0: as long as its process lives' },
  callSpinMicroseconds:   { default: 100,        min: 0,     max: 10_000,      unit: 'microseconds', what: 'Time that the next PKCS#11 call is looked for without sleeping, after one; 0: none' },
  pinAttemptsMax:         { default: 10,         min: 1,     max: 1_000,       unit: 'count',        what: 'Wrong PINs in a row before a PIN is locked' },
  pinBytesMin:            { default: 4,          min: 1,     max: 255,         unit: 'bytes',        what: 'Shortest PIN that can be set' },
  pinBytesMax:            { default: 255,        min: 4,     max: 1_024,       unit: 'bytes',        what: 'Longest PIN that can be set' },
  sessionsMax:            { default: 1_000,      min: 1,     max: 1_000_000,   unit: 'count',        what: 'PKCS#11 sessions of one application at a time' },
  sessionObjectsMax:      { default: 10_000,     min: 1,     max: 10_000_000,  unit: 'count',        what: 'PKCS#11 session objects of one application at a time' },
  agentIdleSeconds:       { default: 10,         min: 0,     max: 86_400,      unit: 'seconds',      what: 'Time that an agent stays when no application is connected any more' },
  savedStatesMax:         { default: 100,        min: 1,     max: 100_000,     unit: 'count',        what: 'Digests that one PKCS#11 application may have put aside (C_GetOperationState); the oldest goes' },
  bufferedBytesMax:       { default: 16_777_216, min: 1_024, max: 1_073_741_824, unit: 'bytes',      what: 'Data of an operation in parts that has to be gathered first (AEAD decryption, EdDSA, ML-DSA)' },
  wrapBytesMax:           { default: 65_536,     min: 1_024, max: 16_777_216,  unit: 'bytes',        what: 'What one AES key wrap (RFC 3394, RFC 5649) takes: a slow cipher, that is for keys' },
  streamsMax:             { default: 100,        min: 1,     max: 100_000,     unit: 'count',        what: 'KMIP operations in parts (Init Indicator) that one client may have begun' },
  streamSeconds:          { default: 300,        min: 1,     max: 86_400,      unit: 'seconds',      what: 'Time that a KMIP operation in parts waits for its next part' },
  unwrappedKeysMax:       { default: 1_000,      min: 0,     max: 10_000_000,  unit: 'count',        what: 'Keys kept under a wrapping key that are in memory as it has unwrapped them; the one not used longest goes' },
  unwrappedSeconds:       { default: 900,        min: 1,     max: 2_592_000,   unit: 'seconds',      what: 'Time that such a key is in memory; then it is unwrapped again' },
} as const satisfies Record<string, LimitRow>
export type LimitName = keyof typeof LIMITS

/** A value for each limit. */
export type Limits = { readonly [K in LimitName]: number }

/** The defaults, with what is given put in their place. */
export function limitsWith(given: Partial<Limits> = {}): Limits {
  const entries = Object.entries(LIMITS).map(([name, row]) => {
    return [name, given[name as LimitName] ?? row.default]
  })
  return Object.fromEntries(entries) as Limits
}
