import type { Commit } from '../commit-log/commit-log.js'
import { InvalidArgumentError, InvalidEventError, TooLargeError } from '../errors.js'
import { ByteWriter } from '../format/byte-writer.js'
import { EventEncoder, type EventPlace, FLAG_FIRST, FLAG_LAST } from '../format/event-record.js'
import { windowOf, type Window } from '../format/frame.js'
import { StreamKey } from '../format/names.js'
import type { ShapeTable } from '../format/shapes.js'
import { UuidSource } from '../format/uuid.js'
import { ValueEncoder } from '../format/value-encoder.js'
import type { Limits } from '../limits.js'
import type { StreamState } from '../streams/stream-state.js'
import type { NewEvent } from '../types/event.js'

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

const SCRATCH_BYTES = 64 * 1024
const NO_STREAM = new StreamKey('', 0, 0)
/** A buffer that a large commit has made grow beyond this is not kept. */
const KEPT_BYTES = 1024 * 1024

/**
 * Encodes one commit at a time, at the moment of the call: what the caller does to the events afterwards has no effect,
 * and what cannot be stored is refused before anything has changed.
 */
export class CommitBuilder {
  readonly #limits: Limits
  readonly #values: ValueEncoder
  readonly #events: EventEncoder
  readonly #writer: ByteWriter
  #scratch = windowOf(Buffer.allocUnsafeSlow(SCRATCH_BYTES))
  /** Filled anew for every commit, and never made shorter: setting the length of an array is a slow call. */
  readonly #starts: number[] = []
  readonly #owners: StreamState[] = []
  #building = false
  /** One of each for all: made anew they would be a fifth of what an append leaves to the garbage collector. */
  readonly #place: Writable<EventPlace> = {
    stream: NO_STREAM,
    position: 0,
    offset: 0,
    marks: 0,
    now: 0,
    commitId: undefined,
  }
  readonly #commit: Writable<Commit<StreamState>> & { shapes: number[] }

  constructor(limits: Limits, shapes: ShapeTable, learn: boolean, random: (target: Uint8Array) => void) {
    this.#limits = limits
    this.#values = new ValueEncoder(shapes, { learn, maxShapes: limits.shapes })
    this.#events = new EventEncoder(this.#values, new UuidSource(random))
    this.#writer = new ByteWriter(this.#scratch.bytes, (bytes) => this.#more(bytes))
    this.#commit = {
      bytes: this.#scratch.bytes,
      at: 0,
      length: 0,
      count: 0,
      starts: this.#starts,
      owners: this.#owners,
      shapes: [],
      firstPosition: 0,
    }
  }

  /** Starts a commit: encodes it where the log will want it, if it has a place ready, else in a buffer of its own. `commitId`: `encodeCommitId` of its id. */
  begin(place: { readonly window: Window; readonly at: number } | undefined, commitId?: Buffer): void {
    if (this.#building) throw new InvalidArgumentError('Cannot append from a getter of an event that is being appended')
    const { bytes, view } = place?.window ?? this.#scratch
    this.#writer.reset(bytes, place?.at ?? 0, view)
    this.#commit.count = 0
    if (this.#commit.shapes.length > 0) this.#commit.shapes = []
    this.#place.commitId = commitId
    this.#events.keyed = false
  }

  /** Encodes events of one stream, the first of which gets `offset` and `position`. Throws InvalidEventError or TooLargeError. */
  add(
    state: StreamState,
    events: readonly NewEvent[],
    offset: number,
    position: number,
    now: number,
    more: { readonly before: boolean; readonly after: boolean },
  ): void {
    this.#building = true
    const last = events.length - 1
    const place = this.#place
    const commit = this.#commit
    place.stream = state.key
    place.now = now
    try {
      for (let i = 0; i <= last; i++) {
        place.marks = (i === 0 && !more.before ? FLAG_FIRST : 0) | (i === last && !more.after ? FLAG_LAST : 0)
        place.position = position + i
        place.offset = offset + i
        this.#starts[commit.count] = this.#writer.length - this.#writer.mark
        this.#owners[commit.count++] = state
        this.#encode(events[i]!, place, i, last)
      }
    } finally {
      this.#building = false
    }
  }

  /** True when the commit has an id or one of its events tags. */
  get keyed(): boolean {
    return this.#events.keyed
  }

  /** Returns the commit. Valid until the next `begin`. */
  finish(firstPosition: number): Commit<StreamState> {
    // Shapes learned from these events are used from the next commit on; the log defines them where they are first used.
    if (this.#values.proposed.length > 0) this.#values.adopt()
    const { bytes, mark, length } = this.#writer
    const { commitBytes } = this.#limits
    if (length - mark > commitBytes) throw tooLarge(commitBytes, length - mark)
    const commit = this.#commit
    commit.bytes = bytes
    commit.at = mark
    commit.length = length - mark
    commit.firstPosition = firstPosition
    return commit
  }

  #encode(event: NewEvent, place: EventPlace, i: number, last: number): void {
    try {
      this.#events.encode(this.#writer, event, place, this.#limits.eventBytes)
    } catch (error) {
      if (error instanceof InvalidEventError && last > 0) {
        throw new InvalidEventError(`events[${i}].${error.path}`, error.reason, { cause: error.cause })
      }
      throw error
    }
    const { used } = this.#values
    const { shapes } = this.#commit
    for (let n = 0; n < used.length; n++) if (!shapes.includes(used[n]!)) shapes.push(used[n]!)
  }

  #more(bytes: number): Buffer {
    const { commitBytes } = this.#limits
    if (bytes > commitBytes) throw tooLarge(commitBytes, bytes)
    if (bytes <= this.#scratch.bytes.length && this.#writer.bytes !== this.#scratch.bytes) return this.#scratch.bytes
    const larger = Buffer.allocUnsafeSlow(Math.min(commitBytes, 2 ** Math.ceil(Math.log2(bytes)) * 2))
    if (larger.length <= KEPT_BYTES) this.#scratch = windowOf(larger)
    return larger
  }
}

function tooLarge(limit: number, bytes: number): TooLargeError {
  return new TooLargeError(
    `Cannot append: together the events have ${bytes} bytes or more, the limit of one commit is ${limit}`,
    limit,
    bytes,
  )
}
