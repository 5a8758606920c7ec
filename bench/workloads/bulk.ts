/**
 * Relaxed load with 1,024 appends in flight, until every event is in its stream segment. Raw: the events once, encoded and
 * written in groups of 1,024, without any sync.
 */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { alternate, check, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { appendLoops, Plan, verify } from '../plan.js'
import { RawLog } from '../raw/raw-log.js'
import { bytesBelow } from '../folders.js'
import type { Context, Workload } from '../workload.js'

const IN_FLIGHT = 1024

export function bulk(name: string, streams: number, target: number): Workload {
  return {
    async run({ folder, quick }: Context) {
      const plan = new Plan(quick ? Math.min(streams, 500) : streams)
      const events = quick ? 5_000 : 1_000_000
      const directory = join(folder, 'store')
      const rawPath = join(folder, 'raw')
      const loaded = { appended: [] as number[], rawBytes: 0 }
      const raw = (count: number): void => {
        const log = new RawLog(rawPath)
        log.groups(plan, 0, count, IN_FLIGHT, false)
        log.close()
        loaded.rawBytes = log.bytes
      }
      let peak = 0
      const annals = async (count: number): Promise<void> => {
        const begun = performance.now()
        resetPeak()
        const store = await openEventStore(directory, { durability: 'os' })
        await appendLoops(store, plan, 0, count, IN_FLIGHT)
        loaded.appended.push((performance.now() - begun) / 1000)
        await store.flush()
        peak = Math.max(peak, peakMib())
        check(store.stats().events === count, `${store.stats().events} events were stored`)
        closing = store
      }
      let rounds = 0
      let closing: Awaited<ReturnType<typeof openEventStore>> | undefined
      const clean = async (): Promise<void> => {
        await closing?.close()
        closing = undefined
        // Removed at the end of the run only: on a disk that is told of freed blocks, a removal slows the next minutes down.
        rounds++
        for (const path of [rawPath, directory]) if (existsSync(path)) renameSync(path, `${path}.${rounds}`)
      }
      if (!quick) {
        raw(30_000)
        await annals(30_000)
      }
      loaded.appended.length = 0
      peak = 0
      const seconds = await alternate(quick ? 1 : 3, { raw: () => raw(events), annals: () => annals(events) }, clean)
      if (closing === undefined) await annals(events)
      await closing?.close()
      const bytes = bytesBelow(directory)
      await using reopened = await openEventStore(directory)
      await verify(reopened, plan, events)
      return [
        {
          name,
          eventsPerSecond: events / median(seconds.annals),
          rawPerSecond: events / median(seconds.raw),
          ratio: ratioOf(seconds.annals, seconds.raw),
          target,
          bytesPerEvent: bytes / events,
          rawBytesPerEvent: loaded.rawBytes / events,
          peakMib: peak,
          note: `${(median(loaded.appended) / median(seconds.annals)).toFixed(2)} of the time until acknowledged`,
        },
      ]
    },
  }
}
