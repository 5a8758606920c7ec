import type { StoredEvent } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { eventSelection, readSelection, SELECTION_OPTIONS } from '../event-selection.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { plural, time } from '../numbers.js'
import type { Paint } from '../paint.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { reading } from '../reading.js'
import { safeJson, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

/** Streams and types that are named on one line; of further ones their number. */
const NAMED = 3

export const log: Command = {
  name: 'log',
  summary: 'list commits in the order they were made',
  operands: ['<store>', '[stream]'],
  options: {
    ...SELECTION_OPTIONS,
    limit: { short: 'n', value: '<n>', help: 'at most so many commits' },
    json: { help: 'one JSON object a line' },
  },
  description: `
Lists commits, which are what one append stored, all of it or none: positions, time of the first event, streams with the offsets, types,
and the commit id where it has one. With a stream or a filter only the events that it takes count, and commits that have such.`,
  examples: [
    ['annals log ./data', 'all commits'],
    ['annals log --since yesterday --category account ./data', 'commits to accounts since yesterday'],
    ['annals log ./data account-1', 'which commits made this stream what it is?'],
    [`annals log --json ./data | jq 'select(.streams | length > 1)'`, 'commits over several streams'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, signal }: Terminal): Promise<ExitCode> {
  const [directory, stream] = args.operands
  const { limit = Infinity, ...selection } = eventSelection(args, stream)
  const isJson = args.has('json')
  let left = limit
  await reading(directory!, async (store) => {
    if (left === 0) return
    const events = readSelection(store, { ...selection, limit: undefined }, signal, { withoutData: true })
    for await (const commit of events.commits()) {
      const summary = summaryOf(commit)
      out.line(isJson ? safeJson(summary) : commitLine(summary, out.paint))
      const waits = out.drain()
      if (waits !== undefined) await waits
      if (--left === 0) break
    }
  })
  return EXIT.fine
}

interface CommitSummary {
  readonly firstPosition: number
  readonly lastPosition: number
  readonly timestamp: number
  readonly events: number
  readonly commitId: string | undefined
  readonly streams: readonly { readonly stream: string; readonly firstOffset: number; readonly lastOffset: number }[]
  readonly types: readonly { readonly type: string; readonly events: number }[]
}

function summaryOf(events: readonly StoredEvent[]): CommitSummary {
  const first = events[0]!
  const streams = new Map<string, { firstOffset: number; lastOffset: number }>()
  const types = new Map<string, number>()
  for (const { stream, offset, type } of events) {
    const known = streams.get(stream)
    if (known === undefined) streams.set(stream, { firstOffset: offset, lastOffset: offset })
    else known.lastOffset = offset
    types.set(type, (types.get(type) ?? 0) + 1)
  }
  return {
    firstPosition: first.position,
    lastPosition: events.at(-1)!.position,
    timestamp: first.timestamp,
    events: events.length,
    commitId: first.commitId,
    streams: Array.from(streams, ([stream, offsets]) => ({ stream, ...offsets })),
    types: Array.from(types, ([type, count]) => ({ type, events: count })),
  }
}

function commitLine(commit: CommitSummary, paint: Paint): string {
  const { firstPosition, lastPosition, timestamp, events, commitId, streams, types } = commit
  const positions = span(firstPosition, lastPosition)
  const whose = some(
    streams.map(
      (touched) => `${paint('green', showName(touched.stream))}@${span(touched.firstOffset, touched.lastOffset)}`,
    ),
  )
  const what = some(types.map(({ type, events: n }) => `${paint('bold', showName(type))}${n === 1 ? '' : ` ×${n}`}`))
  const id = commitId === undefined ? '' : `  ${paint('dim', 'id')} ${showName(commitId)}`
  return `${positions.padStart(9)}  ${paint('dim', time(timestamp))}  ${plural(events, 'event').padStart(9)}  ${whose}  ${what}${id}`
}

function span(first: number, last: number): string {
  return first === last ? String(first) : `${first}-${last}`
}

function some(texts: readonly string[]): string {
  const more = texts.length > NAMED ? [`${texts.length - NAMED} more`] : []
  return [...texts.slice(0, NAMED), ...more].join(', ')
}
