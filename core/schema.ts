/**
 * zod as this project uses it: schemas are walked, not compiled.
 *
 * A parser that is compiled pays where much is parsed, and is text that becomes code. zod asks for
 * this when a schema is made, so that every schema is made with what this module gives:
 * `tools/tidy.ts` lets no other file import zod.
 *
 * @module
 */
import { config } from 'zod'

config({ jitless: true })

export * as z from 'zod'
