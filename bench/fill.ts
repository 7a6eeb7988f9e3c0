/**
 * A data directory with many objects in it, made through the core.
 *
 * The operation is the one that Create does; many are under way at once, so that the database
 * writes them in groups.
 *
 * @module
 */
import type { Context } from '#core/context.ts'
import { create } from '#core/operations/create.ts'
import { readConfig } from '#server/config.ts'
import { House } from '#server/house.ts'
import { createLog } from '#server/log.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask,
  NameType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'

/** Credential whose objects they are. */
export const CLIENT = 'bench'

const WAVE = 2_000

/** Names have the same length, so that requests have. */
export function objectName(number: number): string {
  return `bench-${String(number).padStart(9, '0')}`
}

/** Furnishes the directory, with a credential and named AES keys. @returns Seconds that it took. */
export async function fill(dataDir: string, objects: number): Promise<number> {
  const config = readConfig(undefined, {})
  const house = await House.open({ dataDir, config, log: createLog(config.log) })
  try {
    await house.createCredential({ name: CLIENT, days: 30 }, CLIENT)
    const start = performance.now()
    for (let from = 0; from < objects; from += WAVE) {
      const wave = Math.min(WAVE, objects - from)
      await Promise.all(Array.from({ length: wave }, (_, index) => makeOne(house, from + index)))
    }
    return (performance.now() - start) / 1_000
  } finally {
    await house.close()
  }
}

async function makeOne({ services }: House, number: number): Promise<void> {
  const context: Context = {
    services,
    principal: { name: CLIENT, scope: CLIENT },
    front: 'bench',
    operation: 'Create',
    now: Math.floor(Date.now() / 1_000),
  }
  const attributes = [
    { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
    { id: 'cryptographicLength', value: 256 },
    { id: 'cryptographicUsageMask', value: CryptographicUsageMask.Encrypt },
    {
      id: 'name',
      value: { nameValue: objectName(number), nameType: NameType.UninterpretedTextString },
    },
  ] as const
  await create(context, { objectType: ObjectType.SymmetricKey, given: { attributes } })
}
