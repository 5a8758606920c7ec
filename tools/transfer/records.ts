/** One record of a text file: a line, or in CSV what belongs together in quotes. */
export interface SourceRecord {
  /** Number of the line that it begins in, from 1. */
  readonly line: number
  /** Its bytes without the line break; undefined where there are more of them than are taken. */
  readonly bytes: Buffer | undefined
}

/** Finds where records end. Looks at each byte once, in order. */
export interface RecordEnds {
  /**
   * Returns where in `chunk`, from `from` on, the line feed is that ends the record; −1: not in this chunk. A record that goes on behind the
   * next `most` bytes will not be taken: whatever it is, a line feed behind them ends it.
   */
  find(chunk: Buffer, from: number, most: number): number
  /** Lines of the record that ended last. */
  readonly lines: number
}

/** Every line is a record. */
export function lineEnds(): RecordEnds {
  return { lines: 1, find: (chunk, from) => chunk.indexOf(LINE_FEED, from) }
}

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const BYTE_ORDER_MARK = Buffer.from('\ufeff')

/**
 * Splits a file into records, some at a time. Line breaks are LF or CRLF, a byte order mark at the beginning is left out, and so are empty
 * lines. Memory: a chunk, and one record of at most `mostBytes`; of one that is longer only the place is kept.
 */
export async function* splitRecords(
  chunks: AsyncIterable<Buffer>,
  ends: RecordEnds,
  mostBytes: number,
): AsyncGenerator<SourceRecord[]> {
  let line = 1
  let pieces: Buffer[] = []
  let length = 0
  let isFirst = true
  const add = (piece: Buffer): void => {
    length += piece.length
    // Some bytes more than will be taken: a line break and a byte order mark do not count.
    if (length <= mostBytes + CARRIED_BYTES) pieces.push(piece)
    else pieces = []
  }
  const take = (): SourceRecord | undefined => {
    const isWhole = length <= mostBytes + CARRIED_BYTES
    let bytes = isWhole ? (pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)) : undefined
    if (isFirst && bytes?.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) === true) {
      bytes = bytes.subarray(BYTE_ORDER_MARK.length)
    }
    if (bytes?.at(-1) === CARRIAGE_RETURN) bytes = bytes.subarray(0, -1)
    const record = { line, bytes: bytes !== undefined && bytes.length > mostBytes ? undefined : bytes }
    isFirst = false
    pieces = []
    length = 0
    line += ends.lines
    return bytes?.length === 0 ? undefined : record
  }
  for await (const chunk of chunks) {
    const records: SourceRecord[] = []
    for (let from = 0; from < chunk.length;) {
      const end = ends.find(chunk, from, Math.max(0, mostBytes + CARRIED_BYTES - length))
      add(chunk.subarray(from, end < 0 ? chunk.length : end))
      if (end < 0) break
      const record = take()
      if (record !== undefined) records.push(record)
      from = end + 1
    }
    yield records
  }
  const last = length === 0 ? undefined : take()
  if (last !== undefined) yield [last]
}

const CARRIED_BYTES = BYTE_ORDER_MARK.length + 1
