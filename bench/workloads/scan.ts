/**
 * Reading everything, event by event and in batches of 1,000. Raw: a plain loop over a file of the same records: read in
 * windows of 256 KiB, check each CRC, decode.
 */
import { join } from 'node:path'
import { type EventReader, openEventStore } from '../../engine/index.js'
import { sizeOf } from '../data-sets.js'
import { alternate, check, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { Plan } from '../plan.js'
import { type OrderRecord, RawRecords } from '../raw/raw-records.js'
import type { Context, Result, Workload } from '../workload.js'

const BATCH = 1000

export const scan: Workload = {
  needs: ['one'],
  run: async (context) => [
    ...(await read(context, 'one', 'scan readStream', (store) => store.readStream<OrderRecord>('order-0'), true)),
    ...(await read(context, 'one', 'scan readAll', (store) => store.readAll<OrderRecord>(), true)),
  ],
}

export const globalRead: Workload = {
  needs: ['many'],
  run: (context) => read(context, 'many', 'global-read', (store) => store.readAll<OrderRecord>(), false),
}

async function read(
  { quick, folder, dataSet }: Context,
  name: 'one' | 'many',
  title: string,
  readerOf: (store: Awaited<ReturnType<typeof openEventStore>>) => EventReader<OrderRecord>,
  targets: boolean,
): Promise<Result[]> {
  const { events, streams } = sizeOf(name, quick)
  const plan = new Plan(streams)
  const expected = plan.sum(events)
  const path = join(folder, 'records')
  const records = new RawRecords(plan)
  records.write(path, 0, events, 1)
  await using store = await openEventStore(dataSet(name))

  // The same for all three: order and sum, as an application that folds would.
  let next = 0
  let sum = 0
  const visit = (event: OrderRecord): void => {
    if (event.position !== next) throw new Error(`Position ${event.position} instead of ${next}`)
    next++
    sum += event.data.amount
  }
  const whole = async (measure: () => unknown): Promise<void> => {
    next = 0
    sum = 0
    await measure()
    check(next === events && sum === expected, `${next} events were read, amounts add up to ${sum}`)
  }
  for await (const event of readerOf(store)) {
    if (next < 1000 || next % 997 === 0) plan.check(event, next)
    visit(event)
  }
  await whole(() => records.scan(path, visit))
  resetPeak()
  const seconds = await alternate(quick ? 1 : 5, {
    raw: () => whole(() => records.scan(path, visit)),
    items: () =>
      whole(async () => {
        for await (const event of readerOf(store)) visit(event)
      }),
    batches: () =>
      whole(async () => {
        for await (const batch of readerOf(store).batches(BATCH)) for (const event of batch) visit(event)
      }),
  })
  const peak = peakMib()
  return (['items', 'batches'] as const).map((kind) => ({
    name: `${title}, ${kind}`,
    eventsPerSecond: events / median(seconds[kind]),
    rawPerSecond: events / median(seconds.raw),
    ratio: ratioOf(seconds[kind], seconds.raw),
    target: targets ? (kind === 'items' ? 0.75 : 0.9) : undefined,
    peakMib: peak,
  }))
}
