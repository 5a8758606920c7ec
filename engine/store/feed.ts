import { CorruptionError } from '../errors.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamState } from '../streams/stream-state.js'
import type { StoredEvent } from '../types/event.js'
import type { CommitSignal } from './commit-signal.js'
import type { EventSource } from './event-iterator.js'

/** What a subscription reads: a sequence that goes on. */
export interface Feed {
  /** Returns the next events, at most `most`; none when all that is committed was handed out. Ready events come without a promise. */
  read(most: number): StoredEvent[] | Promise<StoredEvent[]>
  /** Tells whether there may be more by now. */
  behind(): boolean
  /** Nothing of it stands between its end, which it has reached, and this position. */
  skipTo(position: number): void
  /** Counts what is left for a consumer that is at `position` and has `inHand` events that were read. */
  lag(position: number, inHand: number): number
}

/** Follows the log. */
export class LogFeed implements Feed {
  readonly #commits: CommitSignal
  readonly #open: (from: number, end: number) => EventSource
  readonly #damage: () => CorruptionError | undefined
  #position: number
  #end = 0
  #source: EventSource | undefined

  /**
   * @param open Opens what is wanted of positions `from` … `end − 1`.
   * @param damage Returns what the log lost behind its last event, if anything: it is told and not waited at.
   */
  constructor(
    commits: CommitSignal,
    open: (from: number, end: number) => EventSource,
    position: number,
    damage: () => CorruptionError | undefined,
  ) {
    this.#commits = commits
    this.#open = open
    this.#position = position
    this.#damage = damage
  }

  read(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    while (this.#source !== undefined || this.behind()) {
      if (this.#source === undefined) {
        this.#end = this.#commits.end
        this.#source = this.#open(this.#position, this.#end)
      }
      const events = this.#source.next(most)
      if (!Array.isArray(events)) return events.then((read) => (this.#took(read) ? read : this.read(most)))
      if (this.#took(events)) return events
    }
    const damage = this.#damage()
    if (damage !== undefined) throw damage
    return []
  }

  behind(): boolean {
    return this.#position < this.#commits.end
  }

  skipTo(position: number): void {
    this.#position = Math.max(this.#position, position)
  }

  lag(position: number): number {
    return Math.max(0, this.#commits.end - position)
  }

  /** Returns false when the source is at its end. Until then the source knows the place. */
  #took(events: readonly StoredEvent[]): boolean {
    if (events.length > 0) return true
    this.#position = this.#end
    this.#source = undefined
    return false
  }
}

/** Follows one stream. */
export class StreamFeed implements Feed {
  readonly #catalog: StreamCatalog
  readonly #name: string
  readonly #open: (state: StreamState, from: number, end: number, filtered: boolean) => EventSource
  /** Events at lower positions are not wanted. */
  #fromPosition: number
  /** Undefined until it is known which offset the position is. */
  #offset: number | undefined
  #end = 0
  #source: EventSource | undefined

  /** @param open Opens what is wanted of offsets `from` … `end − 1`, or all of it if it is not `filtered`; with an `end` beyond the stream damage at its end is told. */
  constructor(
    catalog: StreamCatalog,
    name: string,
    open: (state: StreamState, from: number, end: number, filtered: boolean) => EventSource,
    from: { readonly offset: number } | { readonly position: number },
  ) {
    this.#catalog = catalog
    this.#name = name
    this.#open = open
    this.#fromPosition = 'position' in from ? from.position : 0
    this.#offset = 'offset' in from ? from.offset : from.position === 0 ? 0 : undefined
  }

  read(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    if (this.#offset === undefined) return this.#seek().then(() => this.read(most))
    for (;;) {
      if (this.#source === undefined) {
        // Looked up each time: a state that was kept could have been forgotten by the catalog, and would stand still.
        const state = this.#catalog.get(this.#name)
        this.#end = state.version
        this.#source = this.#open(state, this.#offset, Infinity, true)
      }
      const events = this.#source.next(most)
      if (!Array.isArray(events)) return events.then((read) => this.#took(read) ?? this.read(most))
      const wanted = this.#took(events)
      if (wanted !== undefined) return wanted
      if (events.length === 0 && !this.behind()) return []
    }
  }

  behind(): boolean {
    return this.#offset === undefined || this.#catalog.get(this.#name).version > this.#offset
  }

  skipTo(): void {
    // Its place is an offset: there is nothing to skip.
  }

  lag(_position: number, inHand: number): number {
    const version = this.#catalog.peek(this.#name)?.version ?? this.#end
    return inHand + Math.max(0, version - (this.#offset ?? 0))
  }

  /** Returns what is wanted of the events read; undefined when the source is at its end or nothing is. */
  #took(events: StoredEvent[]): StoredEvent[] | undefined {
    if (events.length === 0) {
      this.#offset = Math.max(this.#offset!, this.#end)
      this.#source = undefined
      return undefined
    }
    this.#offset = events.at(-1)!.offset + 1
    if (events[0]!.position >= this.#fromPosition) return events
    const wanted = events.filter(({ position }) => position >= this.#fromPosition)
    return wanted.length === 0 ? undefined : wanted
  }

  /** Finds the first offset that is not below the position: positions grow along a stream. */
  async #seek(): Promise<void> {
    const state = this.#catalog.get(this.#name)
    let low = 0
    let high = state.version
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (await this.#isBefore(state, middle)) low = middle + 1
      else high = middle
    }
    this.#offset = low
  }

  async #isBefore(state: StreamState, offset: number): Promise<boolean> {
    try {
      const [event] = await this.#open(state, offset, offset + 1, false).next(1)
      return event !== undefined && event.position < this.#fromPosition
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      // Too early is safe: what is not wanted is left out, and damage in what is wanted is met again.
      return false
    }
  }
}
