/**
 * The functions of `calls.c`: every entry point that is a remote call, with its marshalling, and
 * the lists of functions.
 *
 * Part of `tools/print-module.ts`. The rows are those of `spec/pkcs11/functions.ts`; what is
 * written by hand in C is {@link WRITTEN}.
 *
 * @module
 */
import { FUNCTIONS_2_40 } from '#spec/pkcs11/function-names.ts'
import type { Argument, FunctionName } from '#spec/pkcs11/functions.ts'
import { LISTS, listName, parametersOfRow, prototype, rowOf, wrap } from './module-c.ts'
import { variable } from './module-structures.ts'

/** Functions that `module/process.c` and `module/interfaces.c` have. */
export const WRITTEN: readonly FunctionName[] = [
  'C_Initialize',
  'C_Finalize',
  'C_GetFunctionList',
  'C_GetInterfaceList',
  'C_GetInterface',
  'C_GetFunctionStatus',
  'C_CancelFunction',
  'C_AsyncComplete',
  'C_AsyncGetID',
  'C_AsyncJoin',
]

/** Functions that programs look up by name: those of 2.40, and the ways to the others. */
const EXPORTED: ReadonlySet<string> = new Set([
  ...FUNCTIONS_2_40,
  'C_GetInterfaceList',
  'C_GetInterface',
])

/** What a function does to the operations of its session; see `module/claviger.h`. */
// biome-ignore format: a table
const ROLES: Readonly<Partial<Record<FunctionName, readonly [operations: string, role: string]>>> = {
  C_EncryptInit:         ['ENCRYPT', 'INIT'],
  C_Encrypt:             ['ENCRYPT', 'WHOLE'],
  C_EncryptUpdate:       ['ENCRYPT', 'UPDATE'],
  C_EncryptFinal:        ['ENCRYPT', 'FINAL'],
  C_DecryptInit:         ['DECRYPT', 'INIT'],
  C_Decrypt:             ['DECRYPT', 'WHOLE'],
  C_DecryptUpdate:       ['DECRYPT', 'UPDATE'],
  C_DecryptFinal:        ['DECRYPT', 'FINAL'],
  C_DigestInit:          ['DIGEST', 'INIT'],
  C_Digest:              ['DIGEST', 'WHOLE'],
  C_DigestUpdate:        ['DIGEST', 'UPDATE'],
  C_DigestKey:           ['DIGEST', 'UPDATE'],
  C_DigestFinal:         ['DIGEST', 'FINAL'],
  C_SignInit:            ['SIGN', 'INIT'],
  C_Sign:                ['SIGN', 'WHOLE'],
  C_SignUpdate:          ['SIGN', 'UPDATE'],
  C_SignFinal:           ['SIGN', 'FINAL'],
  C_SignRecoverInit:     ['SIGN_RECOVER', 'INIT'],
  C_SignRecover:         ['SIGN_RECOVER', 'WHOLE'],
  C_VerifyInit:          ['VERIFY', 'INIT'],
  C_Verify:              ['VERIFY', 'WHOLE'],
  C_VerifyUpdate:        ['VERIFY', 'UPDATE'],
  C_VerifyFinal:         ['VERIFY', 'FINAL'],
  C_VerifyRecoverInit:   ['VERIFY_RECOVER', 'INIT'],
  C_VerifyRecover:       ['VERIFY_RECOVER', 'WHOLE'],
  C_DigestEncryptUpdate: ['DIGEST | ENCRYPT', 'UPDATE'],
  C_DecryptDigestUpdate: ['DECRYPT | DIGEST', 'UPDATE'],
  C_SignEncryptUpdate:   ['SIGN | ENCRYPT', 'UPDATE'],
  C_DecryptVerifyUpdate: ['DECRYPT | VERIFY', 'UPDATE'],
  C_VerifySignatureInit:   ['VERIFY_SIGNATURE', 'INIT'],
  C_VerifySignature:       ['VERIFY_SIGNATURE', 'WHOLE'],
  C_VerifySignatureUpdate: ['VERIFY_SIGNATURE', 'UPDATE'],
  C_VerifySignatureFinal:  ['VERIFY_SIGNATURE', 'FINAL'],
  C_MessageEncryptInit:  ['MESSAGE_ENCRYPT', 'INIT'],
  C_EncryptMessage:      ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_EncryptMessageBegin: ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_EncryptMessageNext:  ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_MessageDecryptInit:  ['MESSAGE_DECRYPT', 'INIT'],
  C_DecryptMessage:      ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_DecryptMessageBegin: ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_DecryptMessageNext:  ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_MessageSignInit:     ['MESSAGE_SIGN', 'INIT'],
  C_SignMessage:         ['MESSAGE_SIGN', 'MESSAGE'],
  C_SignMessageBegin:    ['MESSAGE_SIGN', 'MESSAGE'],
  C_SignMessageNext:     ['MESSAGE_SIGN', 'MESSAGE'],
  C_MessageVerifyInit:   ['MESSAGE_VERIFY', 'INIT'],
  C_VerifyMessage:       ['MESSAGE_VERIFY', 'MESSAGE'],
  C_VerifyMessageBegin:  ['MESSAGE_VERIFY', 'MESSAGE'],
  C_VerifyMessageNext:   ['MESSAGE_VERIFY', 'MESSAGE'],
  C_Login:               ['REPEATABLE', 'FLUSHES'],
  C_LoginUser:           ['REPEATABLE', 'FLUSHES'],
  C_SessionCancel:       ['REPEATABLE', 'FLUSHES'],
  C_GetOperationState:   ['REPEATABLE', 'FLUSHES'],
  C_SetOperationState:   ['REPEATABLE', 'FLUSHES'],
  C_Logout:              ['REPEATABLE', 'FLUSHES'],
  C_InitToken:           ['0', 'FORGETS'],
  C_CloseAllSessions:    ['0', 'CLOSES_ALL'],
  C_SetAttributeValue:   ['0', 'FORGETS'],
  C_CopyObject:          ['0', 'FORGETS'],
  C_DestroyObject:       ['0', 'FORGETS'],
  C_OpenSession:         ['0', 'OPENS'],
  C_CloseSession:        ['0', 'CLOSES'],
  C_FindObjectsInit:     ['0', 'SEARCHES'],
  C_FindObjects:         ['0', 'FINDS'],
  C_FindObjectsFinal:    ['0', 'FOUND'],
  C_WaitForSlotEvent:    ['0', 'flags & CKF_DONT_BLOCK ? PLAIN : WAITS'],
}

