/**
 * Tokens of NSS's software token for tests: a second module, by other makers than SoftHSM2's, which
 * has mechanisms that SoftHSM2 lacks (AES key wrap of RFC 5649).
 *
 * It exports C_GetFunctionList and its own parameters go in pReserved. A few lines of C, compiled
 * for the test, export every function of that list by its name, which is what is looked up here.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FUNCTIONS_2_40 } from '#spec/pkcs11/function-names.ts'

const MODULES = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
]
const SOFTOKEN = MODULES.map((folder) => join(folder, 'libsoftokn3.so')).find(existsSync)
const COMPILER = ['cc', 'gcc', 'clang'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined,
)
const HAS_TOOL = spawnSync('certutil', ['-H'], { stdio: 'ignore' }).error === undefined

/** Why there can be no such token; undefined where there can. */
export const noSoftoken =
  SOFTOKEN === undefined
    ? 'libsoftokn3.so is not installed'
    : COMPILER === undefined || !HAS_TOOL
      ? 'a C compiler and certutil are needed'
      : undefined

/** What the configuration of a keystore says of such a token, but for its PIN. */
export interface Softoken {
  readonly module: string
  readonly reserved: string
  readonly label: string
}

/** A new token with this PIN, in a folder below. */
export function newSoftoken(folder: string, pin: string): Softoken {
  const home = mkdtempSync(join(folder, 'softoken-'))
  const [database, pinFile] = [join(home, 'db'), join(home, 'pin')]
  mkdirSync(database)
  writeFileSync(pinFile, pin)
  execFileSync('certutil', ['-N', '-d', `sql:${database}`, '-f', pinFile], { stdio: 'ignore' })
  const [source, module] = [join(home, 'names.c'), join(home, 'names.so')]
  writeFileSync(source, sourceOf(SOFTOKEN as string))
  execFileSync(COMPILER as string, ['-std=c11', '-shared', '-fPIC', source, '-o', module, '-ldl'])
  const where = `configdir='sql:${database}' certPrefix='' keyPrefix='' secmod='secmod.db'`
  return { module, reserved: `${where} flags=`, label: 'NSS Certificate DB' }
}

/** No function of the list takes more than eight arguments; all are integers or pointers. */
function sourceOf(module: string): string {
  const letters = [...'abcdefgh']
  const parameters = letters.map((letter) => `unsigned long ${letter}`).join(', ')
  const functions = FUNCTIONS_2_40.map((name, at) => {
    const call = `((unsigned long (*)())list[${at}])(${letters.join(', ')})`
    return `unsigned long ${name}(${parameters}) { return ${call}; }`
  })
  return `#include <dlfcn.h>
struct functions { unsigned char version[2]; void *all[${functions.length}]; };
static void **list;
__attribute__((constructor)) static void load(void) {
  void *module = dlopen(${JSON.stringify(module)}, RTLD_NOW);
  unsigned long (*get)(struct functions **) =
      (unsigned long (*)(struct functions **))dlsym(module, "C_GetFunctionList");
  struct functions *functions = 0;
  get(&functions);
  list = functions->all;
}
${functions.join('\n')}
`
}
