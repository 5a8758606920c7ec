import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamReading } from './segment-cursor.js'
import { ForwardStreamSource } from './stream-source.js'

/** Tells how many events a stream had before a position: by halving, so that a long stream costs a few reads. */
export async function versionAt(
  reading: StreamReading,
  catalog: StreamCatalog,
  stream: string,
  position: number,
): Promise<number> {
  const state = catalog.get(stream)
  let low = 0
  let high = state.version
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [event] = await new ForwardStreamSource(reading, state, middle, middle + 1).next(1)
    if (event !== undefined && event.position < position) low = middle + 1
    else high = middle
  }
  return low
}
