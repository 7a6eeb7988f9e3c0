/**
 * The files of models: all can be read, and a device finds its own by what it says it is.
 *
 * @module
 */
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { generic, type Identity, models, quirksOf, readQuirks } from './quirks.ts'

const NOBODY: Identity = { manufacturer: '', library: '', tokenManufacturer: '', model: '' }

const WANTED = [
  'aws-cloudhsm',
  'cavium-liquidsecurity',
  'generic',
  'luna',
  'nshield',
  'opencryptoki',
  'proteccio',
  'softhsm2',
  'tpm2',
  'utimaco',
  'yubihsm2',
]

describe('models of HSMs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-quirks-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const read = (text: string) => () => {
    const path = join(folder, 'one.yaml')
    writeFileSync(path, text)
    return readQuirks(path)
  }

  it('are these, and each says on what it was tried', () => {
    deepEqual([...models().keys()], WANTED)
    for (const { proof } of models().values()) ok(proof.length > 10, proof)
  })

  it('are found by what a device says it is', () => {
    const softhsm = { manufacturer: 'SoftHSM', model: 'SoftHSM v2' }
    equal(quirksOf({ ...NOBODY, ...softhsm }).model, 'softhsm2')
    equal(
      quirksOf({ ...NOBODY, tokenManufacturer: 'IBM Corp.', model: 'IBM SoftTok' }).model,
      'opencryptoki',
    )
    equal(quirksOf({ ...NOBODY, manufacturer: 'Yubico (www.yubico.com)' }).model, 'yubihsm2')
  })

  it('are the generic one for a device that nobody knows', () => {
    equal(quirksOf({ ...NOBODY, manufacturer: 'Somebody' }), generic())
    equal(quirksOf(NOBODY), generic())
  })

  it('take mechanisms by name and by number', () => {
    const { ciphers, broken } = read(
      'model: x\ntitle: X\nproof: none\nbroken: [AES_CBC, 0x80000001]\n' +
        'ciphers: { AES_KEY_WRAP: 0x80002109 }\n',
    )()
    deepEqual(broken, [0x1082, 0x8000_0001])
    equal(ciphers.AES_KEY_WRAP, 0x8000_2109)
  })

  it('are refused with the file and the place of what is wrong', () => {
    const base = 'model: x\ntitle: X\nproof: none\n'
    throws(read(`${base}broken: [AES_NONE]\n`), (error: Error) => {
      match(error.message, /one\.yaml: broken\.0: .*AES_NONE/)
      return true
    })
    throws(read(`${base}wishes: 1\n`), /one\.yaml: .*wishes/)
    throws(read(`${base}match: [{}]\n`), /one\.yaml: match\.0: names nothing to compare/)
  })
})
