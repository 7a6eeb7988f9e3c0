/**
 * Kinds of members of the structures of PKCS#11: what a row of `structures.ts` is made of.
 *
 * PKCS#11 3.2 `pkcs11t.h`. A pointer and its length are two members here, because their order
 * differs from structure to structure: the pointer's row names the length's, and the length's own
 * row (`length`) says only that it is one, and does not travel. A length in bits travels, for it
 * says more than the bytes.
 *
 * In Claviger's own remote calls the members of a parameter travel in their order: ulong as u64;
 * bool and byte as u8; version as two; fixed and text as their bytes; bytes and pointed as u32
 * length (0xffffffff: NULL) and the bytes, but in a request where the direction is `out` as the
 * length alone; structure as its members; structurePointer as u8 present and its members; array as
 * u32 count (0xffffffff: NULL) and the members of each; template and mechanism as those arguments;
 * string as bytes without its NUL; handleOut as u8 present and, in a response, u64. Length and
 * lengthPointer do not travel, and a structure that has a `pointer` never does. A response that
 * brings a parameter back has it in the same form.
 *
 * @module
 */

/** Whether a pointer's target is given, is written by the token, or both. */
export type Direction = 'in' | 'out' | 'inout'

/** What a length counts: bytes, bits, or what {@link bytesOrBits} says. */
export type Unit = 'bytes' | 'bits' | 'either'

/** A member as its row has it. */
export type Member =
  | { readonly kind: 'ulong'; readonly type: string }
  | { readonly kind: 'pointer'; readonly type: string }
  | { readonly kind: Plain }
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'text'; readonly bytes: number; readonly type: 'CK_UTF8CHAR' | 'CK_CHAR' }
  | {
      readonly kind: 'bytes'
      readonly length: string
      readonly type: string
      readonly unit: Unit
      readonly direction: Direction
      /** The length stands in this structure, which points to the member's own. */
      readonly of?: string
    }
  | { readonly kind: 'pointed'; readonly bytes: number; readonly direction: Direction }
  | { readonly kind: 'structure'; readonly type: string }
  | { readonly kind: 'structurePointer'; readonly type: string; readonly direction: Direction }
  | { readonly kind: 'array'; readonly type: string; readonly length: string }
  | { readonly kind: 'template'; readonly length: string }

type Plain =
  | 'bool'
  | 'byte'
  | 'version'
  | 'length'
  | 'lengthPointer'
  | 'mechanism'
  | 'string'
  | 'handleOut'

export const BYTE = 'CK_BYTE *'
export const VOID = 'void *'
export const UTF8 = 'CK_UTF8CHAR *'
export const CHAR = 'CK_CHAR'

/** A number, such as a handle, a mechanism or a count of bits. */
export const ulong = <T extends string = 'CK_ULONG'>(type = 'CK_ULONG' as T) =>
  ({ kind: 'ulong', type }) as const
export const bool = { kind: 'bool' } as const
/** One byte that is a number. */
export const byte = { kind: 'byte' } as const
export const version = { kind: 'version' } as const
/** How much the pointer that names this member points to. */
export const length = { kind: 'length' } as const
/** The same, but the member is the address of the number. */
export const lengthPointer = { kind: 'lengthPointer' } as const
/** Bytes inside the structure. */
export const fixed = (bytes: number) => ({ kind: 'fixed', bytes }) as const
/** Text inside the structure, padded with spaces. */
export const text = (bytes: number, type: 'CK_UTF8CHAR' | 'CK_CHAR' = 'CK_UTF8CHAR') =>
  ({ kind: 'text', bytes, type }) as const
/** Bytes elsewhere, as many as another member says. */
export const bytes = <L extends string>(
  length: L,
  type: string = BYTE,
  direction: Direction = 'in',
) => ({ kind: 'bytes', length, type, unit: 'bytes', direction }) as const
/** Bytes elsewhere, whose length another member says in bits. */
export const bits = <L extends string>(length: L, direction: Direction = 'in') =>
  ({ kind: 'bytes', length, type: BYTE, unit: 'bits', direction }) as const
/** The same, but the length is a member of the structure that points to this one. */
export const bitsOf = <S extends string>(of: S, length: string, direction: Direction) =>
  ({ kind: 'bytes', length, type: BYTE, unit: 'bits', direction, of }) as const
/** A nonce, whose length the text counts in bits and its users in bytes: above 24 it is bits. */
export const bytesOrBits = <L extends string>(length: L) =>
  ({ kind: 'bytes', length, type: BYTE, unit: 'either', direction: 'in' }) as const
/** Bytes elsewhere, as many as the standard says. */
export const pointed = (bytes: number, direction: Direction = 'in') =>
  ({ kind: 'pointed', bytes, direction }) as const
/** A structure inside the structure. */
export const structure = <T extends string>(type: T) => ({ kind: 'structure', type }) as const
/** A structure elsewhere. */
export const structurePointer = <T extends string>(type: T, direction: Direction = 'in') =>
  ({ kind: 'structurePointer', type, direction }) as const
/** Structures elsewhere, one after the other, as many as another member says. */
export const array = <T extends string, L extends string>(type: T, length: L) =>
  ({ kind: 'array', type, length }) as const
/** Attributes elsewhere, as many as another member says. */
export const template = <L extends string>(length: L) => ({ kind: 'template', length }) as const
/** The address of a mechanism. */
export const mechanism = { kind: 'mechanism' } as const
/** Characters elsewhere, up to a NUL. */
export const string = { kind: 'string' } as const
/** The address of a handle that the token writes. */
export const handleOut = { kind: 'handleOut' } as const
/** Something that never travels: of the caller's process, or as long as nothing nearby says. */
export const pointer = (type: string) => ({ kind: 'pointer', type }) as const

const TYPES: Readonly<Record<Plain, string>> = {
  bool: 'CK_BBOOL',
  byte: 'CK_BYTE',
  version: 'CK_VERSION',
  length: 'CK_ULONG',
  lengthPointer: 'CK_ULONG *',
  mechanism: 'CK_MECHANISM *',
  string: 'CK_UTF8CHAR *',
  handleOut: 'CK_OBJECT_HANDLE *',
}

/** A member as C declares it, without the semicolon. */
export function declarationOf(name: string, member: Member): string {
  switch (member.kind) {
    case 'ulong':
    case 'pointer':
    case 'bytes':
    case 'structure':
      return `${member.type} ${name}`
    case 'fixed':
      return `CK_BYTE ${name}[${member.bytes}]`
    case 'text':
      return `${member.type} ${name}[${member.bytes}]`
    case 'pointed':
      return `CK_BYTE * ${name}`
    case 'structurePointer':
    case 'array':
      return `${member.type} * ${name}`
    case 'template':
      return `CK_ATTRIBUTE * ${name}`
    default:
      return `${TYPES[member.kind]} ${name}`
  }
}
