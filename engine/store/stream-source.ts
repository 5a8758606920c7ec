import { CorruptionError } from '../errors.js'
import { findEntryIndex, type IndexEntries } from '../format/sparse-index.js'
import { SEAL_BYTES } from '../format/shape-record.js'
import { nextRun, type Run } from '../format/time-runs.js'
import type { StreamState } from '../streams/stream-state.js'
import type { StoredEvent } from '../types/event.js'
import type { EventSource } from './event-iterator.js'
import { decodeAt, SegmentCursor, type StreamReading } from './segment-cursor.js'
import type { Selection } from './selection.js'

/** Decoded from memory at a time. */
const TAIL_CHUNK = 256
/** What looking at the index of a segment costs, told in events. */
const INDEX_COST = 64
/** A backward read decodes a stretch of about so many bytes forward and turns it round. */
const BACKWARD_BYTES = 64 * 1024

/** Reads a stream forward: flushed events from its segments, the others from memory, seamlessly while a flush runs. */
export class ForwardStreamSource<Event = StoredEvent> implements EventSource<Event> {
  readonly #reading: StreamReading<Event>
  readonly #state: StreamState
  readonly #end: number
  readonly #untilDamage: boolean
  readonly #selection: Selection | undefined
  #offset: number
  #cursor: SegmentCursor<Event> | undefined
  /** Offset behind the last event that the cursor is to find: Infinity, or that of a run of a time. */
  #runEnd = Infinity
  /** Where to go on should the index that named this run turn out wrong; undefined when none did. */
  #before: number | undefined
  /** Base of a segment whose index led astray. */
  #distrusted = -1

  /** Reads `from` … `end − 1`; of these the events that a selection takes. `part`: what may be missing behind it is not asked for. */
  constructor(
    reading: StreamReading<Event>,
    state: StreamState,
    from: number,
    end: number,
    selection?: Selection,
    part = false,
  ) {
    this.#reading = reading
    this.#state = state
    this.#offset = from
    this.#end = Math.min(end, state.version)
    this.#untilDamage = !part && end >= state.version
    this.#selection = selection
  }

  /** All of it was handed out or passed over. */
  get done(): boolean {
    return this.#offset >= this.#end
  }

  next(most: number): Event[] | Promise<Event[]> {
    const selection = this.#selection
    if (selection === undefined) return this.done ? this.#finish() : this.#some(most)
    while (!this.done) {
      if (selection.due) return selection.pause().then(() => this.next(most))
      const events = this.#some(most)
      if (!Array.isArray(events)) return events.then((read) => (read.length > 0 ? read : this.next(most)))
      if (events.length > 0) return events
    }
    return this.#finish()
  }

