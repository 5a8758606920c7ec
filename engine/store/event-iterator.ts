import { AnnalsError, asIoError, CorruptionError, InvalidArgumentError } from '../errors.js'
import type { EventReader } from '../types/event-store.js'
import type { StoredEvent } from '../types/event.js'
import { byCommit, type CommitMarks, type CommitReading } from './commit-marks.js'
import type { ReadActivity } from './background-pace.js'
import { turn } from './write-behind.js'

/** Where an iteration takes its events from, some at a time. */
export interface EventSource<Event = StoredEvent> {
  /** Returns the next events, at most `most`; none at the end. Ready events come without a promise. */
  next(most: number): Event[] | Promise<Event[]>
}

export interface IterationContext {
  readonly signal: AbortSignal | undefined
  /** True once the store is closed. */
  readonly closed: () => boolean
  /** Counts what is read. */
  readonly activity: ReadActivity
  /** What reading by commit needs; asked for by such a read only. */
  readonly commits: () => CommitReading
}

/** After so many events that were looked at, everything else in the process has its turn: a read must not starve writers. */
export const EVENTS_A_TURN = 2048
/** Decoded at a time for an iteration event by event: enough to make decoding cheap, few enough to hold in memory. */
export const CHUNK = 64
const MAX_BATCH = 1_000_000

/**
 * Opens a source for one iteration. A source that passes over many events before it finds one pauses now and then; the
 * pause rejects when the read was ended meanwhile. With `marks` they decode the events.
 */
export type OpenSource = (pause: () => Promise<void>, marks?: CommitMarks) => EventSource

/** Makes a reader of a source; each iteration opens a source of its own. */
export function eventReader<Event>(open: OpenSource, context: IterationContext): EventReader<Event> {
  return new SourceReader(open, context) as unknown as EventReader<Event>
}

/** A class, because an object with closures for what it can do takes longer to make than to use. */
class SourceReader implements EventReader {
  readonly #open: OpenSource
  readonly #context: IterationContext

  constructor(open: OpenSource, context: IterationContext) {
    this.#open = open
    this.#context = context
  }

