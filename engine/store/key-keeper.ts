import type { LogSegment } from '../commit-log/log-directory.js'
import { LogEnds } from '../commit-log/log-ends.js'
import type { LogHeads } from '../commit-log/log-heads.js'
import { AnnalsError } from '../errors.js'
import { KeyBuilder } from '../keys/key-builder.js'
import { WrongKeyFile } from '../keys/key-file-reader.js'
import { KeyIndex } from '../keys/key-index.js'
import { MERGED_FILES } from '../keys/key-names.js'
import type { SegmentSource } from '../keys/key-source.js'
import type { Timer } from '../io/file-system.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { StoreParts } from './store-parts.js'

const START_AFTER_MS = 1000

/**
 * Keeps the index of keys in step with the log, behind the appends: makes the key file of each segment that is sealed, and those that
 * are missing, and merges them. A store without commit ids and tags, in which nobody decides by types alone, has none of it. No failure here concerns an append: what could
 * not be written is looked for in the log.
 */
export class KeyKeeper {
  readonly index: KeyIndex
  readonly #parts: StoreParts
  readonly #builder: KeyBuilder
  readonly #ends: LogEnds
  #soon: Timer | undefined
  #work: Promise<void> = Promise.resolve()
  #closing = false
  #stopped = false

  constructor(parts: StoreParts, handles: ReadHandles, heads: LogHeads) {
    this.#parts = parts
    const { environment, recovered, settings, storeId } = parts
    this.#ends = new LogEnds(handles, recovered.directory, storeId, recovered.ends)
    const endOf = (segment: LogSegment): number => this.#ends.of(segment)
    this.index = new KeyIndex({
      files: environment.files,
      directory: recovered.directory,
      handles,
      heads,
      storeId,
      cachedBlocks: settings.limits.keyBlocks,
      cachedTables: settings.limits.keyTables,
      position: recovered.position,
      keyedFrom: recovered.keyedFrom,
      endOf,
      wanted: () => this.#makeSoon(),
    })
    const { limits } = settings
    const fence = (): void => parts.lock.check()
    this.#builder = new KeyBuilder({ environment, limits, storeId, handles, index: this.index, endOf, fence })
  }

  /** What was done since the store was opened. */
  get figures(): { readonly built: number; readonly merged: number } {
    return this.#builder
  }

  /** Makes what is missing, a while after opening. */
  startSoon(): void {
    if (this.index.keyedFrom === undefined) return
    this.#makeSoon(() => this.#builder.removeLeftovers())
  }

  /** A log segment of so many bytes is full, and up to `end` everything is committed. */
  sealed(segment: LogSegment, bytes: number, end: number): void {
    this.#then(async () => {
      await this.#seal(segment, bytes, end)
      await this.#makeMissing() // what the disk refused before, too
    })
  }

  /** The store is closed with this as its last segment. */
  async close(segment: LogSegment | undefined, bytes: number, end: number): Promise<void> {
    this.#closing = true
    this.#soon?.cancel()
    // A segment that holds nothing has no key file.
    if (segment !== undefined && segment.base < end) this.#then(() => this.#seal(segment, bytes, end))
    this.#then(() => this.#catchUp())
    await this.#work
  }

  /** Nothing more is written. */
  stop(): void {
    this.#stopped = true
  }

  async #seal(segment: LogSegment, bytes: number, end: number): Promise<void> {
    this.#ends.set(segment, bytes)
    if (!this.index.isKeyed(end)) return this.index.seal(segment, end, undefined)
    const source = this.index.sourceOf([segment], end, 0)
    const built = await this.#built(source, () => this.#stopped)
    this.index.seal(segment, end, built ?? source)
  }

  /** Not at once: a disk that gives back other bytes each time must not keep this busy. */
  #makeSoon(first?: () => void): void {
    if (this.#closing || this.#stopped) return
    this.#soon ??= this.#parts.environment.after(START_AFTER_MS, () => {
      this.#soon = undefined
      this.#then(() => {
        first?.()
        return this.#makeMissing()
      })
    })
  }

  async #makeMissing(): Promise<void> {
    const stopped = (): boolean => this.#closing || this.#stopped
    if (stopped()) return
    for (const [i, source] of this.index.missing().entries()) {
      const built = await this.#built(source, stopped)
      if (stopped()) return
      if (built !== undefined) this.index.made(source, built)
      if (i % MERGED_FILES === MERGED_FILES - 1) await this.#builder.mergeAll(stopped)
    }
    await this.#builder.mergeAll(stopped)
  }

  /** Makes one more key file of those from before the first key: who never has a store open for long gets on by one each time. */
  async #catchUp(): Promise<void> {
    const source = this.index.isCatchingUp ? this.index.missing()[0] : undefined
    const built = source && (await this.#built(source, () => this.#stopped))
    if (built !== undefined) this.index.made(source!, built)
  }

  async #built(source: SegmentSource, stopped: () => boolean): Promise<SegmentSource | undefined> {
    try {
      return await this.#builder.build(source, stopped)
    } catch (error) {
      if (isHarmless(error)) return undefined
      throw error
    }
  }

  /** One after another, whatever becomes of each. */
  #then(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return
      try {
        await work()
      } catch (error) {
        if (error instanceof WrongKeyFile) this.index.distrust(error)
        else if (!isHarmless(error)) throw error
      }
    })
    this.#work.catch(() => {}) // told to who closes the store
  }
}

/** What the disk refuses, damage of the log, and that the store was lost: whoever appends or looks there is told. */
function isHarmless(error: unknown): boolean {
  return error instanceof AnnalsError || (error as NodeJS.ErrnoException).syscall !== undefined
}
