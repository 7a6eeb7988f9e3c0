/**
 * OpenSSH (9.2, as Debian packages it): public keys from the token, an agent that holds its keys,
 * and logins with them to a server of the test's own.
 *
 * The server runs as the test's user, on a free port of the loopback, with its own configuration,
 * host key and list of keys.
 *
 * @module
 */
import { deepStrictEqual, match } from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { makePair, PAIRS } from './key-pairs.ts'
import {
  absent,
  freePort,
  outputOf,
  PIN,
  startToken,
  type TokenUnderTest,
  until,
} from './token-under-test.ts'

/** Where a server that root starts has to find an empty folder. */
const SEPARATION = '/run/sshd'
/** Never asks. */
const BATCH = ['-o', 'BatchMode=yes']
const SSHD = '/usr/sbin/sshd'

describe('OpenSSH', {
  skip: absent('ssh', 'ssh-agent', SSHD, 'pkcs11-tool'),
  timeout: 300_000,
}, () => {
  let token: TokenUnderTest
  let port: number
  let keys: readonly string[]
  let agent: Readonly<Record<string, string>>
  let serverSaid: () => string
  before(async () => {
    token = await startToken()
    for (const pair of PAIRS) await makePair(token, pair)
  })
  after(() => token?.stop())

  const ssh = (options: readonly string[], command: string) => {
    const peer = ['-F', 'none', '-p', String(port), '-o', 'StrictHostKeyChecking=no']
    const known = ['-o', `UserKnownHostsFile=${token.file('known_hosts')}`]
    const user = ['-l', userInfo().username, '127.0.0.1', command]
    return token.run('ssh', [...peer, ...known, ...options, ...user], { env: agent })
  }

  it('ssh-keygen -D prints the public keys, without a PIN', async () => {
    const printed = await token.done('ssh-keygen', ['-D', token.module])
    keys = printed.trim().split('\n')
    deepStrictEqual(keys.map((key) => key.split(' ')[0]).sort(), ['ecdsa-sha2-nistp256', 'ssh-rsa'])
  })

  it('ssh-add -s gives the keys to an agent, which asks for the PIN', async () => {
    const socket = token.file('agent.sock')
    const allowed = `${dirname(realpathSync(token.module))}/*`
    const daemon = token.start('ssh-agent', ['-D', '-a', socket, '-P', allowed])
    const said = outputOf(daemon)
    await until(() => existsSync(socket), `ssh-agent listens: ${said()}`)
    const askpass = token.file('askpass', `#!/bin/sh\necho ${PIN}\n`)
    chmodSync(askpass, 0o700)
    agent = { SSH_AUTH_SOCK: socket, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' }
    await token.done('ssh-add', ['-s', token.module], { env: agent })
    const listed = await token.done('ssh-add', ['-L'], { env: agent })
    for (const key of keys)
      match(listed, new RegExp(key.split(' ')[1]?.replaceAll('+', '\\+') ?? '-'))
  })

  it('a server lets in who has the keys', async () => {
    port = await freePort()
    const user = userInfo()
    if (user.uid === 0 && !existsSync(SEPARATION)) mkdirSync(SEPARATION, { mode: 0o755 })
    const host = token.file('host_key')
    await token.done('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', host])
    const authorized = token.file('authorized_keys', `${keys.join('\n')}\n`)
    const lines = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${host}`,
      `AuthorizedKeysFile ${authorized}`,
      `PidFile ${token.file('sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'MaxStartups 100',
    ]
    const config = token.file('sshd_config', `${lines.join('\n')}\n`)
    serverSaid = outputOf(token.start(SSHD, ['-D', '-e', '-f', config]))
    await until(() => serverSaid().includes('Server listening'), 'sshd listens')
    const { code, stdout, output } = await ssh([...BATCH, '-o', 'IdentityFile=none'], 'echo in')
    deepStrictEqual([code, stdout], [0, 'in\n'], `${output}\n${serverSaid()}`)
  })

  it('each key of the agent logs in by itself', async () => {
    for (const [index, key] of keys.entries()) {
      const path = token.file(`key${index}.pub`)
      writeFileSync(path, `${key}\n`)
      const only = [...BATCH, '-o', 'IdentitiesOnly=yes', '-i', path]
      const { stdout, output } = await ssh(only, 'echo in')
      deepStrictEqual(stdout, 'in\n', `${key}\n${output}\n${serverSaid()}`)
    }
  })

  it('eight logins at once, three times', async () => {
    for (let round = 0; round < 3; round++) {
      const all = await Promise.all(Array.from({ length: 8 }, (_, n) => ssh(BATCH, `echo in ${n}`)))
      deepStrictEqual(
        all.map(({ stdout }) => stdout),
        all.map((_, n) => `in ${n}\n`),
        `${all.map(({ output }) => output).join('\n')}\n${serverSaid()}`,
      )
    }
  })

  it('ssh -I logs in without an agent', async () => {
    const own = ['-I', token.module, '-o', 'IdentityAgent=none']
    const { stdout, output } = await ssh(own, 'echo in')
    deepStrictEqual(stdout, 'in\n', `${output}\n${serverSaid()}`)
  })

  it('ssh-add -e takes the keys away', async () => {
    await token.done('ssh-add', ['-e', token.module], { env: agent })
    const { output } = await token.run('ssh-add', ['-L'], { env: agent })
    match(output, /The agent has no identities/)
    const { code } = await ssh(BATCH, 'echo in')
    deepStrictEqual(code, 255)
  })
})
