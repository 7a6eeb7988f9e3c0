/**
 * What is wrong with a configuration although each value is allowed: values that do not go
 * together, and files that are not there. What the database or a device must say is seen later.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Config } from './config.ts'

export interface Contradiction {
  readonly path: readonly (string | number)[]
  readonly what: string
}

export function contradictions(config: Config): readonly Contradiction[] {
  return [...contradictionsOfTls(config.kmip.tls), ...ofKeystores(config), ...ofTokens(config)]
}

type Tls = Config['kmip']['tls']

/** What is wrong with the files and ciphers, as they are now. */
export function* contradictionsOfTls({
  cert,
  key,
  clientCa,
  ciphers,
}: Tls): Generator<Contradiction> {
  const path = ['kmip', 'tls']
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    yield { path: [...path, there], what: `goes together with kmip.tls.${missing}` }
  } else if (cert !== undefined && key !== undefined) {
    yield* ofIdentity(cert, key)
  }
  for (const [index, file] of clientCa.entries()) {
    const why = whyNot(() => new X509Certificate(readFileSync(file)))
    if (why !== undefined) yield { path: [...path, 'clientCa', index], what: unusable(file, why) }
  }
  const why = ciphers === undefined ? undefined : whyNot(() => createSecureContext({ ciphers }))
  const names = 'must be names of OpenSSL for cipher suites, separated by colons'
  if (why !== undefined) yield { path: [...path, 'ciphers'], what: `${names}: ${why}` }
}

function* ofIdentity(certFile: string, keyFile: string): Generator<Contradiction> {
  const path = ['kmip', 'tls']
  let certificate: X509Certificate | undefined
  const noCert = whyNot(() => {
    certificate = new X509Certificate(readFileSync(certFile))
  })
  if (noCert !== undefined) yield { path: [...path, 'cert'], what: unusable(certFile, noCert) }
  const noKey = whyNot(() => {
    const key = createPrivateKey(readFileSync(keyFile))
    if (certificate?.checkPrivateKey(key) !== false) return
    throw new Error(`it is not the key of the certificate in ${certFile}`)
  })
  if (noKey !== undefined) yield { path: [...path, 'key'], what: unusable(keyFile, noKey) }
}

function* ofKeystores({ keystores }: Config): Generator<Contradiction> {
  if (new Set(keystores.map(({ name }) => name)).size < keystores.length) {
    yield { path: ['keystores'], what: 'two of them have the same name' }
  }
  for (const [index, keystore] of keystores.entries()) {
    if (keystore.type === 'pkcs11') yield* ofHsm(keystore, ['keystores', index])
  }
}

type Hsm = Extract<Config['keystores'][number], { type: 'pkcs11' }>
type Path = Contradiction['path']

function* ofHsm(hsm: Hsm, path: Path): Generator<Contradiction> {
  yield* ofTokenName(hsm, path, hsm.name)
  for (const [index, other] of hsm.others.entries()) {
    yield* ofTokenName(other, [...path, 'others', index], `${hsm.name} ${index + 2}`)
  }
  const { name, pinFile, pinVariable, pinPrompt, pinObject } = hsm
  const given = { pinFile, pinVariable, pinPrompt: pinPrompt || undefined, pinObject }
  const [first, second] = namesOf(given)
  if (first !== undefined && second !== undefined) {
    yield { path: [...path, second], what: `"${name}" has ${first} and ${second}; one is enough` }
  }
  const why = pinFile === undefined ? undefined : whyNot(() => readFileSync(pinFile))
  if (why !== undefined) yield { path: [...path, 'pinFile'], what: `"${name}": ${why}` }
}

type TokenName = Partial<Pick<Hsm, 'slot' | 'label' | 'serial'>>

function* ofTokenName(token: TokenName, path: Path, name: string): Generator<Contradiction> {
  const { slot, label, serial } = token
  const given = namesOf({ slot, label, serial })
  if (given.length === 1) return
  const found = given.length === 0 ? 'none is there' : `there are ${given.join(' and ')}`
  const what = `"${name}" must name its token by one of slot, label, serial; ${found}`
  yield { path: given[1] === undefined ? path : [...path, given[1]], what }
}

/** Of what is there. */
function namesOf(values: object): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : name))
}

function* ofTokens({ pkcs11, keystores }: Config): Generator<Contradiction> {
  const { tokens, enabled } = pkcs11
  if (!enabled) return
  const path = ['pkcs11', 'tokens']
  if (new Set(tokens.map(({ name }) => name)).size < tokens.length) {
    yield { path, what: 'two of them have the same name' }
  }
  const slots = tokens.map(({ slot }, index) => slot ?? index)
  if (new Set(slots).size < slots.length) {
    yield { path, what: `two of them have the same slot; slots are: ${slots.join(', ')}` }
  }
  const names = keystores.map(({ name }) => name)
  for (const [index, { name, keystore }] of tokens.entries()) {
    if (keystore === undefined || names.includes(keystore)) continue
    const what = `"${name}" wants keystore "${keystore}"; there are: ${names.join(', ')}`
    yield { path: [...path, index, 'keystore'], what }
  }
}

function unusable(file: string, why: string): string {
  return `${file} cannot be used: ${why}`
}

function whyNot(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
