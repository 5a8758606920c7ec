import { type Sleeper, Sleepers, type TouchedStream } from './sleepers.js'

/** Subscriptions woken in one turn of the event loop: many that follow the same must not hold up the writer. */
const WOKEN_A_TURN = 64

/**
 * Tells subscriptions what was committed. Whoever learns of commits calls `published`: the writer for its own, a reader in another
 * process for those that it finds in the log.
 *
 * Wake-up happens after the commit and never inside it. Publishing remembers which streams were touched and costs the same however
 * many wait; who waits for them is looked up in a later turn of the event loop, when the next group is on its way to the disk
 * already. What a subscriber throws ends in its own promise.
 */
export class CommitSignal {
  readonly #sleepers = new Sleepers()
  #end: number
  #matched: number
  /** Groups whose streams were not compared with the sleepers yet; undefined: any stream may have been touched. */
  #published: (readonly TouchedStream[] | undefined)[] = []
  #scheduled = false
  #woken: Sleeper[] = []
  readonly #waiting: ((isWaiting: boolean) => void) | undefined

  /** `waiting` hears when the first subscription begins to wait, and when none waits any more. */
  constructor(end: number, waiting?: (isWaiting: boolean) => void) {
    this.#end = end
    this.#matched = end
    this.#waiting = waiting
  }

  /** Position behind the last event that may be read. */
  get end(): number {
    return this.#end
  }

  /** Nothing that a sleeper waits for was committed below this position after it fell asleep. */
  get matched(): number {
    return this.#matched
  }

  /** Subscriptions that wait. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  /**
   * A group was committed, whole: it ends below position `end` and has events of these streams (undefined: of any). Its events
   * may be read from here on. `streams` must not change afterwards; a stream may be named many times.
   */
  published(end: number, streams: readonly TouchedStream[] | undefined): void {
    this.#end = end
    if (this.#sleepers.size === 0) return
    this.#published.push(streams)
    this.#schedule()
  }

  /** Lets a subscription wait: it has read everything below `end` that it wants. */
  sleep(sleeper: Sleeper): void {
    this.#sleepers.add(sleeper)
    if (this.#sleepers.size === 1) this.#waiting?.(true)
  }

  /** Forgets a subscription that waits no longer. */
  forget(sleeper: Sleeper): void {
    if (this.#sleepers.size === 0) return
    this.#sleepers.remove(sleeper)
    if (this.#sleepers.size === 0) this.#waiting?.(false)
  }

  /** Wakes all: the store was closed, and they end. */
  close(): void {
    const sleepers = this.#woken
    this.#woken = []
    if (this.#sleepers.size > 0) this.#waiting?.(false)
    this.#sleepers.takeAll(this.#matched, sleepers)
    for (const sleeper of sleepers) sleeper.wake()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // Not as soon as possible: then subscribers would read before the next group is written, and the disk would wait for them.
    setImmediate(() => {
      this.#scheduled = false
      this.#match()
      for (const sleeper of this.#woken.splice(0, WOKEN_A_TURN)) sleeper.wake()
      if (this.#woken.length > 0) this.#schedule()
    })
  }

  #match(): void {
    const groups = this.#published
    const from = this.#matched
    const { size } = this.#sleepers
    this.#published = []
    // Groups that nobody slept through are not among them: who sleeps now has read those.
    this.#matched = this.#end
    for (const streams of groups) {
      if (streams === undefined) this.#sleepers.takeAll(from, this.#woken)
      else this.#sleepers.take(streams, from, this.#woken)
    }
    if (size > 0 && this.#sleepers.size === 0) this.#waiting?.(false)
  }
}
