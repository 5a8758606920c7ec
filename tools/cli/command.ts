import type { ParsedArguments } from './parsed-arguments.js'
import type { ExitCode } from './exit-codes.js'
import type { Terminal } from './terminal.js'

/** An option of a command. */
export interface OptionSpec {
  /** What its value is called in the help, `<n>`; undefined: it has none. */
  readonly value?: string
  readonly short?: string
  /** May be there several times. Default: once at most. */
  readonly repeats?: true
  readonly help: string
}

/** A subcommand: what the help says of it, and what it does. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Positional arguments as the help shows them, `<file>`. */
  readonly operands: readonly string[]
  readonly options: Readonly<Record<string, OptionSpec>>
  /** What the help says below the usage. */
  readonly description: string
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode>
}
