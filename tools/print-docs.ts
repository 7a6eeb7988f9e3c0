/**
 * Prints the pages of `docs/` that are tables, and the JSON Schema of the configuration.
 *
 * What is on a page stands in the file of its subject beside this one. Each comes from the rows
 * that the program itself works with; `tools/docs.test.ts` sees to it that the committed pages are
 * what this prints. Run `node tools/print-docs.ts` after changing a table.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { configSchema } from '#server/config.ts'
import { algorithmsPage } from './algorithms-page.ts'
import { commandsPage, configurationPage, limitsPage } from './configuration-pages.ts'
import { attributesPage, operationsPage } from './kmip-pages.ts'
import { pkcs11AttributesPage, rulesPage } from './pkcs11-attribute-pages.ts'
import { functionsPage, mechanismsPage } from './pkcs11-pages.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A keystore that is asked what it can do, and nothing else. */
function softwareKeystore(): SoftwareKeystore {
  using key = new Secret(new Uint8Array(DATA_KEY_BYTES))
  return new SoftwareKeystore('software', new Sealer(new Map([[1, key]])))
}

/** Every printed page by its path. */
export async function printedPages(): Promise<ReadonlyMap<string, string>> {
  const keystore = softwareKeystore()
  return new Map([
    ['docs/kmip-operations.md', await operationsPage(keystore)],
    ['docs/attributes.md', attributesPage()],
    ['docs/pkcs11-attributes.md', pkcs11AttributesPage()],
    ['docs/algorithms.md', algorithmsPage()],
    ['docs/commands.md', commandsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/limits.md', limitsPage()],
    ['docs/pkcs11-rules.md', rulesPage()],
    ['docs/pkcs11-mechanisms.md', mechanismsPage(keystore)],
    ['docs/pkcs11-functions.md', functionsPage()],
    ['docs/claviger.schema.json', `${JSON.stringify(configSchema(), null, 2)}\n`],
  ])
}

if (import.meta.main) {
  for (const [path, text] of await printedPages()) writeFileSync(`${ROOT}${path}`, text)
}
