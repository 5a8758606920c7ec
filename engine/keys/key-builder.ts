import type { Environment } from '../io/file-system.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import type { Limits } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { KeyFileWriter } from './key-file-writer.js'
import type { KeyFile } from './key-file-reader.js'
import type { KeyIndex } from './key-index.js'
import { LAST_TIER, MERGED_FILES } from './key-names.js'
import type { SegmentSource } from './key-source.js'

/** Entries written between two looks at the clock. */
const LOOK_EVERY = 1024

export interface KeyBuilderParts {
  readonly environment: Environment
  readonly limits: Limits
  readonly storeId: Buffer
  readonly handles: ReadHandles
  readonly index: KeyIndex
  readonly endOf: (segment: LogSegment) => number
  /** Throws when this writer may change nothing more. */
  readonly fence: () => void
}

/** Writes key files behind the appends, in slices: of one log segment from its records, of several from their key files. */
export class KeyBuilder {
  readonly #parts: KeyBuilderParts
  #sliceEnd = 0
  built = 0
  merged = 0

  constructor(parts: KeyBuilderParts) {
    this.#parts = parts
  }

  /** Makes the key file of a source from the log. Returns the source with it; undefined when `stopped` said so. Rejects with CorruptionError or what the system reports. */
  async build(source: SegmentSource, stopped: () => boolean): Promise<SegmentSource | undefined> {
    const steps = source.collect()
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) if (await this.#pause(stopped)) return undefined
    const table = step.value
    const order = table.sorted()
    const writer = this.#writer(source, table.size)
    const add = writer.add.bind(writer)
    try {
      for (let i = 0; i < order.length; i++) {
        table.visit(order[i]!, add)
        if (i % LOOK_EVERY === 0 && (await this.#pause(stopped))) {
          writer.discard()
          return undefined
        }
      }
    } catch (error) {
      writer.discard()
      throw error
    }
    await writer.finish()
    this.built++
    return this.#opened(source)
  }

  /** Merges key files while there are enough of one tier that follow each other. Rejects with what the system reports. */
  async mergeAll(stopped: () => boolean): Promise<void> {
    for (let run = this.#run(); run !== undefined; run = this.#run()) if (!(await this.#merge(run, stopped))) return
  }

  /** The oldest files of one tier that can become one. */
  #run(): SegmentSource[] | undefined {
    let run: SegmentSource[] = []
    const { index } = this.#parts
    for (const source of index.withFiles()) {
      if (index.isOpen(source.segments.at(-1)!)) break
      const last = run.at(-1)
      if (last !== undefined && (last.tier !== source.tier || last.end !== source.from)) run = []
      run.push(source)
      if (run.length === MERGED_FILES && source.tier < LAST_TIER) return run
    }
    return undefined
  }

  async #merge(sources: readonly SegmentSource[], stopped: () => boolean): Promise<boolean> {
    const { index } = this.#parts
    const cursors = sources.map(({ file }) => new FileCursor(file!))
    const entries = sources.reduce((sum, { file }) => sum + file!.head.entries, 0)
    const merged = index.sourceOf(
      sources.flatMap(({ segments }) => segments),
      sources.at(-1)!.end,
      sources[0]!.tier + 1,
    )
    const writer = this.#writer(merged, entries)
    try {
      for (let i = 0; i < entries; i++) {
        // Of entries with one hash those of the file before come first: their positions are lower.
        let least = cursors[0]!
        for (const cursor of cursors) if (cursor.isBefore(least)) least = cursor
        writer.add(least.high, least.low, least.position, least.byte)
        least.next()
        if (i % LOOK_EVERY === 0 && (await this.#pause(stopped))) {
          writer.discard()
          return false
        }
      }
    } catch (error) {
      writer.discard()
      throw error
    }
    await writer.finish()
    const whole = this.#opened(merged)
    if (whole.file === undefined) return false
    index.replace(sources, whole)
    this.merged++
    for (const { file } of sources) this.#remove(file!.path)
    return true
  }

  /** Removes what counts no more: of files that were merged, and of writers that were killed. */
  removeLeftovers(): void {
    for (const path of this.#parts.index.leftovers()) this.#remove(path)
  }

  #remove(path: string): void {
    const { environment, handles, fence } = this.#parts
    handles.drop(path)
    try {
      fence()
      environment.files.remove(path)
    } catch {
      // It takes space, and that is all.
    }
  }

  #writer({ segments, end, tier }: SegmentSource, entries: number): KeyFileWriter {
    const { environment, storeId, index, endOf, limits, fence } = this.#parts
    const path = index.pathOf(segments[0]!, tier)
    const subject = { segments, lastBytes: endOf(segments.at(-1)!), end }
    return new KeyFileWriter(environment.files, path, storeId, subject, entries, limits.keyFilterBytes, fence)
  }

  #opened(source: SegmentSource): SegmentSource {
    const { handles, index } = this.#parts
    handles.drop(index.pathOf(source.segments[0]!, source.tier))
    return index.opened(source)
  }

  /** Lets others have their turn when the slice is over. Returns true to stop. */
  async #pause(stopped: () => boolean): Promise<boolean> {
    const { environment, limits } = this.#parts
    if (environment.elapsed() < this.#sliceEnd) return false
    await new Promise((resolve) => setImmediate(resolve))
    this.#sliceEnd = environment.elapsed() + limits.flushSliceMs
    return stopped()
  }
}

/** Goes through the entries of a key file, a block at a time. */
class FileCursor {
  readonly #file: KeyFile
  readonly #entries: number[] = []
  #at = 0
  #read = 0
  high = 0
  low = 0
  position = 0
  byte = 0
  #ended = false

  constructor(file: KeyFile) {
    this.#file = file
    this.next()
  }

  next(): void {
    if (this.#at === this.#entries.length) {
      this.#entries.length = 0
      this.#at = 0
      this.#read = this.#file.eachOfBlock(this.#read, (high, low, position, byte) =>
        this.#entries.push(high, low, position, byte),
      )
      if (this.#entries.length === 0) {
        this.#ended = true
        return
      }
    }
    this.high = this.#entries[this.#at++]!
    this.low = this.#entries[this.#at++]!
    this.position = this.#entries[this.#at++]!
    this.byte = this.#entries[this.#at++]!
  }

  isBefore(other: FileCursor): boolean {
    if (this.#ended || other.#ended) return other.#ended && !this.#ended
    return this.high === other.high ? this.low < other.low : this.high < other.high
  }
}
