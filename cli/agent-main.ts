/**
 * What `bin/claviger agent` runs: without Commander and the other commands where they are not
 * needed.
 *
 * It is the first module of the flat file (`flat.ts`), so it has no top-level await.
 *
 * @module
 */
import { plainOptions, startAgent } from './agent-start.ts'
import { fail } from './output.ts'

const options = plainOptions(process.argv.slice(2))
if (options === undefined) {
  const main = new URL('./main.ts', import.meta.url)
  void import(main.href)
} else {
  startAgent(options).catch((error: unknown) => fail(error, false))
}
