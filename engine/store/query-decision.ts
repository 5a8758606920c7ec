import { eventOptionsStart, eventStreamBytes, EVENT_FIXED_BYTES } from '../format/event-record.js'
import { InternedStrings } from '../format/interned-strings.js'
import type { KeyIndex } from '../keys/key-index.js'
import { asWrongKeyFile } from '../keys/key-file-reader.js'
import { KeylessSource, type KeyRange, type KeySource } from '../keys/key-source.js'
import { type CompiledItem, type CompiledQuery, itemMatches, type QueryKey } from './query.js'
import type { RecordReader } from './record-reader.js'

/** Types remembered. Where there are more, those that key files know are forgotten; if that is not enough, events are looked at for each question. */
const MANY_TYPES = 16_384

/** Returns the places of the tag of an item that is rarest in a stretch; undefined when one of its tags is not there at all. */
export function rarest(source: KeySource, tags: readonly QueryKey[], from: number, end: number): KeyRange | undefined {
  let least: KeyRange | undefined
  for (const { high, low } of tags) {
    const range = source.range(high, low, from, end)
    if (range.count === 0) return undefined
    if (least === undefined || range.count < least.count) least = range
  }
  return least
}

/** Answers whether an event matches a query, committed or on its way, at a cost that does not grow with the store. */
export class QueryDecision {
  readonly #index: KeyIndex
  readonly #records: RecordReader
  /** Of what is in memory, and of what is from before the first event with a key. */
  readonly #recent: RecentTypes
  readonly #keyless: RecentTypes

  constructor(index: KeyIndex, records: RecordReader) {
    this.#index = index
    this.#records = records
    this.#recent = new RecentTypes(records)
    this.#keyless = new RecentTypes(records)
  }

  /** Position of the newest event from `from` to `end − 1` that matches; −1: none does. Throws CorruptionError. */
  newestMatch(query: CompiledQuery, from: number, end: number): number {
    if (from >= end) return -1
    for (;;) {
      try {
        return this.#newest(query, from, end)
      } catch (error) {
        this.#index.distrust(asWrongKeyFile(error))
      }
    }
  }

  #newest(query: CompiledQuery, from: number, end: number): number {
    const sources = this.#index.sources()
    for (let i = sources.length - 1; i >= 0; i--) {
      const source = sources[i]!
      if (source.end <= from) break
      if (source.from >= end) continue
      const low = Math.max(from, source.from)
      const high = Math.min(end, source.end)
      let best = -1
      for (const item of query.items) {
        const found =
          item.tags.length > 0
            ? this.#newestOf(item, rarest(source, item.tags, Math.max(low, best + 1), high))
            : this.#newestOfTypes(item, source, Math.max(low, best + 1), high)
        if (found > best) best = found
      }
      if (best >= 0) return best
    }
    return -1
  }

  #newestOf(item: CompiledItem, range: KeyRange | undefined): number {
    for (let n = (range?.count ?? 0) - 1; n >= 0; n--) {
      const place = range!.at(n)
      if (this.#records.readPlace(place, range!.file) && itemMatches(item, this.#records.window, this.#records.at)) {
        return place.position
      }
    }
    return -1
  }

  /** Each segment names the last event of each type in it. */
  #newestOfTypes(item: CompiledItem, source: KeySource, from: number, end: number): number {
    let best = -1
    for (const type of item.types) {
      if (source.typed.length === 0) {
        best = Math.max(best, this.#newestWithoutKeys(type.text, source, from, end))
        continue
      }
      const range = source.range(type.high, type.low, from, end)
      for (let n = range.count - 1; n >= 0; n--) {
        const place = range.at(n)
        const { position } = place
        if (position <= best) break
        if (this.#records.readPlace(place, range.file) && itemMatches(item, this.#records.window, this.#records.at)) {
          best = position
          break
        }
        // Another type with the same hash was last in this segment: look at the events.
        const base = source.typed.findLast((segment) => segment.base <= position)!.base
        best = Math.max(best, this.#scan(item, Math.max(base, from), position))
      }
    }
    return best
  }

  /** Where types are not entered. What is asked for from its beginning will be asked for again: it gets key files. */
  #newestWithoutKeys(type: string, source: KeySource, from: number, end: number): number {
    const isKeyless = source instanceof KeylessSource
    if (isKeyless || from === 0) this.#index.wantAll()
    const isSame = (known: KeySource): boolean =>
      known.typed.length === 0 && known instanceof KeylessSource === isKeyless
    const beginning = (): number => this.#index.sources().find(isSame)?.from ?? from
    return (isKeyless ? this.#keyless : this.#recent).last(type, beginning, from, end)
  }

  #scan(item: CompiledItem, from: number, end: number): number {
    for (let position = end - 1; position >= from; position--) {
      if (this.#records.read(position, -1) && itemMatches(item, this.#records.window, this.#records.at)) return position
    }
    return -1
  }
}

/**
 * The last event of each type among those that no key file covers. Nothing is kept unless somebody asks; then each event is
 * looked at once, when the next question comes.
 */
class RecentTypes {
  readonly #records: RecordReader
  readonly #names = new InternedStrings()
  readonly #last = new Map<string, number>()
  /** Events looked at. */
  #from = 0
  #end = 0

  constructor(records: RecordReader) {
    this.#records = records
  }

  /**
   * Position of the last event of a type from `from` to `end − 1`, where no event from `end` on that may be asked for is of this type; −1: none.
   * `beginning`: where everything begins that questions can be about. Stretches are asked about from the newest to the oldest, and what is known of
   * the newer ones must not be lost over an older one.
   */
  last(type: string, beginning: () => number, from: number, end: number): number {
    if (this.#from > from) this.#start(Math.min(from, beginning()))
    else if (this.#end < from && (this.#end < beginning() || this.#from > beginning())) this.#start(from)
    let isWhole = true
    for (; this.#end < end; this.#end++) {
      if (!this.#records.read(this.#end, -1)) continue
      const { window, at } = this.#records
      const start = at + EVENT_FIXED_BYTES + eventStreamBytes(window, at)
      const name = this.#names.get(window.bytes, start, eventOptionsStart(window, at))
      if (name === type || this.#last.size < MANY_TYPES || this.#last.has(name)) this.#last.set(name, this.#end)
      else if (isWhole && this.#forget(beginning())) this.#last.set(name, this.#end)
      else isWhole = false
    }
    const last = this.#last.get(type) ?? -1
    if (!isWhole) this.#start(Infinity)
    return last >= from && last < end ? last : -1
  }

  #start(from: number): void {
    this.#last.clear()
    this.#from = from
    this.#end = from
  }

  /** Forgets what no question is about any more. Returns false when there is no room all the same. */
  #forget(beginning: number): boolean {
    for (const [type, last] of this.#last) if (last < beginning) this.#last.delete(type)
    this.#from = Math.max(this.#from, beginning)
    return this.#last.size < MANY_TYPES
  }
}
