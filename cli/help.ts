/**
 * Help: on commands of commands, and as wide as the terminal.
 *
 * @module
 */
import type { Command } from 'commander'

/** Width where the output is no terminal. */
const USUAL_COLUMNS = 80

/** `Options:`, `Examples:`. */
const HEADING = /^\w+:$/

/** Descriptions of options are folded from this many columns on. */
export const DESCRIPTION_COLUMNS = 20

/**
 * `help keys create` as `keys create --help`, which Commander knows of one command only.
 *
 * @param words What stands behind the name of the program. Of a command that there is not, they
 *   come back without `help`, so that it is refused as such.
 */
export function withHelpOn(program: Command, words: readonly string[]): readonly string[] {
  const [first, ...topic] = words
  if (first !== 'help' || topic[0] === undefined || topic[0].startsWith('-')) return words
  let command = program
  for (const [index, word] of topic.entries()) {
    if (word.startsWith('-')) break
    const inner = command.commands.find((one) => [one.name(), ...one.aliases()].includes(word))
    if (inner === undefined) return command.commands.length > 0 ? topic : helpOn(topic, index)
    command = inner
  }
  return helpOn(topic, topic.length)
}

function helpOn(topic: readonly string[], length: number): readonly string[] {
  return [...topic.slice(0, length), '--help', ...topic.slice(length)]
}

/** Prose is folded where a line of it does not fit. Indented lines, such as examples, are left. */
export function folded(text: string, columns = process.stdout.columns || USUAL_COLUMNS): string {
  const lines = text.split('\n')
  const result: string[] = []
  let prose: string[] = []
  for (const line of [...lines, '']) {
    if (/^\S/.test(line) && !HEADING.test(line)) {
      prose.push(line)
      continue
    }
    result.push(...foldedLines(prose, columns), line)
    prose = []
  }
  return result.slice(0, -1).join('\n')
}

function foldedLines(prose: readonly string[], columns: number): readonly string[] {
  if (prose.every((line) => line.length <= columns)) return prose
  const result: string[] = []
  for (const word of prose.join(' ').split(' ')) {
    const longer = `${result.at(-1) ?? ''} ${word}`.trimStart()
    if (result.length > 0 && longer.length <= columns) result[result.length - 1] = longer
    else result.push(word)
  }
  return result
}
