/**
 * Compiles the module and the program of scenarios for a test, into a folder that goes with it.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SCRIPT = join(ROOT, 'tools/build-module.sh')
const SCENARIOS = join(ROOT, 'module/testing/scenarios.c')
const WARNINGS = ['-std=c11', '-Wall', '-Wextra', '-Werror']

/** Whether a program is on the PATH and runs. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** The compiler that `npm run build:module` would take. */
export const COMPILER = ['cc', 'gcc', 'clang'].find(hasProgram)

/** Option for a test that compiles: skips it, with the reason, where nothing can. */
export function needsCompiler(compiler = COMPILER): { readonly skip: string | false } {
  if (compiler !== undefined && hasProgram(compiler)) return { skip: false }
  return { skip: `${compiler ?? 'a C compiler'} is not here` }
}

/** Option for a test that runs under a sanitizer of the compiler: skips it where it has none. */
export function needsSanitizer(name: string): { readonly skip: string | false } {
  const { skip } = needsCompiler()
  if (skip !== false) return { skip }
  const folder = new Folder()
  try {
    const source = folder.file('empty.c')
    writeFileSync(source, 'int main(void) { return 0; }\n')
    run(COMPILER as string, [`-fsanitize=${name}`, source, '-o', folder.file('empty')], process.env)
    run(folder.file('empty'), [], process.env)
    return { skip: false }
  } catch {
    return { skip: `${COMPILER} has no -fsanitize=${name} here` }
  } finally {
    folder.remove()
  }
}

/** A folder that {@link remove} takes away. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'claviger-module-'))

  file(name: string): string {
    return join(this.path, name)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** libclaviger.so as the build script makes it. @throws Error with what the compiler said */
export function buildModule(target: string, compiler: string, flags: readonly string[] = []): void {
  run('sh', [SCRIPT, '--to', target, ...flags], { ...process.env, CC: compiler })
}

/** The program of scenarios; its symbols can be seen by what it loads, as in a real program. */
export function buildScenarios(
  target: string,
  compiler: string,
  flags: readonly string[] = [],
): void {
  const args = [...WARNINGS, '-O1', '-g', '-rdynamic', '-pthread', ...flags, SCENARIOS]
  run(compiler, [...args, '-o', target, '-ldl'], process.env)
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`Cannot run ${command}: ${error?.message ?? stderr}`)
}
