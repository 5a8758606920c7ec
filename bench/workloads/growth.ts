/**
 * What grows with the store and what does not: one store of 1,000 streams with 10^5, 10^6 and 10^7 events; at each size opening, a durable
 * append, ten events at a random offset, and reading everything. The picture is `bench/growth.svg`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FileEventStore, openEventStore } from '../../engine/index.js'
import { benchSources } from '../folders.js'
import { growthPicture, type GrowthSeries } from '../growth-picture.js'
import { check, median, peakMib, resetPeak } from '../measure.js'
import { appendLoops, Plan } from '../plan.js'
import type { Context, Result, Workload } from '../workload.js'

const STREAMS = 1000
const BATCH = 500

export const growth: Workload = {
  async run({ folder, quick }: Context) {
    const sizes = quick ? [5_000, 10_000] : [100_000, 1_000_000, 10_000_000]
    const directory = join(folder, 'store')
    const plan = new Plan(1)
    const results: Result[] = []
    const series: Record<keyof GrowthSeries, [number, number][]> = { open: [], append: [], offset: [], scan: [] }
    let events = 0
    for (const size of sizes) {
      await load(directory, plan, events, size)
      const { openMs, store } = await opened(directory)
      check(store.stats().events === size, `${store.stats().events} events instead of ${size}`)
      resetPeak()
      const offsetMs = await randomOffsets(store, size / STREAMS, quick ? 20 : 5000)
      const seconds = await scan(store, size)
      const durations: number[] = []
      await appendLoops(store, new Plan(STREAMS), 0, quick ? 20 : 3000, 1, durations)
      events = store.stats().events
      await store.close()
      const appendMs = median(durations.slice(durations.length / 2))
      const title = `${size.toLocaleString('en')} events`
      results.push(
        { name: `open, ${title}`, ms: openMs, peakMib: peakMib() },
        { name: '  durable append', ms: appendMs },
        { name: '  10 events at a random offset', ms: offsetMs },
        { name: '  everything', eventsPerSecond: size / seconds, ms: seconds * 1000 },
      )
      series.open.push([size, openMs])
      series.append.push([size, appendMs])
      series.offset.push([size, offsetMs])
      series.scan.push([size, seconds * 1000])
    }
    if (!quick) writeFileSync(join(benchSources, 'growth.svg'), growthPicture(series))
    return results
  },
}

/** Appends until the store has so many events: batches to each stream in turn. */
async function load(directory: string, plan: Plan, from: number, to: number): Promise<void> {
  await using store = await openEventStore(directory, { durability: 'os' })
  for (let n = from, stream = 0; n < to; n += BATCH, stream++) {
    await store.append(`order-${stream % STREAMS}`, plan.events(n, Math.min(BATCH, to - n)))
  }
  await store.checkpoint()
}

/** Opens the store three times; the last time counts, when the code has run before. */
async function opened(directory: string): Promise<{ readonly openMs: number; readonly store: FileEventStore }> {
  for (let n = 0; n < 2; n++) await (await openEventStore(directory)).close()
  const begun = performance.now()
  const store = await openEventStore(directory)
  return { openMs: performance.now() - begun, store }
}

async function randomOffsets(store: FileEventStore, perStream: number, reads: number): Promise<number> {
  const durations: number[] = []
  for (let n = 0; n < reads; n++) {
    // Fixed strides that visit streams and offsets without order.
    const stream = `order-${(n * 389) % STREAMS}`
    const { version } = await store.streamInfo(stream)
    const fromOffset = (n * 7919) % Math.max(1, Math.min(version, perStream) - 10)
    const begun = performance.now()
    let next = fromOffset
    for await (const { offset } of store.readStream(stream, { fromOffset, limit: 10 })) {
      check(offset === next++, `${stream} has offset ${offset}`)
    }
    durations.push(performance.now() - begun)
    check(next === fromOffset + Math.min(10, version - fromOffset), `${stream} ends at ${next}`)
  }
  return median(durations)
}

async function scan(store: FileEventStore, events: number): Promise<number> {
  const begun = performance.now()
  let next = 0
  for await (const batch of store.readAll().batches(1000)) {
    for (const { position } of batch) check(position === next++, `position ${position}`)
  }
  check(next === events, `${next} events instead of ${events}`)
  return (performance.now() - begun) / 1000
}