  [Symbol.asyncIterator](): AsyncIterator<StoredEvent> {
    return new EventIterator(this.#open, this.#context)
  }

  batches(size: number): AsyncIterable<StoredEvent[]> {
    checkBatchSize(size)
    return { [Symbol.asyncIterator]: () => new BatchIterator(this.#open, size, this.#context) }
  }

  commits(): AsyncIterable<StoredEvent[]> {
    return {
      [Symbol.asyncIterator]: () => {
        const reading = this.#context.commits()
        const marked: OpenSource = (pause) => this.#open(pause, reading.marks)
        return byCommit(new BatchIterator(marked, CHUNK, this.#context), reading)
      },
    }
  }
}

/** Throws InvalidArgumentError. */
export function checkBatchSize(size: number): void {
  if (!Number.isInteger(size) || size < 1 || size > MAX_BATCH) {
    throw new InvalidArgumentError(`Cannot read batches of ${String(size)} events: a batch has 1 to ${MAX_BATCH}`)
  }
}

/** Opens a source. Its stream may have to be loaded for that. */
function opened(open: OpenSource, pause: () => Promise<void>): EventSource {
  try {
    return open(pause)
  } catch (error) {
    throw asIoError(error, 'read')
  }
}

function assertOpen({ signal, closed }: IterationContext): void {
  if (signal?.aborted) throw signal.reason
  if (closed()) throw new AnnalsError('ERR_CLOSED', 'Cannot read: the store is closed')
}

/** Lets the others have their turn. Rejects when there is no need to go on. */
async function pause(context: IterationContext, done: () => boolean): Promise<void> {
  context.activity.reads++
  await turn()
  assertOpen(context)
  if (done()) throw new Error('the iteration was left')
}

/**
 * Iterates event by event. Written by hand because an async generator costs more per event than reading it. Holds no file,
 * so leaving it early has nothing to give back.
 */
class EventIterator implements AsyncIterableIterator<StoredEvent> {
  readonly #source: EventSource
  readonly #context: IterationContext
  #chunk: StoredEvent[] = []
  #at = 0
  #done = false
  #pending: Promise<unknown> | undefined
  #sinceTurn = 0

  constructor(open: OpenSource, context: IterationContext) {
    this.#context = context
    this.#source = opened(open, () => pause(context, () => this.#done))
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<StoredEvent>> {
    if (this.#pending !== undefined) return this.#queue()
    if (this.#at < this.#chunk.length && this.#context.signal?.aborted !== true) {
      return Promise.resolve({ value: this.#chunk[this.#at++]!, done: false })
    }
    return this.#refill()
  }

  return(): Promise<IteratorResult<StoredEvent>> {
    this.#finish()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** Calls that do not wait for the one before are answered in order. */
  #queue(): Promise<IteratorResult<StoredEvent>> {
    const again = (): Promise<IteratorResult<StoredEvent>> => this.next()
    return this.#pending!.then(again, again)
  }

  #refill(): Promise<IteratorResult<StoredEvent>> {
    if (this.#done) return Promise.resolve({ value: undefined, done: true })
    try {
      assertOpen(this.#context)
      this.#context.activity.reads++
      const chunk = this.#source.next(CHUNK)
      if (Array.isArray(chunk)) {
        this.#sinceTurn += chunk.length
        if (this.#sinceTurn < EVENTS_A_TURN) return Promise.resolve(this.#take(chunk))
      }
      this.#sinceTurn = 0
      const result = (Array.isArray(chunk) ? turn().then(() => chunk) : chunk).then((events) => {
        this.#pending = undefined
        assertOpen(this.#context)
        return this.#take(events)
      })
      this.#pending = result
      return result.catch((error: unknown) => this.#fail(error))
    } catch (error) {
      return this.#fail(error)
    }
  }

  #take(chunk: StoredEvent[]): IteratorResult<StoredEvent> {
    if (chunk.length === 0 || this.#done) {
      this.#finish()
      return { value: undefined, done: true }
    }
    this.#chunk = chunk
    this.#at = 1
    return { value: chunk[0]!, done: false }
  }

  #fail(error: unknown): Promise<IteratorResult<StoredEvent>> {
    if (this.#done) return Promise.resolve({ value: undefined, done: true })
    this.#finish()
    return Promise.reject(asIoError(error, 'read'))
  }

  #finish(): void {
    this.#done = true
    this.#pending = undefined
    this.#chunk = []
    this.#at = 0
  }
}

/** Iterates over batches of one size, whatever the source hands out at a time. */
class BatchIterator implements AsyncIterableIterator<StoredEvent[]> {
  readonly #source: EventSource
  readonly #size: number
  readonly #context: IterationContext
  #turn: Promise<unknown> = Promise.resolve()
  #done = false
  #sinceTurn = 0

  constructor(open: OpenSource, size: number, context: IterationContext) {
    this.#size = size
    this.#context = context
    this.#source = opened(open, () => pause(context, () => this.#done))
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<StoredEvent[]>> {
    const batch = this.#turn.then(() => this.#batch())
    this.#turn = batch.catch(() => {})
    return batch
  }

  return(): Promise<IteratorResult<StoredEvent[]>> {
    this.#done = true
    return Promise.resolve({ value: undefined, done: true })
  }

  async #batch(): Promise<IteratorResult<StoredEvent[]>> {
    if (this.#done) return { value: undefined, done: true }
    let batch: StoredEvent[] = []
    try {
      while (batch.length < this.#size) {
        assertOpen(this.#context)
        this.#context.activity.reads++
        const next = this.#source.next(this.#size - batch.length)
        const events = Array.isArray(next) ? next : await next
        this.#sinceTurn += events.length
        if (this.#sinceTurn >= EVENTS_A_TURN) {
          this.#sinceTurn = 0
          await turn()
        }
        if (events.length === 0) {
          this.#done = true
          break
        }
        if (batch.length === 0) batch = events
        else for (const event of events) batch.push(event)
      }
      return batch.length === 0 ? { value: undefined, done: true } : { value: batch, done: false }
    } catch (error) {
      if (this.#done) return { value: undefined, done: true }
      // What was read before it is handed out first; the next call meets it again.
      if (batch.length > 0 && error instanceof CorruptionError) return { value: batch, done: false }
      this.#done = true
      throw asIoError(error, 'read')
    }
  }
}
