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
  readonly #checked = new Set<string>()

  constructor(handles: ReadHandles, storeId: Buffer) {
    this.#handles = handles
    this.#storeId = storeId
  }

  /** Throws CorruptionError, ERR_FORMAT. A header that is damaged says nothing: the records behind it have checksums of their own. */
  check({ path }: LogSegment): void {
    if (this.#checked.has(path)) return
    const bytes = Buffer.allocUnsafe(HEADER_FIXED_BYTES)
    const got = readFullySync(this.#handles.get(path), bytes, 0, bytes.length, 0)
    const verdict = parseHeader(windowOf(bytes), got, 'L')
    if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    if (verdict.kind === 'header' && !verdict.header.storeId.equals(this.#storeId)) {
      throw new CorruptionError('the segment belongs to another store', { file: path, byte: 0 })
    }
    this.#checked.add(path)
  }
}
