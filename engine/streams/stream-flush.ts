import { eventPosition, eventShapeCount, eventShapeId, eventTimestamp } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import { IndexBuilder } from '../format/sparse-index.js'
import { encodeSeal, encodeShape } from '../format/shape-record.js'
import type { ShapeTable } from '../format/shapes.js'
import type { FileHandle } from '../io/file-system.js'
import { completion, readFullySync, writeFullySync } from '../io/transfer.js'
import { type Limits, LIVE_INDEX_ENTRIES } from '../limits.js'
import { GatheredOutput } from '../segment/gathered-output.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { Slabs } from '../segment/slabs.js'
import { LiveIndexes } from './live-indexes.js'
import { writeIndex } from './segment-index.js'
import type { StreamDirectory } from './stream-directory.js'
import { INDEXED_FROM_BYTES, scanInto } from './stream-loader.js'
import type { LastSegment, StreamState } from './stream-state.js'

/** Shared by the streams that have one segment: nearly all. */
const ONLY_FIRST: readonly number[] = Object.freeze([0])

/** Written at a time, about. Copying so much to the system takes about half a millisecond. */
const PIECE_BYTES = 128 * 1024

/** What an index is told of an event: offset, byte, timestamp, length. */
type IndexedEvent = readonly [number, number, number, number]

/**
 * Writes the events of a stream that are not in its segments yet: the same bytes that are in the log, one open and one write.
 * Not synced here: until somebody syncs the file, the log stands for what was written.
 */
export class StreamFlusher {
  readonly #directory: StreamDirectory
  readonly #handles: ReadHandles
  readonly #slabs: Slabs
  readonly #shapes: ShapeTable
  readonly #limits: Limits
  readonly #fence: (surely: boolean) => void
  readonly #output = new GatheredOutput()
  readonly #indexes = new LiveIndexes(LIVE_INDEX_ENTRIES)
  readonly #definitions = new Map<number, Buffer>()
  /** Full segments that were sealed and are not synced yet. */
  readonly sealed: string[] = []

  /**
   * `fence` throws when this writer may write no more: called between opening a file and writing to it, see `renew`; `surely` before a file
   * is replaced or removed.
   */
  constructor(
    directory: StreamDirectory,
    handles: ReadHandles,
    slabs: Slabs,
    shapes: ShapeTable,
    limits: Limits,
    fence: (surely: boolean) => void,
  ) {
    this.#directory = directory
    this.#fence = fence
    this.#handles = handles
    this.#slabs = slabs
    this.#shapes = shapes
    this.#limits = limits
  }

  /**
   * Flushes the events of a stream below a position of the store, in pieces: yields after each, so that nobody waits for a long one.
   * Throws what the system reports. However it ends, the pieces before count.
   */
  *flush(state: StreamState, position: number): Generator<void, void> {
    const until = this.#countBelow(state, position)
    let taken = 0
    try {
      while (state.flushed + taken < until) {
        taken += this.#flushPiece(state, taken, until)
        yield
      }
    } finally {
      // Once for all of them: what stands before in a long list would be moved for each piece.
      state.flushed += taken
      this.#slabs.release(state.tail, taken)
      if (taken === state.tail.length) state.tail = []
      else state.tail.splice(0, taken)
    }
  }

  /**
   * Gives a segment that an earlier writer left unfinished a file of its own: copies what counts, syncs it, and renames it
   * over the old one. A writer that was stopped in mid-write and lost its lock wakes up with the old file open, and
   * harms nobody; it opens no other, because it looks at its fence before it writes.
   */
  renew({ last, key }: StreamState): Promise<void> {
    if (last === undefined || !last.unfinished || last.bytes === 0) return Promise.resolve()
    const path = this.#directory.segmentPath(key, last.base)
    // A flush and a settling may want the same one at a time.
    let renewal = this.#renewals.get(path)
    if (renewal === undefined) {
      renewal = this.#renew(key, last, path).finally(() => this.#renewals.delete(path))
      this.#renewals.set(path, renewal)
    }
    return renewal
  }

