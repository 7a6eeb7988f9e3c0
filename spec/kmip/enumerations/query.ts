/**
 * Enumerations of Query answers.
 *
 * KMIP 2.1 §11.
 *
 * @module
 */
import { enumTable } from '../table.ts'

// biome-ignore format: a table
export const QueryFunction = enumTable('Query Function', {
  QueryOperations:                [0x01, '1.0'],
  QueryObjects:                   [0x02, '1.0'],
  QueryServerInformation:         [0x03, '1.0'],
  QueryApplicationNamespaces:     [0x04, '1.0'],
  QueryExtensionList:             [0x05, '1.1'],
  QueryExtensionMap:              [0x06, '1.1'],
  QueryAttestationTypes:          [0x07, '1.2'],
  QueryRNGs:                      [0x08, '1.3'],
  QueryValidations:               [0x09, '1.3'],
  QueryProfiles:                  [0x0a, '1.3'],
  QueryCapabilities:              [0x0b, '1.3'],
  QueryClientRegistrationMethods: [0x0c, '1.3'],
  QueryDefaultsInformation:       [0x0d, '2.0'],
  QueryStorageProtectionMasks:    [0x0e, '2.0'],
})
export type QueryFunction = (typeof QueryFunction)[keyof typeof QueryFunction]

// biome-ignore format: a table
export const ClientRegistrationMethod = enumTable('Client Registration Method', {
  Unspecified:        [0x01, '1.3'],
  ServerPreGenerated: [0x02, '1.3'],
  ServerOnDemand:     [0x03, '1.3'],
  ClientGenerated:    [0x04, '1.3'],
  ClientRegistered:   [0x05, '1.3'],
})
export type ClientRegistrationMethod =
  (typeof ClientRegistrationMethod)[keyof typeof ClientRegistrationMethod]

// biome-ignore format: a table
export const ValidationAuthorityType = enumTable('Validation Authority Type', {
  Unspecified:    [0x01, '1.3'],
  NISTCMVP:       [0x02, '1.3'],
  CommonCriteria: [0x03, '1.3'],
})
export type ValidationAuthorityType =
  (typeof ValidationAuthorityType)[keyof typeof ValidationAuthorityType]

// biome-ignore format: a table
export const ValidationType = enumTable('Validation Type', {
  Unspecified: [0x01, '1.3'],
  Hardware:    [0x02, '1.3'],
  Software:    [0x03, '1.3'],
  Firmware:    [0x04, '1.3'],
  Hybrid:      [0x05, '1.3'],
})
export type ValidationType = (typeof ValidationType)[keyof typeof ValidationType]

// biome-ignore format: a table
export const UnwrapMode = enumTable('Unwrap Mode', {
  Unspecified:  [0x01, '1.3'],
  Processed:    [0x02, '1.3'],
  NotProcessed: [0x03, '1.3'],
})
export type UnwrapMode = (typeof UnwrapMode)[keyof typeof UnwrapMode]

// biome-ignore format: a table
export const DestroyAction = enumTable('Destroy Action', {
  Unspecified:         [0x01, '1.3'],
  KeyMaterialDeleted:  [0x02, '1.3'],
  KeyMaterialShredded: [0x03, '1.3'],
  MetaDataDeleted:     [0x04, '1.3'],
  MetaDataShredded:    [0x05, '1.3'],
  Deleted:             [0x06, '1.3'],
  Shredded:            [0x07, '1.3'],
})
export type DestroyAction = (typeof DestroyAction)[keyof typeof DestroyAction]

// biome-ignore format: a table
export const ShreddingAlgorithm = enumTable('Shredding Algorithm', {
  Unspecified:   [0x01, '1.3'],
  Cryptographic: [0x02, '1.3'],
  Unsupported:   [0x03, '1.3'],
})
export type ShreddingAlgorithm = (typeof ShreddingAlgorithm)[keyof typeof ShreddingAlgorithm]

// biome-ignore format: a table
export const RNGMode = enumTable('RNG Mode', {
  Unspecified:            [0x01, '1.3'],
  SharedInstantiation:    [0x02, '1.3'],
  NonSharedInstantiation: [0x03, '1.3'],
})
export type RNGMode = (typeof RNGMode)[keyof typeof RNGMode]
