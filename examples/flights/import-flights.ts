import type { EventStore } from '../../engine/index.js'
import { commitOf, type Flight } from './flights.js'

/** Commits that wait for the disk at the same time. They share one write and one fdatasync. */
export const IN_FLIGHT = 64

/**
 * Imports the flights at the given indexes, in that order, each as one commit over two streams. `acknowledged` hears of each
 * one when its append has resolved, which is when it is on disk.
 */
export async function importFlights(
  store: EventStore,
  flights: readonly Flight[],
  indexes: readonly number[],
  acknowledged: (index: number) => void,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < indexes.length) {
      const index = indexes[next++]!
      await store.appendMany(commitOf(flights[index]!, index))
      acknowledged(index)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
}
