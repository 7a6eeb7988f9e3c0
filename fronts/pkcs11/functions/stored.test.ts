/**
 * Objects that are data to the token: domain parameters, trust, certificates that are not read.
 *
 * PKCS#11 3.2 §4.6, §4.11 and §4.16.
 *
 * @module
 */
import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import type { CKA } from '#spec/pkcs11/constants.ts'
import { CKC, CKK, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { NSS_CKA, NSS_TRUST } from '../objects/nss.ts'

type Name = keyof typeof CKA

const NUMBER = Buffer.from(`00${'c5'.repeat(32)}`, 'hex')
const NAME = Buffer.from('300e310c300a06035504030c0343414e', 'hex')
const SERIAL = Buffer.from('02020107', 'hex')
const HASH = Buffer.alloc(20, 7)

/** Of each class what it must have, and what follows from that. */
// biome-ignore format: a table
const OBJECTS: readonly (readonly [string, Wishes, Wishes])[] = [
  ['DSA parameters', { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.DSA, PRIME: NUMBER, SUBPRIME: HASH, BASE: SERIAL }, { PRIME_BITS: ulongBytes(256) }],
  ['DH parameters', { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.DH, PRIME: NUMBER, BASE: SERIAL }, { PRIME_BITS: ulongBytes(256) }],
  ['X9.42 parameters', { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.X9_42_DH, PRIME: NUMBER, SUBPRIME: HASH, BASE: SERIAL }, { SUBPRIME_BITS: ulongBytes(155) }],
  ['EC parameters', { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.EC, EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex') }, {}],
  ['trust', { CLASS: CKO.TRUST, ISSUER: NAME, SERIAL_NUMBER: SERIAL, HASH_OF_CERTIFICATE: HASH, TRUST_SERVER_AUTH: 2 }, { TRUST_CLIENT_AUTH: ulongBytes(0) }],
  ['an X.509 certificate that lies elsewhere', { CLASS: CKO.CERTIFICATE, CERTIFICATE_TYPE: CKC.X_509, SUBJECT: NAME, URL: 'https://ca.example/1', HASH_OF_SUBJECT_PUBLIC_KEY: HASH, HASH_OF_ISSUER_PUBLIC_KEY: HASH }, { VALUE: Buffer.alloc(0) }],
  ['an attribute certificate', { CLASS: CKO.CERTIFICATE, CERTIFICATE_TYPE: CKC.X_509_ATTR_CERT, OWNER: NAME, AC_ISSUER: NAME, SERIAL_NUMBER: SERIAL, VALUE: NUMBER }, { ATTR_TYPES: new Uint8Array(0) }],
  ['a WTLS certificate', { CLASS: CKO.CERTIFICATE, CERTIFICATE_TYPE: CKC.WTLS, SUBJECT: NAME, ISSUER: NAME, VALUE: NUMBER }, { URL: new Uint8Array(0) }],
]

describe('objects that are data to the token', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const valuesOf = async (handle: number, wishes: Wishes) => {
    return bench.read(session, handle, ...(Object.keys(wishes) as Name[]))
  }
  const asBytes = (wishes: Wishes) => {
    const names = Object.keys(wishes)
    return Object.fromEntries(template(wishes).map(({ value }, index) => [names[index], value]))
  }

  for (const [title, given, follows] of OBJECTS) {
    it(`${title}: made, read, found, copied, destroyed`, async () => {
      const LABEL = title
      const handle = await bench.create(session, { ...given, LABEL, TOKEN: true })
      deepEqual(await valuesOf(handle, given), asBytes(given))
      deepEqual(await valuesOf(handle, follows), follows)
      deepEqual(await bench.find(session, { ...given, TOKEN: true }), [handle])
      const { CLASS } = given
      deepEqual(await bench.find(session, { LABEL, ...(CLASS !== undefined && { CLASS }) }), [
        handle,
      ])
      const copied = await bench.call.C_CopyObject(bench.app, {
        hSession: session,
        hObject: handle,
        pTemplate: template({ TOKEN: false, LABEL: 'copy' }),
      })
      notEqual(copied.phNewObject, handle)
      deepEqual(await valuesOf(copied.phNewObject, given), asBytes(given))
      for (const hObject of [handle, copied.phNewObject]) {
        await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
      }
      deepEqual(await bench.find(session, given), [])
    })

    it(`${title}: without what it must have it is refused, and it cannot be changed`, async () => {
      const { CLASS, KEY_TYPE, CERTIFICATE_TYPE, ...parts } = given
      const [first] = Object.keys(parts)
      const without = Object.fromEntries(Object.entries(given).filter(([key]) => key !== first))
      await refuses(CKR.TEMPLATE_INCOMPLETE, () => bench.create(session, without))
      const handle = await bench.create(session, given)
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => {
        return bench.call.C_SetAttributeValue(bench.app, {
          hSession: session,
          hObject: handle,
          pTemplate: template({ [first as Name]: HASH }),
        })
      })
    })
  }

  it('are no data objects: a search for those does not find them', async () => {
    const [, given] = OBJECTS[4] as (typeof OBJECTS)[number]
    await bench.create(session, given)
    deepEqual(await bench.find(session, { CLASS: CKO.DATA }), [])
  })

  it('trust is changed', async () => {
    const [, given] = OBJECTS[4] as (typeof OBJECTS)[number]
    const hObject = await bench.create(session, { ...given, TOKEN: true })
    const pTemplate = template({ TRUST_CLIENT_AUTH: 3 })
    await bench.call.C_SetAttributeValue(bench.app, { hSession: session, hObject, pTemplate })
    equal(await bench.number(session, hObject, 'TRUST_CLIENT_AUTH'), 3)
  })

  it('trust as NSS makes it, with its own class and attributes', async () => {
    const marks = [
      { type: NSS_CKA.NSS_TRUST_SERVER_AUTH, value: ulongBytes(0xce53_4352) },
      { type: NSS_CKA.CERT_SHA1_HASH, value: HASH },
      { type: NSS_CKA.TRUST_STEP_UP_APPROVED, value: Buffer.of(0) },
    ]
    const pTemplate = [
      ...template({ CLASS: NSS_TRUST, TOKEN: true, ISSUER: NAME, SERIAL_NUMBER: SERIAL }),
      ...marks,
    ]
    const made = await bench.call.C_CreateObject(bench.app, { hSession: session, pTemplate })
    const found = await bench.find(session, { CLASS: NSS_TRUST, ISSUER: NAME })
    deepEqual(found, [made.phObject])
    const answer = await bench.call.C_GetAttributeValue(bench.app, {
      hSession: session,
      hObject: made.phObject,
      pTemplate: marks.map(({ type }) => ({ type, capacity: 100 })),
    })
    deepEqual(
      answer.pTemplate.map(({ value }) => Buffer.from(value as Uint8Array)),
      marks.map(({ value }) => Buffer.from(value)),
    )
  })

  it('domain parameters are of key types that have some', async () => {
    const wishes = { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.RSA, PRIME: NUMBER }
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => bench.create(session, wishes))
  })
})
