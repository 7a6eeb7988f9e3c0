/**
 * Which values an attribute may have that a client gives.
 *
 * KMIP 1.4 §3 and KMIP 2.1 §4, as far as types and structures do not say it: who may give an
 * attribute is `attribute-rules.ts`. Vendors' values of enumerations pass, and so do numbers of
 * algorithms that no table has, because such keys can be registered.
 *
 * @module
 */
import { attributeLabel, isVendorKey, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { type AttributeKey, attributeRow } from '#spec/kmip/attributes.ts'
import type { ApplicationSpecificInformation, UsageLimits } from '#spec/kmip/structures.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { unknownIn } from '#spec/kmip/values.ts'
import { dateTime } from '#wire/ttlv/coder.ts'
import { KmsError } from './errors.ts'

/**
 * @param what Begins the message, such as `Cannot create object`.
 * @throws {@link KmsError} `attributeValue`, `unknownEnumeration`, `applicationNamespace`.
 */
export function assertValue(what: string, { id, value }: ListedAttribute): void {
  if (isVendorKey(id) || value === undefined) return
  const label = attributeLabel(id)
  const { coder } = attributeRow(id)
  if (coder === dateTime && !Number.isFinite(value)) {
    const why = 'it is no date; the largest and smallest value have a meaning in Locate only'
    throw new KmsError('attributeValue', `${what}: ${label}: ${why}`)
  }
  if (id !== 'cryptographicAlgorithm') assertEnumerations(`${what}: ${label}`, coder, value)
  assertWhole(`${what}: ${label}`, id, value)
  if (id === 'usageLimits') assertLimits(`${what}: ${label}`, value as UsageLimits)
  if (id === 'applicationSpecificInformation') {
    assertApplicationData(what, value as ApplicationSpecificInformation)
  }
}

function assertEnumerations(
  what: string,
  coder: ReturnType<typeof attributeRow>['coder'],
  value: unknown,
): void {
  const unknown = unknownIn(coder, value)
  if (unknown === undefined) return
  const { title } = tableOf(unknown.members)
  throw new KmsError('unknownEnumeration', `${what}: no version has ${title} ${unknown.value}`)
}

/** Fields that only a search may leave out. */
const NEEDED: Partial<Readonly<Record<AttributeKey, Readonly<Record<string, string>>>>> = {
  link: { linkType: 'Link Type', linkedObjectIdentifier: 'Linked Object Identifier' },
  usageLimits: { usageLimitsTotal: 'Usage Limits Total', usageLimitsUnit: 'Usage Limits Unit' },
}

function assertWhole(what: string, id: AttributeKey, value: unknown): void {
  for (const [field, label] of Object.entries(NEEDED[id] ?? {})) {
    if ((value as Readonly<Record<string, unknown>>)[field] !== undefined) continue
    throw new KmsError('attributeValue', `${what}: ${label} is missing`)
  }
}

function assertLimits(what: string, limits: UsageLimits): void {
  const { usageLimitsTotal: total = 0n, usageLimitsCount: count = total } = limits
  if (0n <= count && count <= total) return
  const why = `a Total of ${total} and a Count of ${count}: 0 is least, the Total is most`
  throw new KmsError('attributeValue', `${what}: ${why}`)
}

/** KMIP 1.4 §3.36: the server makes data up for namespaces that Query lists; ours lists none. */
function assertApplicationData(what: string, value: ApplicationSpecificInformation): void {
  if (value.applicationData !== undefined) return
  const why = `no data is made here for the Application Namespace "${value.applicationNamespace}"`
  throw new KmsError('applicationNamespace', `${what}: ${why}; give Application Data`)
}
