/** Reading: everything, whole streams of ten events, and ten events from anywhere in a long stream; from the page cache and, where it can be emptied, from the disk. */
import { closeSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sizeOf } from '../../data-sets.js'
import { randomFrom } from '../../events.js'
import { check } from '../../measure.js'
import { Plan } from '../../plan.js'
import { type OrderRecord, RawRecords } from '../../raw/raw-records.js'
import type { ComparedEngine, ComparedLimit, ComparedStore, Visit } from '../engine.js'
import type { DataSet, Measured, Row, RowContext } from '../row.js'
import { OrderCheck, spent } from '../work.js'

const CONTESTANTS = ['annals', 'sqlite', 'lmdb', 'classic-level', 'event-storage', 'postgres', 'raw', 'raw-shapes']
const SHARDS = 1024
const EVENTS = 10

function rawRecords(plan: Plan, { codec }: ComparedLimit): RawRecords {
  const records = new RawRecords(plan, codec)
  // Structures are numbered as they are met, and all events have the same: now they have the same numbers as in the process that wrote the files.
  records.write('/dev/null', 0, 1, 1)
  return records
}

const streamPath = (directory: string, stream: number): string =>
  join(directory, String(stream % SHARDS), `order-${stream}`)

/** Writes what the limits read: everything in one file, where each record starts, and a file for each of many streams. */
export function loadLimit(limit: ComparedLimit, directory: string, name: DataSet, quick: boolean): void {
  const { events, streams } = sizeOf(name, quick)
  const records = rawRecords(new Plan(streams), limit)
  const starts = records.write(join(directory, 'all'), 0, events, 1)
  writeFileSync(join(directory, 'starts'), new Uint8Array(starts.buffer))
  if (name === 'one') return
  for (let n = 0; n < Math.min(SHARDS, streams); n++) mkdirSync(join(directory, String(n)))
  for (let n = 0; n < streams; n++) records.write(streamPath(directory, n), n, events, streams)
}

/** Reading through a store, or without one. */
interface Reader {
  all(visit: Visit): Promise<void> | void
  stream(index: number, visit: Visit): Promise<void> | void
  /** Ten events of the one stream. */
  tenFrom(offset: number, visit: Visit): Promise<void> | void
}

type Measure = (reader: Reader, plan: Plan, context: RowContext, events: number) => Promise<Measured>

interface ReadRow extends Pick<Row, 'name' | 'title' | 'unit' | 'cold'> {
  readonly needs: DataSet
  readonly measure: Measure
  /** Reads the one stream, not everything. */
  readonly stream?: boolean
}

function readRow({ needs, measure, stream = false, ...row }: ReadRow): Row {
  return {
    ...row,
    needs,
    contestants: CONTESTANTS,
    streams: needs === 'one' ? 1 : 100_000,
    async store(engine: ComparedEngine, context: RowContext): Promise<Measured> {
      const { events, streams } = sizeOf(needs, context.quick)
      const plan = new Plan(streams)
      const store = await engine.open({ directory: context.dataSet, level: 'durable', inFlight: 1 })
      const measured = await measure(storeReader(store, plan, stream), plan, context, events)
      await store.close()
      return measured
    },
    async limit(limit: ComparedLimit, context: RowContext): Promise<Measured> {
      const { events, streams } = sizeOf(needs, context.quick)
      const plan = new Plan(streams)
      const { reader, close } = limitReader(limit, plan, context.dataSet)
      const measured = await measure(reader, plan, context, events)
      close()
      return measured
    },
  }
}

function storeReader(store: ComparedStore, plan: Plan, stream: boolean): Reader {
  return {
    all: (visit) => (stream ? store.readStream(plan.stream(0), 0, Infinity, visit) : store.readAll(visit)),
    stream: (index, visit) => store.readStream(plan.stream(index), 0, EVENTS, visit),
    tenFrom: (offset, visit) => store.readStream(plan.stream(0), offset, EVENTS, visit),
  }
}

function limitReader(limit: ComparedLimit, plan: Plan, directory: string): { reader: Reader; close: () => void } {
  const records = rawRecords(plan, limit)
  const all = join(directory, 'all')
  const fd = openSync(all, 'r')
  const file = readFileSync(join(directory, 'starts'))
  const starts = new Float64Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length))
  return {
    reader: {
      all: (visit) => records.scan(all, visit),
      stream(index, visit) {
        for (const record of records.readFile(streamPath(directory, index))) visit(record)
      },
      tenFrom(offset, visit) {
        const start = starts[offset]!
        const bytes = Buffer.allocUnsafe(starts[offset + EVENTS]! - start)
        readSync(fd, bytes, 0, bytes.length, start)
        for (const record of records.decode(bytes, 0, bytes.length, EVENTS)) visit(record)
      },
    },
    close: () => closeSync(fd),
  }
}

