/** How long after an append, from its call, a subscriber in the same process has the event. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { check, median, peakMib } from '../../measure.js'
import { Plan } from '../../plan.js'
import { FrameWriter } from '../../raw/frames.js'
import type { ComparedEngine, ComparedLimit } from '../engine.js'
import type { Measured, Row, RowContext, Skipped } from '../row.js'
import { verify } from '../work.js'

const appendsOf = (quick: boolean): number => (quick ? 20 : 3000)

export const followRow: Row = {
  name: 'subscribe',
  title: 'append → subscriber, same process, median',
  unit: 'µs',
  note: 'annals, PostgreSQL and raw have the event on disk before the subscriber has it. annals, relaxed has handed it to the operating system, event-storage holds it in memory: compare those two with each other.',
  contestants: ['annals', 'annals-relaxed', 'sqlite', 'lmdb', 'classic-level', 'event-storage', 'postgres', 'raw'],
  streams: 1,
  async store(engine: ComparedEngine, { directory, quick }: RowContext): Promise<Measured | Skipped> {
    const store = await engine.open({ directory, level: 'durable', inFlight: 1 })
    if (store.subscribe === undefined) {
      await store.close()
      return { skipped: 'it has no subscriptions' }
    }
    const plan = new Plan(1)
    const warm = 10
    for (let n = 0; n < warm; n++) await store.append(plan.stream(n), [plan.event(n)], n)
    const durations: number[] = []
    let begun = 0
    let next = warm
    const stop = await store.subscribe(plan.stream(0), (position) => {
      durations.push(performance.now() - begun)
      check(position === next, `position ${position} instead of ${next}`)
      next++
    })
    const end = warm + appendsOf(quick)
    for (let n = warm; n < end; n++) {
      begun = performance.now()
      await store.append(plan.stream(n), [plan.event(n)], n)
      while (next === n) await new Promise((resolve) => setImmediate(resolve))
    }
    check(durations.length === end - warm, `${durations.length} of ${end - warm} events arrived`)
    await stop()
    await verify(engine, store, plan, end)
    await store.close()
    return { value: median(durations) * 1000, peakMib: peakMib() }
  },
  /** The write and the sync that come before. */
  limit(_limit: ComparedLimit, { directory, quick }: RowContext): Measured {
    const plan = new Plan(1)
    const writer = new FrameWriter()
    const fd = openSync(join(directory, 'raw'), 'w')
    const durations: number[] = []
    for (let n = 0; n < appendsOf(quick); n++) {
      const begun = performance.now()
      writer.clear()
      writer.add(plan.event(n))
      writeSync(fd, writer.bytes, 0, writer.length)
      fdatasyncSync(fd)
      durations.push(performance.now() - begun)
    }
    closeSync(fd)
    return { value: median(durations) * 1000 }
  },
}
