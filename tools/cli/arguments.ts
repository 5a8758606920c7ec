import { parseArgs } from 'node:util'
import type { Command, OptionSpec } from './command.js'
import { UsageError } from './exit-codes.js'
import { ParsedArguments } from './parsed-arguments.js'
import { quoted } from './safe-text.js'
import { suggest } from './suggest.js'

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  color: { value: '<when>', help: 'always, never, or auto: only on a terminal (default)' },
  help: { short: 'h', help: 'show this help' },
}

/** Checks the words behind the name of a command. Throws UsageError. */
export function parseCommandLine(command: Command, words: readonly string[]): ParsedArguments {
  const specs = { ...command.options, ...COMMON_OPTIONS }
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {}
  for (const [name, { value, short }] of Object.entries(specs)) {
    options[name] = { type: value === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) }
  }
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true })
  const found = new Map<string, (string | true)[]>()
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) throw unknownOption(command, token.rawName, token.name, Object.keys(specs))
    if (spec.value === undefined && token.value !== undefined) throw new UsageError(`--${token.name} takes no value`)
    if (spec.value !== undefined && token.value === undefined) {
      throw new UsageError(`--${token.name} needs a value: --${token.name} ${spec.value}`)
    }
    const before = found.get(token.name) ?? []
    if (before.length > 0 && spec.repeats !== true) throw new UsageError(`--${token.name} is there twice`)
    found.set(token.name, [...before, token.value ?? true])
  }
  if (!found.has('help')) requireOperands(command, operands)
  return new ParsedArguments(operands, found)
}

function unknownOption(command: Command, raw: string, name: string, known: readonly string[]): UsageError {
  const meant = suggest(name, known)
  return new UsageError(
    `${command.name} has no option ${quoted(raw)}${meant === undefined ? '' : `; did you mean --${meant}?`}`,
    `See "annals help ${command.name}".`,
  )
}

function requireOperands(command: Command, operands: readonly string[]): void {
  const required = command.operands.filter((name) => name.startsWith('<'))
  if (operands.length < required.length) {
    throw new UsageError(`${command.name} needs ${required[operands.length]!}`, usageOf(command))
  }
  const extra = operands[command.operands.length]
  if (extra !== undefined) throw new UsageError(`${command.name} takes no ${quoted(extra)}`, usageOf(command))
}

export function usageOf(command: Command): string {
  return `Usage: annals ${[command.name, ...command.operands, '[options]'].join(' ')}`
}
