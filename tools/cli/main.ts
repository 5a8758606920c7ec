import { parseCommandLine } from './arguments.js'
import type { Command } from './command.js'
import { commands } from './commands.js'
import { EXIT, type ExitCode, explain, UsageError } from './exit-codes.js'
import { commandHelp, generalHelp } from './help.js'
import { escapeUnsafe, quoted } from './safe-text.js'
import { suggest } from './suggest.js'
import { setColours, type Terminal } from './terminal.js'
import { version } from './version.js'

/** Runs a command line. Returns how it ended; never throws. */
export async function main(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  setColours(terminal, 'auto')
  const { out, err } = terminal
  try {
    const code = await run(words, terminal)
    await out.flush()
    return code
  } catch (error) {
    // A command that was stopped may report it in its own way.
    const reason: unknown = terminal.signal.aborted ? terminal.signal.reason : error
    const { code, message, hint } = explain(reason)
    await out.flush().catch(() => {})
    // A message may quote what is stored, and its lines are ours to break.
    const lines = message?.split('\n').map(escapeUnsafe).join('\n')
    if (lines !== undefined) err.line(`${err.paint('red', 'annals:')} ${lines}`)
    if (hint !== undefined) err.line(hint)
    await err.flush().catch(() => {})
    return code
  }
}

async function run(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const { out, err } = terminal
  const [name, ...rest] = words
  switch (name) {
    case undefined:
      err.line(generalHelp(commands, err.paint))
      await err.flush()
      return EXIT.usage
    case '-h':
    case '--help':
    case 'help':
      out.line(rest[0] === undefined ? generalHelp(commands, out.paint) : commandHelp(named(rest[0]), out.paint))
      return EXIT.fine
    case '-V':
    case '--version':
      out.line(version())
      return EXIT.fine
  }
  const command = named(name)
  const args = parseCommandLine(command, rest)
  setColours(terminal, args.oneOf('color', ['auto', 'always', 'never']) ?? 'auto')
  if (!args.has('help')) return command.run(args, terminal)
  out.line(commandHelp(command, out.paint))
  return EXIT.fine
}

function named(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name)
  if (command !== undefined) return command
  const meant = suggest(
    name,
    commands.map((candidate) => candidate.name),
  )
  throw new UsageError(
    `there is no command ${quoted(name)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    'See "annals help".',
  )
}
