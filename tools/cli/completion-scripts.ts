import { COMMON_OPTIONS } from './arguments.js'
import type { Command, OptionSpec } from './command.js'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What a shell runs to complete commands, their options, and files. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return { bash, zsh, fish }[shell](commands)
}

/** What can stand where a command does, beside the commands. */
const HELP = { name: 'help', summary: 'show help, or that of a command' }

/** Whether the value of an option is the name of a file. */
function isFile({ value }: OptionSpec): boolean {
  return value === '<file>'
}

function optionsOf({ options }: Command): [name: string, spec: OptionSpec][] {
  return Object.entries({ ...options, ...COMMON_OPTIONS })
}

/** A word that the shell takes as it stands. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function bash(commands: readonly Command[]): string {
  const names = [...commands.map(({ name }) => name), 'help'].join(' ')
  const cases = commands.map((command) => {
    const words = optionsOf(command).map(([name]) => `--${name}`)
    return `    ${command.name}) options='${words.join(' ')}' ;;`
  })
  return `_annals() {
  local word=\${COMP_WORDS[COMP_CWORD]} options=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = help ]; }; then
    mapfile -t COMPREPLY < <(compgen -W '${names}' -- "$word")
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}
complete -o filenames -F _annals annals
`
}

function zsh(commands: readonly Command[]): string {
  const names = [...commands, HELP].map(
    ({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`,
  )
  const cases = commands.map((command) => {
    const options = optionsOf(command).flatMap(([name, spec]) => {
      const { short, value, help, repeats } = spec
      // In a description, brackets and colons end it.
      const text = help.replaceAll(/[[\]:\\]/g, '\\$&')
      const argument = value === undefined ? '' : `:${value.replaceAll(/[<>]/g, '')}:${isFile(spec) ? '_files' : ''}`
      const many = repeats === true ? '*' : ''
      const long = `${many}--${name}${value === undefined ? '' : '='}[${text}]${argument}`
      return short === undefined ? [long] : [long, `${many}-${short}[${text}]${argument}`]
    })
    return `      ${command.name})\n        _arguments ${[...options, '*:file:_files'].map(quote).join(' ')} ;;`
  })
  return `#compdef annals
_annals() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )) || { (( CURRENT == 3 )) && [[ $words[2] == help ]]; }; then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _annals ]]; then _annals "$@"; else compdef _annals annals; fi
`
}

function fish(commands: readonly Command[]): string {
  const words = [...commands, HELP].map(
    ({ name, summary }) => `complete -c annals -f -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`,
  )
  const lines = commands.flatMap((command) => [
    ...optionsOf(command).map(([name, spec]) => {
      const { short, value, help } = spec
      const letter = short === undefined ? '' : ` -s ${short}`
      const needs = value === undefined ? '' : isFile(spec) ? ' -r -F' : ' -x'
      return `complete -c annals -n '__fish_seen_subcommand_from ${command.name}' -l ${name}${letter}${needs} -d ${quote(help)}`
    }),
  ])
  const names = commands.map(({ name }) => name).join(' ')
  return `${[...words, ...lines].join('\n')}
complete -c annals -f -n '__fish_seen_subcommand_from help' -a ${quote(names)}
`
}
