import { SeededRandom } from './seeded-random.js'

/** When a writer is to be killed. */
export interface PlannedKill {
  /** Counted from when it begins to open the store, has opened it, or has the first commit acknowledged. */
  readonly from: 'opening' | 'opened' | 'acknowledged'
  readonly delayMs: number
  /** Somebody else tries to open the store before the kill, and has to be refused. */
  readonly rival: boolean
}

const OPENING_MS = 25
const WRITING_MS = 150

/** Returns the kill of a round. It follows from the seed and the number of the round alone, so a run can be given the same kills again. */
export function plannedKill(seed: number, round: number): PlannedKill {
  const random = new SeededRandom(seed, round)
  const kind = random.next()
  if (kind < 0.3) return { from: 'opening', delayMs: random.next() * OPENING_MS, rival: false }
  if (kind < 0.4) return { from: 'opened', delayMs: random.next() * OPENING_MS, rival: false }
  return { from: 'acknowledged', delayMs: random.next() * WRITING_MS, rival: kind > 0.9 }
}
