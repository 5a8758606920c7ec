import { openEventStore } from '../engine/index.js'
import { appendLoops, Plan } from './plan.js'

/** Stores that several workloads read. Each is loaded once per run, by a process of its own. */
export const dataSets = {
  'small-one': { events: 100_000, streams: 1 },
  'small-many': { events: 100_000, streams: 100_000 },
  one: { events: 1_000_000, streams: 1 },
  many: { events: 1_000_000, streams: 100_000 },
} as const

export type DataSetName = keyof typeof dataSets

/** How many events and streams a data set has; with `quick` a two-hundredth. */
export function sizeOf(name: DataSetName, quick: boolean): { events: number; streams: number } {
  const { events, streams } = dataSets[name]
  return quick ? { events: events / 200, streams: Math.ceil(streams / 200) } : { events, streams }
}

/** Loads a data set into a new store. */
export async function load(directory: string, name: DataSetName, quick: boolean): Promise<void> {
  const { events, streams } = sizeOf(name, quick)
  await using store = await openEventStore(directory, { durability: 'os' })
  await appendLoops(store, new Plan(streams), 0, events, 1024)
}
