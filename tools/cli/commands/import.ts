import { open as openDescriptor } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { addAbortSignal, type Readable } from 'node:stream'
import { promisify } from 'node:util'
import { openEventStore } from '../../../engine/index.js'
import { Collector } from '../../transfer/collector.js'
import { Importer, type ImportReport } from '../../transfer/importer.js'
import type { SourceRecord } from '../../transfer/records.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { idsOf, readingOf } from '../import-reading.js'
import { count, plural } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { escapeUnsafe, safeJson } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

const READ_BYTES = 256 * 1024

export const importCommand: Command = {
  name: 'import',
  summary: 'store events from NDJSON or CSV',
  operands: ['<store>', '[file]'],
  options: {
    format: { value: '<format>', help: 'ndjson or csv (default: by the end of the name of the file, else ndjson)' },
    stream: { value: '<template>', help: 'the stream of each event: text, with {field} for what a field holds' },
    type: { value: '<template>', help: 'its type' },
    time: { value: '<field>', help: 'its time: a date with or without a time of day, or a number' },
    'time-unit': { value: '<unit>', help: 'what numbers that are times count: ms (default) or s' },
    id: { value: '<field>', help: 'its id, a UUID' },
    data: { value: '<field>', help: 'its data (default: all fields)' },
    metadata: { value: '<field>', help: 'its metadata, an object' },
    tag: { value: '<template>', repeats: true, help: 'one of its tags' },
    number: { value: '<field>', repeats: true, help: 'make a number of this field, which is text' },
    group: { value: '<template>', help: 'lines that follow each other and agree in this are one commit' },
    'commit-id': { value: '<template>', help: 'the id of its commit' },
    name: { value: '<name>', help: 'of this input, for commit ids (default: made of its first record)' },
    'no-commit-ids': { help: 'give commits no ids: what is imported twice is stored twice' },
    renumber: { help: 'put events at the ends of their streams, whatever offsets they bring' },
    skip: { help: 'leave out what cannot be stored and go on' },
    collect: { value: '<file>', help: 'the same, and write it to this file' },
    separator: { value: '<c>', help: 'what stands between the fields of CSV (default ,)' },
    columns: { value: '<names>', help: 'names of the columns of CSV without a header, separated like them' },
    'max-line': { value: '<bytes>', help: 'no line is longer (default 64 MiB)' },
    json: { help: 'one JSON object a line: what was not stored, then the verdict' },
  },
  description: `
Stores events from a file, or from stdin, and makes the store when there is none. Without --stream, each line of NDJSON is an event as
"annals export" writes them: {"stream":…,"type":…,"data":…} and more. With --stream and --type, lines are anything.

Each line is one commit, unless lines say that they are parts of one, or --group does. All of a commit is stored or nothing. Interrupted, or
killed, it can be run again: what is stored already is known by its commit id, or by its place and id, and not stored twice.

Ends at the first line that cannot be stored, and says why. What stood before it is stored. The exit code is 1 then, and also if lines
were left out.`,
  examples: [
    ['annals export ./data | annals import ./copy', 'an identical store'],
    ['annals import --stream "host-{host}" --type "{level}" --time at ./data log.ndjson', 'any NDJSON'],
    [
      'annals import --stream "order-{order}" --type Paid --number amount --collect bad.csv ./data payments.csv',
      'CSV, going on at bad lines',
    ],
    [
      'annals import --stream "t-{t}" --type "{kind}" --group "{t}" ./data < moves.ndjson',
      'lines that follow each other and have the same t are one commit',
    ],
  ],
  run,
}

