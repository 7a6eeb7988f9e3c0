/**
 * Links are a client's to set: they must not lead to what the client does not see.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import {
  CryptographicAlgorithm as Algorithm,
  LinkType,
  CryptographicUsageMask as Mask,
  NameType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { addAttribute, deleteAttribute } from './attributes.ts'
import { create, createKeyPair } from './create.ts'
import { keeperFor } from './keep.ts'
import type { Given } from './make.ts'

describe('a pair to keep keys under, whose link leads elsewhere', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const attributes = (algorithm: Algorithm, bits: number, name?: string): Given => ({
    attributes: [
      { id: 'cryptographicAlgorithm', value: algorithm },
      { id: 'cryptographicLength', value: bits },
      { id: 'cryptographicUsageMask', value: Mask.WrapKey | Mask.UnwrapKey },
      { id: 'activationDate', value: 0 },
      ...(name === undefined
        ? []
        : [
            {
              id: 'name' as const,
              value: { nameValue: name, nameType: NameType.UninterpretedTextString },
            },
          ]),
    ],
  })
  const failure = async (context: Context, id: string): Promise<KmsError> => {
    const error = await keeperFor(context, id).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    ok(error instanceof KmsError, String(error))
    return error
  }

  it('says the same of an object of somebody else as of one that is not there', async () => {
    const context = own.context('Create')
    const stranger = { ...context, principal: { name: 'stranger', scope: 'elsewhere' } }
    const secret = await create(stranger, {
      objectType: ObjectType.SymmetricKey,
      given: attributes(Algorithm.AES, 256, 'payroll of the directors'),
    })
    const { publicKey } = await createKeyPair(context, { common: attributes(Algorithm.RSA, 2048) })
    const told: string[] = []
    for (const linkedObjectIdentifier of [secret.id, '00000000-0000-4000-8000-000000000000']) {
      const link = { linkType: LinkType.PrivateKeyLink, linkedObjectIdentifier }
      await deleteAttribute(context, { id: publicKey.id, attribute: 'link', all: true })
      await addAttribute(context, publicKey.id, { id: 'link', value: link })
      const { code, message } = await failure(context, publicKey.id)
      ok(!message.includes('payroll'), message)
      told.push(`${code}: ${message.replaceAll(linkedObjectIdentifier, 'ID')}`)
    }
    equal(told[0], told[1])
  })
})
