/**
 * The operations that this front offers: one row each.
 *
 * An operation without a row is answered with Operation Not Supported, and Query does not list it;
 * nor does it list those that are our own.
 *
 * @module
 */
import { Operation } from '#spec/kmip/enumerations.ts'
import type { OperationName } from '#spec/kmip/operations.ts'
import type { Handler } from './handler.ts'
import * as access from './operations/access.ts'
import * as attributes from './operations/attributes.ts'
import * as cryptography from './operations/cryptography.ts'
import * as lifecycle from './operations/lifecycle.ts'
import * as objects from './operations/objects.ts'
import * as serverRows from './operations/server.ts'

type Handlers = { readonly [N in OperationName]?: Handler<N> }

// Query says what there is, and is told by this table.
const { queryHandler, ...server } = serverRows

const HANDLERS: Handlers = {
  ...objects,
  ...attributes,
  ...lifecycle,
  ...cryptography,
  ...access,
  ...server,
  Query: queryHandler(() => OFFERED),
}

const OFFERED: readonly Operation[] = Object.keys(Operation)
  .filter((name) => name in HANDLERS)
  .map((name) => Operation[name as keyof typeof Operation])

/** The row of an operation; undefined when it is not offered. */
export function handlerOf<N extends OperationName>(operation: N): Handler<N> | undefined {
  return HANDLERS[operation] as Handler<N> | undefined
}
