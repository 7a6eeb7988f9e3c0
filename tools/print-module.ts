/**
 * Prints the part of the C module that is tables: its header, the entry points with their
 * marshalling, and the function lists.
 *
 * The rows are those of `spec/pkcs11`: functions, structures, mechanisms, attributes, constants and
 * numbers of the calls; the texts are in `module-*.ts`. The printed files are committed, so that a
 * compiler is all that a build needs; `module/print.test.ts` sees to it that they are what this
 * prints. Run `node tools/print-module.ts` after changing a table.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FUNCTION_NAMES } from '#spec/pkcs11/function-names.ts'
import { comment, NOTE } from './module-c.ts'
import { functionText, listText, WRITTEN } from './module-functions.ts'
import { callsHeader, header } from './module-header.ts'
import { structuresText } from './module-structures.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function calls(): string {
  const remote = FUNCTION_NAMES.filter((name) => !WRITTEN.includes(name))
  return [
    comment('The functions of PKCS#11, each as a remote call.', '', NOTE),
    '#include "claviger.h"\n#include "calls.h"',
    ...structuresText(),
    ...remote.map(functionText),
    listText('CK_FUNCTION_LIST', '2, 40'),
    listText('CK_FUNCTION_LIST_3_0', '3, 0'),
    `${listText('CK_FUNCTION_LIST_3_2', '3, 2')}\n`,
  ].join('\n\n')
}

/** Every printed file by its path. */
export function printedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['module/pkcs11.h', header()],
    ['module/calls.h', callsHeader()],
    ['module/calls.c', calls()],
  ])
}

if (import.meta.main) {
  for (const [path, text] of printedFiles()) writeFileSync(`${ROOT}${path}`, text)
}
