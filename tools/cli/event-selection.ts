import type { EventReader, EventStore } from '../../engine/index.js'
import type { OptionSpec } from './command.js'
import { UsageError } from './exit-codes.js'
import type { ParsedArguments } from './parsed-arguments.js'
import { parseTime, TIME_FORMS } from './times.js'

/** Options of commands that pick events: of a stream, a category, or everything. */
export const SELECTION_OPTIONS = {
  category: { short: 'c', value: '<category>', help: 'of all streams whose names begin with it and a dash' },
  type: { short: 't', value: '<type>', repeats: true, help: 'only of this type; more than once: of any of them' },
  from: { value: '<n>', help: 'from this offset of the stream on; without a stream: from this position on' },
  to: { value: '<n>', help: 'up to this offset, or position, included' },
  since: { value: '<time>', help: `with this timestamp or later: ${TIME_FORMS}` },
  until: { value: '<time>', help: 'with this timestamp or earlier; a day is meant to its end' },
  correlation: { value: '<id>', help: 'only with this correlation id' },
  limit: { short: 'n', value: '<n>', help: 'at most so many' },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** Which events are picked. */
export interface EventSelection {
  /** Not together with `category`. Neither: of everything. */
  readonly stream: string | undefined
  readonly category: string | undefined
  readonly types: readonly string[] | undefined
  readonly correlationId: string | undefined
  /** Offsets of `stream`, positions otherwise; both included. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** Milliseconds since the epoch, both included. */
  readonly since: number | undefined
  readonly until: number | undefined
  readonly limit: number | undefined
}

/** What is asked for by `SELECTION_OPTIONS`, and by an operand that names a stream. Throws UsageError. */
export function eventSelection(args: ParsedArguments, stream: string | undefined, now = Date.now()): EventSelection {
  const category = nameOf(args.text('category'))
  if (stream !== undefined && category !== undefined) throw new UsageError('name a stream or a category, not both')
  const time = (option: 'since' | 'until', edge: 'from' | 'to'): number | undefined => {
    const text = args.text(option)
    return text === undefined ? undefined : parseTime(text, option, now, edge)
  }
  const types = args.texts('type').map((type) => nameOf(type))
  return {
    stream: nameOf(stream),
    category,
    types: types.length === 0 ? undefined : types,
    correlationId: nameOf(args.text('correlation')),
    from: args.number('from'),
    to: args.number('to'),
    since: time('since', 'from'),
    until: time('until', 'to'),
    limit: args.number('limit'),
  }
}

/**
 * A name of the command line. Names that are no plain word are shown in quotes, as JSON has them; so they can be given, too:
 * `'"two\nlines"'` is the name of two lines.
 */
export function nameOf(word: string): string
export function nameOf(word: string | undefined): string | undefined
export function nameOf(word: string | undefined): string | undefined {
  if (word?.startsWith('"') !== true) return word
  try {
    const name: unknown = JSON.parse(word)
    return typeof name === 'string' ? name : word
  } catch {
    return word
  }
}

/** Reads what is picked, in the order of the stream, or of commits. `more` is handed on. Iterating throws what reading does. */
export function readSelection(
  store: EventStore,
  { stream, category, types, correlationId, from, to, since, until, limit }: EventSelection,
  signal: AbortSignal,
  more: { readonly withoutData?: boolean } = {},
): EventReader {
  const filter = { types, correlationId, fromTime: since, toTime: until, limit, signal, ...more }
  return stream === undefined
    ? store.readAll({ ...filter, category, fromPosition: from, toPosition: to })
    : store.readStream(stream, { ...filter, fromOffset: from, toOffset: to })
}
