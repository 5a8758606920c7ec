import { HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { readFullySync } from '../io/transfer.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { LogDirectory, LogSegment } from './log-directory.js'

/**
 * How many bytes of log segments count. The header of the next segment says so, and not the size of the file: a power cut may have undone
 * that its end was cut off, or a writer that had lost the store has written on.
 */
export class LogEnds {
  readonly #handles: ReadHandles
  readonly #directory: LogDirectory
  readonly #storeId: Buffer
  readonly #known: Map<string, number>

  /** @param known Ends of segments that are known, by their paths. */
  constructor(
    handles: ReadHandles,
    directory: LogDirectory,
    storeId: Buffer,
    known: Iterable<readonly [string, number]> = [],
  ) {
    this.#handles = handles
    this.#directory = directory
    this.#storeId = storeId
    this.#known = new Map(known)
  }

  set({ path }: Pick<LogSegment, 'path'>, end: number): void {
    this.#known.set(path, end)
  }

  known({ path }: Pick<LogSegment, 'path'>): number | undefined {
    return this.#known.get(path)
  }

  /** Returns the end of a segment that was there when the store was opened, or that has been left since. Throws what the system reports. */
  of(segment: LogSegment): number {
    const known = this.#known.get(segment.path)
    if (known !== undefined) return known
    const told = this.#toldBySuccessor(segment)
    if (told === undefined) return this.#handles.get(segment.path).size()
    this.#known.set(segment.path, told)
    return told
  }

  #toldBySuccessor({ base, epoch }: LogSegment): number | undefined {
    const successor = this.#directory.segments[this.#directory.indexOf(base) + 1]
    if (successor === undefined) return undefined
    const bytes = Buffer.allocUnsafe(HEADER_FIXED_BYTES)
    const got = readFullySync(this.#handles.get(successor.path), bytes, 0, bytes.length, 0)
    const verdict = parseHeader(windowOf(bytes), got, 'L')
    if (verdict.kind !== 'header') return undefined
    const { storeId, previousBase, previousEpoch, previousEnd } = verdict.header
    return storeId.equals(this.#storeId) && previousBase === base && previousEpoch === epoch ? previousEnd : undefined
  }
}
