import { asIoError } from '../errors.js'
import type { Subscription } from '../types/subscription.js'
import type { StoredEvent } from '../types/event.js'
import type { AbortListeners } from './abort-listeners.js'
import type { ReadActivity } from './background-pace.js'
import type { CommitSignal } from './commit-signal.js'
import { CHUNK, checkBatchSize, EVENTS_A_TURN } from './event-iterator.js'
import type { Feed } from './feed.js'
import type { Interest, Sleeper } from './sleepers.js'
import { turn } from './write-behind.js'

export interface SubscriptionContext {
  readonly commits: CommitSignal
  readonly aborts: AbortListeners
  /** Counts what is read. */
  readonly activity: ReadActivity
  /** True once the store is closed. */
  readonly closed: () => boolean
  readonly signal: AbortSignal | undefined
  readonly onCaughtUp: ((position: number) => void) | undefined
}

const DONE = Object.freeze({ value: undefined, done: true as const })

/**
 * Reads from a feed up to its end, sleeps until something was committed that it may want, and reads on from where it was. There is
 * one way of reading for what is old and for what is new, and nothing is kept for a subscriber but its place: so there is no
 * hand-over at which an event could be lost or come twice, and a slow consumer costs what a reader costs.
 */
export class EventSubscription implements Subscription, Sleeper {
  readonly interest: Interest
  readonly #feed: Feed
  readonly #context: SubscriptionContext
  #chunk: StoredEvent[] = []
  #at = 0
  #position: number
  #done = false
  #reachedEnd = false
  /** Lets the call that sleeps go on. */
  #resume: (() => void) | undefined
  /** Among the sleepers: nothing that it may want was committed since. */
  #asleep = false
  /** Calls are answered in order; the last one that was made, and how many are not answered. */
  #last: Promise<unknown> = Promise.resolve()
  #calls = 0
  #sinceTurn = 0

  /** @param position What the checkpoint is before anything was read. */
  constructor(interest: Interest, feed: Feed, position: number, context: SubscriptionContext) {
    this.interest = interest
    this.#feed = feed
    this.#position = position
    this.#context = context
  }

  get position(): number {
    return this.#asleep ? Math.max(this.#position, this.#context.commits.matched) : this.#position
  }

  get lag(): number {
    if (this.#asleep) return Math.max(0, this.#context.commits.end - this.position)
    return this.#feed.lag(this.#position, this.#chunk.length - this.#at)
  }

  get isCaughtUp(): boolean {
    return this.lag === 0
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    if (this.#calls === 0 && this.#at < this.#chunk.length && !this.#isOver()) {
      return Promise.resolve({ value: this.#hand(), done: false })
    }
    return this.#inOrder(() => this.#one())
  }

  return(): Promise<IteratorResult<StoredEvent, undefined>> {
    this.#finish()
    return Promise.resolve(DONE)
  }

  batches(size: number): AsyncIterableIterator<StoredEvent[]> {
    checkBatchSize(size)
    const iterator: AsyncIterableIterator<StoredEvent[]> = {
      [Symbol.asyncIterator]: () => iterator,
      next: () => this.#inOrder(() => this.#batch(size)),
      return: () => {
        this.#finish()
        return Promise.resolve(DONE)
      },
    }
    return iterator
  }

  close(): Promise<void> {
    this.#finish()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Lets others have their turn while many events are passed over. Rejects when it has ended meanwhile: nobody hears of that. */
  async pause(): Promise<void> {
    this.#context.activity.reads++
    await turn()
    if (this.#isOver()) throw new Error('the subscription has ended')
  }

  touched(from: number): void {
    this.#asleep = false
    this.#position = Math.max(this.#position, from)
    this.#feed.skipTo(this.#position)
  }

  wake(): void {
    const resume = this.#resume
    if (resume === undefined) return
    const { aborts, commits, signal } = this.#context
    if (this.#asleep) {
      this.#position = this.position
      this.#asleep = false
      commits.forget(this)
    }
    if (signal !== undefined) aborts.remove(signal, this.#wake)
    this.#resume = undefined
    resume()
  }
  readonly #wake = (): void => this.wake()

  #inOrder<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#calls++
    const result = this.#last.then(work)
    const answered = (): void => {
      this.#calls--
    }
    this.#last = result.then(answered, answered)
    return result
  }

  async #one(): Promise<IteratorResult<StoredEvent, undefined>> {
    if (this.#at === this.#chunk.length || this.#isOver()) {
      const events = await this.#fetch(CHUNK, true)
      if (this.#done) return DONE
      this.#chunk = events
      this.#at = 0
    }
    return { value: this.#hand(), done: false }
  }

  #hand(): StoredEvent {
    const event = this.#chunk[this.#at++]!
    this.#position = event.position + 1
    return event
  }

  /** As many as are there, and at least one. */
  async #batch(size: number): Promise<IteratorResult<StoredEvent[], undefined>> {
    let batch = this.#isOver() ? [] : this.#chunk.slice(this.#at, this.#at + size)
    this.#at += batch.length
    while (batch.length < size) {
      const events = await this.#fetch(size - batch.length, batch.length === 0)
      if (this.#done) return DONE
      if (events.length === 0) break
      if (batch.length === 0) batch = events
      else for (const event of events) batch.push(event)
    }
    this.#position = batch.at(-1)!.position + 1
    return { value: batch, done: false }
  }

  /** Reads the next events. None: this subscription is over, or, where it must not sleep, nothing more is there now. */
  async #fetch(most: number, maySleep: boolean): Promise<StoredEvent[]> {
    try {
      while (!this.#isOver()) {
        const read = this.#feed.read(most)
        const events = Array.isArray(read) ? read : await read
        this.#sinceTurn += events.length
        // Fewer: it has caught up, and what now and then comes is no reason to put anything off.
        if (events.length === most) this.#context.activity.reads++
        if (this.#sinceTurn >= EVENTS_A_TURN) {
          this.#sinceTurn = 0
          await turn()
        }
        if (this.#isOver()) break
        if (events.length > 0 || !maySleep) return events
        if (this.#feed.behind()) continue
        this.#reached()
        // What was called back may have ended it.
        if (!this.#isOver()) await this.#sleep()
      }
    } catch (error) {
      if (!this.#isOver()) {
        this.#finish()
        throw asIoError(error, 'read')
      }
    }
    return this.#over()
  }

  #isOver(): boolean {
    return this.#done || this.#context.signal?.aborted === true || this.#context.closed()
  }

  /** Ends it. Throws the reason of an abort, once. */
  #over(): StoredEvent[] {
    const { signal } = this.#context
    const ended = this.#done
    this.#finish()
    if (!ended && signal?.aborted === true) throw signal.reason
    return []
  }

  /** Everything that is there was handed out, and the consumer asks for more: it has dealt with all of it. */
  #reached(): void {
    const { commits, onCaughtUp } = this.#context
    this.#position = Math.max(this.#position, commits.end)
    if (this.#reachedEnd) return
    this.#reachedEnd = true
    onCaughtUp?.(this.#position)
  }

  /** From looking whether there is more to being found by the next commit nothing else may happen. */
  #sleep(): Promise<void> {
    const { aborts, commits, signal } = this.#context
    return new Promise((resolve) => {
      this.#resume = resolve
      this.#asleep = true
      commits.sleep(this)
      if (signal !== undefined) aborts.add(signal, this.#wake)
    })
  }

  #finish(): void {
    this.#done = true
    this.#chunk = []
    this.#at = 0
    this.wake()
  }
}
