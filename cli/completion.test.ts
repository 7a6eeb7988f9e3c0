/**
 * Completion in bash, as the shell asks for it.
 *
 * @module
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
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

  it('says the same to other shells', () => {
    match(fishScript(program), /"wirelog on"' -l format -d '[^\n]*' -x -a 'hex json xml'$/m)
    match(fishScript(program), /-l data -d '[^\n]*' -r$/m)
    match(zshScript(program), /"wirelog on --format"\) candidates=\(hex json xml\) ;;/)
  })
})
