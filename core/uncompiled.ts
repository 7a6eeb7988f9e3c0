/**
 * zod walks its schemas here, and does not compile them.
 *
 * A parser that is compiled pays where much is parsed, and is text that becomes code. zod asks for
 * this when a schema is made: whoever makes one imports this module beside zod, which
 * `tools/tidy.ts` sees to. It does not hand zod on: a bundler could leave nothing of it out then.
 *
 * @module
 */
import { config } from 'zod'

config({ jitless: true })
