/**
 * The files of P6R's KMIP Server Gateway: names and values in sections.
 *
 * Strings stand in double quotes or without, numbers are decimal or hexadecimal, blanks around `=`
 * do not count, `#` and `;` begin a comment. What the values mean is said in `ksg.ts`.
 *
 * @module
 */

/** What keeps a translation from being made. */
export class KsgError extends Error {
  override readonly name = 'KsgError'
}

/** A line `name=value` of a file. */
export interface Given {
  readonly section: string
  readonly name: string
  readonly text: string
}

/** Every value of a file, in its order. @throws {@link KsgError} with the line that is none. */
export function parseKsg(file: string, content: string): readonly Given[] {
  const found: Given[] = []
  let section = ''
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const head = /^\[\s*(.+?)\s*\]$/.exec(line)
    const pair = /^([^=\s]+)\s*=\s*(.*)$/.exec(line)
    if (head !== null) section = head[1] as string
    else if (pair === null) {
      throw new KsgError(`${file}:${index + 1}: "${line}" is neither [section] nor name=value`)
    } else {
      const text = unquoted(pair[2] as string)
      if (text === undefined) {
        throw new KsgError(`${file}:${index + 1}: "${line}" does not end with its string`)
      }
      found.push({ section, name: pair[1] as string, text })
    }
  }
  return found
}

/** In quotes as it stands; else without a comment. Undefined where the quotes are not a pair. */
function unquoted(text: string): string | undefined {
  if (text.startsWith('"')) return /^"([^"]*)"\s*([;#].*)?$/.exec(text)?.[1]
  return text.replace(/(^|\s)[;#].*$/, '').trim()
}

/** As a shell takes it for one word. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
