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

/** Another C library and another processor, where the programs for them are installed. */
const ELSEWHERE = [
  { name: 'musl', compiler: 'musl-gcc', runner: [] },
  {
    name: 'an arm64 processor',
    compiler: 'aarch64-linux-gnu-gcc',
    runner: ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'],
  },
] as const
const SCENARIOS = ['lifecycle', 'buffers', 'forking', 'workers', 'unloading', 'exiting']

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

  for (const { name, compiler, runner } of ELSEWHERE) {
    const isHere = runner.every((word) => !word.startsWith('qemu') || hasProgram(word))
    const { skip } = needsCompiler(compiler)
    it(`runs with ${name}`, { skip: skip || (!isHere && `${runner[0]} is not here`) }, async () => {
      const module = folder.file(`${compiler}-run.so`)
      const program = folder.file(compiler)
      buildModule(module, compiler)
      buildScenarios(program, compiler)
      for (const scenario of SCENARIOS) {
        const found = await play([...runner, program, module, scenario], scenario)
        deepStrictEqual({ scenario, ...found }, { scenario, code: 0, errors: '' })
      }
    })
  }

  /** Plays a scenario against a peer. */
  async function play(words: readonly string[], scenario: string) {
    const socket = folder.file('elsewhere.sock')
    const peer = new Peer()
    await peer.listen(socket)
    const fork = scenario === 'workers' ? { CLAVIGER_FORK: 'reinitialise' } : {}
    const env = { PATH: process.env['PATH'], CLAVIGER_PKCS11: socket, ...fork }
    const [command, ...args] = words as [string, ...string[]]
    const child = spawn(command, args, { env, timeout: 60_000 })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    await peer.stop()
    return { code, errors }
  }

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
