/**
 * The published OASIS cases, played against a server of our own.
 *
 * KMIP Profiles 1.0, 1.2 and 1.3: every mandatory case passes. Of the optional ones, and of those
 * of the "Test Cases" documents and of 2.1, as many pass as are written down here: fewer is a
 * regression. One case of our own shows, without `../shared`, that the player passes what is right
 * and fails what is not.
 *
 * @module
 */
import { deepStrictEqual, match, notStrictEqual, ok } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { needsShared, sharedPath } from '#tools/shared.ts'
import { readCase } from './case.ts'
import { closingLine, playAll, readCases } from './main.ts'
import { type Offered, type Outcome, offeredBy, play, Session } from './play.ts'

const FIXTURE = fileURLToPath(new URL('./fixtures/OWN-1-12.xml', import.meta.url))

/** How many mandatory cases each version has; all of them pass. */
const MANDATORY = { 'v1.0': 28, 'v1.2': 50, 'v1.3': 55 } as const

/** How many of the other cases pass at least. */
const AT_LEAST = {
  'v1.0/optional': 6,
  'v1.2/optional': 7,
  'v1.3/optional': 4,
  'v1.1/tc': 27,
  'v1.3/tc': 33,
  'v2.1': 76,
} as const

/** Ways to make the expectations of our own case wrong: what is replaced, which time, by what. */
const ALTERATIONS: readonly {
  readonly name: string
  readonly from: string
  /** Counted from the end of the file: the last occurrence is 1. */
  readonly last: number
  readonly to: string
}[] = [
  { name: 'a failure where there is success', from: '"Success"', last: 2, to: '"OperationFailed"' },
  { name: 'another state', from: '"PreActive"', last: 1, to: '"Active"' },
  { name: 'another name', from: 'the key of our own case', last: 1, to: 'a key of others' },
  { name: 'another length', from: '"128"', last: 2, to: '"256"' },
  { name: 'a byte of the key', from: 'ccddeeff', last: 1, to: 'ccddeefe' },
  { name: 'another key format', from: '"Raw"', last: 1, to: '"Opaque"' },
  { name: 'another operation', from: '"Destroy"', last: 1, to: '"Revoke"' },
  {
    name: 'an attribute that the key does not have',
    from: '<AttributeName type="TextString" value="State"/>',
    last: 1,
    to: '<AttributeName type="TextString" value="Object Group"/>',
  },
  {
    name: 'a field more',
    from: '<KeyFormatType type="Enumeration" value="Raw"/>',
    last: 1,
    to:
      '<KeyFormatType type="Enumeration" value="Raw"/>' +
      '<KeyCompressionType type="Enumeration" value="ECPublicKeyTypeUncompressed"/>',
  },
  {
    name: 'another identifier',
    from: '$UNIQUE_IDENTIFIER_0',
    last: 1,
    to: 'no-such-object',
  },
]

/** The text with one occurrence replaced. */
function replaced(text: string, { from, last, to }: (typeof ALTERATIONS)[number]): string {
  let at = text.length
  for (let count = 0; count < last; count++) at = text.lastIndexOf(from, at - 1)
  ok(at >= 0, `the fixture has no ${from}`)
  return text.slice(0, at) + to + text.slice(at + from.length)
}

function failures(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter(({ result }) => result === 'failed')
}

describe('OASIS cases', { timeout: 300_000 }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer()
  })
  after(async () => {
    await server.stop()
  })
  const playBelow = (path: string): Promise<readonly Outcome[]> => {
    return playAll(
      readCases([path]),
      () => server.newClient(),
      () => undefined,
    )
  }

  for (const [version, count] of Object.entries(MANDATORY)) {
    const below = `vectors/kmip/${version}/mandatory`
    it(`mandatory ones of ${version} all pass`, needsShared(below), async () => {
      const outcomes = await playBelow(sharedPath(below) as string)
      deepStrictEqual(failures(outcomes), [])
      deepStrictEqual(closingLine(outcomes), `${count} passed, 0 failed, 0 skipped`)
    })
  }

  for (const [folder, least] of Object.entries(AT_LEAST)) {
    const below = `vectors/kmip/${folder}`
    it(`of ${folder} at least ${least} pass`, needsShared(below), async (test) => {
      const outcomes = await playBelow(sharedPath(below) as string)
      const line = closingLine(outcomes)
      test.diagnostic(`${folder}: ${line}`)
      for (const one of failures(outcomes)) test.diagnostic(JSON.stringify(one))
      const passed = outcomes.filter(({ result }) => result === 'passed').length
      ok(passed >= least, `${folder}: ${line}; at least ${least} have passed before`)
    })
  }
})

