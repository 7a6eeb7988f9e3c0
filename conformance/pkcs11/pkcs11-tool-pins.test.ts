/**
 * PINs of a token by OpenSC's `pkcs11-tool`: changed by the user, set by the security officer, and
 * gone when the token is initialised.
 *
 * @module
 */
import { deepStrictEqual, match } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  absent,
  type Ended,
  LABEL,
  PIN,
  product,
  SO_PIN,
  startToken,
  type TokenUnderTest,
} from './token-under-test.ts'

describe("pkcs11-tool's PINs", { skip: absent('pkcs11-tool'), timeout: 120_000 }, () => {
  let token: TokenUnderTest
  before(async () => {
    token = await startToken()
  })
  after(() => token?.stop())

  const tool = (...args: readonly string[]): Promise<Ended> => {
    return token.run('pkcs11-tool', ['--module', token.module, '--token-label', LABEL, ...args])
  }
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, output } = await tool(...args)
    deepStrictEqual(code, 0, output)
    return output
  }
  const login = (pin: string): Promise<Ended> => tool('--login', '--pin', pin, '--list-objects')

  it('are changed by the user', async () => {
    await does('--login', '--pin', PIN, '--change-pin', '--new-pin', '11223344')
    match((await login(PIN)).output, /CKR_PIN_INCORRECT/)
    deepStrictEqual((await login('11223344')).code, 0)
  })

  it('are set by the security officer', async () => {
    const officer = ['--login', '--login-type', 'so', '--so-pin', SO_PIN]
    await does(...officer, '--init-pin', '--new-pin', '55667788')
    deepStrictEqual((await login('55667788')).code, 0)
  })

  it('are gone when the token is initialised, which needs it empty', async () => {
    const data = token.file('data', 'bytes')
    const object = ['--type', 'data', '--label', 'precious']
    await does('--login', '--pin', '55667788', '--write-object', data, ...object)
    const again = ['--init-token', '--label', LABEL, '--so-pin', SO_PIN]
    if (product === 'claviger') {
      match((await tool(...again)).output, /CKR_TOKEN_WRITE_PROTECTED/)
      match((await login('55667788')).output, /precious/)
    }
    await does('--login', '--pin', '55667788', '--delete-object', ...object)
    await does(...again)
    match((await login('55667788')).output, /CKR_USER_PIN_NOT_INITIALIZED/)
    const officer = ['--login', '--login-type', 'so', '--so-pin', SO_PIN]
    await does(...officer, '--init-pin', '--new-pin', PIN)
    deepStrictEqual((await login(PIN)).code, 0)
  })
})
