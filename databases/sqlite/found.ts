/**
 * Answers to the question that is asked most: which records have one term, such as a name.
 *
 * One process has the database, and all its changes come through here: an answer is forgotten when a
 * change that adds or removes its term is on its way, and none is kept while any change is, because
 * nobody knows what that change has done to the index already. What is not there is remembered, too.
 *
 * Lists that are long, or longer than was asked for, are not kept.
 *
 * @module
 */
import type { Query, RecordChange, RecordKind, Term } from '#core/database.ts'

/** Answers that are kept; the oldest makes room. */
const ANSWERS_MAX = 10_000
const IDS_MAX = 16

export class FoundCache {
  readonly #answers = new Map<string, readonly string[]>()
  /** Requests with changes that have not been answered. */
  #pending = 0

  get size(): number {
    return this.#answers.size
  }

  /** @param key By {@link keyOf}. */
  get(key: string, limit: number): readonly string[] | undefined {
    const ids = this.#answers.get(key)
    return ids === undefined || ids.length >= limit ? undefined : ids
  }

  put(key: string, ids: readonly string[], limit: number): void {
    if (this.#pending > 0 || ids.length > IDS_MAX || ids.length >= limit) return
    if (this.#answers.size >= ANSWERS_MAX) {
      const oldest = this.#answers.keys().next().value
      if (oldest !== undefined) this.#answers.delete(oldest)
    }
    this.#answers.set(key, ids)
  }

  /** Before changes are sent to be written. */
  begin(changes: readonly RecordChange[]): void {
    if (changes.length === 0) return
    this.#pending++
    for (const { kind, scope, terms } of changes) {
      for (const term of [...terms.add, ...terms.remove]) {
        this.#answers.delete(textOf(kind, scope, term, true))
        this.#answers.delete(textOf(kind, scope, term, false))
      }
    }
  }

  /** Once they have been written, or have not. */
  end(changes: readonly RecordChange[]): void {
    if (changes.length > 0) this.#pending--
  }
}

/** What an answer is kept under; undefined where it is not kept. */
export function keyOf({
  kind,
  scopes,
  conditions,
  offset = 0,
  count = false,
  oldestFirst = false,
}: Query): string | undefined {
  const [condition] = conditions
  const [scope] = scopes ?? []
  if (conditions.length !== 1 || condition === undefined || !('is' in condition)) return undefined
  if (scopes?.length !== 1 || scope === undefined || offset !== 0 || count) return undefined
  return textOf(kind, scope, condition.is, oldestFirst)
}

/** The term stands last, so that no scope can be mistaken for the beginning of one. */
function textOf(kind: RecordKind, scope: string, term: Term, oldestFirst: boolean): string {
  const bytes = Buffer.from(term.buffer, term.byteOffset, term.length).toString('latin1')
  return `${kind} ${oldestFirst ? '+' : '-'} ${scope.length} ${scope} ${bytes}`
}
