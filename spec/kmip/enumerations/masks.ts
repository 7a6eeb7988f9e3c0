/**
 * Bit masks.
 *
 * KMIP 1.4 §9.1.3.3, KMIP 2.1 §12.
 *
 * @module
 */
import { maskTable } from '../table.ts'

// biome-ignore format: a table
export const CryptographicUsageMask = maskTable('Cryptographic Usage Mask', {
  Sign:                            [0x00000001, '1.0'],
  Verify:                          [0x00000002, '1.0'],
  Encrypt:                         [0x00000004, '1.0'],
  Decrypt:                         [0x00000008, '1.0'],
  WrapKey:                         [0x00000010, '1.0'],
  UnwrapKey:                       [0x00000020, '1.0'],
  Export:                          [0x00000040, '1.0', { until: '1.4' }],
  MACGenerate:                     [0x00000080, '1.0'],
  MACVerify:                       [0x00000100, '1.0'],
  DeriveKey:                       [0x00000200, '1.0'],
  ContentCommitmentNonRepudiation: [0x00000400, '1.0', { until: '1.4', also: ['ContentCommitment'] }],
  KeyAgreement:                    [0x00000800, '1.0'],
  CertificateSign:                 [0x00001000, '1.0'],
  CRLSign:                         [0x00002000, '1.0'],
  GenerateCryptogram:              [0x00004000, '1.0', { until: '1.4' }],
  ValidateCryptogram:              [0x00008000, '1.0', { until: '1.4' }],
  TranslateEncrypt:                [0x00010000, '1.0', { until: '1.4' }],
  TranslateDecrypt:                [0x00020000, '1.0', { until: '1.4' }],
  TranslateWrap:                   [0x00040000, '1.0', { until: '1.4' }],
  TranslateUnwrap:                 [0x00080000, '1.0', { until: '1.4' }],
  Authenticate:                    [0x00100000, '2.0'],
  Unrestricted:                    [0x00200000, '2.0'],
  FPEEncrypt:                      [0x00400000, '2.0'],
  FPEDecrypt:                      [0x00800000, '2.0'],
})
export type CryptographicUsageMask =
  (typeof CryptographicUsageMask)[keyof typeof CryptographicUsageMask]

// biome-ignore format: a table
export const StorageStatusMask = maskTable('Storage Status Mask', {
  OnLineStorage:    [0x0001, '1.0'],
  ArchivalStorage:  [0x0002, '1.0'],
  DestroyedStorage: [0x0004, '2.0'],
})
export type StorageStatusMask = (typeof StorageStatusMask)[keyof typeof StorageStatusMask]

// biome-ignore format: a table
export const ProtectionStorageMask = maskTable('Protection Storage Mask', {
  Software:         [0x0001, '2.0'],
  Hardware:         [0x0002, '2.0'],
  OnProcessor:      [0x0004, '2.0'],
  OnSystem:         [0x0008, '2.0'],
  OffSystem:        [0x0010, '2.0'],
  Hypervisor:       [0x0020, '2.0'],
  OperatingSystem:  [0x0040, '2.0'],
  Container:        [0x0080, '2.0'],
  OnPremises:       [0x0100, '2.0'],
  OffPremises:      [0x0200, '2.0'],
  SelfManaged:      [0x0400, '2.0'],
  Outsourced:       [0x0800, '2.0'],
  Validated:        [0x1000, '2.0'],
  SameJurisdiction: [0x2000, '2.0'],
})
export type ProtectionStorageMask =
  (typeof ProtectionStorageMask)[keyof typeof ProtectionStorageMask]
