/**
 * What the functions of PKCS#11 take and give, as TypeScript types: derived from the rows.
 *
 * PKCS#11 3.2 §5. A parameter has the header's name. Pointers of the caller's process are left out;
 * a pointer with its length is one value. Values of attributes and raw parameters of mechanisms are
 * always C memory of a 64-bit little-endian machine (`memory.ts`), whatever the wire.
 *
 * @module
 */
import type { InitFunction } from './calls.ts'
import type { FUNCTIONS, FunctionName, StructureName } from './functions.ts'
import type { STRUCTURES, StructureType } from './structures.ts'

/** An attribute that is given. */
export interface Attribute {
  readonly type: number
  /** Attributes where the value is a template; undefined where pValue is NULL. */
  readonly value: Uint8Array | readonly Attribute[] | undefined
  /** ulValueLen, where pValue is NULL and it is not 0. */
  readonly length?: number
}

/** An attribute whose value is asked for. */
export interface AttributeWish {
  readonly type: number
  /** Bytes of the caller's buffer; undefined where pValue is NULL: only the length is asked for. */
  readonly capacity: number | undefined
  /** What the caller's buffer holds where the value is a template; p11-kit from 0.25.4 tells. */
  readonly nested?: readonly AttributeWish[]
}

/** An attribute that is answered: its value, only its length, or neither (ulValueLen -1). */
export interface AttributeAnswer {
  readonly type: number
  readonly value?: Uint8Array | readonly Attribute[]
  readonly length?: number
}

/** A field of a structure; a pointer with its length is one field, of the pointer's name. */
export type FieldValue =
  | number
  | boolean
  | Uint8Array
  | undefined
  | Mechanism
  | Fields
  | readonly Fields[]
  | readonly Attribute[]
/** The fields of a parameter structure by the header's names. */
export interface Fields {
  readonly [name: string]: FieldValue
}

/** The fields of one structure, as {@link Fields} with a type each. */
export type StructureFields<S extends StructureType> = {
  readonly [N in keyof (typeof STRUCTURES)[S] as (typeof STRUCTURES)[S][N] extends {
    readonly kind: 'length' | 'lengthPointer' | 'pointer'
  }
    ? never
    : N]: MemberValue<(typeof STRUCTURES)[S][N]>
}

type MemberValue<M> = M extends { readonly kind: 'ulong' | 'byte' }
  ? number
  : M extends { readonly kind: 'bool' }
    ? boolean
    : M extends { readonly kind: 'fixed' | 'text' }
      ? Uint8Array
      : M extends { readonly direction: 'out'; readonly kind: 'bytes' | 'pointed' }
        ? Uint8Array | number | undefined
        : M extends { readonly kind: 'bytes' | 'pointed' | 'string' }
          ? Uint8Array | undefined
          : M extends { readonly kind: 'version' }
            ? Version
            : M extends { readonly kind: 'structure'; readonly type: infer S extends StructureType }
              ? StructureFields<S>
              : M extends {
                    readonly kind: 'structurePointer'
                    readonly type: infer S extends StructureType
                  }
                ? StructureFields<S> | undefined
                : M extends { readonly kind: 'array'; readonly type: infer S extends StructureType }
                  ? readonly StructureFields<S>[] | undefined
                  : M extends { readonly kind: 'template' }
                    ? readonly Attribute[]
                    : M extends { readonly kind: 'mechanism' }
                      ? Mechanism | undefined
                      : M extends { readonly kind: 'handleOut' }
                        ? number | undefined
                        : never

/** CK_MECHANISM. */
export interface Mechanism {
  readonly type: number
  /** Undefined: none. Bytes: an IV, a CK_ULONG, or what fits no structure. */
  readonly parameter: Uint8Array | Fields | undefined
}

/** The parameter of one message, by fields where its mechanism has a structure for it. */
export type MessageParameter =
  | undefined
  | Uint8Array
  | { readonly mechanism: number; readonly fields: Fields }

export interface Version {
  readonly major: number
  readonly minor: number
}

/** What an argument is when the function is called; never where it only comes back. */
type Given<A> = A extends { readonly kind: infer K }
  ? K extends 'ulong'
    ? number
    : K extends 'bool'
      ? boolean
      : K extends 'bytes' | 'text'
        ? Uint8Array | undefined
        : K extends 'padded'
          ? Uint8Array
          : K extends 'wanted' | 'ulongs'
            ? number | undefined
            : K extends 'filled' | 'found'
              ? number
              : K extends 'template'
                ? readonly Attribute[]
                : K extends 'values'
                  ? readonly AttributeWish[]
                  : K extends 'mechanism'
                    ? Mechanism | undefined
                    : K extends 'parameter'
                      ? MessageParameter
                      : never
  : never