/** Reads everything; before it once, checked, unless that would warm what is to be cold. */
function scan(cold: boolean): Measure {
  return async (reader, plan, _context, events) => {
    const order = new OrderCheck(plan)
    if (!cold) await reader.all(order.visit)
    let next = 0
    let sum = 0
    const visit = (event: OrderRecord): void => {
      if (event.position !== next) throw new Error(`Position ${event.position} instead of ${next}`)
      next++
      sum += event.data.amount
    }
    const { seconds, ...cost } = await spent(events, () => reader.all(visit))
    if (cold) await reader.all(order.visit)
    order.done(events)
    check(next === events && Math.abs(sum - order.sum) < 1e-9 * sum, `${next} events, amounts add up to ${sum}`)
    return { value: events / seconds, ...cost }
  }
}

/** Reads ten events at a time, `reads` times, each checked. */
function picks(
  reads: number,
  cold: boolean,
  pick: (
    reader: Reader,
    plan: Plan,
    events: number,
    random: number,
    visit: (event: OrderRecord, n: number) => void,
  ) => Promise<void> | void,
): Measure {
  return async (reader, plan, { quick }, events) => {
    const random = randomFrom(events)
    let read = 0
    const visit = (event: OrderRecord, n: number): void => {
      if (event.data.amount !== plan.event(n).data.amount || event.data.id !== plan.event(n).data.id) {
        throw new Error(`Event ${n} is another one`)
      }
      read++
    }
    const many = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const picked = pick(reader, plan, events, random(), visit)
        if (picked !== undefined) await picked
      }
    }
    const count = quick ? 20 : reads
    if (!cold) await many(quick ? 5 : reads / 4)
    read = 0
    const { seconds, ...cost } = await spent(count * EVENTS, () => many(count))
    check(read === count * EVENTS, `${read} events were read instead of ${count * EVENTS}`)
    return { value: count / seconds, ...cost }
  }
}

const wholeStreams = (reads: number, cold: boolean): Measure =>
  picks(reads, cold, (reader, plan, events, random, visit) => {
    const streams = plan.streams.length
    const index = random % streams
    let offset = 0
    check(events / streams === EVENTS, 'streams have other lengths')
    return reader.stream(index, (event) => {
      visit(event, offset * streams + index)
      offset++
    })
  })

const randomOffsets = (reads: number): Measure =>
  picks(reads, false, (reader, _plan, events, random, visit) => {
    const offset = random % (events - EVENTS)
    let n = offset
    return reader.tenFrom(offset, (event) => visit(event, n++))
  })

export const readRows: readonly Row[] = [
  readRow({
    name: 'scan',
    title: 'scan of a stream of 1M events, warm',
    unit: 'events/s',
    needs: 'one',
    stream: true,
    measure: scan(false),
  }),
  readRow({
    name: 'scan-cold',
    title: 'scan of a stream of 1M events, cold',
    unit: 'events/s',
    needs: 'one',
    stream: true,
    cold: true,
    measure: scan(true),
  }),
  readRow({
    name: 'streams',
    title: 'whole 10-event streams at random, warm',
    unit: 'reads/s',
    needs: 'many',
    measure: wholeStreams(20_000, false),
  }),
  readRow({
    name: 'streams-cold',
    title: 'whole 10-event streams at random, cold',
    unit: 'reads/s',
    needs: 'many',
    cold: true,
    measure: wholeStreams(4_000, true),
  }),
  readRow({
    name: 'offset',
    title: '10 events at a random offset of 1M',
    unit: 'reads/s',
    needs: 'one',
    measure: randomOffsets(20_000),
  }),
  readRow({
    name: 'global',
    title: 'global read over 100,000 streams, warm',
    unit: 'events/s',
    needs: 'many',
    measure: scan(false),
  }),
  readRow({
    name: 'global-cold',
    title: 'global read over 100,000 streams, cold',
    unit: 'events/s',
    needs: 'many',
    cold: true,
    measure: scan(true),
  }),
]
