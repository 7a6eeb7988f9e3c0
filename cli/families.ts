/**
 * `claviger sym`, `claviger rsa` and `claviger ec`: the words of `ckms` for our server.
 *
 * @module
 */
import { Command } from 'commander'
import { FAMILIES, type Family } from './family.ts'
import {
  familySign,
  familyVerify,
  rsaDecrypt,
  rsaEncrypt,
  symDecrypt,
  symEncrypt,
} from './family-cryptography.ts'
import { ecDecrypt, ecEncrypt } from './family-ecies.ts'
import { familyKeys } from './family-keys.ts'

const WORK: Readonly<Record<Family['name'], readonly ((family: Family) => Command)[]>> = {
  sym: [symEncrypt, symDecrypt],
  rsa: [rsaEncrypt, rsaDecrypt, familySign, familyVerify],
  ec: [ecEncrypt, ecDecrypt, familySign, familyVerify],
}

function familyCommand(family: Family): Command {
  const { name, what } = family
  const command = new Command(name).description(`${what}, with the commands of ckms`).addHelpText(
    'after',
    `
For whoever has scripts for ckms: its commands, with the program's name changed. The commands
without ${name} before them do the same and more; see claviger --help.${MISSING[name]}

Examples:
  claviger ${name} keys create my_key
  claviger ${name} encrypt --key-id my_key letter.txt`,
  )
  command.addCommand(familyKeys(family))
  for (const make of WORK[name]) command.addCommand(make(family))
  return command
}

/** What ckms has beyond it. */
const MISSING: Readonly<Record<Family['name'], string>> = {
  sym: ' Not there yet: keysets and rotation policies.',
  rsa: ' Not there yet: keysets and rotation policies.',
  ec: ' Not there yet: keysets and rotation policies.',
}

export const families: readonly Command[] = FAMILIES.map(familyCommand)
