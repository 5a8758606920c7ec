/**
 * Reading what is asked for out of everything: a category that holds one event in a hundred, and a type that none has. Raw: checking the
 * checksums of the same log, which nobody who reads it can do without.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { checkFrames } from '../../engine/format/crc32c.js'
import { HEADER_FIXED_BYTES } from '../../engine/format/file-header.js'
import { type EventReader, openEventStore } from '../../engine/index.js'
import { alternate, check, median, ratioOf } from '../measure.js'
import { Plan } from '../plan.js'
import type { Workload } from '../workload.js'

const BATCH = 1000
const ONE_IN = 100
const WINDOW_BYTES = 256 * 1024

export const filteredRead: Workload = {
  run: async ({ quick, folder }) => {
    const events = quick ? 2000 : 400_000
    const directory = join(folder, 'store')
    const plan = new Plan(events / 10)
    await using store = await openEventStore(directory, { durability: 'os' })
    for (let n = 0; n < events; n += BATCH) {
      const appends = plan.events(n, BATCH).map((event, i) => {
        const stream = (n + i) % ONE_IN === 0 ? `account-${(n + i) % 7}` : plan.stream(n + i)
        return { stream, events: [event] }
      })
      await store.appendMany(appends)
    }
    await store.flush()
    const logs = readdirSync(join(directory, 'log')).filter((name) => name.endsWith('.log'))
    const raw = (): void => {
      for (const name of logs) checkAll(join(directory, 'log', name))
    }
    const read = async (reader: EventReader, expected: number): Promise<void> => {
      let found = 0
      for await (const batch of reader.batches(BATCH)) found += batch.length
      check(found === expected, `${found} events were found, not ${expected}`)
    }
    raw()
    const seconds = await alternate(quick ? 1 : 5, {
      raw,
      all: () => read(store.readAll(), events),
      category: () => read(store.readCategory('account'), events / ONE_IN),
      type: () => read(store.readAll({ types: ['Never'] }), 0),
    })
    const perSecond = (samples: readonly number[]): number => events / median(samples)
    const times = (samples: readonly number[]): string =>
      `${(median(seconds.all) / median(samples)).toFixed(1)} times as fast as decoding everything`
    return (['category', 'type'] as const).map((kind) => ({
      name: `filtered-read, ${kind}`,
      eventsPerSecond: perSecond(seconds[kind]),
      rawPerSecond: perSecond(seconds.raw),
      ratio: ratioOf(seconds[kind], seconds.raw),
      note: times(seconds[kind]),
    }))
  },
}

function checkAll(path: string): void {
  const bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  const fd = openSync(path, 'r')
  const { size } = fstatSync(fd)
  for (let at = HEADER_FIXED_BYTES; at < size;) {
    const { end } = checkFrames(bytes, 0, readSync(fd, bytes, 0, bytes.length, at))
    if (end === 0) break // zeros that were written ahead
    at += end
  }
  closeSync(fd)
}
