import { join } from 'node:path'
import { logFileName, parseLogFileName } from '../format/names.js'
import type { FileSystem } from '../io/file-system.js'

/** A log segment on disk. */
export interface LogSegment {
  /** Position of its first event. */
  readonly base: number
  readonly epoch: number
  readonly path: string
}

/**
 * The log segments that count, oldest first. A writer that was fenced may have left segments of its own behind; the
 * names alone tell them: going along the bases, epochs never decrease, and of two segments with one base the newer epoch counts.
 */
export class LogDirectory {
  readonly path: string
  readonly #segments: LogSegment[]

  private constructor(path: string, segments: LogSegment[]) {
    this.path = path
    this.#segments = segments
  }

  /** Lists a folder. `orphans` are segments that do not count. */
  static read(
    files: FileSystem,
    path: string,
  ): { readonly directory: LogDirectory; readonly orphans: readonly LogSegment[] } {
    const found: LogSegment[] = []
    for (const name of files.list(path)) {
      const parsed = parseLogFileName(name)
      if (parsed?.suffix === '.log') found.push({ base: parsed.base, epoch: parsed.epoch, path: join(path, name) })
    }
    found.sort((a, b) => a.base - b.base || a.epoch - b.epoch)
    const counting: LogSegment[] = []
    const orphans: LogSegment[] = []
    for (const segment of found) {
      const last = counting.at(-1)
      if (last !== undefined && segment.epoch < last.epoch) {
        orphans.push(segment)
        continue
      }
      if (last !== undefined && last.base === segment.base) orphans.push(counting.pop()!)
      counting.push(segment)
    }
    return { directory: new LogDirectory(path, counting), orphans }
  }

  get segments(): readonly LogSegment[] {
    return this.#segments
  }

  add(segment: LogSegment): void {
    this.#segments.push(segment)
  }

  /** Forgets the segments behind one: they do not count. */
  keepUpTo(segment: LogSegment): readonly LogSegment[] {
    return this.#segments.splice(this.#segments.indexOf(segment) + 1)
  }

  /** Forgets all segments. */
  clear(): void {
    this.#segments.length = 0
  }

  /** Forgets a segment that holds nothing. */
  remove(segment: LogSegment): void {
    this.#segments.splice(this.#segments.indexOf(segment), 1)
  }

  /** Index of a segment by its name; −1 when it is not there. */
  find({ base, epoch }: { readonly base: number; readonly epoch: number }): number {
    return this.#segments.findIndex((segment) => segment.base === base && segment.epoch === epoch)
  }

  /** Index of the segment that holds a position: the last whose base is at or below it; −1 before the first. */
  indexOf(position: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.base <= position) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Path of a segment, of its index or of its stream table. */
  beside(segment: { readonly base: number; readonly epoch: number }, suffix: '.log' | '.idx' | '.tab'): string {
    return join(this.path, logFileName(segment.base, segment.epoch, suffix))
  }
}
