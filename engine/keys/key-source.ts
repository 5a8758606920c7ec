import type { LogSegment } from '../commit-log/log-directory.js'
import type { LogHeads } from '../commit-log/log-heads.js'
import { CorruptionError } from '../errors.js'
import { eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { KeyHasher } from '../format/key-hash.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { type KeyFile, WrongKeyFile } from './key-file-reader.js'
import { eventsOf, KeyCollector } from './key-scan.js'
import { type KeyPlace, KeyTable } from './key-table.js'

/** The places of one key in a stretch of positions, by rising position. */
export interface KeyRange {
  readonly count: number
  /** Throws WrongKeyFile. */
  at(i: number): KeyPlace
  /** The key file that says so; undefined: memory or the log itself. */
  readonly file?: KeyFile
}

/** Answers where keys are in a stretch of positions. */
export interface KeySource {
  readonly from: number
  /** Position behind its last event. */
  readonly end: number
  /** Log segments with entries for their types; none where types are not known, and have to be read from the events. */
  readonly typed: readonly LogSegment[]
  /** Returns the places of a hash with positions in `from` … `end − 1`. Throws WrongKeyFile, CorruptionError. */
  range(high: number, low: number, from: number, end: number): KeyRange
}

const NOTHING: KeyRange = {
  count: 0,
  at() {
    throw new RangeError('there is no such place')
  },
}

function listed(places: readonly KeyPlace[]): KeyRange {
  return places.length === 0 ? NOTHING : { count: places.length, at: (i) => places[places.length - 1 - i]! }
}

/** Keys of events that no key file covers yet. */
export class MemorySource implements KeySource {
  from: number
  end = Infinity
  readonly typed = []
  readonly table = new KeyTable()

  constructor(from: number) {
    this.from = from
  }

  range(high: number, low: number, from: number, end: number): KeyRange {
    return listed(this.table.find(high, low, from, end))
  }
}

/** A stretch of the log from before the first event with a key; or one that is missing, of which nobody can tell what keys it had. */
export class KeylessSource implements KeySource {
  readonly from: number
  readonly end: number
  readonly damage: CorruptionError | undefined
  readonly typed = []

  constructor(from: number, end: number, damage?: CorruptionError) {
    this.from = from
    this.end = end
    this.damage = damage
  }

  range(): KeyRange {
    if (this.damage !== undefined) throw this.damage
    return NOTHING
  }
}

/** What log segments need to be read for their keys. */
export interface SegmentReading {
  readonly handles: ReadHandles
  readonly heads: LogHeads
  readonly hasher: KeyHasher
  /** How many bytes of a segment count. */
  readonly endOf: (segment: LogSegment) => number
  /** Tables made of segments without a key file, `mostTables` of them whatever the number of segments. */
  readonly tables: Map<SegmentSource, KeyTable>
  readonly mostTables: number
}

/** Log segments that follow each other, and the key file of them; while that is missing, they are read whenever they are asked. */
export class SegmentSource implements KeySource {
  readonly segments: readonly LogSegment[]
  readonly from: number
  readonly end: number
  readonly tier: number
  readonly #reading: SegmentReading
  readonly file: KeyFile | undefined

  constructor(
    reading: SegmentReading,
    segments: readonly LogSegment[],
    end: number,
    tier: number,
    file: KeyFile | undefined,
  ) {
    this.#reading = reading
    this.segments = segments
    this.from = segments[0]!.base
    this.end = end
    this.tier = tier
    this.file = file
  }

  get typed(): readonly LogSegment[] {
    return this.segments
  }

  range(high: number, low: number, from: number, end: number): KeyRange {
    const { file } = this
    if (file === undefined) return listed(this.#tableNow().find(high, low, from, end))
    if (!file.mayHave(high, low)) return NOTHING
    const first = file.lowerBound(high, low, from)
    if (file.placeAt(first, high, low) === undefined) return NOTHING
    const count = file.lowerBound(high, low, end) - first
    if (count <= 0) return NOTHING
    const at = (i: number): KeyPlace => {
      const place = file.placeAt(first + i, high, low)
      if (place === undefined) throw new WrongKeyFile(file, 'the entries of a key file are not in order')
      return place
    }
    return { count, at, file }
  }

  /**
   * Reads the events of its segments into a table, in steps: those before its end, though the last segment may have been gone on in since.
   * Throws CorruptionError where one is missing: what is not there would be taken for what never was.
   */
  *collect(): Generator<void, KeyTable> {
    const { handles, heads, hasher, endOf } = this.#reading
    const table = new KeyTable()
    let next = this.from
    const missing = (file: string, byte: number): never => {
      throw new CorruptionError(`position ${next} is missing`, { file, byte })
    }
    for (const segment of this.segments) {
      heads.check(segment)
      const collector = new KeyCollector(hasher, table)
      const end = endOf(segment)
      yield* eventsOf(handles, segment.path, HEADER_FIXED_BYTES, end, (window, at, byte) => {
        const position = eventPosition(window, at)
        if (position >= this.end) return
        if (position !== next) missing(segment.path, byte)
        next++
        collector.add(window, at, byte)
      })
      collector.finish()
      if (segment === this.segments.at(-1) && next < this.end) missing(segment.path, end)
    }
    return table
  }

  #tableNow(): KeyTable {
    const { tables, mostTables } = this.#reading
    const known = tables.get(this)
    if (known !== undefined) return known
    const steps = this.collect()
    for (;;) {
      const step = steps.next()
      if (step.done !== true) continue
      // Questions go through all sources in turn: those that are kept answer the next one too, and the oldest would never be the one that is wanted.
      if (tables.size < mostTables) tables.set(this, step.value)
      return step.value
    }
  }
}
