/** Durable appends of many events, one call at a time, to one stream. Raw: as many events with one write and one sync. */
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { alternate, latency, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { Plan, verify } from '../plan.js'
import { RawLog } from '../raw/raw-log.js'
import type { Context, Workload } from '../workload.js'

/** `eventsARound`: how many, which should take about a second. */
export function batch(size: number, eventsARound: number, target?: number): Workload {
  return {
    async run({ folder, quick }: Context) {
      const plan = new Plan(1)
      const calls = quick ? 2 : eventsARound / size
      const rounds = quick ? 1 : 9
      const store = await openEventStore(join(folder, 'store'))
      const raw = new RawLog(join(folder, 'raw'))
      const durations: number[] = []
      let next = 0
      const annals = async (): Promise<void> => {
        for (let call = 0; call < calls; call++) {
          const events = plan.events(next, size)
          const begun = performance.now()
          await store.append('order-0', events)
          durations.push(performance.now() - begun)
          next += size
        }
      }
      const perRound = calls * size
      await annals()
      raw.groups(plan, 0, perRound, size, true)
      durations.length = 0
      resetPeak()
      const seconds = await alternate(rounds, {
        raw: (round) => raw.groups(plan, perRound * (round + 1), perRound, size, true),
        annals,
      })
      const peak = peakMib()
      raw.close()
      const { bytes } = store.stats().appends
      await store.close()
      await using reopened = await openEventStore(join(folder, 'store'))
      await verify(reopened, plan, next)
      return [
        {
          name: `batch-${size}`,
          eventsPerSecond: perRound / median(seconds.annals),
          rawPerSecond: perRound / median(seconds.raw),
          ratio: ratioOf(seconds.annals, seconds.raw),
          target,
          ...latency(durations),
          bytesPerEvent: bytes / next,
          rawBytesPerEvent: raw.bytes / next,
          peakMib: peak,
        },
      ]
    },
  }
}
