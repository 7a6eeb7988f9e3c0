/**
 * Help is found by whichever way it is asked for, and fits a terminal of 80 columns.
 *
 * @module
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { folded, withHelpOn } from './help.ts'
import { program } from './program.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

function run(line: string) {
  const options = { encoding: 'utf8', timeout: 30_000, input: '' } as const
  const { status, stdout, stderr } = spawnSync(LAUNCHER, line.split(' '), options)
  return { status, stdout, stderr }
}

/** What `--help` of a command prints, examples and all. */
function helpOf(command: Command): string {
  let text = ''
  const { writeOut } = command.configureOutput()
  command.configureOutput({
    writeOut: (part) => {
      text += folded(part, 80)
    },
  })
  command.outputHelp()
  if (writeOut !== undefined) command.configureOutput({ writeOut })
  return text
}

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

describe('help on a command', () => {
  it('is the same by "help keys create" and "keys create --help"', () => {
    const byWord = run('help keys create')
    match(byWord.stdout, /^Usage: claviger keys create /)
    deepEqual(byWord, run('keys create --help'))
  })

  it('is refused for a command that there is not', () => {
    for (const line of ['help nothing', 'help keys nothing']) {
      const { status, stdout, stderr } = run(line)
      deepEqual([status, stdout], [2, ''], line)
      match(stderr, /unknown command 'nothing'/)
    }
  })

  it('never runs the command, whatever stands behind it', () => {
    const words = withHelpOn(program, ['help', 'keys', 'destroy', 'first', '--data', 'd'])
    deepEqual(words, ['keys', 'destroy', '--help', 'first', '--data', 'd'])
    deepEqual(withHelpOn(program, ['help']), ['help'])
    deepEqual(withHelpOn(program, ['keys', 'help', 'create']), ['keys', 'help', 'create'])
  })
})

describe('help on a terminal of 80 columns', () => {
  for (const command of everyCommand(program)) {
    it(`has no longer line but examples: ${command.name()}`, () => {
      const text = helpOf(command)
      const [before = ''] = text.split('\nExamples:\n')
      const after = text.split('\n').filter((line) => /^\S/.test(line))
      const long = [...before.split('\n'), ...after].filter((line) => line.length > 80)
      // What looks like an example stands as it is.
      deepEqual(
        long.filter((line) => !line.startsWith('  claviger ')),
        [],
      )
    })
  }

  it('leaves alone what fits, headings, and lines that are indented', () => {
    const text = 'Some words.\nOthers.\n\nExamples:\n  claviger keys list and more of it\n'
    equal(folded(text, 20), text)
    equal(
      folded('Words that do\nnot fit here.\nExamples:\n', 10),
      ['Words that', 'do not fit', 'here.', 'Examples:', ''].join('\n'),
    )
  })
})
