import type { ListedStream } from '../../../engine/index.js'
import { bar } from '../bar.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { bytes, count, plural, time } from '../numbers.js'
import type { Output } from '../output.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { reading } from '../reading.js'
import { safeJson, shortened, showName } from '../safe-text.js'
import { figuresOf, type StoreFigures } from '../store-figures.js'
import type { Terminal } from '../terminal.js'
import { stretchLabel, stretchName } from '../time-histogram.js'

const MOST_EVENTS = 1_000_000
const FAST_EVENTS = 100_000
const MOST_ROWS = 24
const DEFAULT_TOP = 10
const MOST_TOP = 1000
const NAME_COLUMNS = 40

export const stat: Command = {
  name: 'stat',
  summary: 'totals, sizes, events per time, types, busiest and largest streams',
  operands: ['<store>'],
  options: {
    top: { value: '<n>', help: `so many types and streams (default ${DEFAULT_TOP})` },
    fast: { help: `does not look at the streams, and reads at most ${count(FAST_EVENTS)} events` },
    exact: { help: `reads all events, also where there are more than ${count(MOST_EVENTS)}` },
    json: { help: 'one JSON object' },
  },
  description: `
Shows what there is in a store. Totals, sizes and streams are exact. Times and types are those of all events up to ${count(MOST_EVENTS)}; of
more, so many are read in stretches of a thousand from all over the log, and what is estimated from them says so. Of types, the 10,000
most frequent are counted.`,
  examples: [
    ['annals stat ./data', 'what is in there?'],
    ['annals stat --fast ./data', 'the same of a large store, in a moment'],
    [`annals stat --json ./data | jq '.types[] | select(.events > 1000)'`, 'types that are frequent'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const directory = args.operands[0]!
  const top = Math.min(MOST_TOP, args.number('top', 1) ?? DEFAULT_TOP)
  const fast = args.has('fast')
  const mostEvents = args.has('exact') ? Infinity : fast ? FAST_EVENTS : MOST_EVENTS
  const progress = new Progress(err, 'stat', undefined, count)
  const figures = await reading(directory, (store) =>
    figuresOf(store, directory, {
      mostEvents,
      streams: !fast,
      top,
      signal,
      onProgress: (what, done, total) => progress.show(done, total, () => what),
    }),
  ).finally(() => progress.end())
  if (args.has('json')) out.line(safeJson(figuresJson(figures, top)))
  else print(figures, top, out)
  if (figures.damage !== undefined) throw figures.damage
  return (figures.streams?.damaged ?? 0) > 0 ? EXIT.findings : EXIT.fine
}

/** What a count among the events that were read stands for among all, where they were picked from all. */
function scaled({ events, read, damage }: StoreFigures, value: number): number {
  return read === 0 || read >= events || damage !== undefined ? value : Math.round((value * events) / read)
}

function figuresJson(figures: StoreFigures, top: number): object {
  const { events, log, read, times, types, streams, damage } = figures
  const { bucketMs, buckets } = times.rows(MOST_ROWS)
  const hasTimes = read > 0
  return {
    events,
    firstTimestamp: hasTimes ? times.min : undefined,
    lastTimestamp: hasTimes ? times.max : undefined,
    log,
    streams: streams && { ...streams, busiest: streams.busiest.map(brief), largest: streams.largest.map(brief) },
    read,
    isEstimate: read < events && damage === undefined,
    types: types
      .sorted()
      .slice(0, top)
      .map(([type, value]) => ({ type, events: scaled(figures, value) })),
    time: { bucketMs, buckets: buckets.map(({ from, events: n }) => ({ from, events: scaled(figures, n) })) },
  }
}

function brief({ stream, version, bytes: size }: ListedStream): object {
  return { stream, version, bytes: size }
}

function print(figures: StoreFigures, top: number, out: Output): void {
  const { events, log, read, times, types, streams, damage } = figures
  const { paint } = out
  const field = (name: string, text: string): void => out.line(`${paint('dim', name.padEnd(8))}${text}`)
  field('events', count(events))
  if (read > 0) field('time', `${time(times.min)} to ${time(times.max)}`)
  field('log', `${bytes(log.bytes)} in ${plural(log.files, 'file')}`)
  if (streams !== undefined) {
    field('streams', `${count(streams.count)}, ${bytes(streams.bytes)} in ${plural(streams.files, 'file')}`)
    if (streams.damaged > 0) field('', paint('red', `${plural(streams.damaged, 'stream is', 'streams are')} damaged`))
  }
  if (read > 0) {
    const estimate =
      read < events
        ? paint('yellow', `, ${damage === undefined ? 'estimated from' : 'of'} ${count(read)} of ${count(events)}`)
        : ''
    const { bucketMs, buckets } = times.rows(MOST_ROWS)
    heading(out, `events per ${stretchName(bucketMs)}${estimate}`)
    chart(
      buckets.map((row) => [stretchLabel(row, bucketMs), scaled(figures, row.events)] as const),
      out,
    )
    const sorted = types.sorted()
    const left = sorted.length > top ? paint('dim', `, ${count(sorted.length - top)} more are not shown`) : ''
    heading(out, `types${estimate}${types.isExact ? left : paint('yellow', ', the rare ones are left out')}`)
    chart(
      sorted.slice(0, top).map(([type, value]) => [name(type), scaled(figures, value)] as const),
      out,
    )
  }
  if (streams === undefined || streams.count === 0) return
  heading(out, 'busiest streams')
  chart(
    streams.busiest.map(({ stream, version }) => [name(stream), version] as const),
    out,
  )
  heading(out, 'largest streams')
  chart(
    streams.largest.map(({ stream, bytes: size }) => [name(stream), size] as const),
    out,
    bytes,
  )
}

function heading(out: Output, text: string): void {
  out.line()
  out.line(out.paint('bold', text))
}

function name(text: string): string {
  return shortened(showName(text), NAME_COLUMNS)
}

/** Rows of a name, a number and a bar. */
function chart(rows: readonly (readonly [name: string, value: number])[], out: Output, say = count): void {
  const most = Math.max(...rows.map(([, value]) => value))
  const left = Math.max(...rows.map(([text]) => text.length))
  const right = Math.max(...rows.map(([, value]) => say(value).length))
  for (const [text, value] of rows) {
    const drawn = out.paint('cyan', bar(value, most))
    out.line(`  ${text.padEnd(left)}  ${say(value).padStart(right)}  ${drawn}`.trimEnd())
  }
}
