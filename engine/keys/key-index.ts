import { join } from 'node:path'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import type { LogHeads } from '../commit-log/log-heads.js'
import { CorruptionError } from '../errors.js'
import type { Window } from '../format/frame.js'
import { KeyHasher } from '../format/key-hash.js'
import type { FileSystem } from '../io/file-system.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { BlockCache, KeyFile, type WrongKeyFile } from './key-file-reader.js'
import { keyFileName, parseKeyFileName } from './key-names.js'
import { addKeys } from './key-scan.js'
import { KeylessSource, type KeySource, MemorySource, SegmentSource, type SegmentReading } from './key-source.js'

/** Entries of one table in memory: tables are forgotten one by one when key files have taken over. */
const TABLE_ENTRIES = 65_536

export interface KeyIndexParts {
  readonly files: FileSystem
  readonly directory: LogDirectory
  readonly handles: ReadHandles
  readonly heads: LogHeads
  readonly storeId: Buffer
  /** Blocks of key files in memory, and tables of segments without one. */
  readonly cachedBlocks: number
  readonly cachedTables: number
  /** Position behind the last event when the store was opened. */
  readonly position: number
  /** No event before this position has a commit id or tags; undefined: none at all. */
  readonly keyedFrom: number | undefined
  /** How many bytes of a segment count that was there when the store was opened or has been sealed since. */
  readonly endOf: (segment: LogSegment) => number
  /** Key files are wanted that are not there, or turned out to be wrong: they should be made. */
  readonly wanted?: (() => void) | undefined
}

/**
 * Finds events by commit id, tag and type. Sealed log segments have key files; what was appended since is in memory. All of it is
 * derived: a key file that is missing, or of other segments, or wrong where it is looked at, is made again from the log, and read past
 * until it is. Nothing is read before somebody asks.
 */
export class KeyIndex {
  readonly hasher: KeyHasher
  readonly #parts: KeyIndexParts
  readonly #reading: SegmentReading
  readonly #cache: BlockCache
  /** Sources below `#floor`, oldest first; undefined before the first question. */
  #sealed: (SegmentSource | KeylessSource)[] | undefined
  /** Tables of what is not in `#sealed`, oldest first. */
  readonly #memory: MemorySource[]
  #floor: number
  #keyedFrom: number | undefined
  /** Every segment is to have a key file, also those from before the first key. */
  #wantsAll = false
  #all: readonly KeySource[] | undefined

  constructor(parts: KeyIndexParts) {
    this.#parts = parts
    this.hasher = new KeyHasher(parts.storeId)
    this.#cache = new BlockCache(parts.cachedBlocks)
    const { handles, heads, endOf, cachedTables } = parts
    this.#reading = { handles, heads, hasher: this.hasher, endOf, tables: new Map(), mostTables: cachedTables }
    this.#floor = parts.position
    this.#keyedFrom = parts.keyedFrom
    this.#memory = [new MemorySource(parts.position)]
  }

  /** Position before which no event has a commit id or tags, and from which on every segment has a key file; undefined while there is none. */
  get keyedFrom(): number | undefined {
    return this.#keyedFrom
  }

  /** Whether every segment is to have a key file, and some from before the first key do not yet. */
  get isCatchingUp(): boolean {
    return this.#wantsAll && this.#keyedFrom !== 0
  }

  /** Tells whether a segment that ends at a position is to have a key file. */
  isKeyed(end: number): boolean {
    return this.#wantsAll || (this.#keyedFrom !== undefined && this.#keyedFrom < end)
  }

