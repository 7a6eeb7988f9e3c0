/**
 * Completion in bash, zsh and fish, as the shell asks for it.
 *
 * @module
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { bashScript, fishScript, zshScript } from './completion.ts'
import { program } from './program.ts'

/** What is offered behind these words; the last one is being typed. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${bashScript(program)}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _claviger; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...words], {
    timeout: 20_000,
  })
  equal(status, 0, stderr.toString())
  return stdout.toString().trim().split('\n')
}

/** What is typed, and what is offered; that a file is completed is the shell's own affair. */
const TYPED = [
  ['claviger keys cre', ['create']],
  ['claviger --data /srv keys cre', ['create']],
  ['claviger keys create --alg', ['--algorithm']],
  ['claviger wirelog on --format ', ['hex', 'json', 'xml']],
  ['claviger rootkey rotate --to p', ['passphrase']],
  ['claviger --json stat', ['status']],
] as const

function without(shell: string): string | false {
  return spawnSync(shell, ['--version']).error !== undefined && `there is no ${shell}`
}

function ran(shell: string, words: readonly string[], variables: Readonly<Record<string, string>>) {
  const env = { ...process.env, ...variables }
  return spawnSync(shell, words, { env, encoding: 'utf8', timeout: 20_000 })
}

describe('completion', () => {
  it('offers commands, and options of the command', () => {
    deepEqual(offered('claviger', 'keys', 'cre'), ['create'])
    deepEqual(offered('claviger', 'keys', 'create', '--alg'), ['--algorithm'])
    deepEqual(offered('claviger', '--data', '/srv', 'keys', 'cre'), ['create'])
  })

  it('leaves it to the shell to complete files where an option takes any value', () => {
    deepEqual(offered('claviger', '--data', ''), [''])
    deepEqual(offered('claviger', 'serve', '--config', ''), [''])
    deepEqual(offered('claviger', 'keys', 'create', '--name', ''), [''])
  })

  it('offers the values that an option can have, and no others', () => {
    deepEqual(offered('claviger', 'wirelog', 'on', '--format', ''), ['hex', 'json', 'xml'])
    deepEqual(offered('claviger', 'rootkey', 'rotate', '--to', 'p'), ['passphrase'])
  })

  it('goes on behind an option that takes no value', () => {
    deepEqual(offered('claviger', '--json', 'stat'), ['status'])
  })

  it('is understood by fish', { skip: without('fish') }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-fish-'))
    try {
      const file = join(folder, 'claviger.fish')
      writeFileSync(file, `${fishScript(program)}\ncomplete -C "$typed"`)
      for (const [typed, wanted] of TYPED) {
        const { stdout, stderr } = ran('fish', ['--no-config', file], { typed })
        const words = stdout.split('\n').map((line) => line.split('\t')[0])
        const offered = words.filter((word) => word !== '')
        deepEqual(offered, wanted, stderr)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('is understood by zsh, sourced or as a file of $fpath', { skip: without('zsh') }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-zsh-'))
    try {
      writeFileSync(join(folder, '_claviger'), zshScript(program))
      // What zsh itself does with candidates: those that begin with what was typed.
      const around = `_files() { }
        _describe() { for one in "\${(@P)2}"; do print -r -- "\${one%%:*}"; done }
        words=(\${=typed}); [[ $typed == *' ' ]] && words+=(''); CURRENT=\${#words}`
      const sourced = `compdef() { }; source ${folder}/_claviger; ${around}; _claviger`
      const found = `fpath=(${folder}); autoload -Uz _claviger; ${around}; _claviger`
      for (const script of [sourced, found]) {
        for (const [typed, wanted] of TYPED) {
          const { stdout, stderr } = ran('zsh', ['-f', '-c', script], { typed })
          const last = typed.split(' ').at(-1) ?? ''
          const words = stdout.split('\n').filter((word) => word !== '' && word.startsWith(last))
          deepEqual(words, wanted, stderr)
        }
      }
      const bare = ran('zsh', ['-f', '-c', `source ${folder}/_claviger`], {})
      match(bare.stderr, /autoload -U compinit; compinit/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('says the same to other shells', () => {
    match(fishScript(program), /"wirelog on"' -l format -d '[^\n]*' -x -a 'hex json xml'$/m)
    match(fishScript(program), /-l data -d '[^\n]*' -r$/m)
    match(zshScript(program), /"wirelog on --format"\) candidates=\(hex json xml\) ;;/)
  })
})
