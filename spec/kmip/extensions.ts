/**
 * What we add to KMIP: operations on access to single objects, and a field of Destroy.
 *
 * KMIP leaves operations 8XXXXXXX and tags 54XXXX to extensions (KMIP 1.4 §9.1.3, KMIP 2.1 §11).
 * Query does not list them: clients that know only the numbers of the standard fail on others.
 *
 * @module
 */
import { boolean, dateTime, many, one, optional, struct, text } from '#wire/ttlv/coder.ts'
import { theUniqueIdentifier, uniqueIdentifier } from './payloads/fields.ts'
import { identifier } from './structures.ts'
import { Tag } from './tags.ts'

/** 5402XX: those of records in the database are 5401XX. */
const ExtensionTag = {
  Grant: 0x540201,
  Principal: 0x540202,
  Right: 0x540203,
  GrantedBy: 0x540204,
  GrantedAt: 0x540205,
  Obtained: 0x540206,
  Remove: 0x540207,
} as const

export const ExtensionOperation = {
  GrantAccess: 0x80_00_02_01,
  RevokeAccess: 0x80_00_02_02,
  ListAccess: 0x80_00_02_03,
} as const
export type ExtensionName = keyof typeof ExtensionOperation

/** Destroy: no record of the object stays either. */
export const remove = optional(ExtensionTag.Remove, boolean)

const grant = struct('Grant', {
  uniqueIdentifier: one(Tag.UniqueIdentifier, identifier),
  principal: one(ExtensionTag.Principal, text),
  right: many(ExtensionTag.Right, text),
  grantedBy: one(ExtensionTag.GrantedBy, text),
  grantedAt: one(ExtensionTag.GrantedAt, dateTime),
})

const change = (name: string) =>
  struct(name, {
    uniqueIdentifier,
    principal: one(ExtensionTag.Principal, text),
    right: many(ExtensionTag.Right, text),
  })
const changed = (name: string) =>
  struct(name, { uniqueIdentifier: theUniqueIdentifier, right: many(ExtensionTag.Right, text) })

export const EXTENSIONS = {
  GrantAccess: {
    request: change('Grant Access request'),
    /** What the principal may do from now on. */
    response: changed('Grant Access response'),
  },
  RevokeAccess: {
    request: change('Revoke Access request'),
    response: changed('Revoke Access response'),
  },
  ListAccess: {
    request: struct('List Access request', {
      uniqueIdentifier,
      /** What the client itself has been granted, instead of the grants on an object. */
      obtained: optional(ExtensionTag.Obtained, boolean),
    }),
    response: struct('List Access response', { grant: many(ExtensionTag.Grant, grant) }),
  },
} as const