async function run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode> {
  const { err, signal } = terminal
  const [directory, file] = args.operands as [string, string | undefined]
  const reading = readingOf(args, file)
  const ids = idsOf(args)
  const collect = args.text('collect')
  if (collect !== undefined && file !== undefined && Collector.isSame(collect, file)) {
    throw new UsageError('--collect names the file that is read')
  }
  const input = await inputOf(file, terminal)
  const collector = collect === undefined ? undefined : new Collector(collect)
  const progress = new Progress(err, 'import')
  let read = 0
  try {
    const chunks = counted(input.stream, (bytes) => (read += bytes))
    // The first of it before the store: what cannot be read at all makes none.
    const records = await begun(reading.records(chunks, (header) => collector?.line(header)))
    const store = await openEventStore(directory)
    let report: ImportReport
    try {
      const importer = new Importer(store, {
        decode: (bytes) => reading.decode(bytes),
        grouped: args.has('group'),
        ids,
        renumber: args.has('renumber'),
        stops: !args.has('skip') && collector === undefined,
        bad: (wrong, commit) => {
          progress.end()
          const isWhole = collector?.add(commit) ?? true
          return printBad({ ...wrong, lines: commit.count, isWhole }, args, terminal)
        },
        progress: (done) => progress.show(read, input.size, () => rateOf(done, progress)),
        signal,
      })
      report = await importer.run(records)
    } finally {
      progress.end()
      await store.close()
    }
    await printVerdict(report, args, terminal)
    return report.bad === 0 ? EXIT.fine : EXIT.findings
  } finally {
    collector?.close()
    await input.close()
  }
}

/** Reads the first records; hands them out with the others. */
async function begun(source: AsyncIterable<readonly SourceRecord[]>): Promise<AsyncIterable<readonly SourceRecord[]>> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  return (async function* () {
    if (first.done === true) return
    yield first.value
    yield* { [Symbol.asyncIterator]: () => iterator }
  })()
}

function printBad(
  {
    line,
    reason,
    lines,
    isWhole,
  }: { readonly line: number; readonly reason: string; readonly lines: number; readonly isWhole: boolean },
  args: ParsedArguments,
  { out }: Terminal,
): Promise<void> | undefined {
  if (args.has('json')) out.line(safeJson({ what: 'bad', line, reason, lines, ...(isWhole ? {} : { isWhole }) }))
  else {
    const others = lines > 1 ? `; with it ${plural(lines - 1, 'line')} of its commit` : ''
    const lost = isWhole ? '' : `, and not ${lines > 1 ? 'all of it ' : ''}collected`
    out.line(`${out.paint('red', '!')} line ${count(line)}  ${escapeUnsafe(reason)}${others}${lost}`)
  }
  return out.drain()
}

function rateOf({ events }: ImportReport, { spentMs }: Progress): string {
  return `${plural(events, 'event')}, ${count(Math.round((1000 * events) / Math.max(1, spentMs)))}/s`
}

async function printVerdict(report: ImportReport, args: ParsedArguments, { out, err }: Terminal): Promise<void> {
  const { records, events, commits, repeats, bad, stopped } = report
  if (args.has('json')) {
    out.line(safeJson({ what: 'verdict', ok: bad === 0, records, events, commits, repeats, bad, stopped }))
    return
  }
  const parts = [
    `${plural(events, 'event')} in ${plural(commits, 'commit')}`,
    ...(repeats > 0 ? [`${plural(repeats, 'commit')} stored before`] : []),
    ...(bad > 0 ? [`${plural(bad, 'line')} not stored`] : []),
  ]
  out.line(`${stopped ? out.paint('red', 'stopped') : 'imported'}: ${parts.join(', ')}`)
  await out.flush()
  if (stopped) err.line('Mend that line and run it again, or run it with --skip or --collect <file>.')
  await err.flush()
}

interface Input {
  readonly stream: Readable
  /** Bytes; undefined where nobody knows. */
  readonly size: number | undefined
  close(): Promise<void>
}

async function inputOf(file: string | undefined, { input, err, signal }: Terminal): Promise<Input> {
  signal.throwIfAborted()
  if (file === undefined || file === '-') {
    if (input.isTTY) err.line('Reading events from the terminal, a line each; Ctrl-D ends.')
    await err.flush()
    return { stream: addAbortSignal(signal, input), size: undefined, close: async () => {} }
  }
  if ((await stat(file)).isFIFO()) {
    // As a file it would be read by a thread that waits for its writer, and the process could not end before.
    const stream = new Socket({ fd: await promisify(openDescriptor)(file, 'r'), readable: true, writable: false })
    return { stream: addAbortSignal(signal, stream), size: undefined, close: async () => void stream.destroy() }
  }
  const handle = await open(file)
  const stats = await handle.stat()
  const size = stats.isFile() ? stats.size : undefined
  const stream = handle.createReadStream({ highWaterMark: READ_BYTES, autoClose: false })
  return { stream: addAbortSignal(signal, stream), size, close: () => handle.close() }
}

async function* counted(stream: Readable, read: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    read(chunk.length)
    yield chunk
  }
}
