/**
 * `claviger keys`: its commands, each in a file of its own group: `keys-*.ts`.
 *
 * Keys are called by name or unique identifier (`references.ts`).
 *
 * @module
 */
import { Command } from 'commander'
import { attributes, show } from './keys-attributes.ts'
import { create, register } from './keys-create.ts'
import { get } from './keys-get.ts'
import { activate, allocate, destroy, lease, revoke } from './keys-life.ts'
import { listKeys } from './keys-list.ts'

export const keys = new Command('keys').description('keys and other objects').addHelpText(
  'after',
  `
Examples:
  claviger keys create --name first
  claviger keys list
  claviger keys destroy first --revoke CessationOfOperation`,
)
const commands = [
  create,
  register,
  listKeys,
  show,
  get,
  attributes,
  lease,
  allocate,
  activate,
  revoke,
  destroy,
]
for (const command of commands) keys.addCommand(command)