/** What takes data that are longer than one call carries, and by which functions. */
// biome-ignore format: a table
const PIECES: Readonly<Partial<Record<FunctionName, readonly [how: string, ...by: readonly FunctionName[]]>>> = {
  C_DigestUpdate:          ['feed_pieces', 'C_DigestUpdate'],
  C_SignUpdate:            ['feed_pieces', 'C_SignUpdate'],
  C_VerifyUpdate:          ['feed_pieces', 'C_VerifyUpdate'],
  C_VerifySignatureUpdate: ['feed_pieces', 'C_VerifySignatureUpdate'],
  C_GenerateRandom:        ['feed_pieces', 'C_GenerateRandom'],
  C_EncryptUpdate:         ['convert_pieces', 'C_EncryptUpdate'],
  C_DecryptUpdate:         ['convert_pieces', 'C_DecryptUpdate'],
  C_DigestEncryptUpdate:   ['convert_pieces', 'C_DigestEncryptUpdate'],
  C_DecryptDigestUpdate:   ['convert_pieces', 'C_DecryptDigestUpdate'],
  C_SignEncryptUpdate:     ['convert_pieces', 'C_SignEncryptUpdate'],
  C_DecryptVerifyUpdate:   ['convert_pieces', 'C_DecryptVerifyUpdate'],
  C_Digest:                ['feed_whole', 'C_Digest', 'C_DigestUpdate', 'C_DigestFinal'],
  C_Sign:                  ['feed_whole', 'C_Sign', 'C_SignUpdate', 'C_SignFinal'],
  C_Encrypt:               ['convert_whole', 'C_Encrypt', 'C_EncryptUpdate', 'C_EncryptFinal'],
  C_Decrypt:               ['convert_whole', 'C_Decrypt', 'C_DecryptUpdate', 'C_DecryptFinal'],
  C_Verify:                ['verify_whole', 'C_VerifyUpdate', 'C_VerifyFinal'],
  C_VerifySignature:       ['verify_signature_whole', 'C_VerifySignatureUpdate', 'C_VerifySignatureFinal'],
}

