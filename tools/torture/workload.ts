import type { NewEvent, StreamAppend } from '../../engine/index.js'
import { SeededRandom } from './seeded-random.js'

/** What the commits of a run look like. The same values give the same commits, in the writer and in the check. */
export interface WorkloadShape {
  readonly seed: number
  /** Number of streams. */
  readonly streams: number
  /** Most characters of the text in an event. */
  readonly eventBytes: number
}

/** What each event says of itself. */
export interface TortureData {
  /** Number of its commit. */
  readonly commit: number
  /** Its place in the commit, from 0. */
  readonly part: number
  readonly text: string
}

export const EVENT_TYPE = 'Tortured'

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'

/**
 * The commits that writers append. Each follows from the seed and its number alone, so whoever reads the store again knows what a
 * commit must look like without having been told. Numbers only grow, and tell which writer a commit is of.
 */
export class Workload {
  readonly #shape: WorkloadShape
  /** Long enough that texts of one length still differ by where they begin. */
  readonly #letters: string

  constructor(shape: WorkloadShape) {
    this.#shape = shape
    const random = new SeededRandom(shape.seed)
    this.#letters = Array.from({ length: shape.eventBytes + 1021 }, () => LETTERS[random.below(64)]).join('')
  }

  /** Returns commit `number`: every fourth is over two or three streams; one to four events for each. */
  commit(number: number): StreamAppend<NewEvent<string, TortureData>>[] {
    const { seed, streams, eventBytes } = this.#shape
    const random = new SeededRandom(seed, number)
    const chosen = new Set<number>()
    const wanted = random.chance(0.25) ? 2 + random.below(2) : 1
    for (let i = 0; i < wanted; i++) chosen.add(random.below(streams))
    let part = 0
    return [...chosen].map((stream) => ({
      stream: `torture-${stream}`,
      events: Array.from({ length: 1 + random.below(4) }, () => {
        const start = random.below(1021)
        const text = this.#letters.slice(start, start + random.below(eventBytes + 1))
        return { type: EVENT_TYPE, data: { commit: number, part: part++, text } }
      }),
    }))
  }
}
