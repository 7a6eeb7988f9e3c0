/**
 * All enumerations and masks of KMIP, from one place.
 *
 * @module
 */
export * from './enumerations/cryptography.ts'
export * from './enumerations/masks.ts'
export * from './enumerations/messages.ts'
export * from './enumerations/objects.ts'
export * from './enumerations/profiles.ts'
export * from './enumerations/query.ts'
export * from './enumerations/reasons.ts'
