/** Opens a store of very many streams, each with one event, then appends to some of them and reads those; says what that takes in memory. */
import { type FileEventStore, openEventStore } from '../../engine/index.js'
import { check, latency, type Memory, memoryNow, peakMib, resetPeak } from '../measure.js'
import { Plan, strideOver } from '../plan.js'

export interface UsedStreams {
  readonly openMs: number
  /** Before the store was opened, after it, and after streams were used. */
  readonly before: Memory
  readonly opened: Memory
  readonly used: Memory
  /** Most while the store was opened, and while streams were used. */
  readonly openPeakMib: number
  readonly usePeakMib: number
  readonly p50Us: number
  readonly p99Us: number
}

async function main(directory: string, streams: number, count: number): Promise<void> {
  const plan = new Plan(1)
  const before = memoryNow()
  resetPeak()
  const begun = performance.now()
  const store = await openEventStore(directory, { durability: 'os' })
  const openMs = performance.now() - begun
  const openPeakMib = peakMib()
  const opened = memoryNow()
  check(store.stats().events === streams, `${store.stats().events} events instead of ${streams}`)
  resetPeak()
  const durations: number[] = []
  const stride = strideOver(streams)
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    await use(store, plan, (n * stride) % streams, streams + n)
    durations.push(performance.now() - began)
  }
  const usePeakMib = peakMib()
  const used = memoryNow()
  check(store.stats().events === streams + count, `${store.stats().events} events instead of ${streams + count}`)
  await store.close()
  const said: UsedStreams = { openMs, before, opened, used, openPeakMib, usePeakMib, ...latency(durations) }
  process.send?.(said)
}

/** Appends the event that gets `position` to a stream with one event, and reads both back. */
async function use(store: FileEventStore, plan: Plan, stream: number, position: number): Promise<void> {
  const name = `order-${stream}`
  await store.append(name, [plan.event(position)], { expectedVersion: 1 })
  const numbers = [stream, position]
  let offset = 0
  for await (const event of store.readStream(name)) {
    const n = numbers[offset]!
    check(event.offset === offset && event.position === n, `${name} has position ${event.position}`)
    check((event.data as { id: string }).id === plan.event(n).data.id, `event ${offset} of ${name} is another one`)
    offset++
  }
  check(offset === 2, `${name} has ${offset} events`)
}

const [directory, streams, count] = process.argv.slice(2)
main(directory!, Number(streams), Number(count)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
