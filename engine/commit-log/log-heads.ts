import { CorruptionError, newerVersion } from '../errors.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { readFullySync } from '../io/transfer.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { LogSegment } from './log-directory.js'

/**
 * Tells log segments of another store that stand in the place of this one's. Their records are whole, may have the right positions, and do not
 * say whose they are. Opening does not look at what is settled, so each is looked at when it is first read.
 */
export class LogHeads {
  readonly #handles: ReadHandles
  readonly #storeId: Buffer
  /** Base of the segment before, of those that were looked at and have a sound header. */
  readonly #checked = new Map<string, { readonly previousBase: number } | undefined>()

  constructor(handles: ReadHandles, storeId: Buffer) {
    this.#handles = handles
    this.#storeId = storeId
  }

  /** Throws CorruptionError, ERR_FORMAT. A header that is damaged says nothing: the records behind it have checksums of their own. */
  check(segment: LogSegment): void {
    this.#headOf(segment)
  }

  /** Checks that a segment goes on from another, so that none is missing between them: for who passes over that one unread. */
  checkFollows(segment: LogSegment, before: LogSegment): void {
    const { previousBase = before.base } = this.#headOf(segment) ?? {}
    if (previousBase === before.base) return
    throw new CorruptionError(`the segment before position ${segment.base} is missing`, { file: segment.path, byte: 0 })
  }

  #headOf({ path }: LogSegment): { readonly previousBase: number } | undefined {
    if (this.#checked.has(path)) return this.#checked.get(path)
    const bytes = Buffer.allocUnsafe(HEADER_FIXED_BYTES)
    const got = readFullySync(this.#handles.get(path), bytes, 0, bytes.length, 0)
    const verdict = parseHeader(windowOf(bytes), got, 'L')
    if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    const head = verdict.kind === 'header' ? verdict.header : undefined
    if (head !== undefined && !head.storeId.equals(this.#storeId)) {
      throw new CorruptionError('the segment belongs to another store', { file: path, byte: 0 })
    }
    const known = head && { previousBase: head.previousBase }
    this.#checked.set(path, known)
    return known
  }
}
