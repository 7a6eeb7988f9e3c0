/**
 * Any template at all: what it makes reads back as it was given, or it is refused with a code that
 * the function may return.
 *
 * PKCS#11 3.2 §5.7.1 and §5.18.1: the lists of return values.
 *
 * @module
 */
import { deepEqual, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKA, CKC, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { CLASSES, type Form, tableFor } from './table.ts'

const SEED = 20_261_121

const ALLOWED: ReadonlySet<number> = new Set<number>([
  CKR.ATTRIBUTE_READ_ONLY,
  CKR.ATTRIBUTE_TYPE_INVALID,
  CKR.ATTRIBUTE_VALUE_INVALID,
  CKR.CURVE_NOT_SUPPORTED,
  CKR.PARAMETER_SET_NOT_SUPPORTED,
  CKR.TEMPLATE_INCOMPLETE,
  CKR.TEMPLATE_INCONSISTENT,
])

const bytes = fc.uint8Array({ maxLength: 40 }).map((one) => Buffer.from(one))

/** Values that fit, mostly. */
const VALUES: Readonly<Record<Form, fc.Arbitrary<Uint8Array>>> = {
  bool: fc.boolean().map(boolBytes),
  ulong: fc.oneof(fc.nat({ max: 64 }), fc.nat()).map(ulongBytes),
  ulongs: fc.array(fc.nat(), { maxLength: 3 }).map((list) => Buffer.concat(list.map(ulongBytes))),
  bytes,
  text: fc.string({ maxLength: 20, unit: 'grapheme' }).map((one) => Buffer.from(one)),
  number: bytes,
  date: fc.constantFrom('20200101', '20301231', '', 'nonsense').map((one) => Buffer.from(one)),
  template: fc.constant(Buffer.alloc(0)),
}

/** What each class needs before anything else. */
const STARTS: readonly (readonly Attribute[])[] = [
  [[CKA.CLASS, ulongBytes(CKO.DATA)] as const],
  [
    [CKA.CLASS, ulongBytes(CKO.SECRET_KEY)] as const,
    [CKA.KEY_TYPE, ulongBytes(CKK.AES)] as const,
    [CKA.VALUE, Buffer.alloc(32, 7)] as const,
  ],
  [
    [CKA.CLASS, ulongBytes(CKO.SECRET_KEY)] as const,
    [CKA.KEY_TYPE, ulongBytes(CKK.GENERIC_SECRET)] as const,
    [CKA.VALUE, Buffer.alloc(9, 7)] as const,
  ],
  [
    [CKA.CLASS, ulongBytes(CKO.PRIVATE_KEY)] as const,
    [CKA.KEY_TYPE, ulongBytes(CKK.EC_EDWARDS)] as const,
    [CKA.EC_PARAMS, Buffer.from('06032b6570', 'hex')] as const,
    [CKA.VALUE, Buffer.alloc(32, 7)] as const,
  ],
  [
    [CKA.CLASS, ulongBytes(CKO.CERTIFICATE)] as const,
    [CKA.CERTIFICATE_TYPE, ulongBytes(CKC.X_509)] as const,
  ],
].map((list) => list.map(([type, value]) => ({ type, value })))

const TYPES = new Map<number, Form>()
for (const [, kind, family] of CLASSES) {
  for (const { type, form } of tableFor(kind, family).values()) TYPES.set(type, form)
}
// They would make the objects of one run those of another, or token objects by the thousand.
TYPES.delete(CKA.TOKEN)

const attribute: fc.Arbitrary<Attribute> = fc
  .constantFrom(...TYPES)
  .chain(([type, form]) =>
    fc
      .oneof({ weight: 20, arbitrary: VALUES[form] }, { weight: 1, arbitrary: bytes })
      .map((value) => ({ type, value })),
  )

describe('any template', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  /** Makes an object, reads all that was given, and takes it away; or checks the refusal. */
  const tried = async (
    template: readonly Attribute[],
    make: () => Promise<number>,
  ): Promise<boolean> => {
    let hObject: number
    try {
      hObject = await make()
    } catch (error) {
      ok(error instanceof CryptokiError, String(error))
      ok(ALLOWED.has(error.rv), `${rvName(error.rv)}: ${error.message}`)
      return false
    }
    const hidden = await hides(hObject)
    const pTemplate = template.map(({ type }) => ({ type, capacity: 1_000 }))
    const read = await bench.call.C_GetAttributeValue(bench.app, {
      hSession: session,
      hObject,
      pTemplate,
    })
    for (const [index, { type, value }] of template.entries()) {
      const answer = read.pTemplate[index]
      if (type === CKA.VALUE && hidden) continue
      if (TYPES.get(type) === 'template') continue
      // A check value that is not wanted, and fields that a certificate says by itself.
      if (value instanceof Uint8Array && value.length === 0) continue
      deepEqual(
        Buffer.from(answer?.value as Uint8Array).toString('hex'),
        Buffer.from(value as Uint8Array).toString('hex'),
        `attribute 0x${type.toString(16)}`,
      )
    }
    await ended(hObject)
    return true
  }

  /** What is not destroyable stays until its session ends. */
  const ended = async (hObject: number): Promise<void> => {
    try {
      await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
    } catch (error) {
      ok(error instanceof CryptokiError && error.rv === CKR.ACTION_PROHIBITED, String(error))
    }
  }

  const hides = async (hObject: number): Promise<boolean> => {
    const { SENSITIVE, EXTRACTABLE } = await bench.read(
      session,
      hObject,
      'SENSITIVE',
      'EXTRACTABLE',
    )
    return SENSITIVE?.[0] === 1 || EXTRACTABLE?.[0] === 0
  }

  it(`creates an object that reads so, or is refused (seed ${SEED})`, async () => {
    let made = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...STARTS),
        fc.uniqueArray(attribute, { maxLength: 5, selector: ({ type }) => type }),
        async (start, more) => {
          const given = new Set(start.map(({ type }) => type))
          const pTemplate = [...start, ...more.filter(({ type }) => !given.has(type))]
          const make = async (): Promise<number> => {
            const args = { hSession: session, pTemplate }
            return (await bench.call.C_CreateObject(bench.app, args)).phObject
          }
          if (await tried(pTemplate, make)) made++
        },
      ),
      { seed: SEED, numRuns: 400 },
    )
    ok(made > 40, `${made} were made`)
  })

  it(`generates a key that reads so, or is refused (seed ${SEED})`, async () => {
    let made = 0
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(attribute, { maxLength: 4, selector: ({ type }) => type }),
        async (more) => {
          const pTemplate = [
            { type: CKA.VALUE_LEN, value: ulongBytes(16) },
            ...more.filter(({ type }) => type !== CKA.VALUE_LEN),
          ]
          const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
          const make = async (): Promise<number> => {
            const args = { hSession: session, pMechanism, pTemplate }
            return (await bench.call.C_GenerateKey(bench.app, args)).phKey
          }
          if (await tried(pTemplate, make)) made++
        },
      ),
      { seed: SEED, numRuns: 200 },
    )
    ok(made > 20, `${made} were made`)
  })
})
