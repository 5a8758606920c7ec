import type { ListedStream } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { nameOf } from '../event-selection.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { bytes, count, time } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { reading } from '../reading.js'
import { escapeUnsafe, safeJson, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'
import { Top } from '../top.js'

/** Streams that are kept to be sorted. */
const MOST_SORTED = 100_000

const HEADING = '  events       bytes  last event                stream'

/** The greatest first, but for names. */
const ORDERS = {
  name: (a: ListedStream, b: ListedStream): number => (a.stream < b.stream ? -1 : 1),
  version: (a: ListedStream, b: ListedStream): number => b.version - a.version || ORDERS.name(a, b),
  bytes: (a: ListedStream, b: ListedStream): number => b.bytes - a.bytes || ORDERS.name(a, b),
  time: (a: ListedStream, b: ListedStream): number =>
    (b.lastTimestamp ?? -Infinity) - (a.lastTimestamp ?? -Infinity) || ORDERS.name(a, b),
} as const
const ORDER_NAMES = Object.keys(ORDERS) as (keyof typeof ORDERS)[]

export const ls: Command = {
  name: 'ls',
  summary: 'list streams: events, bytes, time of the last event',
  operands: ['<store>', '[prefix]'],
  options: {
    category: { short: 'c', value: '<category>', help: 'only streams whose names begin with it and a dash' },
    sort: { short: 's', value: '<by>', help: `${ORDER_NAMES.join(', ')}: the greatest first, but for names` },
    reverse: { short: 'r', help: 'with --sort: the other way round' },
    limit: { short: 'n', value: '<n>', help: 'at most so many' },
    names: { short: '1', help: 'only the names, one a line' },
    json: { help: 'one JSON object a line' },
  },
  description: `
Lists the streams whose names begin with the prefix, or all. Without --sort they come in no particular order, each as it is found; sorted,
at most ${count(MOST_SORTED)} of them are kept and shown. Bytes are those of the files of the stream; what is in the log only is not counted yet.
A damaged stream is listed with what is wrong, and the exit code is 1.`,
  examples: [
    ['annals ls ./data', 'all streams, as they are found'],
    ['annals ls ./data account-', 'those whose names begin with "account-"'],
    ['annals ls --sort bytes --limit 10 ./data', 'the ten largest'],
    ['annals ls --sort time ./data', 'those that something was appended to lately first'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const [directory, prefix] = args.operands
  const sort = args.oneOf('sort', ORDER_NAMES)
  const limit = args.number('limit') ?? Infinity
  const options = { prefix: nameOf(prefix), category: nameOf(args.text('category')), signal }
  const show = rowOf(args, out.paint)
  const hasHeading = !args.has('names') && !args.has('json')
  const found = { damaged: false }
  let shown = 0
  const print = async (stream: ListedStream): Promise<void> => {
    if (shown === 0 && hasHeading) out.line(out.paint('dim', HEADING))
    out.line(show(stream))
    shown++
    if (stream.damage !== undefined) found.damaged = true
    await out.drain()
  }
  await reading(directory!, async (store) => {
    if (limit < 1) return
    if (sort === undefined) {
      for await (const stream of store.listStreams(options)) {
        await print(stream)
        if (shown >= limit) break
      }
      return
    }
    const order = ORDERS[sort]
    const most = Math.min(limit, MOST_SORTED)
    const top = new Top<ListedStream>(most, args.has('reverse') ? (a, b) => order(b, a) : order)
    for await (const stream of store.listStreams(options)) top.add(stream)
    for (const stream of top.sorted()) await print(stream)
    if (top.added > most && limit > most) err.line(`${count(top.added - most)} more are not shown.`)
    await err.flush()
  })
  return found.damaged ? EXIT.findings : EXIT.fine
}

function rowOf(args: ParsedArguments, paint: Terminal['out']['paint']): (stream: ListedStream) => string {
  if (args.has('json')) {
    return ({ damage, ...known }) => safeJson(damage === undefined ? known : { ...known, damage: damage.message })
  }
  if (args.has('names')) return ({ stream }) => showName(stream)
  return ({ stream, version, bytes: size, lastTimestamp, damage }) => {
    const numbers = `${count(version).padStart(8)}  ${bytes(size).padStart(10)}`
    const last = lastTimestamp === undefined ? '-' : time(lastTimestamp)
    const wrong = damage === undefined ? '' : `  ${paint('red', `! ${escapeUnsafe(damage.message)}`)}`
    return `${numbers}  ${paint('dim', last.padEnd(24))}  ${paint('green', showName(stream))}${wrong}`
  }
}