  /**
   * A decision by types alone looks at events that have no keys: every segment gets a key file, so that it does not look at them again. Until
   * the last of them has one, what is without is known to have no keys.
   */
  wantAll(): void {
    if (this.#wantsAll || this.#keyedFrom === 0) return
    this.#wantsAll = true
    this.#set(this.#sealedSources())
    if (this.isCatchingUp) this.#parts.wanted?.()
  }

  /** Adds an event that was appended, by rising position, committed or not yet. */
  add(window: Window, at: number, position: number): void {
    this.#keyedFrom ??= position
    let newest = this.#memory.at(-1)!
    if (newest.table.size >= TABLE_ENTRIES) {
      newest.end = position
      newest = new MemorySource(position)
      this.#memory.push(newest)
      this.#all = undefined
    }
    addKeys(this.hasher, newest.table, window, at, -1)
  }

  /** Everything that answers, oldest first. */
  sources(): readonly KeySource[] {
    this.#all ??= [...this.#sealedSources(), ...this.#memory]
    return this.#all
  }

  /** Segments whose keys are looked for in the log itself, and those that are to have key files like all others. Oldest first. */
  missing(): SegmentSource[] {
    return this.#sealedSources().flatMap((source) => {
      if (source instanceof SegmentSource) return source.file === undefined ? [source] : []
      return this.#wantsAll ? this.#singles(this.#segmentsIn(source), source.end) : []
    })
  }

  /** Whether a segment may still be gone on in: its key file is not merged, for its entries are not complete. */
  isOpen({ base }: LogSegment): boolean {
    return base === this.#parts.directory.segments.at(-1)?.base
  }

  /** Segments with key files of their own or in common, oldest first. */
  withFiles(): SegmentSource[] {
    return this.#sealedSources().filter(
      (source): source is SegmentSource => source instanceof SegmentSource && source.file !== undefined,
    )
  }

  /** A source for segments, to make their key file from. */
  sourceOf(segments: readonly LogSegment[], end: number, tier: number): SegmentSource {
    return new SegmentSource(this.#reading, segments, end, tier, undefined)
  }

  /** Returns a source with the key file that has just been written for it. */
  opened({ segments, end, tier }: SegmentSource): SegmentSource {
    return new SegmentSource(this.#reading, segments, end, tier, this.#open(segments[0]!, tier))
  }

  pathOf(first: LogSegment, tier: number): string {
    return join(this.#parts.directory.path, keyFileName(first, tier))
  }

  /** The log segment up to `end` is sealed. With `source` its key file stands for it, without there is nothing in it. */
  seal(segment: LogSegment, end: number, source: SegmentSource | undefined): void {
    const sealed = this.#sealed
    if (sealed !== undefined) {
      // The segment may have been gone on in: what was known of its beginning is in the new one.
      const before = sealed
        .filter(({ from }) => from < segment.base)
        .flatMap((known) => this.#upTo(known, segment.base))
      this.#set([...before, source ?? new KeylessSource(segment.base, end)])
    }
    this.#floor = end
    while (this.#memory.length > 1 && this.#memory[0]!.end <= end) this.#memory.shift()
    // What is sealed answers by types too, for which memory has every event looked at.
    const oldest = this.#memory[0]!
    oldest.from = Math.max(oldest.from, end)
    this.#all = undefined
  }

  /** The key file of a segment without one was made. */
  made(source: SegmentSource, built: SegmentSource): void {
    const sealed = this.#sealed
    if (sealed?.includes(source) === true) return this.replace([source], built)
    const { from, end } = source
    const around = sealed?.findIndex(
      (known) => known instanceof KeylessSource && known.from <= from && known.end >= end,
    )
    if (sealed === undefined || around === undefined || around < 0) return
    const known = sealed[around]!
    const parts = [new KeylessSource(known.from, from), built, new KeylessSource(end, known.end)]
    this.#set(sealed.toSpliced(around, 1, ...parts.filter((part) => part.from < part.end)))
  }

  /** Replaces sources that follow each other by others of the same stretch. */
  replace(old: readonly SegmentSource[], ...by: readonly SegmentSource[]): void {
    const sealed = this.#sealed
    if (sealed === undefined) return
    const first = sealed.indexOf(old[0]!)
    if (first < 0 || old.some((source, i) => sealed[first + i] !== source)) return
    this.#set(sealed.toSpliced(first, old.length, ...by))
  }

  /** A key file is wrong: its segments are looked through in the log until each has a new one. */
  distrust({ file }: WrongKeyFile): void {
    const wrong = this.withFiles().find((source) => source.file === file)
    if (wrong === undefined) return // replaced since by whoever still reads in it
    this.replace([wrong], ...this.#singles(wrong.segments, wrong.end))
    this.#parts.wanted?.()
  }

  /** Key files in the folder of the log that nothing counts on any more. */
  leftovers(): string[] {
    const used = new Set(this.withFiles().map(({ file }) => file!.path))
    const { files, directory } = this.#parts
    return files
      .list(directory.path)
      .filter((name) => parseKeyFileName(name) !== undefined || name.endsWith('.new'))
      .map((name) => join(directory.path, name))
      .filter((path) => !used.has(path))
  }

  /** What is known of the stretch of a source before a position where a segment begins. */
  #upTo(known: SegmentSource | KeylessSource, end: number): readonly (SegmentSource | KeylessSource)[] {
    if (known.end <= end) return [known]
    if (known instanceof KeylessSource) return [new KeylessSource(known.from, end, known.damage)]
    const segments = known.segments.filter(({ base }) => base < end)
    return this.#singles(segments, end)
  }

  /** Sources for segments one by one, without key files. */
  #singles(segments: readonly LogSegment[], end: number): SegmentSource[] {
    return segments.map((segment, i) => this.sourceOf([segment], segments[i + 1]?.base ?? end, 0))
  }

  #segmentsIn({ from, end }: KeylessSource): LogSegment[] {
    return this.#parts.directory.segments.filter(({ base }) => base >= from && base < end)
  }

  #set(sources: readonly (SegmentSource | KeylessSource)[]): void {
    this.#sealed = joined(sources)
    const { tables } = this.#reading
    for (const source of tables.keys()) if (!this.#sealed.includes(source)) tables.delete(source)
    this.#all = undefined
    if (this.#wantsAll && !this.#sealed.some((source) => source instanceof KeylessSource)) this.#keyedFrom = 0
  }

  /** Another process has made and merged key files: they are looked for again at the next question. */
  forgetFiles(): void {
    this.#sealed = undefined
    this.#reading.tables.clear()
    this.#all = undefined
  }

  #sealedSources(): readonly (SegmentSource | KeylessSource)[] {
    this.#sealed ??= this.#find()
    return this.#sealed
  }

  /**
   * Finds the key files of the segments below the floor. Those of the highest tiers cover most and are taken first. Segments from before the
   * first key may have some too: somebody has begun to make them.
   */
  #find(): (SegmentSource | KeylessSource)[] {
    const { directory, files } = this.#parts
    const segments = directory.segments.filter(({ base }) => base < this.#floor)
    const endAt = (i: number): number => segments[i + 1]?.base ?? this.#floor
    const found: (SegmentSource | KeylessSource)[] = []
    const taken = new Array<boolean>(segments.length).fill(false)
    const byBase = new Map(segments.map(({ base }, i) => [base, i]))
    const names = files
      .list(directory.path)
      .map((name) => parseKeyFileName(name))
      .filter((name) => name !== undefined)
      .sort((a, b) => b.tier - a.tier || a.base - b.base)
    for (const { base, epoch, tier } of names) {
      const first = byBase.get(base)
      if (first === undefined || segments[first]!.epoch !== epoch) continue
      const file = this.#open(segments[first]!, tier)
      const count = file?.head.segments.length ?? 0
      if (file === undefined || count === 0 || taken.slice(first, first + count).includes(true)) continue
      const covered = segments.slice(first, first + count)
      if (!this.#isOf(file, covered, endAt(first + count - 1))) continue
      taken.fill(true, first, first + count)
      found.push(new SegmentSource(this.#reading, covered, endAt(first + count - 1), tier, file))
    }
    for (const [i, segment] of segments.entries()) {
      if (taken[i]) continue
      const end = endAt(i)
      const isKeyed = end > (this.#keyedFrom ?? Infinity)
      found.push(isKeyed ? this.sourceOf([segment], end, 0) : new KeylessSource(segment.base, end))
    }
    found.sort((a, b) => a.from - b.from)
    const start = found[0]?.from ?? this.#floor
    return joined(start === 0 ? found : [this.#missing(start), ...found])
  }

  /** The stretch before the first segment, which is gone. */
  #missing(start: number): KeylessSource {
    const hadKeys = this.#keyedFrom !== undefined && this.#keyedFrom < start
    const place = { file: this.#parts.directory.path, byte: 0 }
    return new KeylessSource(
      0,
      start,
      hadKeys ? new CorruptionError('the first log segment is missing', place) : undefined,
    )
  }

  #open(first: LogSegment, tier: number): KeyFile | undefined {
    const { storeId, handles } = this.#parts
    return KeyFile.open(this.pathOf(first, tier), storeId, handles, this.#cache)
  }

  /** Tells whether a key file is of these segments as they are now. */
  #isOf({ head }: KeyFile, segments: readonly LogSegment[], end: number): boolean {
    if (head.segments.length !== segments.length || head.end !== end) return false
    const same = head.segments.every(({ base, epoch }, i) => {
      const segment = segments[i]!
      return segment.base === base && segment.epoch === epoch
    })
    return same && head.lastBytes === this.#parts.endOf(segments.at(-1)!)
  }
}

/** The same, where stretches without keys that follow each other are one. */
function joined(sources: readonly (SegmentSource | KeylessSource)[]): (SegmentSource | KeylessSource)[] {
  const all: (SegmentSource | KeylessSource)[] = []
  for (const source of sources) {
    const last = all.at(-1)
    const follows =
      last instanceof KeylessSource &&
      source instanceof KeylessSource &&
      last.end === source.from &&
      last.damage === source.damage
    if (follows) all[all.length - 1] = new KeylessSource(last.from, source.end, last.damage)
    else all.push(source)
  }
  return all
}
