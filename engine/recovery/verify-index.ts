import { windowOf } from '../format/frame.js'
import { parseHeader } from '../format/file-header.js'
import { decodeEntries, IndexBuilder, type IndexEntry } from '../format/sparse-index.js'

const CRC_OF_HEADER_AT = 16

/**
 * Compares an index with the one its segment gives, while the segment is read. The interval of a store is not written
 * anywhere; the shortest of the stretches that were ended by it cuts the segment in the same places. The last stretch is
 * one of those unless the end of the segment has cut it short. An index without entries tells nothing: then the interval must be
 * the one that is asked for.
 */
export class IndexCheck {
  readonly #entries: readonly IndexEntry[] | undefined
  readonly #wrong: string | undefined
  readonly #builders: readonly IndexBuilder[]

  /** `bytes`: the index file; `header`: what it must begin with. */
  constructor(bytes: Buffer, header: Buffer, interval: number) {
    const sameHeader = bytes.length >= header.length && header.compare(bytes, 0, header.length) === 0
    this.#entries = sameHeader
      ? decodeEntries(windowOf(bytes), header.length, bytes.length, bytes.readUInt32LE(CRC_OF_HEADER_AT))
      : undefined
    this.#wrong = sameHeader ? 'an entry of the index is damaged' : wrongHeader(bytes, header)
    const entries = this.#entries ?? []
    const intervals = new Set([interval, shortest(entries), shortest(entries.slice(0, -1))].filter(Number.isFinite))
    this.#builders = [...intervals].map((bytesBetween) => new IndexBuilder(bytesBetween))
  }

  add(number: number, byte: number, timestamp: number, length: number): void {
    for (const builder of this.#builders) builder.add(number, byte, timestamp, length)
  }

  /** `sealed`: nothing can follow in the segment, so its last stretch has an entry; undefined: it may have one. */
  verdict(sealed: boolean | undefined): string | undefined {
    const entries = this.#entries
    if (entries === undefined) return this.#wrong
    const right = this.#builders.some((builder) => {
      if (sealed !== true && sameEntries(entries, builder.entries)) return true
      if (sealed === false) return false
      builder.finish()
      return sameEntries(entries, builder.entries)
    })
    return right ? undefined : 'the index is not what the segment gives'
  }
}

function wrongHeader(bytes: Buffer, header: Buffer): string {
  const kind = String.fromCharCode(header[6]!) as 'I' | 'P'
  const verdict = parseHeader(windowOf(bytes), bytes.length, kind)
  return verdict.kind === 'header' ? 'the index belongs to another segment' : 'the header of the index is damaged'
}

function shortest(stretches: readonly IndexEntry[]): number {
  return stretches.reduce((least, { byte, end }) => Math.min(least, end - byte), Infinity)
}

function sameEntries(a: readonly IndexEntry[], b: readonly IndexEntry[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry, i) => {
      const { number, byte, end, minTime, maxTime } = b[i]!
      if (entry.number !== number || entry.byte !== byte || entry.end !== end) return false
      return entry.minTime === minTime && entry.maxTime === maxTime
    })
  )
}
