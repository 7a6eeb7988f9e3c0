/**
 * The same objects by the functions of PKCS#11 and by the operations of KMIP.
 *
 * PKCS#11 3.2 §4 and §5.7; KMIP 2.1 §6.1.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { certificateOf, objectCalls } from '#conformance/pkcs11-objects.ts'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import {
  addAttribute,
  getAttributes,
  modifyAttribute,
  setAttribute,
} from '#core/operations/attributes.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { activate, destroy, revoke } from '#core/operations/lifecycle.ts'
import { register } from '#core/operations/register.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CertificateType,
  CryptographicAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  NameType,
  ObjectType,
  RevocationReasonCode,
  State,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKK, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { ItemType } from '#wire/ttlv/item.ts'

describe('objects that KMIP sees too', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())
  const { set, destroyed, aes } = objectCalls(() => ({ bench, session }))

  const id = async (handle: number): Promise<string> => {
    const { UNIQUE_ID } = await bench.read(session, handle, 'UNIQUE_ID')
    return Buffer.from(UNIQUE_ID as Uint8Array).toString()
  }
  const named = (nameValue: string) => {
    return { nameValue, nameType: NameType.UninterpretedTextString }
  }

  it('a key that KMIP makes is found, named and described as PKCS#11 does', async () => {
    const made = await create(bench.context('Create'), {
      objectType: ObjectType.SymmetricKey,
      given: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
          { id: 'name', value: named('by KMIP') },
        ],
      },
    })
    const [key, ...others] = await bench.find(session, { LABEL: 'by KMIP' })
    deepEqual(others, [])
    equal(await bench.number(session, key as number, 'KEY_TYPE'), CKK.AES)
    ok(await bench.flag(session, key as number, 'ENCRYPT'))
    ok(!(await bench.flag(session, key as number, 'SIGN')))
    ok(await bench.flag(session, key as number, 'LOCAL'))
    deepEqual(await bench.find(session, { ID: made.id }), [key])
    deepEqual((await bench.read(session, key as number, 'VALUE')).VALUE?.length, 32)
    await activate(bench.context('Activate'), made.id)
    await set(key as number, { LABEL: 'by PKCS#11' })
    const { attributes } = await getAttributes(bench.context('GetAttributes'), made.id)
    deepEqual(attributes.all('name'), [named('by PKCS#11')])
    await modifyAttribute(bench.context('ModifyAttribute'), {
      id: made.id,
      attribute: { id: 'name', value: named('by KMIP again') },
    })
    const { LABEL } = await bench.read(session, key as number, 'LABEL')
    equal(Buffer.from(LABEL as Uint8Array).toString(), 'by KMIP again')
  })

  it('a pair that KMIP makes has one CKA_ID', async () => {
    const { privateKey, publicKey } = await createKeyPair(bench.context('CreateKeyPair'), {
      common: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.EC },
          { id: 'cryptographicUsageMask', value: Mask.Sign | Mask.Verify },
        ],
      },
    })
    const found = await bench.find(session, { ID: privateKey.id })
    deepEqual(
      (await Promise.all(found.map(id))).toSorted(),
      [privateKey.id, publicKey.id].toSorted(),
    )
  })

  it('a label that another has as its Name becomes an Alternative Name', async () => {
    const first = await aes({ LABEL: 'shared', TOKEN: true })
    const second = await aes({ LABEL: 'shared', TOKEN: true })
    const found = await bench.find(session, { LABEL: 'shared' })
    deepEqual(found.toSorted(), [first, second].toSorted())
    const other = await getAttributes(bench.context('GetAttributes'), await id(second))
    deepEqual(other.attributes.all('name'), [])
    equal(other.attributes.get('alternativeName')?.alternativeNameValue, 'shared')
    const third = await aes({ LABEL: 'third', TOKEN: true })
    await set(third, { LABEL: 'shared' })
    equal((await bench.find(session, { LABEL: 'shared' })).length, 3)
    await set(third, { LABEL: 'third again' })
    deepEqual(await bench.find(session, { LABEL: 'third again' }), [third])
  })

  it('what PKCS#11 destroys is destroyed in KMIP, and the reverse', async () => {
    const [one, two] = [await aes({ TOKEN: true }), await aes({ TOKEN: true })]
    const [oneId, twoId] = [await id(one), await id(two)]
    await destroyed(one)
    const { attributes } = await getAttributes(bench.context('GetAttributes'), oneId)
    equal(attributes.get('state'), State.Destroyed)
    await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, one, 'CLASS'))
    const reason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
    await revoke(bench.context('Revoke'), { id: twoId, reason })
    equal(await bench.number(session, two, 'CLASS'), CKO.SECRET_KEY)
    await destroy(bench.context('Destroy'), twoId)
    await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, two, 'CLASS'))
    deepEqual(await bench.find(session, { UNIQUE_ID: twoId }), [])
  })

  it('a key that a client of KMIP brings is not local, whatever date it gives', async () => {
    const originalCreationDate = bench.context('Register').now
    const keyMaterial = {
      tag: Tag.KeyMaterial,
      type: ItemType.ByteString,
      value: Buffer.alloc(16, 1),
    } as const
    const bring = (attributes: readonly ListedAttribute[]) => {
      return register(bench.context('Register'), {
        objectType: ObjectType.SymmetricKey,
        object: {
          tag: Tag.SymmetricKey,
          value: {
            keyBlock: {
              keyFormatType: KeyFormatType.Raw,
              keyValue: {
                keyMaterial: { ...keyMaterial, value: Buffer.alloc(16, 1) },
                attributes: [],
              },
            },
          },
        },
        given: {
          attributes: [
            { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
            { id: 'cryptographicUsageMask', value: Mask.Encrypt },
            ...attributes,
          ],
        },
      })
    }
    const date = { id: 'originalCreationDate', value: originalCreationDate } as const
    const [dated, later, set] = [await bring([date]), await bring([]), await bring([])]
    await addAttribute(bench.context('AddAttribute'), later.id, date)
    await setAttribute(bench.context('SetAttribute'), set.id, date)
    for (const made of [dated, later, set]) {
      const [key] = await bench.find(session, { ID: made.id })
      ok(!(await bench.flag(session, key as number, 'LOCAL')))
      equal(await bench.number(session, key as number, 'KEY_GEN_MECHANISM'), -1)
    }
  })

  it('clients of KMIP cannot set what protects an object here', async () => {
    const made = { objectType: ObjectType.OpaqueObject, id: 'y:CKA_PRIVATE' } as const
    const opaqueDataValue = Buffer.from('x')
    let message = ''
    try {
      await register(bench.context('Register'), {
        objectType: made.objectType,
        object: {
          tag: Tag.OpaqueObject,
          value: { opaqueDataType: 0x8000_0000, opaqueDataValue },
        },
        given: { attributes: [{ id: made.id, value: true }] },
      })
    } catch (error) {
      message = (error as Error).message
    }
    ok(message.includes('server alone'), message)
  })

  it('a certificate registered by KMIP is found without a login', async () => {
    const certificateValue = Uint8Array.from(certificateOf(bench))
    await register(bench.context('Register'), {
      objectType: ObjectType.Certificate,
      object: {
        tag: Tag.Certificate,
        value: { certificateType: CertificateType.X_509, certificateValue },
      },
      given: { attributes: [{ id: 'name', value: named('certificate by KMIP') }] },
    })
    const found = await bench.find(session, { LABEL: 'certificate by KMIP' })
    equal(found.length, 1)
    ok(!(await bench.flag(session, found[0] as number, 'PRIVATE')))
  })
})
