/** Reading a few events from anywhere, out of the page cache. */
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { sizeOf } from '../data-sets.js'
import { randomFrom } from '../events.js'
import { alternate, check, latency, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { Plan } from '../plan.js'
import { type OrderRecord, RawRecords } from '../raw/raw-records.js'
import type { Context, Result, Workload } from '../workload.js'

const SHARDS = 1024
const EVENTS = 10
const BLOCK_BYTES = 4096
/** Ten records behind a start anywhere in a block. */
const READ_BYTES = 3 * BLOCK_BYTES

/** Whole streams of 10 events. Raw: open, fstat, read, close and decode of a file of them; one file a stream in hashed folders. */
export const randomStream: Workload = {
  needs: ['many'],
  async run({ quick, folder, dataSet }: Context) {
    const { events, streams } = sizeOf('many', quick)
    const plan = new Plan(streams)
    const records = new RawRecords(plan)
    const paths = Array.from({ length: streams }, (_, n) => join(folder, String(n % SHARDS), `order-${n}`))
    for (let n = 0; n < Math.min(SHARDS, streams); n++) mkdirSync(join(folder, String(n)))
    for (let n = 0; n < streams; n++) records.write(paths[n]!, n, events, streams)
    await using store = await openEventStore(dataSet('many'))
    const visit = (index: number, read: readonly OrderRecord[]): void => {
      for (const [offset, event] of read.entries()) {
        if (event.offset !== offset || event.data.amount !== plan.event(offset * streams + index).data.amount) {
          throw new Error(`Event ${offset} of stream ${index} is another one`)
        }
      }
      if (read.length !== events / streams) throw new Error(`Stream ${index} has ${read.length} events`)
    }
    const one = async (index: number): Promise<void> => {
      const read: OrderRecord[] = []
      for await (const event of store.readStream<OrderRecord>(plan.streams[index]!)) read.push(event)
      visit(index, read)
    }
    const first: number[] = []
    for (let n = 0; n < streams; n++) {
      visit(n, records.readFile(paths[n]!))
      const begun = performance.now()
      await one(n)
      first.push(performance.now() - begun)
    }
    const result = await picks('random-stream', quick ? 20 : 100_000, streams, 0.9, one, (index) => {
      visit(index, records.readFile(paths[index]!))
    })
    return [
      result,
      {
        name: '  first read of each',
        eventsPerSecond: (1000 * events) / first.reduce((sum, ms) => sum + ms, 0),
        ...latency(first),
        note: 'since the store was opened',
      },
    ]
  },
}

/** 10 events at a random offset. Raw: a sparse index in memory, one positioned read on an open file, decode of the 10. */
export const randomOffset: Workload = {
  needs: ['one'],
  async run({ quick, folder, dataSet }: Context) {
    const { events } = sizeOf('one', quick)
    const plan = new Plan(1)
    const records = new RawRecords(plan)
    const path = join(folder, 'records')
    const starts = records.write(path, 0, events, 1)
    const index = sparse(starts)
    const fd = openSync(path, 'r')
    await using store = await openEventStore(dataSet('one'))
    const visit = (offset: number, read: readonly OrderRecord[]): void => {
      for (const [n, event] of read.entries()) {
        if (event.offset !== offset + n || event.data.amount !== plan.event(offset + n).data.amount) {
          throw new Error(`Event ${offset + n} is another one`)
        }
      }
      if (read.length !== EVENTS) throw new Error(`${read.length} events were read`)
    }
    const raw = (offset: number): void => {
      const entry = index.find(offset)
      const bytes = Buffer.allocUnsafe(READ_BYTES)
      const length = readSync(fd, bytes, 0, READ_BYTES, entry.start)
      let at = 0
      for (let n = entry.offset; n < offset; n++) at += bytes.readUInt32LE(at)
      visit(offset, records.decode(bytes, at, length, EVENTS))
    }
    const one = async (offset: number): Promise<void> => {
      const read: OrderRecord[] = []
      for await (const event of store.readStream<OrderRecord>('order-0', { fromOffset: offset, limit: EVENTS })) {
        read.push(event)
      }
      visit(offset, read)
    }
    for (let n = 0; n < (quick ? 10 : 5000); n++) {
      raw((n * 7919) % (events - EVENTS))
      await one((n * 7919) % (events - EVENTS))
    }
    const result = await picks('random-offset', quick ? 20 : 100_000, events - EVENTS, 1, one, raw)
    closeSync(fd)
    return [result]
  },
}

/** Measures the same random picks through annals and raw. */
async function picks(
  name: string,
  perRound: number,
  range: number,
  target: number,
  one: (pick: number) => Promise<void>,
  raw: (pick: number) => void,
): Promise<Result> {
  const random = randomFrom(7)
  const durations: number[] = []
  let chosen: number[] = []
  resetPeak()
  const seconds = await alternate(
    9,
    {
      raw() {
        for (const pick of chosen) raw(pick)
      },
      async annals() {
        for (const pick of chosen) {
          const begun = performance.now()
          await one(pick)
          durations.push(performance.now() - begun)
        }
      },
    },
    () => (chosen = Array.from({ length: perRound }, () => random() % range)),
  )
  check(durations.length === 9 * perRound, 'reads were lost')
  return {
    name,
    eventsPerSecond: (perRound * EVENTS) / median(seconds.annals),
    rawPerSecond: (perRound * EVENTS) / median(seconds.raw),
    ratio: ratioOf(seconds.annals, seconds.raw),
    target,
    ...latency(durations),
    peakMib: peakMib(),
  }
}

/** What a reader would keep in memory: the first record of every block. */
function sparse(starts: Float64Array): { find(offset: number): { offset: number; start: number } } {
  const entries: { offset: number; start: number }[] = []
  let block = -1
  for (const [offset, start] of starts.entries()) {
    if (Math.floor(start / BLOCK_BYTES) === block) continue
    block = Math.floor(start / BLOCK_BYTES)
    entries.push({ offset, start })
  }
  return {
    find(offset) {
      let [low, high] = [0, entries.length - 1]
      while (low < high) {
        const middle = (low + high + 1) >>> 1
        if (entries[middle]!.offset <= offset) low = middle
        else high = middle - 1
      }
      return entries[low]!
    },
  }
}