function put(name: string, argument: Argument, of: FunctionName): string {
  switch (argument.kind) {
    case 'ulong':
    case 'bool':
      return `put_${argument.kind}(&call, ${name});`
    case 'mechanism':
      return of.endsWith('Authenticated')
        ? `put_mechanism_authenticated(&call, ${name});`
        : `put_mechanism(&call, ${name});`
    case 'bytes':
    case 'text':
      return `put_bytes(&call, ${name}, ${argument.length});`
    case 'wanted':
      return of === 'C_SignMessageNext'
        ? `put_wanted_or_not(&call, ${name}, ${argument.length});`
        : `put_wanted(&call, ${name}, ${argument.length});`
    case 'filled':
    case 'template':
    case 'values':
    case 'parameter':
    case 'ulongs':
      return `put_${argument.kind}(&call, ${name}, ${argument.length});`
    case 'padded':
      return `put_padded(&call, ${name}, ${argument.bytes});`
    case 'found':
      return `put_found(&call, ${name}, ${argument.maximum}, ${argument.length});`
    case 'ulongOut':
      return of === 'C_DeriveKey' ? `need_key(&call, ${name});` : `need(&call, ${name});`
    case 'structure':
      return `need(&call, ${name});`
    case 'pointer':
      // The application's own pointer and callback stay in its process: no event is reported.
      return name === 'pReserved' ? `need_nothing(&call, ${name});` : `(void)${name};`
  }
}

function get(name: string, argument: Argument): readonly string[] {
  switch (argument.kind) {
    case 'ulongOut':
      return [`get_ulong(&call, ${name});`]
    case 'structure':
      return [`get_structure(&call, &${variable(argument.type)}, ${name});`]
    case 'found':
      return [`get_found(&call, ${name}, ${argument.maximum}, ${argument.length});`]
    case 'wanted':
    case 'filled':
    case 'values':
    case 'parameter':
    case 'ulongs':
      return [`get_${argument.kind}(&call, ${name}, ${argument.length});`]
    default:
      return []
  }
}

/** The way of data that are too long, before anything else is done. */
function pieces(name: FunctionName): string {
  const [how, ...by] = PIECES[name] ?? []
  if (how === undefined) return ''
  const [session, data, length, ...others] = parametersOfRow(rowOf(name)).map((one) => one.name)
  const args = [...by, session, data, length, ...others] as readonly string[]
  const head = `        return ${how}(`
  const call = wrap(head, args, ');', ' '.repeat(head.length))
  return `    if (is_long(${data}, ${length}))\n${call}\n`
}

export function functionText(name: FunctionName): string {
  const row = rowOf(name)
  const [operations, role] = ROLES[name] ?? ['0', 'PLAIN']
  const session = ['hSession', 'slotID'].find((one) => one in row) ?? '0'
  const written =
    'pMechanism' in row && role !== 'INIT' ? ['get_mechanism(&call, pMechanism);'] : []
  const begin = wrap(
    '    if (!call_begin(',
    ['&call', `CALL_${name}`, session, operations, role],
    '))',
    ' '.repeat(20),
  )
  const lines = [
    ...Object.entries(row).map((entry) => put(...entry, name)),
    'call_run(&call);',
    ...Object.entries(row).flatMap((entry) => get(...entry)),
    ...written,
    'return call_end(&call);',
  ]
  const body = lines.map((line) => `    ${line}`).join('\n')
  return `${prototype(name, '', EXPORTED.has(name) ? 'EXPORT ' : '')}
{
    struct call call;
${pieces(name)}${begin}
        return call.rv;
${body}
}`
}

export function listText(type: keyof typeof LISTS, version: string): string {
  const items = [`{${version}}`, ...LISTS[type]]
  return `const ${type} ${listName(type)} = {\n${wrap('    ', items, '};', '    ')}`
}
