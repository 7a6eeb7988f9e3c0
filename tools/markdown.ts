/**
 * Markdown as the printed pages have it: tables, code, a note that the page is printed.
 *
 * @module
 */

export type Row = readonly (string | number)[]

export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function cell(value: string | number): string {
  return String(value).replaceAll('|', '\\|')
}

export function page(...parts: readonly string[]): string {
  const note = '<!-- Printed by tools/print-docs.ts; change the tables it names, not this page. -->'
  return `${[parts[0], note, ...parts.slice(1)].join('\n\n')}\n`
}

export function code(text: string): string {
  return `\`${text}\``
}

export function hex(value: number, digits: number): string {
  return code(`0x${value.toString(16).padStart(digits, '0')}`)
}
