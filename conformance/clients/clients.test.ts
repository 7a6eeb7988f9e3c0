/**
 * What known clients of KMIP servers send, step by step, against a server of our own.
 *
 * Each folder of `../shared/vectors/kmip/clients` holds a manifest (TOML) and the payload of each
 * request (JSON items, in which `{{name}}` stands for what an earlier answer has given). Requests
 * travel as TTLV over TLS in the version of the manifest. Beyond what a manifest asserts, every
 * answer must decode as its operation's in that version.
 *
 * @module
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse } from 'smol-toml'
import { decodeResponse } from '#clients/kmip/client.ts'
import { type ConnectOptions, KmipConnection } from '#clients/kmip/connection.ts'
import { elementsOf } from '#conformance/oasis/compare.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { needsShared, sharedPath } from '#tools/shared.ts'
import type { Item } from '#wire/ttlv/item.ts'
import { parseJson } from '#wire/ttlv/json.ts'
import type { Version } from '#wire/ttlv/version.ts'
import type { XmlElement } from '#wire/ttlv/xml.ts'

const BELOW = 'vectors/kmip/clients'
const LIMITS = { depthMax: 32, itemsMax: 10_000 }

interface Step {
  readonly operation: string
  readonly request: string
  readonly assert_success?: boolean
  readonly assert_fields?: Readonly<Record<string, string>>
  readonly capture?: Readonly<Record<string, string>>
}

interface Manifest {
  readonly name: string
  readonly kmip_version: readonly [major: number, minor: number]
  readonly steps: readonly Step[]
}

function readManifest(folder: string): Manifest {
  return parse(readFileSync(join(folder, 'manifest.toml'), 'utf8')) as unknown as Manifest
}

const integer = (tag: string, value: number) => ({ tag, type: 'Integer', value })

/** A message with one operation, whose payload is the file's. */
function message(
  { kmip_version: [major, minor] }: Manifest,
  { operation, request }: Step,
  folder: string,
  captured: ReadonlyMap<string, string>,
): Item {
  const text = readFileSync(join(folder, request), 'utf8').replace(
    /\{\{(\w+)\}\}/g,
    (_, name: string) => {
      const value = captured.get(name)
      ok(value !== undefined, `${request}: no earlier step has captured ${name}`)
      return value
    },
  )
  const protocol = [integer('ProtocolVersionMajor', major), integer('ProtocolVersionMinor', minor)]
  const header = [{ tag: 'ProtocolVersion', value: protocol }, integer('BatchCount', 1)]
  const payload = (JSON.parse(text) as { value: unknown }).value
  const batchItem = [
    { tag: 'Operation', type: 'Enumeration', value: operation },
    { tag: 'RequestPayload', value: payload },
  ]
  const whole = {
    tag: 'RequestMessage',
    value: [
      { tag: 'RequestHeader', value: header },
      { tag: 'BatchItem', value: batchItem },
    ],
  }
  return parseJson(JSON.stringify(whole), dictionaryOf(major * 10 + minor), LIMITS)
}

/** The first field of this name, anywhere in an answer. */
function field(element: XmlElement, name: string): string | undefined {
  if (element.name === name) return element.attributes['value']
  for (const child of element.children) {
    const found = field(child, name)
    if (found !== undefined) return found
  }
  return undefined
}

/** Plays all steps; returns how many. */
async function playClient(connect: ConnectOptions, folder: string): Promise<number> {
  const manifest = readManifest(folder)
  const [major, minor] = manifest.kmip_version
  const version = (major * 10 + minor) as Version
  const captured = new Map<string, string>()
  const connection = await KmipConnection.open(connect)
  try {
    for (const step of manifest.steps) {
      const answer = await connection.send(message(manifest, step, folder, captured))
      assertAnswer(step, answer, version)
      for (const [name, from] of Object.entries(step.capture ?? {})) {
        captured.set(name, field(elementsOf(answer), from) ?? '')
      }
    }
  } finally {
    connection.close()
  }
  return manifest.steps.length
}

function assertAnswer(step: Step, answer: Item, version: Version): void {
  const results = decodeResponse(answer, version)
  deepStrictEqual(results.length, 1)
  const [result] = results
  const said = result?.ok === false ? result.error.message : ''
  deepStrictEqual(result?.operation, step.operation, said)
  if (step.assert_success === true) ok(result.ok, `${step.request}: ${said}`)
  const elements = elementsOf(answer)
  for (const [name, value] of Object.entries(step.assert_fields ?? {})) {
    deepStrictEqual(field(elements, name), value, `${step.request}: ${name}`)
  }
}

describe('recorded clients', { ...needsShared(BELOW), timeout: 60_000 }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer()
  })
  after(async () => {
    await server.stop()
  })

  const root = sharedPath(BELOW)
  for (const name of root === undefined ? [] : readdirSync(root).sort()) {
    it(`${name} is served, twice`, async () => {
      const folder = join(root as string, name)
      const steps = await playClient(await server.newClient(), folder)
      ok(steps >= 5)
      deepStrictEqual(await playClient(await server.newClient(), folder), steps)
    })
  }

  it('are the three that are known', () => {
    deepStrictEqual(readdirSync(root as string).sort(), ['mysql', 'percona', 'vmware_vcenter'])
  })
})
