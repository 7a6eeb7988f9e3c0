/**
 * Changes that other parts of the server make to an object, and second copies of objects.
 *
 * A client of KMIP changes one attribute at a time, by the rules of `attribute-rules.ts`; a front
 * with rules of its own (PKCS#11 3.2 §5.7.2 and §5.7.6) changes several in one revision, the
 * server's own among them. Who calls this has checked what may be changed.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { HashingAlgorithm, KeyFormatType } from '#spec/kmip/enumerations.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import { assertCount, assertDates, withConsequences } from '../attribute-rules.ts'
import { commit, retried, revised } from '../change.ts'
import type { Context } from '../context.ts'
import { keyInUse } from '../keys.ts'
import type { Made } from '../keystore.ts'
import { making } from '../makings.ts'
import type { ManagedObject } from '../objects.ts'
import { livingObject, permitted } from '../policy.ts'
import { assertSize, presentAttributes } from './attributes.ts'
import { makerLike } from './keep.ts'
import { enter, newId } from './make.ts'

export interface Amendment {
  readonly change: (attributes: AttributeBag, object: ManagedObject) => AttributeBag
  /** Another value, for what is only stored. */
  readonly value?: Uint8Array | undefined
  readonly detail?: string | undefined
}

/** @throws `KmsError` `notFound`, `destroyed`, `attributeValue`, `nameInUse`, `limitExceeded`. */
export async function amend(
  context: Context,
  id: string,
  { change, value, detail }: Amendment,
): Promise<ManagedObject> {
  return retried(async () => {
    const before = await livingObject(context, id)
    const { limits } = context.services
    const changed = change(presentAttributes(before, context.now), before)
    assertDates(changed, before.attributes)
    assertCount(changed, limits)
    assertSize(before.attributes, changed, limits.attributeBytesMax)
    const attributes = withConsequences(changed, context.now)
    const after =
      value === undefined
        ? revised(context, before, attributes)
        : await withValue(context, before, attributes, value)
    await commit(context, [{ before, after }], detail)
    return after
  })
}

async function withValue(
  context: Context,
  object: ManagedObject,
  attributes: AttributeBag,
  value: Uint8Array,
): Promise<ManagedObject> {
  const { id } = object
  const format = attributes.get('keyFormatType') ?? KeyFormatType.Opaque
  const { keystore, maker } = await makerLike(context, object)
  const made = await maker.import({ id, kind: 'data', format, bytes: value })
  const material = { keystore: keystore.name, handle: made.handle }
  return { ...revised(context, object, withDigest(attributes, made)), material }
}

function withDigest(attributes: AttributeBag, { sha256, format }: Made): AttributeBag {
  if (sha256 === undefined) return attributes.without('digest')
  const hashingAlgorithm = HashingAlgorithm.SHA_256
  return attributes.set('digest', { hashingAlgorithm, digestValue: sha256, keyFormatType: format })
}

/**
 * A second object with the same material, in the same keystore.
 *
 * @param context In whose services the copy shall be.
 * @param attributes Those of the copy, but for its identifier and what follows from it.
 * @throws `KmsError` `keyFormat` where the material does not leave its keystore.
 */
export async function duplicate(
  context: Context,
  source: ManagedObject,
  attributes: AttributeBag,
): Promise<ManagedObject> {
  const { principal, now } = context
  permitted(context, source, 'get')
  const key = keyInUse(source)
  const { keystore, maker } = await makerLike(context, source)
  const id = newId()
  const { kind, spec, format } = key
  return making(context.services, [id], async () => {
    using bytes = await keystore.export(key)
    const made = await maker.import({ id, kind, spec, format, bytes: bytes.expose() })
    const copy: ManagedObject = {
      id,
      scope: principal.scope,
      owner: principal.name,
      revision: 1,
      attributes: withDigest(
        withConsequences(attributes, now).setAll({
          uniqueIdentifier: id,
          shortUniqueIdentifier: createHash('sha256').update(id).digest(),
          initialDate: now,
          lastChangeDate: now,
        }),
        made,
      ),
      body: source.body,
      material: { keystore: keystore.name, handle: made.handle },
    }
    return (await enter(context, [copy], { namesRepeat: true }))[0] as ManagedObject
  })
}
