import type { Environment, Timer } from '../io/file-system.js'
import type { Limits } from '../limits.js'
import { turn } from './write-behind.js'

/** Grows while events are read: work in the background looks whether it has grown, and readers pay nothing for that. */
export interface ReadActivity {
  reads: number
}

export interface BackgroundPaceParts {
  readonly environment: Environment
  readonly limits: Limits
  readonly activity: Readonly<ReadActivity>
  /** Somebody waits for this work, or too much of it has gathered: asked before each pause. */
  readonly urgent: () => boolean
}

/**
 * Says when a piece of work in the background lets others have their turn, and for how long: for a turn after each slice, and while
 * something is read for so long that the work has no more than its share of the time. One for each piece of work: some time after
 * it has begun it waits for nobody any more.
 */
export class BackgroundPace {
  readonly #parts: BackgroundPaceParts
  readonly #deadline: number
  /** Milliseconds of the main thread since the last rest. */
  #worked = 0
  #reads: number
  #resting: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(parts: BackgroundPaceParts) {
    const { environment, limits, activity } = parts
    this.#parts = parts
    this.#deadline = environment.elapsed() + limits.backgroundDelayMs
    this.#reads = activity.reads
  }

  /** It is time to rest, or another part of the same work rests. */
  get due(): boolean {
    return this.#resting !== undefined || this.#worked >= this.#parts.limits.flushSliceMs
  }

  /** Does a step of the work and counts its time. */
  step<Result>(work: () => Result): Result {
    const { environment } = this.#parts
    const begun = environment.elapsed()
    try {
      return work()
    } finally {
      this.#worked += environment.elapsed() - begun
    }
  }

  /** Does a step for each item until one returns false, and rests when it is time. Tells whether none did. */
  async each<Item>(items: Iterable<Item>, work: (item: Item) => boolean): Promise<boolean> {
    const { environment, limits } = this.#parts
    let begun = environment.elapsed()
    // Getting at the next item counts too: it may have to be read from a file.
    for (const item of items) {
      if (!work(item)) return false
      const now = environment.elapsed()
      if (now - begun < limits.flushSliceMs) continue
      this.#worked += now - begun
      await this.rest()
      begun = environment.elapsed()
    }
    return true
  }

  /** Lets others have their turn. */
  rest(): Promise<void> {
    this.#resting ??= this.#rest().finally(() => {
      this.#resting = undefined
    })
    return this.#resting
  }

  /** Ends a pause before its time, for who has become urgent. */
  wake(): void {
    this.#wake?.()
  }

  #rest(): Promise<void> {
    const pauseMs = this.#pauseMs()
    this.#worked = 0
    if (pauseMs <= 0) return turn()
    return new Promise((resolve) => {
      const timer: Timer = this.#parts.environment.after(pauseMs, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  /** How long to pause now. */
  #pauseMs(): number {
    const { environment, limits, activity, urgent } = this.#parts
    const isReading = activity.reads !== this.#reads
    this.#reads = activity.reads
    if (!isReading || urgent()) return 0
    const share = limits.backgroundShare / 100
    return Math.min(this.#worked * (1 / share - 1), this.#deadline - environment.elapsed())
  }
}