  /** Returns the next events. With a selection there may be none yet. */
  #some(most: number): Event[] | Promise<Event[]> {
    const { flushed } = this.#state
    if (this.#offset >= flushed) {
      this.#cursor = undefined
      return this.#fromMemory(Math.min(most, TAIL_CHUNK))
    }
    if (this.#cursor === undefined || this.#offset >= this.#runEnd) this.#open()
    if (this.#cursor === undefined) return []
    try {
      const events = this.#cursor.next(most, Math.min(this.#end, flushed, this.#runEnd))
      if (Array.isArray(events)) return this.#count(events)
      return events.then(
        (read) => this.#count(read),
        (error: unknown) => this.#failed(error),
      )
    } catch (error) {
      return this.#failed(error)
    }
  }

  #count(events: Event[]): Event[] {
    this.#offset = this.#cursor!.offset
    if (this.#before !== undefined) this.#before = this.#offset
    if (this.done) {
      this.#cursor!.close()
      this.#cursor = undefined
    }
    return events
  }

  /** What looks like damage may be an index that names another place: then the segment is read without it. */
  #failed(error: unknown): Event[] {
    if (this.#before === undefined || !(error instanceof CorruptionError)) throw error
    this.#distrusted = this.#baseOf(this.#before)
    this.#offset = this.#before
    this.#before = undefined
    this.#cursor = undefined
    return []
  }

  #open(): void {
    const selection = this.#selection
    const times = selection?.filter.times
    this.#before = undefined
    if (times === undefined) {
      this.#cursor = new SegmentCursor(this.#reading, this.#state, this.#offset, this.#end - this.#offset, selection)
      return
    }
    const { directory, indexes } = this.#reading
    const { key, last, bases, flushed } = this.#state
    const base = this.#baseOf(this.#offset)
    selection!.spend(INDEX_COST)
    const end = bases[bases.indexOf(base) + 1] ?? flushed
    const size = directory.files.stat(directory.segmentPath(key, base))?.size ?? 0
    const endByte = last?.base === base ? last.bytes : size - SEAL_BYTES
    const runIn = (entries: IndexEntries): { readonly trusting: boolean; readonly run: Run | undefined } => ({
      trusting: entries.length > 0,
      run: nextRun({ entries, end, endByte }, this.#offset, times),
    })
    // That the times of some events are missing between two entries would not show when the events are read.
    const { trusting, run } =
      this.#distrusted === base ? runIn([]) : indexes.look(this.#state, base, this.#offset, runIn, true)
    this.#cursor = undefined
    if (run === undefined) {
      this.#offset = end
      return
    }
    this.#before = trusting ? this.#offset : undefined
    this.#offset = run.from
    this.#runEnd = run.to
    const wanted = Math.min(run.to, this.#end) - run.from
    const byte = trusting ? run.endByte : undefined
    this.#cursor = new SegmentCursor(this.#reading, this.#state, run.from, wanted, selection, byte)
  }

  /** Base of the segment that holds an event. */
  #baseOf(offset: number): number {
    let base = 0
    for (const candidate of this.#state.bases) if (candidate <= offset) base = candidate
    return base
  }

  #fromMemory(most: number): Event[] {
    const { slabs, decoder } = this.#reading
    const { tail, flushed, key } = this.#state
    const events: Event[] = []
    const selection = this.#selection
    for (; events.length < most && this.#offset < this.#end && selection?.due !== true; this.#offset++) {
      const window = slabs.find(tail[this.#offset - flushed]!)
      const { at } = slabs
      const event = decodeAt(decoder, window, at, window.view.getUint32(at, true), key.name, 'memory', 0, selection)
      if (event !== undefined) events.push(event)
    }
    return events
  }

  /** Events may be missing behind the last one: then the read ends with an error and not in silence. */
  #finish(): Event[] {
    if (this.#untilDamage && this.#state.damage !== undefined) throw this.#state.damage
    return []
  }
}

/** Reads a stream backward: a stretch at a time forward, then turned round. Memory: one stretch. */
export class BackwardStreamSource implements EventSource {
  readonly #reading: StreamReading
  readonly #state: StreamState
  readonly #low: number
  /** Offset above the next event to hand out. */
  #high: number
  #ready: StoredEvent[] = []
  readonly #selection: Selection | undefined

  /** Reads `from`, `from − 1` … `to`; of these the events that a selection takes. */
  constructor(reading: StreamReading, state: StreamState, from: number, to: number, selection?: Selection) {
    this.#selection = selection
    this.#reading = reading
    this.#state = state
    this.#high = Math.min(from + 1, state.version)
    this.#low = to
    if (from + 1 > state.version && state.damage !== undefined) throw state.damage
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    while (this.#ready.length === 0) {
      if (this.#high <= this.#low) return []
      const collected = this.#collect(Math.max(this.#low, this.#stretchStart(most)))
      if (collected !== undefined) return collected.then(() => this.next(most))
    }
    return this.#ready.splice(Math.max(0, this.#ready.length - most)).reverse()
  }

  /** Reads from an offset up to what was handed out before. */
  #collect(start: number): Promise<void> | undefined {
    const collected: StoredEvent[] = []
    const source = new ForwardStreamSource(this.#reading, this.#state, start, this.#high, this.#selection, true)
    const wanted = this.#high - start
    const collect = (): Promise<void> | undefined => {
      while (!source.done) {
        const events = source.next(wanted - collected.length)
        if (!Array.isArray(events)) {
          return events.then((read) => {
            collected.push(...read)
            return collect()
          })
        }
        collected.push(...events)
      }
      this.#high = start
      this.#ready = collected
      return undefined
    }
    return collect()
  }

  #stretchStart(most: number): number {
    const { flushed, bases } = this.#state
    if (this.#high > flushed) return Math.max(flushed, this.#high - TAIL_CHUNK)
    let base = 0
    for (const candidate of bases) if (candidate < this.#high) base = candidate
    const bytes = most <= 32 && this.#selection === undefined ? 0 : BACKWARD_BYTES
    const last = this.#high - 1
    return this.#reading.indexes.look(this.#state, base, last, (entries) => {
      let i = findEntryIndex(entries, last)
      if (i < 0) return base
      const { byte } = entries.at(i)!
      while (i > 0 && byte - entries.at(i - 1)!.byte <= bytes) i--
      return entries.at(i)!.number
    })
  }
}
