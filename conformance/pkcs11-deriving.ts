/**
 * What tests of deriving keys share: a base, a derivation, and the value of what comes of it.
 *
 * @module
 */
import { ok } from 'node:assert/strict'
import { CKK, CKO } from '#spec/pkcs11/constants.ts'
import type { Fields, Mechanism } from '#spec/pkcs11/types.ts'
import { template, type Wishes, type Workbench } from './pkcs11-workbench.ts'

/** Values of keys made with it can be read. */
export const OPEN = { EXTRACTABLE: true, SENSITIVE: false }

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

/** The fields of a parameter that has come back. */
export function fieldsOf(mechanism: Mechanism | undefined): Fields {
  ok(mechanism !== undefined)
  return mechanism.parameter as Fields
}

/** @param at Where, once it is open. */
export function deriving(at: () => { readonly bench: Workbench; readonly session: number }) {
  const answer = (
    type: number,
    parameter: Mechanism['parameter'],
    base: number,
    wishes: Wishes,
  ) => {
    const { bench, session } = at()
    const args = { hSession: session, pMechanism: { type, parameter }, hBaseKey: base }
    return bench.call.C_DeriveKey(bench.app, { ...args, pTemplate: template(wishes) })
  }
  const derive = async (
    type: number,
    parameter: Mechanism['parameter'],
    base: number,
    wishes: Wishes = {},
  ) => (await answer(type, parameter, base, { ...OPEN, ...wishes })).phKey
  const bytesIn = async (key: number) => {
    const { bench, session } = at()
    return Buffer.from((await bench.read(session, key, 'VALUE')).VALUE as Uint8Array)
  }
  const derived = async (...args: Parameters<typeof derive>) => bytesIn(await derive(...args))
  const secret = (VALUE: Uint8Array, wishes: Wishes = {}) => {
    const { bench, session } = at()
    const type = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.GENERIC_SECRET }
    return bench.create(session, { ...type, VALUE, DERIVE: true, ...OPEN, ...wishes })
  }

  return { answer, derive, bytesIn, derived, secret }
}
