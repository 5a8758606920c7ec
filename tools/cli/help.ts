import { COMMON_OPTIONS, usageOf } from './arguments.js'
import type { Command, OptionSpec } from './command.js'
import type { Paint } from './paint.js'

/** The help of `annals` itself. */
export function generalHelp(commands: readonly Command[], paint: Paint): string {
  return [
    'Look into stores of events, check them, and mend them.',
    '',
    `${paint('bold', 'Usage:')} annals <command> [options]`,
    '',
    paint('bold', 'Commands:'),
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    paint('bold', 'Options:'),
    ...columns([
      ['-h, --help', 'show this help, or that of a command'],
      ['-V, --version', 'show the version'],
    ]),
    '',
    'Exit codes: 0 fine, 1 something is wrong with the store, 2 wrong command line, 3 reading or writing failed.',
    '',
    `"annals help <command>" tells more, with examples.`,
  ].join('\n')
}

/** The help of a command. */
export function commandHelp(command: Command, paint: Paint): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS })
  return [
    usageOf(command).replace('Usage:', paint('bold', 'Usage:')),
    '',
    command.description.trim(),
    '',
    paint('bold', 'Options:'),
    ...columns(options.map(([name, spec]) => [optionName(name, spec), spec.help])),
    '',
    paint('bold', 'Examples:'),
    ...command.examples.flatMap(([line, meaning], i) => [
      ...(i === 0 ? [] : ['']),
      `  ${paint('dim', `# ${meaning}`)}`,
      `  $ ${line}`,
    ]),
  ].join('\n')
}

function optionName(name: string, { short, value }: OptionSpec): string {
  const long = `--${name}${value === undefined ? '' : ` ${value}`}`
  return short === undefined ? `    ${long}` : `-${short}, ${long}`
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