/** What an argument is when the function has run; never where it was only given. */
type Returned<A> = A extends { readonly kind: 'structure'; readonly type: infer S }
  ? S extends StructureName
    ? StructureFields<S>
    : never
  : A extends { readonly kind: infer K }
    ? K extends 'ulongOut'
      ? number
      : K extends 'wanted'
        ? Uint8Array | number
        : K extends 'filled'
          ? Uint8Array
          : K extends 'ulongs'
            ? readonly number[] | number
            : K extends 'found'
              ? readonly number[]
              : K extends 'values'
                ? readonly AttributeAnswer[]
                : K extends 'parameter'
                  ? MessageParameter
                  : never
    : never

type GivenFields<R> = {
  readonly [N in keyof R as [Given<R[N]>] extends [never] ? never : N]: Given<R[N]>
}
type ReturnedFields<R> = {
  readonly [N in keyof R as [Returned<R[N]>] extends [never] ? never : N]: Returned<R[N]>
}

/** How long the output of a single-part function is: ask; n; input + n; (input/n + 1) * n. */
export const OUTPUT_RULES = ['ask', 'fixed', 'added', 'padded'] as const
export type OutputRule = (typeof OUTPUT_RULES)[number]

/** What a successful ...Init tells our module, so that it need not ask again. */
export interface InitResults {
  readonly rule: OutputRule
  /** The n of the rule. */
  readonly length: number
  /** Whether the same call would be accepted again as long as nothing changes. */
  readonly isRepeatable: boolean
}

interface MoreArguments {
  readonly C_Initialize: {
    /** 16 bytes that all connections of one application have in common; stock clients have none. */
    readonly application: Uint8Array | undefined
    readonly processId: number | undefined
    /** What pReserved points to, without its NUL. */
    readonly reserved: Uint8Array | undefined
  }
  readonly C_SignMessageNext: {
    /** pulSignatureLen is not NULL: this was the last part, and the signature is wanted. */
    readonly isLast: boolean
  }
}

/** The mechanism as it was given, with what the token has written into its parameter. */
interface ParameterBack {
  readonly pMechanism?: Mechanism | undefined
}

interface MoreResults {
  readonly C_DeriveKey: ParameterBack
  readonly C_WrapKeyAuthenticated: ParameterBack
  readonly C_Initialize: {
    /** Path of the socket for further connections; undefined: the same as this one's. */
    readonly further: Uint8Array | undefined
    /** Changes whenever the server has forgotten what it knew. */
    readonly epoch: number
    /** Largest body of a request that is taken; a larger one ends the connection. */
    readonly callBytesMax: number
  }
  readonly C_GetAttributeValue: {
    /** CKR_OK, ATTRIBUTE_SENSITIVE, ATTRIBUTE_TYPE_INVALID or BUFFER_TOO_SMALL. */
    readonly rv: number
  }
}

type More<T, F> = F extends keyof T ? T[F] : unknown
type Row<F extends FunctionName> = (typeof FUNCTIONS)[F]
type Flat<T> = { readonly [K in keyof T]: T[K] }

/** What a function takes, by the header's names. */
export type Arguments<F extends FunctionName> = Flat<GivenFields<Row<F>> & More<MoreArguments, F>>
/** What a function gives when it succeeds, by the header's names. */
export type Results<F extends FunctionName> = Flat<
  ReturnedFields<Row<F>> & More<MoreResults, F> & (F extends InitFunction ? InitResults : unknown)
>
/** What a handler may answer: functions that give nothing need not return an object. */
export type Answer<F extends FunctionName> = keyof Results<F> extends never
  ? Results<F> | undefined
  : Results<F>

/** Functions that the module answers by itself. */
export const LOCAL_FUNCTIONS = [
  'C_GetFunctionList',
  'C_GetInterfaceList',
  'C_GetInterface',
  'C_GetFunctionStatus',
  'C_CancelFunction',
] as const satisfies readonly FunctionName[]
export type LocalFunction = (typeof LOCAL_FUNCTIONS)[number]
/** Functions that travel. */
export type RemoteFunction = Exclude<FunctionName, LocalFunction>

/**
 * What answers the functions of one application. A return value other than CKR_OK is thrown as a
 * CryptokiError. An answer that is not a promise is written at once.
 */
export type Handlers<A> = {
  readonly [F in RemoteFunction]: (
    application: A,
    args: Arguments<F>,
  ) => Answer<F> | Promise<Answer<F>>
}
