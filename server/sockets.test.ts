/**
 * Where sockets are when the path of the data directory is long.
 *
 * @module
 */
import { equal, match, ok, throws } from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { socketPath } from './sockets.ts'

describe('a socket', () => {
  let folder: string
  let data: string
  let usual: string | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-sockets-'))
    data = join(folder, 'long'.repeat(25))
    mkdirSync(data, { mode: 0o700 })
    usual = process.env['TMPDIR']
    process.env['TMPDIR'] = folder
  })
  afterEach(() => {
    if (usual === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = usual
    rmSync(folder, { recursive: true, force: true })
  })
  const own = () => join(folder, `claviger-${process.getuid?.()}`)

  it('is in the data directory where its path is short enough', () => {
    const short = join(folder, 'd')
    mkdirSync(short)
    equal(socketPath(short, 'control'), join(short, 'run', 'control.sock'))
  })

  it("is in a folder that is its owner's alone where it is not", () => {
    const path = socketPath(data, 'control')
    equal(dirname(path), own())
    equal(lstatSync(own()).mode & 0o777, 0o700)
    ok(path.length <= 100, path)
    ok(path !== socketPath(data, 'pkcs11'))
    equal(socketPath(data, 'control'), path)
  })

  it('is nowhere where others could have put one', () => {
    mkdirSync(own())
    chmodSync(own(), 0o777)
    throws(
      () => socketPath(data, 'pkcs11'),
      (error: Error) => {
        match(error.message, /Cannot use .* for sockets/)
        return true
      },
    )
    rmSync(own(), { recursive: true })
    mkdirSync(join(folder, 'elsewhere'), { mode: 0o700 })
    symlinkSync(join(folder, 'elsewhere'), own())
    throws(() => socketPath(data, 'pkcs11'), /Cannot use/)
  })
})
