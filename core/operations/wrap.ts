/**
 * A key that leaves, wrapped with another: the bytes alone, without a message around them.
 *
 * The rules are those of Get (KMIP 2.1 §6.1.19): what is not extractable stays, the first time
 * makes an object stale, and the journal has it as a Get. For fronts whose protocol wraps bytes and
 * not key blocks.
 *
 * It does not ask whether the wrapping key may be used: `core/keys.ts` does.
 *
 * @module
 */
import type { KeyFormatType } from '#spec/kmip/enumerations.ts'
import type { Context } from '../context.ts'
import { keyInUse, type UsableKey } from '../keys.ts'
import type { WrapMechanism } from '../keystore.ts'
import type { ManagedObject } from '../objects.ts'
import { permitted } from '../policy.ts'
import { Secret } from '../secret.ts'
import { assertMayLeave, markStale } from './get.ts'

export interface WrapWish {
  readonly object: ManagedObject
  readonly format: KeyFormatType
  readonly wrapper: UsableKey
  readonly mechanism: WrapMechanism
  /** Makes the material fit the mechanism. */
  readonly fitted?: ((material: Uint8Array) => Uint8Array) | undefined
}

/** @throws {@link KmsError} `notExtractable`, `keyFormat`, `dataLength` and others. */
export async function wrapKey(context: Context, wish: WrapWish): Promise<Uint8Array> {
  const { object, format, wrapper, mechanism, fitted } = wish
  permitted(context, object, 'get')
  assertMayLeave(object, true)
  const key = keyInUse(object)
  const { keystores, journal } = context.services
  const place = (object.material as { readonly keystore: string }).keystore
  using material = await keystores.named(place).export(key, format)
  using input = new Secret(fitted?.(material.expose()) ?? Uint8Array.from(material.expose()))
  const wrapped = await wrapper.keystore.wrap(wrapper.key, mechanism, input)
  if (object.attributes.get('fresh') === true) await markStale(context, object.id)
  const { principal, front, operation } = context
  const detail = `wrapped with ${wrapper.object.id}`
  const event = { principal: principal.name, front, operation, object: object.id, detail }
  await journal.record({ ...event, outcome: 'success' })
  return wrapped
}
