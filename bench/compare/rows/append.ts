/** Appending: one event at a time, many in flight, batches, and bulk loads. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesBelow } from '../../folders.js'
import { check } from '../../measure.js'
import { Plan } from '../../plan.js'
import { crc32c, FrameWriter, HEADER_BYTES, packrFor, type RawCodec } from '../../raw/frames.js'
import { RawLog, ZeroFilledLog } from '../../raw/raw-log.js'
import type { OrderEvent } from '../../events.js'
import type { ComparedEngine, ComparedLimit, Level } from '../engine.js'
import type { DataSet, Measured, Row, RowContext } from '../row.js'
import { appendAll, spent, verify } from '../work.js'

interface AppendRow {
  readonly name: string
  readonly title: string
  readonly level: Level
  readonly contestants: readonly string[]
  readonly events: number
  /** Of a quick run. */
  readonly quickEvents: number
  readonly streams: number
  readonly inFlight: number
  /** Events of one append. */
  readonly size: number
  /** A bulk load ends when nothing goes on behind the scenes any more, begins with a store that does not exist, and stays for others to read. */
  readonly produces?: DataSet
}

/** How many streams, in a quick run fewer. */
export function streamsOf(streams: number, quick: boolean): number {
  return quick && streams > 64 ? Math.ceil(streams / 200) : streams
}

export function appendRow(row: AppendRow): Row {
  const { name, title, level, contestants, streams, inFlight, size, produces } = row
  const bulk = produces !== undefined
  const sizes = ({ quick }: RowContext): { plan: Plan; events: number; warm: number } => {
    const events = quick ? row.quickEvents : row.events
    return { plan: new Plan(streamsOf(streams, quick)), events, warm: bulk ? 0 : Math.ceil(events / 10 / size) * size }
  }
  return {
    name,
    title,
    unit: 'events/s',
    contestants,
    streams,
    produces,
    async store(engine: ComparedEngine, context: RowContext): Promise<Measured> {
      const { plan, events, warm } = sizes(context)
      const { directory } = context
      let store = bulk ? undefined : await engine.open({ directory, level, inFlight })
      if (store !== undefined) await appendAll(store, plan, 0, warm, inFlight, size)
      const { seconds, ...cost } = await spent(events, async () => {
        store ??= await engine.open({ directory, level, inFlight })
        await appendAll(store, plan, warm, events, inFlight, size)
        if (bulk) await store.settle()
      })
      await store!.close()
      // None where a server has the files.
      const bytes = bytesBelow(directory)
      const reopened = await engine.open({ directory, level, inFlight: 1 })
      await verify(engine, reopened, plan, warm + events)
      await reopened.close()
      return { value: events / seconds, ...cost, bytesPerEvent: bytes === 0 ? undefined : bytes / (warm + events) }
    },
    async limit(limit: ComparedLimit, context: RowContext): Promise<Measured> {
      const { plan, events, warm } = sizes(context)
      const path = join(context.directory, 'raw')
      const group = Math.max(size, inFlight)
      const { codec } = limit
      const log = limit.zeroFilled ? zeroFilled(path, codec, 512 * (warm + events)) : new RawLog(path, codec)
      log.groups(plan, 0, warm, group, level === 'durable')
      const { seconds, ...cost } = await spent(events, () => {
        log.groups(plan, warm, events, group, level === 'durable')
      })
      log.close()
      checkFrames(path, codec, plan, warm + events)
      return { value: events / seconds, ...cost, bytesPerEvent: log.bytes / (warm + events) }
    },
  }
}

/** Groups as `RawLog` writes them, in place. */
function zeroFilled(path: string, codec: RawCodec, size: number): Pick<RawLog, 'groups' | 'close' | 'bytes'> {
  const log = new ZeroFilledLog(path, size)
  const writer = new FrameWriter(packrFor(codec))
  const written = {
    bytes: 0,
    groups(plan: Plan, from: number, count: number, group: number): void {
      for (let n = from; n < from + count; n += group) {
        writer.clear()
        for (let at = n; at < Math.min(n + group, from + count); at++) writer.add(plan.event(at))
        log.write(writer.bytes.subarray(0, writer.length))
        written.bytes += writer.length
      }
    },
    close: () => log.close(),
  }
  return written
}