  readonly #renewals = new Map<string, Promise<void>>()
  async #renew(key: StreamKey, last: LastSegment, path: string): Promise<void> {
    const { files } = this.#directory
    const fresh = `${path}.new`
    this.#fence(true) // one that was left there is removed: it must not be that of a successor
    if (files.stat(fresh) !== undefined) files.remove(fresh)
    const handle = files.open(fresh, 'create')
    try {
      copyInto(handle, this.#handles.get(path), last.bytes)
      await completion((done) => handle.sync(done))
      this.#fence(true)
      files.rename(fresh, path)
    } finally {
      handle.close()
    }
    this.#handles.drop(path)
    this.#directory.noteCreated(key)
    last.unfinished = false
  }

  #openSegment(key: StreamKey, segment: LastSegment): FileHandle {
    const path = this.#directory.segmentPath(key, segment.base)
    // Before, because a file that is in the way of a new one is removed; after, because then this file is the one to write.
    this.#fence(false)
    const handle = this.#directory.openForWriting(key, path, segment.bytes === 0)
    if (segment.bytes === 0) this.#handles.drop(path) // it may have been read as what a crash had left
    try {
      this.#fence(false)
      return handle
    } catch (error) {
      handle.close()
      throw error
    }
  }

  /** Returns the offset behind the last event of a stream that lies below a position. */
  #countBelow(state: StreamState, position: number): number {
    let count = state.tail.length
    while (count > 0) {
      const address = state.tail[count - 1]!
      if (this.#slabs.isBelow(address, position)) break
      const window = this.#slabs.find(address)
      if (eventPosition(window, this.#slabs.at) < position) break
      count--
    }
    return state.flushed + count
  }

  /**
   * Appends a piece, which starts `taken` events behind `flushed`, to the last segment, or to the next one where that is full. It counts when
   * all of it is written. Returns of how many events it is.
   */
  #flushPiece(state: StreamState, taken: number, until: number): number {
    const { last, key } = state
    const next = state.flushed + taken
    if (last !== undefined && last.bytes >= this.#limits.streamSegmentBytes) this.#seal(state, last, next)
    const segment = this.#segmentFor(last, next)
    const { base } = segment
    const bases = base === last?.base ? state.bases : base === 0 ? ONLY_FIRST : [...state.bases, base]
    const handle = this.#openSegment(key, segment)
    try {
      const output = this.#output
      output.clear()
      if (segment.bytes === 0) output.add(this.#directory.segmentHeader(key, base, bases.at(-2) ?? 0))
      const { count, entries } = this.#gather(state, segment, taken, until)
      const bytes = output.take()
      writeFullySync(handle, bytes, 0, bytes.length, segment.bytes)
      segment.bytes += bytes.length
      this.#updateIndex(state, segment, entries)
      state.last = segment
      state.bases = bases
      return count
    } finally {
      handle.close()
    }
  }

  /** The segment that the event at offset `next` goes to: a copy, which counts once something is written to it. */
  #segmentFor(last: LastSegment | undefined, next: number): LastSegment {
    if (last !== undefined && last.bytes < this.#limits.streamSegmentBytes) return { ...last }
    return { base: next, bytes: 0, unfinished: false, shapes: [], index: undefined }
  }

  /** Gathers a piece for a segment. Returns of how many events, and what the index is told of them if there is one. */
  #gather(
    { tail, flushed }: StreamState,
    segment: LastSegment,
    taken: number,
    until: number,
  ): { readonly count: number; readonly entries: readonly IndexedEvent[] } {
    const output = this.#output
    const room = Math.min(PIECE_BYTES, this.#limits.streamSegmentBytes - segment.bytes)
    const entries: IndexedEvent[] = []
    let i = taken
    for (; flushed + i < until && output.length < room; i++) {
      const window = this.#slabs.find(tail[i]!)
      const start = this.#slabs.at
      const length = window.view.getUint32(start, true)
      const shapes = eventShapeCount(window, start)
      for (let n = 0; n < shapes; n++) this.#define(segment, eventShapeId(window, start, length, n))
      if (segment.index !== undefined) {
        entries.push([flushed + i, segment.bytes + output.length, eventTimestamp(window, start), length])
      }
      output.addFrom(window.bytes, start, length)
      if (this.#slabs.readBack) output.copy()
    }
    return { count: i - taken, entries }
  }

  #define(segment: LastSegment, id: number): void {
    if (segment.shapes.includes(id)) return
    let definition = this.#definitions.get(id)
    if (definition === undefined) this.#definitions.set(id, (definition = encodeShape(this.#shapes.get(id)!)))
    this.#output.add(definition)
    segment.shapes = this.#sharedList(segment.shapes, id)
  }

  /** Most streams of a kind use the same shapes in the same order: they share one list. */
  readonly #lists = new Map<string, readonly number[]>()
  #sharedList(before: readonly number[], id: number): readonly number[] {
    const name = `${before.join()},${id}`
    let list = this.#lists.get(name)
    if (list === undefined) {
      if (this.#lists.size >= 4096) this.#lists.clear()
      list = [...before, id]
      this.#lists.set(name, list)
    }
    return list
  }

  #updateIndex(state: StreamState, segment: LastSegment, entries: readonly IndexedEvent[]): void {
    if (segment.bytes < INDEXED_FROM_BYTES) return
    const path = this.#directory.segmentPath(state.key, segment.base)
    if (segment.index === undefined) segment.index = this.#rebuilt(state, segment, path)
    else for (const event of entries) segment.index.builder.add(...event)
    this.#writeIndex(state, segment, path, segment.index)
  }

  #writeIndex(state: StreamState, segment: LastSegment, path: string, index: NonNullable<LastSegment['index']>): void {
    const { entries, released } = index.builder
    if (!writeIndex(this.#directory, state.key, segment.base, entries, index.written, released)) {
      // Somebody has taken its file away, and with it what was in memory no more.
      this.#indexes.forget(index)
      segment.index = this.#rebuilt(state, segment, path)
      return this.#writeIndex(state, segment, path, segment.index)
    }
    index.written = index.builder.count
    this.#indexes.written(index)
  }

  #rebuilt({ key }: StreamState, { base, bytes }: LastSegment, path: string): NonNullable<LastSegment['index']> {
    const builder = new IndexBuilder(this.#limits.indexIntervalBytes)
    const from = { byte: HEADER_FIXED_BYTES + key.byteLength, number: base }
    scanInto(builder, this.#handles.get(path), path, from, bytes, key)
    return { builder, written: 0 }
  }

  #seal(state: StreamState, segment: LastSegment, nextBase: number): void {
    const path = this.#directory.segmentPath(state.key, segment.base)
    const handle = this.#openSegment(state.key, segment)
    try {
      const seal = encodeSeal(nextBase)
      writeFullySync(handle, seal, 0, seal.length, segment.bytes)
    } finally {
      handle.close()
    }
    if (segment.index !== undefined) {
      segment.index.builder.finish()
      // Where that is not possible it is made again by whoever reads there.
      const { entries, released } = segment.index.builder
      writeIndex(this.#directory, state.key, segment.base, entries, segment.index.written, released)
      this.#indexes.forget(segment.index)
    }
    this.sealed.push(path)
  }
}

function copyInto(target: FileHandle, source: FileHandle, length: number): void {
  const piece = Buffer.allocUnsafeSlow(Math.min(length, 1024 * 1024))
  for (let at = 0; at < length;) {
    const got = readFullySync(source, piece, 0, Math.min(piece.length, length - at), at)
    if (got === 0) break
    writeFullySync(target, piece, 0, got, at)
    at += got
  }
}
