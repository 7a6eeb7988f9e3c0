/**
 * The C of the module: compiles without a warning with every compiler that is here, depends on
 * nothing but the C library, and stays readable.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FUNCTIONS_2_40 } from '#spec/pkcs11/function-names.ts'
import {
  buildModule,
  buildScenarios,
  COMPILER,
  Folder,
  hasProgram,
  needsCompiler,
} from './testing/build.ts'
import { Peer } from './testing/peer.ts'

const COLUMNS_MAX = 100
const HERE = fileURLToPath(new URL('.', import.meta.url))
const SOURCES = readdirSync(HERE, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.[ch]$/.test(name))
  .map((name) => `${HERE}${name}`)

function output(command: string, args: readonly string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout
}

describe('the C of the module', () => {
  const folder = new Folder()
  after(() => folder.remove())

  for (const compiler of ['gcc', 'clang', 'musl-gcc', 'aarch64-linux-gnu-gcc']) {
    it(`compiles without a warning with ${compiler}`, needsCompiler(compiler), () => {
      const target = folder.file(`${compiler}.so`)
      buildModule(target, compiler)
      ok(statSync(target).size < 512 * 1024)
    })
  }

  it(
    'exports the functions of 2.40 and the ways in, and needs only libc',
    needsCompiler(),
    (test) => {
      if (!hasProgram('readelf')) return test.skip('readelf is not here')
      const target = folder.file('libclaviger.so')
      buildModule(target, COMPILER as string)
      const symbols = output('readelf', ['--dyn-syms', '--wide', target]).split('\n')
      const exported = symbols
        .map((line) => /FUNC +GLOBAL +DEFAULT +\d+ (\w+)$/.exec(line)?.[1])
        .filter((name) => name !== undefined)
      const wanted = [...FUNCTIONS_2_40, 'C_GetInterface', 'C_GetInterfaceList']
      deepStrictEqual(exported.sort(), wanted.sort())
      const dynamic = output('readelf', ['--dynamic', '--wide', target])
      const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name)
      ok(
        needed.every((name) => /^(libc|libdl|libpthread|ld-linux)/.test(name as string)),
        needed.join(),
      )
      match(dynamic, /NODELETE/)
    },
  )

  it('has a header that C++ reads', { skip: !hasProgram('g++') && 'g++ is not here' }, () => {
    const source = folder.file('header.cc')
    writeFileSync(source, `#include "${HERE}pkcs11.h"\nCK_FUNCTION_LIST_3_2 *list;\n`)
    const { status, stderr } = spawnSync(
      'g++',
      ['-Wall', '-Wextra', '-Werror', '-pedantic', '-fsyntax-only', source],
      { encoding: 'utf8' },
    )
    deepStrictEqual({ status, stderr }, { status: 0, stderr: '' })
  })

  it('runs with musl', needsCompiler('musl-gcc'), async () => {
    const module = folder.file('musl.so')
    const program = folder.file('musl')
    const socket = folder.file('musl.sock')
    buildModule(module, 'musl-gcc')
    buildScenarios(program, 'musl-gcc')
    for (const scenario of ['lifecycle', 'buffers', 'forking', 'workers', 'unloading', 'exiting']) {
      const peer = new Peer()
      await peer.listen(socket)
      const env = {
        CLAVIGER_PKCS11: socket,
        ...(scenario === 'workers' ? { CLAVIGER_FORK: 'reinitialise' } : {}),
      }
      const child = spawn(program, [module, scenario], { env, timeout: 20_000 })
      let errors = ''
      child.stderr.on('data', (chunk: Buffer) => {
        errors += chunk
      })
      const code = await new Promise((resolve) => child.once('close', resolve))
      await peer.stop()
      deepStrictEqual({ scenario, code, errors }, { scenario, code: 0, errors: '' })
    }
  })

  it('says what to do where there is no compiler', () => {
    const script = fileURLToPath(new URL('../tools/build-module.sh', import.meta.url))
    for (const name of ['dirname', 'readlink']) {
      symlinkSync(output('which', [name]).trim(), folder.file(name))
    }
    const { status, stderr } = spawnSync('/bin/sh', [script, '--to', folder.file('none.so')], {
      encoding: 'utf8',
      env: { PATH: folder.path },
    })
    strictEqual(status, 1)
    match(stderr, /apt-get install gcc/)
    match(stderr, /p11-kit-client\.so/)
  })

  it('has no line that is too long, and no tab', () => {
    ok(SOURCES.length > 5)
    for (const path of SOURCES) {
      const lines = readFileSync(path, 'utf8').split('\n')
      const wrong = lines.findIndex((line) => line.length > COLUMNS_MAX || line.includes('\t'))
      ok(wrong < 0, `${path}:${wrong + 1}`)
    }
  })
})
