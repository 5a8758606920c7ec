/** Durable appends of one event, with so many in flight. */
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { alternate, check, latency, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { appendLoops, Plan, verify } from '../plan.js'
import { FrameWriter } from '../raw/frames.js'
import { RawLog, ZeroFilledLog } from '../raw/raw-log.js'
import type { Context, Result, Workload } from '../workload.js'

/**
 * One in flight on one stream. Raw: a loop of a synchronous write and fdatasync of bytes encoded before, of the length annals
 * writes; on a growing file, and with O_DSYNC on one filled with zeros, there also through the thread pool.
 */
export const append1: Workload = {
  async run({ folder, quick }: Context) {
    const plan = new Plan(1)
    const [rounds, perRound] = quick ? [1, 20] : [9, 4000]
    const store = await openEventStore(join(folder, 'store'))
    // Some seconds in which the code is still being compiled, in threads that the disk's answers have to wait for.
    const warm = quick ? 20 : 5000
    await appendLoops(store, plan, 0, warm, 1)
    const warmed = store.stats().appends.bytes
    await appendLoops(store, plan, warm, 10, 1)
    let next = warm + 10
    // Without the shapes, which are learnt and written in the beginning.
    const bytesPerEvent = Math.round((store.stats().appends.bytes - warmed) / 10)
    const bytes = Buffer.alloc(bytesPerEvent, encodedEvents(plan))
    const growing = new RawLog(join(folder, 'growing'))
    const zeroFilled = new ZeroFilledLog(join(folder, 'zero-filled'), 2 * rounds * perRound * bytesPerEvent)
    const durations = {
      annals: [] as number[],
      raw: [] as number[],
      rawZeroFilled: [] as number[],
      rawInPool: [] as number[],
    }
    const loop = (log: RawLog | ZeroFilledLog, into: number[]): void => {
      for (let n = 0; n < perRound; n++) {
        const begun = performance.now()
        log.write(bytes)
        into.push(performance.now() - begun)
      }
    }
    resetPeak()
    const seconds = await alternate(rounds, {
      raw: () => loop(growing, durations.raw),
      rawZeroFilled: () => loop(zeroFilled, durations.rawZeroFilled),
      async rawInPool() {
        for (let n = 0; n < perRound; n++) {
          const begun = performance.now()
          await zeroFilled.writeInPool(bytes)
          durations.rawInPool.push(performance.now() - begun)
        }
      },
      async annals() {
        await appendLoops(store, plan, next, perRound, 1, durations.annals)
        next += perRound
      },
    })
    const peak = peakMib()
    growing.close()
    zeroFilled.close()
    await verify(store, plan, next)
    await store.close()
    const rate = (of: readonly number[]): number => perRound / median(of)
    return [
      {
        name: 'append-1',
        eventsPerSecond: rate(seconds.annals),
        rawPerSecond: rate(seconds.raw),
        ratio: ratioOf(seconds.annals, seconds.raw),
        target: 0.9,
        ...latency(durations.annals),
        bytesPerEvent,
        rawBytesPerEvent: bytesPerEvent,
        peakMib: peak,
      },
      { name: '  raw, growing file', eventsPerSecond: rate(seconds.raw), ...latency(durations.raw) },
      { name: '  raw, zero-filled', eventsPerSecond: rate(seconds.rawZeroFilled), ...latency(durations.rawZeroFilled) },
      {
        name: '  raw, zero-filled, in the pool',
        eventsPerSecond: rate(seconds.rawInPool),
        rawPerSecond: rate(seconds.raw),
        ratio: ratioOf(seconds.rawInPool, seconds.raw),
        ...latency(durations.rawInPool),
      },
    ]
  },
}

/** Many in flight over many streams. Raw: groups of as many, encoded, written with one call and synced with another. */
export function appendMany(name: string, inFlight: number, streams: number, target: number): Workload {
  return {
    async run({ folder, quick }: Context) {
      const plan = new Plan(quick ? Math.min(streams, 500) : streams)
      const [rounds, perRound] = quick ? [1, inFlight * 4] : [9, inFlight * Math.ceil(100_000 / inFlight)]
      const store = await openEventStore(join(folder, 'store'))
      const raw = new RawLog(join(folder, 'raw'))
      await appendLoops(store, plan, 0, perRound, inFlight)
      raw.groups(plan, 0, perRound, inFlight, true)
      let next = perRound
      const durations: number[] = []
      const before = store.stats().appends
      resetPeak()
      const seconds = await alternate(rounds, {
        raw: (round) => raw.groups(plan, perRound * (1 + round), perRound, inFlight, true),
        async annals() {
          await appendLoops(store, plan, next, perRound, inFlight, durations)
          next += perRound
        },
      })
      const peak = peakMib()
      raw.close()
      const { appends, sync } = store.stats()
      const events = rounds * perRound
      check(appends.commits - before.commits === events, `${appends.commits} commits`)
      const note = `${((appends.commits - before.commits) / (appends.groups - before.groups)).toFixed(0)} a group, sync p50 ${(sync.p50 * 1000).toFixed(0)} µs, slowest round ${Math.round(perRound / Math.max(...seconds.annals)).toLocaleString('en')}/s`
      await store.close()
      await using reopened = await openEventStore(join(folder, 'store'))
      await verify(reopened, plan, next)
      return [
        {
          name,
          eventsPerSecond: perRound / median(seconds.annals),
          rawPerSecond: perRound / median(seconds.raw),
          ratio: ratioOf(seconds.annals, seconds.raw),
          target,
          ...latency(durations),
          bytesPerEvent: (appends.bytes - before.bytes) / events,
          rawBytesPerEvent: raw.bytes / next,
          peakMib: peak,
          note,
        },
      ] satisfies Result[]
    },
  }
}

function encodedEvents(plan: Plan): Buffer {
  const writer = new FrameWriter()
  for (let n = 0; n < 10; n++) writer.add(plan.event(n))
  return writer.bytes.subarray(0, writer.length)
}
