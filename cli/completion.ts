/**
 * `claviger completion`: scripts that complete commands and options in a shell.
 *
 * They are printed from the tree of commands: what the tree has, they know.
 *
 * @module
 */
import { Command } from 'commander'

/** A command, and what may follow it. */
interface Node {
  /** Names from the program on, joined by spaces; empty for the program. */
  readonly path: string
  readonly words: readonly string[]
  readonly options: readonly Flag[]
  readonly commands: readonly { readonly name: string; readonly description: string }[]
}

interface Flag {
  readonly name: string
  readonly description: string
  /** Values that it takes; none where it is any text, such as the path of a file. */
  readonly values?: readonly string[] | undefined
}

/** Every command of the tree. Options of the program may stand behind any command. */
function nodesOf(program: Command): readonly Node[] {
  const nodes: Node[] = []
  const walk = (command: Command, path: string): void => {
    const own = command === program ? [] : command.options
    const options = [...own, ...program.options]
      .filter(({ hidden, long }) => !hidden && long !== undefined && long !== null)
      .map(({ long, description, required, argChoices }) => {
        const values = required ? (argChoices ?? []) : undefined
        return { name: long as string, description, values }
      })
    const all: readonly Flag[] = [
      ...options,
      { name: '--help', description: 'display help for command' },
    ]
    const commands = command.commands.map((inner) => {
      return { name: inner.name(), description: inner.description() }
    })
    const words = [...commands, ...all].map(({ name }) => name)
    nodes.push({ path, words, options: all, commands })
    for (const inner of command.commands) walk(inner, `${path} ${inner.name()}`.trim())
  }
  walk(program, '')
  return nodes
}

/** Options of a command behind which a value stands that can be anything. */
function taking({ options }: Node): readonly string[] {
  return options.flatMap(({ name, values }) => (values?.length === 0 ? name : []))
}

/** Options of a command with the values that they can have. */
function choosing({ options }: Node): readonly (readonly [name: string, values: string])[] {
  return options.flatMap(({ name, values = [] }) => {
    return values.length === 0 ? [] : [[name, values.join(' ')] as const]
  })
}

/** The part of bash and zsh that finds the command that has been typed so far. */
function pathCases(nodes: readonly Node[]): string {
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `"${path}"`)
  return paths.join('|')
}

export function bashScript(program: Command): string {
  const nodes = nodesOf(program)
  const cases = nodes.map((node) => {
    const { path, words } = node
    return `    "${path}") words="${words.join(' ')}" files="${taking(node).join(' ')}" ;;`
  })
  const values = nodes.flatMap((node) => {
    return choosing(node).map(([name, words]) => `    "${node.path} ${name}") words="${words}" ;;`)
  })
  return `# bash completion for claviger; load it with: source <(claviger completion bash)
_claviger() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" next word words="" files=""
  local previous="\${COMP_WORDS[COMP_CWORD-1]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${pathCases(nodes)}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${values.join('\n')}
  esac
  if [[ " $files " == *" $previous "* ]]; then
    COMPREPLY=()
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _claviger claviger
`
}

export function zshScript(program: Command): string {
  const nodes = nodesOf(program)
  const cases = nodes.map((node) => {
    const { path, commands, options } = node
    const words = [...commands, ...options].map(({ name, description }) => {
      return quoted(`${name}:${description.replaceAll(':', String.raw`\:`)}`)
    })
    return `    "${path}") candidates=(${words.join(' ')}) files=(${taking(node).join(' ')}) ;;`
  })
  const values = nodes.flatMap((node) => {
    return choosing(node).map(
      ([name, words]) => `    "${node.path} ${name}") candidates=(${words}) ;;`,
    )
  })
  return `#compdef claviger
# zsh completion for claviger; load it with: source <(claviger completion zsh)
_claviger() {
  local place="" next word previous="\${words[CURRENT-1]}"
  local -a candidates files
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${place:+$place }$word"
    case "$next" in
      ${pathCases(nodes)}) place="$next" ;;
    esac
  done
  case "$place" in
${cases.join('\n')}
  esac
  case "$place $previous" in
${values.join('\n')}
  esac
  if (( \${files[(Ie)$previous]} )); then
    _files
    return
  fi
  _describe claviger candidates || _files
}
if [[ "\${funcstack[1]}" == _claviger ]]; then # a file of $fpath, at its first use
  _claviger "$@"
elif (( \${+functions[compdef]} )); then
  compdef _claviger claviger
else
  print -u2 'claviger: zsh completes nothing yet; do before: autoload -U compinit; compinit'
fi
`
}

/** In single quotes, as every shell reads it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

export function fishScript(program: Command): string {
  const lines = nodesOf(program).flatMap(({ path, commands, options }) => {
    const when = quoted(`test (__claviger_path) = "${path}"`)
    const named = commands.map(({ name, description }) => {
      return `complete -c claviger -f -n ${when} -a ${name} -d ${quoted(description)}`
    })
    const flags = options.map(({ name, description, values }) => {
      const line = `complete -c claviger -n ${when} -l ${name.slice(2)} -d ${quoted(description)}`
      if (values === undefined) return line
      return values.length === 0 ? `${line} -r` : `${line} -x -a ${quoted(values.join(' '))}`
    })
    return [...named, ...flags]
  })
  const paths = nodesOf(program).filter(({ path }) => path !== '')
  return `# fish completion for claviger; load it with: claviger completion fish | source
function __claviger_path
  set -l path ""
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$path $word")
    switch "$next"
      case ${paths.map(({ path }) => quoted(path)).join(' ')}
        set path "$next"
    end
  end
  echo "$path"
end
${lines.join('\n')}
`
}

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

export const completion = new Command('completion')
  .description('a script that completes commands and options in a shell')
  .addHelpText(
    'after',
    `
Examples:
  source <(claviger completion bash)
  claviger completion fish > ~/.config/fish/completions/claviger.fish`,
  )
for (const [shell, script] of Object.entries(SHELLS)) {
  const command = new Command(shell)
    .description(`for ${shell}`)
    .addHelpText('after', `\nExamples:\n  claviger completion ${shell}`)
    .action((_options, self: Command) => {
      process.stdout.write(script(rootOf(self)))
    })
  completion.addCommand(command)
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}