/** Checks what a limit wrote. There are no versions, so nothing that it could refuse. */
function checkFrames(path: string, codec: RawCodec, plan: Plan, events: number): void {
  const bytes = readFileSync(path)
  const packr = packrFor(codec)
  // Structures are numbered as they are met, and all events have the same.
  packr.pack(plan.event(0))
  let n = 0
  for (let at = 0; at + HEADER_BYTES <= bytes.length; n++) {
    const length = bytes.readUInt32LE(at)
    if (length === 0) break
    const body = bytes.subarray(at + HEADER_BYTES, at + length)
    check(crc32c(body) === bytes.readUInt32LE(at + 4), `a checksum of raw event ${n} is wrong`)
    check((packr.unpack(body) as OrderEvent).data.id === plan.event(n).data.id, `raw event ${n} is another one`)
    at += length
  }
  check(n === events, `${n} raw events instead of ${events}`)
}

const DURABLE_GROUPED = [
  'annals',
  'sqlite-full',
  'sqlite-full-group',
  'lmdb',
  'classic-level',
  'event-storage',
  'postgres',
  'raw',
  'raw-zero-filled',
]
const DURABLE = DURABLE_GROUPED.filter((name) => name !== 'sqlite-full-group')
const BULK = [
  'annals',
  'sqlite-normal-group',
  'sqlite-off-group',
  'lmdb',
  'classic-level',
  'event-storage',
  'postgres',
  'raw',
  'raw-shapes',
]

const durable = { level: 'durable', size: 1 } as const

export const appendRows: readonly Row[] = [
  appendRow({
    ...durable,
    name: 'durable-1',
    title: 'durable, one in flight',
    contestants: DURABLE,
    events: 20_000,
    quickEvents: 30,
    streams: 1,
    inFlight: 1,
  }),
  appendRow({
    ...durable,
    name: 'durable-64',
    title: 'durable, 64 in flight over 64 streams',
    contestants: DURABLE_GROUPED,
    events: 64 * 3_000,
    quickEvents: 64 * 4,
    streams: 64,
    inFlight: 64,
  }),
  appendRow({
    ...durable,
    name: 'durable-256',
    title: 'durable, 256 in flight over 10,000 streams',
    contestants: DURABLE_GROUPED,
    events: 256 * 1_000,
    quickEvents: 256 * 3,
    streams: 10_000,
    inFlight: 256,
  }),
  ...([10, 100, 1000] as const).map((size) =>
    appendRow({
      name: `batch-${size}`,
      title: `durable batches of ${size.toLocaleString('en')}`,
      level: 'durable',
      contestants: DURABLE,
      events: { 10: 100_000, 100: 300_000, 1000: 500_000 }[size],
      quickEvents: 3 * size,
      streams: 1,
      inFlight: 1,
      size,
    }),
  ),
  appendRow({
    name: 'relaxed-1',
    title: 'relaxed, one in flight',
    level: 'relaxed',
    contestants: [
      'annals',
      'sqlite-normal',
      'sqlite-off',
      'lmdb',
      'classic-level',
      'event-storage',
      'postgres',
      'raw',
      'raw-shapes',
    ],
    events: 200_000,
    quickEvents: 300,
    streams: 1,
    inFlight: 1,
    size: 1,
  }),
  appendRow({
    name: 'bulk-one',
    title: 'relaxed bulk, 1M events, one stream',
    level: 'relaxed',
    contestants: BULK,
    events: 1_000_000,
    quickEvents: 5_000,
    streams: 1,
    inFlight: 1024,
    size: 1,
    produces: 'one',
  }),
  appendRow({
    name: 'bulk-many',
    title: 'relaxed bulk, 1M events over 100,000 streams',
    level: 'relaxed',
    contestants: BULK,
    events: 1_000_000,
    quickEvents: 5_000,
    streams: 100_000,
    inFlight: 1024,
    size: 1,
    produces: 'many',
  }),
]
