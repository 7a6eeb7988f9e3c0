/**
 * The rows of mechanisms, attributes and calls against what the header and p11-kit say.
 *
 * @module
 */
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ATTRIBUTES, attributeRow } from './attributes.ts'
import { DIALECT_CALLS, STOCK_CALLS } from './calls.ts'
import { CKA, CKM } from './constants.ts'
import { MECHANISMS, mechanismRow, stockParameter } from './mechanisms.ts'

describe('the rows of mechanisms', () => {
  it('serve at least one function each', () => {
    const idle = MECHANISMS.filter(({ serves }) => serves.length === 0).map(({ name }) => name)
    deepStrictEqual(idle, ['VENDOR_DEFINED'])
  })

  it('have a row for every number, also where two names share it', () => {
    for (const type of Object.values(CKM)) strictEqual(mechanismRow(type)?.type, type)
    strictEqual(mechanismRow(CKM.EC_KEY_PAIR_GEN)?.name, 'EC_KEY_PAIR_GEN')
    strictEqual(mechanismRow(CKM.CAST128_ECB)?.stock, 'none')
    strictEqual(mechanismRow(0x9999_9999), undefined)
  })

  it('know what p11-kit does with a parameter', () => {
    strictEqual(stockParameter(CKM.ECDSA), 'none')
    strictEqual(stockParameter(CKM.AES_GCM), 'gcm')
    strictEqual(stockParameter(CKM.SHA512_224_HMAC_GENERAL), 'ulong')
    strictEqual(stockParameter(CKM.EDDSA), undefined)
    strictEqual(stockParameter(0x8001_001c), 'none')
    const counts: Record<string, number> = {}
    for (const { stock } of MECHANISMS) counts[stock ?? '-'] = (counts[stock ?? '-'] ?? 0) + 1
    deepStrictEqual(counts, {
      '-': Object.keys(CKM).length - 149,
      none: 112,
      pss: 6,
      oaep: 1,
      ecdh1: 1,
      iv16: 8,
      iv8: 7,
      ctr: 1,
      gcm: 1,
      ulong: 11,
      dh: 1,
    })
  })
})

describe('the rows of attributes', () => {
  it('have every attribute of the header once', () => {
    deepStrictEqual(
      ATTRIBUTES.map(({ name }) => name),
      Object.keys(CKA),
    )
    strictEqual(attributeRow(CKA.SUB_PRIME_BITS)?.stock, 'ulong')
  })

  it('send as bytes what p11-kit does not know', () => {
    const raw = [
      'PROFILE_ID',
      'PARAMETER_SET',
      'ENCAPSULATE',
      'DESTROYABLE',
      'ENCAPSULATE_TEMPLATE',
    ]
    for (const name of raw) {
      const row = attributeRow(CKA[name as keyof typeof CKA])
      strictEqual(row?.stock, 'bytes', name)
      strictEqual(row?.class === 'bytes', false, name)
    }
  })

  it('otherwise send a value as what it is', () => {
    const kinds = { bool: 'byte', ulong: 'ulong', date: 'date', template: 'template' }
    for (const row of ATTRIBUTES) {
      if (row.stock === 'bytes' || row.stock === 'mechanisms') continue
      strictEqual(row.stock, kinds[row.class as keyof typeof kinds], row.name)
    }
  })
})

describe('the numbers of the calls', () => {
  it('are those of p11-kit from 1 to 87', () => {
    deepStrictEqual(
      Object.values(STOCK_CALLS),
      Array.from({ length: 87 }, (_, index) => index + 1),
    )
  })

  it('go on at 0x100 for what p11-kit lacks, in the order of the rows', () => {
    strictEqual(DIALECT_CALLS.C_Sign, 43)
    strictEqual(DIALECT_CALLS.C_GetFunctionList, 0x100)
    strictEqual(DIALECT_CALLS.C_EncapsulateKey, 0x105)
    strictEqual(DIALECT_CALLS.C_UnwrapKeyAuthenticated, 0x110)
    strictEqual(new Set(Object.values(DIALECT_CALLS)).size, 104)
  })
})
