import { CorruptionError, type ReadOnlyEventStore } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { type EventSelection, eventSelection, readSelection, SELECTION_OPTIONS } from '../event-selection.js'
import { EventView, VIEW_OPTIONS } from '../event-view.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { lastBeforeDamage, lastEvents } from '../last-events.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { reading } from '../reading.js'
import type { Terminal } from '../terminal.js'

const DEFAULT_COUNT = 10
/** The last ones are held in memory, since they are found from the end. */
const MOST = 100_000
/** Events of a subscription printed at a time. */
const BATCH = 256
/** A subscription that waits keeps no process alive; this does. */
const KEEP_ALIVE_MS = 60_000

export const tail: Command = {
  name: 'tail',
  summary: 'print the last events, and follow what is appended',
  operands: ['<store>', '[stream]'],
  options: {
    follow: { short: 'f', help: 'go on with what is appended, until Ctrl-C' },
    ...SELECTION_OPTIONS,
    limit: {
      short: 'n',
      value: '<n>',
      help: `the last so many (default ${DEFAULT_COUNT}, or all with --from or --since)`,
    },
    ...VIEW_OPTIONS,
  },
  description: `
Prints the last events of a stream, a category or everything, as "cat" does. With --follow it goes on with what any process appends,
each event once, also over the death of a writer. It begins there with --limit 0.`,
  examples: [
    ['annals tail ./data', 'the last ten events of the store'],
    ['annals tail --follow ./data account-1', 'the last ten of a stream, and what comes'],
    ['annals tail --follow --limit 0 --type Failed ./data', 'only what fails from now on'],
    ['annals tail -f --json --since today ./data | jq -c .data', 'the data of today, and what comes'],
  ],
  run,
}

async function run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode> {
  const { out, signal } = terminal
  const [directory, stream] = args.operands
  const selection = eventSelection(args, stream)
  const follow = args.has('follow')
  if (follow && (selection.to !== undefined || selection.until !== undefined)) {
    throw new UsageError('--follow has no end: leave --to and --until out')
  }
  const { limit } = selection
  if (limit !== undefined && limit > MOST) throw new UsageError(`--limit is ${MOST} at most`, 'Use "annals cat".')
  const isPlaced = selection.from !== undefined || selection.since !== undefined
  const view = new EventView(out, args, selection.stream !== undefined)
  await reading(directory!, async (store) => {
    const end = await endOf(store, selection)
    const count = limit ?? DEFAULT_COUNT
    const { events, damage } =
      isPlaced && limit === undefined
        ? { events: readSelection(store, upTo(selection, end), signal), damage: undefined }
        : end === undefined
          ? await lastBeforeDamage(store, selection, count, signal)
          : await lastEvents(store, selection, end, count, signal)
    if (end !== 0) {
      for await (const event of events) {
        view.add(event)
        const waits = out.drain()
        if (waits !== undefined) await waits
      }
    }
    await out.flush()
    if (damage !== undefined) throw damage
    if (follow) await followOn(store, selection, Math.max(end ?? 0, selection.from ?? 0), view, terminal)
  })
  return EXIT.fine
}

/** The offset or position behind all that is there; undefined: damage of the stream hides it. */
async function endOf(store: ReadOnlyEventStore, { stream }: EventSelection): Promise<number | undefined> {
  if (stream === undefined) return store.position
  try {
    return (await store.streamInfo(stream)).version
  } catch (error) {
    if (error instanceof CorruptionError) return undefined
    throw error
  }
}

function upTo(selection: EventSelection, end: number | undefined): EventSelection {
  return end === undefined ? selection : { ...selection, to: Math.min(selection.to ?? Infinity, end - 1) }
}

/** Prints what is appended behind an offset or position, as soon as it is told of. */
async function followOn(
  store: ReadOnlyEventStore,
  { stream, category, types, correlationId, since = -Infinity }: EventSelection,
  from: number,
  view: EventView,
  { out, signal }: Terminal,
): Promise<void> {
  const start = stream === undefined ? { category, fromPosition: from } : { stream, fromOffset: from }
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS)
  try {
    await using subscription = store.subscribe({ ...start, types, correlationId, signal })
    for await (const events of subscription.batches(BATCH)) {
      for (const event of events) if (event.timestamp >= since) view.add(event)
      await out.flush()
    }
  } finally {
    clearInterval(alive)
  }
}
