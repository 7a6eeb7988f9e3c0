/**
 * Objects by the functions of PKCS#11: what becomes of them once they are there, rule by rule.
 *
 * PKCS#11 3.2 §4 and §5.7. How they come is in `objects-brought.test.ts` and `generate.test.ts`.
 *
 * @module
 */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { objectCalls, rsaParts } from '#conformance/pkcs11-objects.ts'
import { RO, RW, refuses, template, Workbench } from '#conformance/pkcs11-workbench.ts'
import { getAttributes } from '#core/operations/attributes.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKM, CKO, CKP, CKR } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'

describe('objects', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())
  const { set, copy, destroyed, aes } = objectCalls(() => ({ bench, session }))

  describe('that are read', () => {
    it('every entry is answered, whatever becomes of the others', async () => {
      const key = await aes({ SENSITIVE: true, LABEL: 'four' })
      const pTemplate = [
        { type: CKA.VALUE, capacity: 100 },
        { type: CKA.LABEL, capacity: 2 },
        { type: CKA.MODULUS, capacity: 100 },
        { type: CKA.ID, capacity: undefined },
        { type: CKA.START_DATE, capacity: 8 },
        { type: CKA.LABEL, capacity: 100 },
      ]
      const answer = await bench.call.C_GetAttributeValue(bench.app, {
        hSession: session,
        hObject: key,
        pTemplate,
      })
      deepEqual(answer, {
        rv: CKR.ATTRIBUTE_SENSITIVE,
        pTemplate: [
          { type: CKA.VALUE },
          { type: CKA.LABEL },
          { type: CKA.MODULUS },
          { type: CKA.ID, length: 36 },
          { type: CKA.START_DATE, value: new Uint8Array(0) },
          { type: CKA.LABEL, value: Buffer.from('four') },
        ],
      })
    })

    it('templates within, and mechanisms that are allowed, come back as they were given', async () => {
      const inner = template({ KEY_TYPE: CKK.AES, EXTRACTABLE: false })
      const ALLOWED_MECHANISMS = Buffer.concat([ulongBytes(CKM.AES_CBC), ulongBytes(CKM.AES_GCM)])
      const key = await aes({ UNWRAP_TEMPLATE: inner, UNWRAP: true, ALLOWED_MECHANISMS })
      const read = await bench.read(session, key, 'ALLOWED_MECHANISMS')
      deepEqual(read.ALLOWED_MECHANISMS, ALLOWED_MECHANISMS)
      const ask = (wish: object) => {
        const pTemplate = [{ type: CKA.UNWRAP_TEMPLATE, capacity: undefined, ...wish }]
        const args = { hSession: session, hObject: key, pTemplate }
        return bench.call.C_GetAttributeValue(bench.app, args)
      }
      deepEqual((await ask({})).pTemplate, [{ type: CKA.UNWRAP_TEMPLATE, length: 48 }])
      equal((await ask({ capacity: 24 })).rv, CKR.BUFFER_TOO_SMALL)
      deepEqual((await ask({ capacity: 48 })).pTemplate[0]?.value, inner)
    })

    it('a size is told for every object', async () => {
      const key = await aes()
      const size = await bench.call.C_GetObjectSize(bench.app, { hSession: session, hObject: key })
      ok(size.pulSize > 16)
    })

    it('a handle that stands for nothing is said to be invalid', async () => {
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, 99_999, 'CLASS'))
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => destroyed(99_999))
    })
  })

  describe('that are changed', () => {
    it('flags that go one way only do so', async () => {
      const key = await aes({ SENSITIVE: false, EXTRACTABLE: true, TOKEN: true })
      await set(key, { SENSITIVE: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { SENSITIVE: false }))
      await set(key, { EXTRACTABLE: false })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { EXTRACTABLE: true }))
      ok(!(await bench.flag(session, key, 'ALWAYS_SENSITIVE')))
      ok(!(await bench.flag(session, key, 'NEVER_EXTRACTABLE')))
      await set(key, { WRAP_WITH_TRUSTED: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { WRAP_WITH_TRUSTED: false }))
      await set(key, { COPYABLE: false })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { COPYABLE: true }))
      await refuses(CKR.ACTION_PROHIBITED, () => copy(key, {}))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, { TRUSTED: true }))
    })

    it('what the token sets, and what a key is, does not change', async () => {
      const key = await aes({ TOKEN: true })
      for (const wishes of [
        { CLASS: CKO.SECRET_KEY },
        { KEY_TYPE: CKK.AES },
        { TOKEN: false },
        { PRIVATE: false },
        { MODIFIABLE: false },
        { LOCAL: false },
        { UNIQUE_ID: 'x' },
        { VALUE: Buffer.alloc(16) },
      ] as const) {
        await refuses(CKR.ATTRIBUTE_READ_ONLY, () => set(key, wishes))
      }
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { MODULUS: 'x' }))
    })

    it('usage flags are the usage mask, and no key both wraps and decrypts', async () => {
      const key = await aes({ TOKEN: true })
      const id = Buffer.from(
        (await bench.read(session, key, 'UNIQUE_ID')).UNIQUE_ID as Uint8Array,
      ).toString()
      const mask = async (): Promise<number | undefined> => {
        const { attributes } = await getAttributes(bench.context('GetAttributes'), id)
        return attributes.get('cryptographicUsageMask')
      }
      const usual = Mask.Encrypt | Mask.Decrypt | Mask.MACGenerate | Mask.MACVerify
      equal(await mask(), usual)
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { WRAP: true }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => set(key, { WRAP: true, DECRYPT: false }))
      await set(key, { UNWRAP: false, DECRYPT: false, SIGN: false })
      equal(await mask(), Mask.Encrypt | Mask.MACVerify)
      ok(await bench.flag(session, key, 'VERIFY'))
    })

    it('what is not modifiable, or not destroyable, says so', async () => {
      const key = await aes({ MODIFIABLE: false, DESTROYABLE: false })
      await refuses(CKR.ACTION_PROHIBITED, () => set(key, { LABEL: 'x' }))
      await refuses(CKR.ACTION_PROHIBITED, () => destroyed(key))
    })

    it('SIGN_RECOVER shares its bit with SIGN, and can still be another', async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const key = await bench.create(session, {
        CLASS: CKO.PRIVATE_KEY,
        KEY_TYPE: CKK.RSA,
        SIGN: true,
        SIGN_RECOVER: false,
        ...rsaParts(privateKey),
      })
      ok(await bench.flag(session, key, 'SIGN'))
      ok(!(await bench.flag(session, key, 'SIGN_RECOVER')))
      const pMechanism = { type: CKM.RSA_PKCS, parameter: undefined }
      const use = { hSession: session, hKey: key, pMechanism }
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => {
        return bench.call.C_SignRecoverInit(bench.app, use)
      })
      await set(key, { SIGN: false, SIGN_RECOVER: true })
      ok(!(await bench.flag(session, key, 'SIGN')))
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => bench.call.C_SignInit(bench.app, use))
      ok(await bench.flag(session, key, 'SIGN_RECOVER'))
    })

    it('dates are days from and to which a key is active', async () => {
      const key = await aes({ START_DATE: '20260101', END_DATE: '20991231', TOKEN: true })
      const read = await bench.read(session, key, 'START_DATE', 'END_DATE')
      deepEqual(read, { START_DATE: Buffer.from('20260101'), END_DATE: Buffer.from('20991231') })
      await set(key, { END_DATE: '' })
      equal((await bench.read(session, key, 'END_DATE')).END_DATE?.length, 0)
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => set(key, { START_DATE: '20990101' }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
        return aes({ START_DATE: '20260102', END_DATE: '20260101' })
      })
    })
  })

  describe('that are copied', () => {
    it('a session pair to the token, as Java does', async () => {
      const [, hidden] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex') },
        {},
      )
      const kept = await copy(hidden, { TOKEN: true, ID: 'java', LABEL: 'java' })
      notEqual(kept, hidden)
      for (const name of ['TOKEN', 'LOCAL', 'SENSITIVE', 'ALWAYS_SENSITIVE', 'SIGN'] as const) {
        ok(await bench.flag(session, kept, name), name)
      }
      const [a, b] = [
        await bench.read(session, hidden, 'PUBLIC_KEY_INFO'),
        await bench.read(session, kept, 'PUBLIC_KEY_INFO'),
      ]
      deepEqual(a, b)
      const app = bench.newApplication()
      equal((await bench.find(await bench.session(RO, app), { ID: 'java' }, app)).length, 1)
    })

    it('without losing what protects them', async () => {
      const key = await aes({ SENSITIVE: true, LABEL: 'twin', TOKEN: true })
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { SENSITIVE: false }))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { EXTRACTABLE: true }))
      await refuses(CKR.ATTRIBUTE_READ_ONLY, () => copy(key, { VALUE: Buffer.alloc(16) }))
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => copy(key, { PRIVATE: false }))
      const twin = await copy(key, { CLASS: CKO.SECRET_KEY, MODIFIABLE: false })
      deepEqual((await bench.find(session, { LABEL: 'twin' })).toSorted(), [key, twin].toSorted())
      deepEqual(
        await bench.read(session, twin, 'CHECK_VALUE', 'ID'),
        await bench.read(session, key, 'CHECK_VALUE', 'ID'),
      )
    })
  })

  describe('that are searched for', () => {
    it('one search at a time, and none without a beginning', async () => {
      const args = { hSession: session, pTemplate: [] }
      await refuses(CKR.OPERATION_NOT_INITIALIZED, () => {
        return bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 1 })
      })
      await bench.call.C_FindObjectsInit(bench.app, args)
      await refuses(CKR.OPERATION_ACTIVE, () => bench.call.C_FindObjectsInit(bench.app, args))
      const none = await bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 0 })
      deepEqual(none.phObject, [])
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      await refuses(CKR.OPERATION_NOT_INITIALIZED, () => {
        return bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      })
    })

    it('every attribute that can be read finds its object', async () => {
      const label = `every ${randomBytes(4).toString('hex')}`
      const key = await aes({ LABEL: label, ID: label, TOKEN: true, EXTRACTABLE: true })
      const names = (Object.keys(CKA) as (keyof typeof CKA)[]).filter((name) => {
        return CKA[name] < 0x4000_0000
      })
      for (const name of names) {
        const { [name]: value } = await bench.read(session, key, name)
        if (value === undefined) continue
        ok((await bench.find(session, { [name]: value })).includes(key), name)
        const both = await bench.find(session, { [name]: value, LABEL: label })
        deepEqual(both, [key], name)
      }
      deepEqual(await bench.find(session, { LABEL: label, MODULUS: 'x' }), [])
      deepEqual(await bench.find(session, { LABEL: label, ENCRYPT: false }), [])
      deepEqual(await bench.find(session, { LABEL: label.slice(1) }), [])
      const unknown = [{ type: 0xce53_4351, value: Buffer.from('NSS') }]
      await bench.call.C_FindObjectsInit(bench.app, { hSession: session, pTemplate: unknown })
      const found = await bench.call.C_FindObjects(bench.app, { hSession: session, phObject: 9 })
      deepEqual(found.phObject, [])
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
    })

    it('a name or an identifier is one look at an index, whatever else is asked', async () => {
      const { store } = bench.app.token(0).services
      const queries: Parameters<typeof store.find>[0][] = []
      const { find } = store
      store.find = (query) => {
        queries.push(query)
        return find.call(store, query)
      }
      try {
        const more = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, TOKEN: true, ENCRYPT: true }
        for (const wishes of [{ LABEL: 'a' }, { ID: 'b' }, { UNIQUE_ID: 'c' }]) {
          await bench.find(session, { ...wishes, ...more })
        }
        await bench.find(session, {})
      } finally {
        store.find = find
      }
      // A label may be a name or an alternative name.
      const forms = queries.slice(0, 3).map((one) => one.conditions.flatMap(Object.keys))
      deepEqual(forms, [['any'], ['is'], ['is']])
      // A long list is read as far as it is wanted.
      for (const { conditions, limit } of queries.slice(3)) {
        ok('is' in (conditions[0] ?? {}) && limit < 1_000)
      }
    })

    it('a label that is no text is found all the same', async () => {
      const LABEL = Buffer.from('ff00fe', 'hex')
      const key = await aes({ LABEL })
      deepEqual((await bench.read(session, key, 'LABEL')).LABEL, LABEL)
      deepEqual(await bench.find(session, { LABEL }), [key])
    })

    it('what is destroyed meanwhile is left out, and what is made meanwhile', async () => {
      const LABEL = `many ${randomBytes(4).toString('hex')}`
      const keys: number[] = []
      for (let i = 0; i < 4; i++) keys.push(await aes({ LABEL, TOKEN: i % 2 === 0 }))
      const args = { hSession: session, pTemplate: template({ LABEL }) }
      await bench.call.C_FindObjectsInit(bench.app, args)
      const next = async (phObject: number): Promise<readonly number[]> => {
        return (await bench.call.C_FindObjects(bench.app, { hSession: session, phObject })).phObject
      }
      const first = await next(1)
      for (const key of first) await destroyed(key)
      const rest = [...(await next(1)), ...(await next(9)), ...(await next(9))]
      deepEqual([...first, ...rest].toSorted(), keys.toSorted())
      await bench.call.C_FindObjectsFinal(bench.app, { hSession: session })
      deepEqual((await bench.find(session, { LABEL })).toSorted(), rest.toSorted())
    })
  })

  it('profiles are found, and nobody changes them', async () => {
    const found = await bench.find(session, { CLASS: CKO.PROFILE })
    const numbers = await Promise.all(found.map((one) => bench.number(session, one, 'PROFILE_ID')))
    deepEqual(numbers, [1, 2, 3, 4])
    const [first] = await bench.find(session, { PROFILE_ID: CKP.BASELINE_PROVIDER, TOKEN: true })
    equal(first, found[0])
    ok(!(await bench.flag(session, first as number, 'PRIVATE')))
    await refuses(CKR.ACTION_PROHIBITED, () => destroyed(first as number))
    await refuses(CKR.ACTION_PROHIBITED, () => set(first as number, { LABEL: 'x' }))
    await refuses(CKR.ACTION_PROHIBITED, () => copy(first as number, {}))
    deepEqual(await bench.find(session, { CLASS: CKO.PROFILE, TOKEN: false }), [])
  })

  it('mechanisms are found where they are asked for', async () => {
    const found = await bench.find(session, {
      CLASS: CKO.MECHANISM,
      MECHANISM_TYPE: CKM.AES_CBC,
    })
    equal(found.length, 1)
    equal(await bench.number(session, found[0] as number, 'MECHANISM_TYPE'), CKM.AES_CBC)
    const all = await bench.find(session, {})
    ok(!all.includes(found[0] as number))
  })

  describe('of sessions and logins', () => {
    it('a read-only session makes and changes session objects only', async () => {
      const token = await aes({ TOKEN: true })
      const readOnly = await bench.session(RO)
      const wishes = { CLASS: CKO.DATA, VALUE: 'x' } as const
      await refuses(CKR.SESSION_READ_ONLY, () => bench.create(readOnly, { ...wishes, TOKEN: true }))
      const own = await bench.create(readOnly, wishes)
      await refuses(CKR.SESSION_READ_ONLY, () => set(token, { LABEL: 'x' }, readOnly))
      await set(own, { LABEL: 'mine' }, readOnly)
      deepEqual(await bench.find(session, { LABEL: 'mine' }), [own])
      const { store } = bench.app.volatile(bench.app.token(0))
      const { ids } = await store.find({ conditions: [], limit: 10_000 })
      bench.call.C_CloseSession(bench.app, { hSession: readOnly })
      await refuses(CKR.OBJECT_HANDLE_INVALID, () => bench.read(session, own, 'CLASS'))
      deepEqual(await bench.find(session, { LABEL: 'mine' }), [])
      const left = await store.find({ conditions: [], limit: 10_000 })
      equal(left.ids.length, ids.length - 1)
    })

    it('without a login private objects are not there, and none is made', async () => {
      const locked = await Workbench.open('pin')
      try {
        const [so, user] = [Buffer.from('87654321'), Buffer.from('1234')]
        const pLabel = Buffer.from('locked'.padEnd(32))
        await locked.call.C_InitToken(locked.app, { slotID: 0, pPin: so, pLabel })
        const hSession = await locked.session(RW)
        await locked.call.C_Login(locked.app, { hSession, userType: 0, pPin: so })
        await locked.call.C_InitPIN(locked.app, { hSession, pPin: user })
        await locked.call.C_Logout(locked.app, { hSession })
        await refuses(CKR.USER_NOT_LOGGED_IN, () => {
          return locked.generate(hSession, CKM.AES_KEY_GEN, { VALUE_LEN: 16 })
        })
        await locked.call.C_Login(locked.app, { hSession, userType: 1, pPin: user })
        const [open, hidden] = await locked.generatePair(
          hSession,
          CKM.EC_KEY_PAIR_GEN,
          { EC_PARAMS: Buffer.from('06082a8648ce3d030107', 'hex'), TOKEN: true, LABEL: 'pair' },
          { TOKEN: true, LABEL: 'pair' },
        )
        deepEqual((await locked.find(hSession, { LABEL: 'pair' })).length, 2)
        await locked.call.C_Logout(locked.app, { hSession })
        deepEqual(await locked.find(hSession, { LABEL: 'pair' }), [open])
        await refuses(CKR.OBJECT_HANDLE_INVALID, () => locked.read(hSession, hidden, 'CLASS'))
        // The security officer says whom to trust.
        await locked.call.C_Login(locked.app, { hSession, userType: 0, pPin: so })
        const pTemplate = template({ TRUSTED: true })
        await locked.call.C_SetAttributeValue(locked.app, { hSession, hObject: open, pTemplate })
        ok(await locked.flag(hSession, open, 'TRUSTED'))
      } finally {
        await locked.close()
      }
    })
  })
})
