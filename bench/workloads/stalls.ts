/**
 * How long others wait. The event loop during a relaxed bulk load, 1,024 in flight: how late its timers are. And durable appends, 64 in
 * flight over 64 streams, while 100,000 streams that have an event each in memory are flushed to their segments, and while those are
 * synced: `ratio` is the p99 of the same appends with nothing beside them, divided by theirs.
 */
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type FileEventStore, openEventStore } from '../../engine/index.js'
import { check, latency, percentile } from '../measure.js'
import { appendLoops, Plan, verify } from '../plan.js'
import type { Context, Result, Workload } from '../workload.js'

const IN_FLIGHT = 64
const NANOSECONDS = 1e6
/** The syncs of 100,000 files take minutes; what appends meet meanwhile is seen in seconds. */
const SYNCING_MS = 15_000

export const stalls: Workload = {
  async run(context) {
    return [
      await loopDelay(context, 'event loop, bulk load of one stream', 1),
      await loopDelay(context, 'event loop, bulk load of 100,000 streams', 100_000),
      ...(await besideCheckpoint(context)),
    ]
  },
}

async function loopDelay({ folder, quick }: Context, name: string, streams: number): Promise<Result> {
  const plan = new Plan(quick ? Math.min(streams, 500) : streams)
  const events = quick ? 5_000 : 500_000
  const directory = join(folder, `loop-${streams}`)
  const store = await openEventStore(directory, { durability: 'os' })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await appendLoops(store, plan, 0, events, 1024)
  await store.flush()
  delay.disable()
  await store.close()
  await using reopened = await openEventStore(directory)
  await verify(reopened, plan, events)
  return {
    name,
    ms: delay.percentile(99) / NANOSECONDS,
    targetMs: 20,
    p50Us: delay.percentile(50) / 1000,
    p99Us: delay.percentile(99) / 1000,
    note: `longest ${(delay.max / NANOSECONDS).toFixed(0)} ms`,
  }
}

async function besideCheckpoint({ folder, quick }: Context): Promise<Result[]> {
  const dirty = quick ? 500 : 100_000
  const directory = join(folder, 'checkpoint')
  const store = await openEventStore(directory)
  const plan = new Plan(IN_FLIGHT)
  let next = 0
  const appends = async (goesOn: () => boolean, durations: number[]): Promise<void> => {
    for (;;) {
      await appendLoops(store, plan, next, 4 * IN_FLIGHT, IN_FLIGHT, durations)
      next += 4 * IN_FLIGHT
      if (!goesOn()) return
    }
  }
  const forMs = (ms: number): (() => boolean) => {
    const end = performance.now() + (quick ? ms / 100 : ms)
    return () => performance.now() < end
  }
  await appends(forMs(2000), [])
  await store.checkpoint()
  const alone: number[] = []
  await appends(forMs(5000), alone)
  await makeDirty(store, dirty)
  const flushing: number[] = []
  await during(store.flush(), (goesOn) => appends(goesOn, flushing))
  const syncing: number[] = []
  const checkpoint = store.checkpoint()
  const enough = forMs(SYNCING_MS)
  await during(checkpoint, (goesOn) => appends(() => goesOn() && enough(), syncing))
  await store.close()
  await checkpoint.catch(() => undefined) // one that closing cut short
  const reopened = await openEventStore(directory)
  for (const n of [0, dirty - 1]) {
    check((await reopened.streamInfo(`dirty-${n}`)).version === 1, `dirty-${n} is not what was written`)
  }
  check(reopened.stats().events === next + dirty, `${reopened.stats().events} events were stored`)
  await reopened.close()
  const p99 = percentile(alone, 0.99)
  const beside = (name: string, durations: readonly number[]): Result => ({
    name,
    eventsPerSecond: (durations.length / durations.reduce((sum, ms) => sum + ms, 0)) * IN_FLIGHT * 1000,
    ratio: p99 / percentile(durations, 0.99),
    target: 1 / 3,
    ...latency(durations),
  })
  return [
    { ...beside('append-64, nothing beside it', alone), ratio: undefined, target: undefined },
    beside('  beside a flush of 100,000 streams', flushing),
    beside('  beside the syncs of 100,000 streams', syncing),
  ]
}

async function makeDirty(store: FileEventStore, count: number): Promise<void> {
  let n = 0
  const loop = async (): Promise<void> => {
    while (n < count) await store.append(`dirty-${n++}`, [{ type: 'Touched', data: n }], { durability: 'os' })
  }
  await Promise.all(Array.from({ length: 1024 }, loop))
}

/** Runs something until a promise is settled. */
async function during(work: Promise<unknown>, run: (goesOn: () => boolean) => Promise<void>): Promise<void> {
  const running = { is: true }
  const end = (): void => void (running.is = false)
  work.then(end, end)
  await run(() => running.is)
}