describe('the player of OASIS cases', { timeout: 60_000 }, () => {
  let server: OwnServer
  let offered: Offered
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-oasis-'))
    server = await startOwnServer()
    offered = await offeredBy(await server.newClient())
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const playText = async (text: string): Promise<Outcome> => {
    const path = join(folder, 'OWN-1-12.xml')
    writeFileSync(path, text)
    return play(new Session(await server.newClient(), offered), readCase(path))
  }

  it('passes a case whose answers are as expected', async () => {
    deepStrictEqual(await playText(readFileSync(FIXTURE, 'utf8')), {
      name: 'OWN-1-12',
      result: 'passed',
    })
  })

  for (const alteration of ALTERATIONS) {
    it(`fails a case that expects ${alteration.name}`, async () => {
      const text = readFileSync(FIXTURE, 'utf8')
      const altered = replaced(text, alteration)
      notStrictEqual(altered, text)
      const outcome = await playText(altered)
      deepStrictEqual(outcome.result, 'failed')
      match((outcome as { reason: string }).reason, /^step \d \(/)
    })
  }

  it('skips a case that asks for an operation that is not offered, and says which', async () => {
    const text = readFileSync(FIXTURE, 'utf8').replaceAll('"Destroy"', '"Notify"')
    const outcome = await playText(text)
    deepStrictEqual(outcome, {
      name: 'OWN-1-12',
      result: 'skipped',
      reason: 'Notify is called by the server',
    })
  })

  it('plays what it can of a folder in which not every file is a case', async () => {
    const below = mkdtempSync(join(folder, 'mixed-'))
    const text = readFileSync(FIXTURE, 'utf8')
    writeFileSync(join(below, 'OWN-1-12.xml'), text)
    writeFileSync(join(below, 'CUT-1-12.xml'), text.slice(0, text.length / 2))
    writeFileSync(join(below, 'EMPTY-1-12.xml'), '<KMIP/>')
    const mute = text.slice(0, text.lastIndexOf('<ResponseMessage>'))
    writeFileSync(join(below, 'MUTE-1-12.xml'), `${mute}${text.match(/<\/\w+>\s*$/)?.[0]}`)
    const outcomes = await playAll(
      readCases([below]),
      () => server.newClient(),
      () => undefined,
    )
    deepStrictEqual(closingLine(outcomes), '1 passed, 3 failed, 0 skipped')
    const reasons = outcomes.map((one) => ('reason' in one ? `${one.name}: ${one.reason}` : ''))
    match(reasons.join('\n'), /CUT-1-12: Cannot decode XML/)
    match(reasons.join('\n'), /EMPTY-1-12: Cannot read case EMPTY-1-12: it has no request/)
    match(reasons.join('\n'), /MUTE-1-12: Cannot read case MUTE-1-12/)
  })

  it('plays requests that stand together, with their answers behind them', async () => {
    const messages =
      /<RequestMessage>[\s\S]*?<\/RequestMessage>|<ResponseMessage>[\s\S]*?<\/ResponseMessage>/g
    const text = readFileSync(FIXTURE, 'utf8')
    const found = text.match(messages) ?? []
    const isRequest = (one: string): boolean => one.startsWith('<Req')
    const sorted = [...found.filter(isRequest), ...found.filter((one) => !isRequest(one))]
    const outcome = await playText(`<KMIP>${sorted.join('')}</KMIP>`)
    deepStrictEqual(outcome, { name: 'OWN-1-12', result: 'passed' })
  })

  it('says in a line what it cannot do, and exits with 2', () => {
    const main = fileURLToPath(new URL('./main.ts', import.meta.url))
    for (const [args, why] of [
      [[join(folder, 'nowhere')], /^error: ENOENT.*nowhere'\n$/],
      [[FIXTURE, '--pki', folder], /^error: --server HOST:PORT and --pki DIR go together\n$/],
      [['--bogus'], /^error: Unknown option '--bogus'.*\n$/],
    ] as const) {
      const flags = ['--disable-warning=ExperimentalWarning', main, ...args]
      const { status, stderr } = spawnSync(process.execPath, flags, {
        encoding: 'utf8',
        timeout: 30_000,
      })
      match(stderr, why)
      deepStrictEqual(status, 2)
    }
  })

  it('fails, and does not throw, when nobody answers', async () => {
    const gone = await startOwnServer()
    const connect = await gone.newClient()
    await gone.stop()
    const outcome = await play(new Session(connect, offered), readCase(FIXTURE))
    deepStrictEqual(outcome.result, 'failed')
  })
})
