/**
 * What the operating system refuses, in words: `Cannot open x: there is no such file or folder`.
 *
 * Only what files have is put into words here. What is not known keeps the system's own words.
 *
 * @module
 */

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'it is not allowed',
  EPERM: 'it is not allowed',
  EISDIR: 'it is a folder',
  ENOTDIR: 'what should be a folder in it is a file',
  EEXIST: 'it is there already',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'the disk is read-only',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links go round in a circle',
}

const VERBS: Readonly<Record<string, string>> = { mkdir: 'make', scandir: 'list', unlink: 'remove' }
const PLAIN_VERBS = ['open', 'read', 'write', 'rename']

/** The message of a failed system call about a file; undefined for another one. */
export function fileTrouble(error: NodeJS.ErrnoException): string | undefined {
  const { code, syscall = '', path = syscall === 'write' ? 'the output' : undefined } = error
  const reason = REASONS[code ?? '']
  const verb = VERBS[syscall] ?? (PLAIN_VERBS.includes(syscall) ? syscall : 'use')
  if (reason === undefined || path === undefined) return undefined
  return `Cannot ${verb} ${path}: ${reason} (${code})`
}
