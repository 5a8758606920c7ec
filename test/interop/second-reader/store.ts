import { allZero, Fields, sameBytes } from './bytes.js'
import { Damage, must } from './damage.js'
import { readHeader } from './header.js'
import { keysOf, parseKeyName, readKeyFile } from './keys.js'
import { type Log, type LogFile, readLog, sameKeys, type StoredRecord } from './log.js'
import { logFile, parseLogName, parseStreamName } from './names.js'
import { readStreamSegment, type StreamSegment } from './streams.js'
import { type Checkpoint, readCheckpoint, readEpochFile, readIndex, readStreamTable } from './tables.js'

/** The files of a store: from a folder, or from the image of a disk. Paths have slashes and begin below the store. */
export interface StoreFiles {
  /** Names in a folder; none if there is no such folder. */
  list(folder: string): string[]
  read(path: string): Uint8Array | undefined
}

/** What the second reader found in a store. */
export interface SecondReading {
  readonly storeId: Uint8Array | undefined
  readonly log: Log
  readonly records: readonly StoredRecord[]
  /** Per stream its records by offset, from the log. */
  readonly streams: ReadonlyMap<string, readonly StoredRecord[]>
  readonly segments: ReadonlyMap<string, readonly StreamSegment[]>
  readonly checkpoint: Checkpoint | undefined
  /** Stream segments that are not whole, and why: allowed where nothing is settled, since the log has it. */
  readonly leftOut: readonly string[]
}

/** Options of {@link readStore}. */
export interface SecondReadingOptions {
  /** Bytes between two entries of a sparse index, as the store was opened with. */
  readonly indexIntervalBytes?: number | undefined
}

/**
 * Reads all files of a store by the words of segments-format.md and holds its invariants to them. Throws `Damage`.
 * It is written from that document and shares nothing with the engine.
 */
export function readStore(files: StoreFiles, options: SecondReadingOptions = {}): SecondReading {
  const head = files.read('annals')
  const logFiles: LogFile[] = []
  for (const name of files.list('log')) {
    const parsed = parseLogName(name, 'log')
    if (parsed) logFiles.push({ ...parsed, bytes: files.read(`log/${name}`)! })
  }
  if (head === undefined) {
    must(logFiles.length === 0, '`annals` is missing')
    return {
      storeId: undefined,
      log: { segments: [], shapes: new Map(), stop: undefined },
      records: [],
      streams: new Map(),
      segments: new Map(),
      checkpoint: undefined,
      leftOut: [],
    }
  }
  const storeId = readHeader(head, 'H').storeId
  const log = readLog(logFiles, storeId)
  const records = log.segments.flatMap((segment) => segment.records)
  const streams = new Map<string, StoredRecord[]>()
  for (const record of records) {
    const { stream, offset } = record.event
    const before = streams.get(stream) ?? []
    must(offset === before.length, `offset ${offset} of stream ${stream} where ${before.length} is next`)
    before.push(record)
    streams.set(stream, before)
  }
  const checkpoint = storeCheckpoint(files, storeId, log)
  const leftOut: string[] = []
  const segments = streamSegments(files, storeId, leftOut)
  for (const [stream, found] of segments) {
    agreesWithLog(stream, found, streams.get(stream) ?? [], log, checkpoint?.settledPosition ?? 0)
  }
  for (const [stream, found] of streams) {
    const settled = found[0]!.event.position < (checkpoint?.settledPosition ?? 0)
    must(!settled || segments.has(stream), `stream ${stream} is settled and has no segment`)
  }
  checkDerived(files, storeId, log, segments, checkpoint?.settledPosition ?? 0, options.indexIntervalBytes ?? 4096)
  checkKeys(files, storeId, log)
  checkEpochs(files, storeId, log)
  return { storeId, log, records, streams, segments, checkpoint, leftOut }
}

function storeCheckpoint(files: StoreFiles, storeId: Uint8Array, log: Log): Checkpoint | undefined {
  const file = files.read('checkpoint')
  if (file === undefined) return undefined
  const checkpoint = readCheckpoint(file)
  must(sameBytes(checkpoint.header.storeId, storeId), 'the checkpoint belongs to another store')
  const { redo } = checkpoint
  const segment = log.segments.find((one) => one.base === redo.base && one.epoch === redo.epoch)
  if (segment === undefined) {
    must(redo.position === 0, 'the checkpoint names a log segment that is not there')
    return checkpoint
  }
  const border = segment.borders.find((one) => one.byte === redo.byte)
  must(
    border !== undefined && border.sequence === redo.sequence && border.position === redo.position,
    'the checkpoint names a place that is not between two groups',
  )
  must(checkpoint.settledPosition <= redo.position, 'more is settled than redo leaves out')
  // A shape that no event uses yet is in the checkpoint and nowhere else.
  for (const { id, keys } of checkpoint.shapes) {
    const known = log.shapes.get(id)
    must(known === undefined || sameKeys(known, keys), `shape ${id} of the checkpoint is not that of the log`)
  }
  return checkpoint
}

function streamSegments(files: StoreFiles, storeId: Uint8Array, leftOut: string[]): Map<string, StreamSegment[]> {
  const found = new Map<string, StreamSegment[]>()
  for (const shard of files.list('streams')) {
    if (!/^[0-9a-f]{2}$/.test(shard)) continue
    for (const name of files.list(`streams/${shard}`)) {
      if (!parseStreamName(name, 'seg')) continue
      const path = `streams/${shard}/${name}`
      let segment: StreamSegment
      try {
        segment = readStreamSegment(path.slice(0, -'.seg'.length), files.read(path)!, storeId)
      } catch (error) {
        // Not even its header is whole. If anything of the stream is settled there, it is missed below.
        if (!(error instanceof Damage)) throw error
        leftOut.push(`${path}: ${error.message}`)
        continue
      }
      if (segment.stopped !== undefined) leftOut.push(`${path}: ${segment.stopped}`)
      const before = found.get(segment.header.name) ?? []
      before.push(segment)
      found.set(segment.header.name, before)
    }
  }
  for (const segments of found.values()) segments.sort((a, b) => a.header.base - b.header.base)
  return found
}

/** Holds the segments of a stream to the log: the same bytes, and nothing settled missing. */
function agreesWithLog(
  stream: string,
  segments: readonly StreamSegment[],
  inLog: readonly StoredRecord[],
  log: Log,
  settledPosition: number,
): void {
  let next = 0
  let previousBase = 0
  for (const [i, segment] of segments.entries()) {
    const { header, path } = segment
    if (header.base !== next) break
    must(header.previousBase === previousBase, `${path} does not name the segment before it`)
    previousBase = header.base
    for (const [id, keys] of segment.shapes) {
      const known = log.shapes.get(id)
      must(known !== undefined && sameKeys(known, keys), `shape ${id} of ${path} is not that of the log`)
    }
    for (const record of segment.records) {
      const original = inLog[next]
      must(original !== undefined, `${path} has an event that is not in the log: offset ${next}`)
      must(sameBytes(original.bytes, record.bytes), `offset ${next} of ${path} is not what the log has`)
      next++
    }
    if (segment.stopped !== undefined) break
    if (i < segments.length - 1 && segment.nextBase === undefined) break
  }
  const missing = inLog[next]
  must(
    missing === undefined || missing.event.position >= settledPosition,
    `offset ${next} of stream ${stream} is settled and not in its segments`,
  )
}

/** Indexes and stream tables: each is what its segment gives. */
function checkDerived(
  files: StoreFiles,
  storeId: Uint8Array,
  log: Log,
  streams: ReadonlyMap<string, readonly StreamSegment[]>,
  settledPosition: number,
  interval: number,
): void {
  for (const segment of log.segments) {
    const name = logFile(segment.base, segment.epoch)
    const index = files.read(`${name}.idx`)
    if (index !== undefined) {
      const { header, entries } = readIndex(index, 'P')
      must(sameBytes(header.storeId, storeId), `${name}.idx belongs to another store`)
      must(header.base === segment.base && header.epoch === segment.epoch, `${name}.idx is not what its name says`)
      checkIndex(`${name}.idx`, entries, segment.records, (record) => record.event.position, interval)
    }
    const table = files.read(`${name}.tab`)
    if (table !== undefined) checkTable(`${name}.tab`, table, storeId, segment, settledPosition)
  }
  for (const segment of [...streams.values()].flat()) {
    const index = files.read(`${segment.path}.idx`)
    if (index === undefined) continue
    const { header, entries } = readIndex(index, 'I')
    must(sameBytes(header.storeId, storeId), `${segment.path}.idx belongs to another store`)
    must(
      header.base === segment.header.base && header.name === segment.header.name,
      `${segment.path}.idx is not what its name says`,
    )
    checkIndex(`${segment.path}.idx`, entries, segment.records, (record) => record.event.offset, interval)
  }
}

function checkIndex(
  path: string,
  entries: ReturnType<typeof readIndex>['entries'],
  records: readonly StoredRecord[],
  numberOf: (record: StoredRecord) => number,
  interval: number,
): void {
  const expected: { number: number; minTime: number; maxTime: number; byte: number; end: number }[] = []
  for (const record of records) {
    const time = record.event.timestamp
    const end = record.at + record.bytes.length
    const last = expected.at(-1)
    if (last === undefined || record.at >= last.byte + interval) {
      if (last !== undefined) last.end = record.at
      expected.push({ number: numberOf(record), minTime: time, maxTime: time, byte: record.at, end })
    } else {
      last.end = end
      last.minTime = Math.min(last.minTime, time)
      last.maxTime = Math.max(last.maxTime, time)
    }
  }
  must(entries.length <= expected.length, `${path} has more entries than its segment gives`)
  for (const [i, entry] of entries.entries()) {
    const other = expected[i]!
    must(
      entry.number === other.number &&
        entry.byte === other.byte &&
        entry.end === other.end &&
        entry.minTime === other.minTime &&
        entry.maxTime === other.maxTime,
      `entry ${i} of ${path} is not what its segment gives`,
    )
  }
}

function checkTable(
  path: string,
  bytes: Uint8Array,
  storeId: Uint8Array,
  segment: Log['segments'][number],
  settledPosition: number,
): void {
  const { header, entries } = readStreamTable(bytes)
  must(sameBytes(header.storeId, storeId), `${path} belongs to another store`)
  must(header.base === segment.base && header.epoch === segment.epoch, `${path} is not what its name says`)
  const byByte = new Map(segment.records.map((record) => [record.at, record.event]))
  const named = new Set(entries.flatMap((entry) => entry.bytes))
  for (const { at, event } of segment.records) {
    must(
      named.has(at) || at >= header.previousEnd || event.position < settledPosition,
      `${path} lacks the event at byte ${at}`,
    )
  }
  for (const { stream, firstOffset, bytes: places } of entries) {
    places.forEach((byte, i) => {
      const event = byByte.get(byte)
      must(
        event !== undefined && event.stream === stream && event.offset === firstOffset + i,
        `${path} names byte ${byte} for offset ${firstOffset + i} of stream ${stream}`,
      )
    })
  }
}

/** Key files: each that is of use has the entries of its log segments and no others. */
function checkKeys(files: StoreFiles, storeId: Uint8Array, log: Log): void {
  for (const name of files.list('log')) {
    const parsed = parseKeyName(name)
    if (parsed === undefined) continue
    const { header, segments, end, entries } = readKeyFile(files.read(`log/${name}`)!)
    must(sameBytes(header.storeId, storeId), `${name} belongs to another store`)
    must(header.base === parsed.base && header.epoch === parsed.epoch, `${name} is not what its name says`)
    must(segments.length === 8 ** parsed.tier, `${name} is of ${segments.length} log segments`)
    const first = log.segments.findIndex(({ base, epoch }) => base === header.base && epoch === header.epoch)
    const covered = log.segments.slice(first, first + segments.length)
    const follow = segments.every(({ base, epoch }, i) => covered[i]?.base === base && covered[i].epoch === epoch)
    // One of segments that no longer count, or were gone on in, is not believed.
    if (first < 0 || !follow || covered.at(-1)!.end !== header.previousEnd) continue
    must(end === covered.at(-1)!.borders.at(-1)!.position, `${name} ends at another position than its last segment`)
    const expected = keysOf(covered, storeId)
    must(
      entries.length === expected.length,
      `${name} has ${entries.length} entries, its segments give ${expected.length}`,
    )
    for (const [i, { high, low, position, byte }] of entries.entries()) {
      const other = expected[i]!
      const same = high === other.high && low === other.low && position === other.position && byte === other.byte
      must(same, `entry ${i} of ${name} is not what its segments give`)
    }
  }
}

/** An opening that crashed before `annals` was made has left an epoch of a store that never came to be. */
function checkEpochs(files: StoreFiles, storeId: Uint8Array, log: Log): void {
  const firstEpoch = log.segments[0]?.epoch ?? Infinity
  for (const name of files.list('epoch')) {
    if (!/^[0-9]{10}$/.test(name)) continue
    const bytes = files.read(`epoch/${name}`)!
    // It was synced before its writer made a log segment.
    if (isUnfinished(bytes) && !log.segments.some(({ epoch }) => epoch === Number(name))) continue
    const file = readEpochFile(bytes)
    // What the disk held there before can be a whole epoch file.
    if (file.epoch < Number(name) && !log.segments.some(({ epoch }) => epoch === Number(name))) continue
    must(file.epoch === Number(name), `epoch/${name} is of epoch ${file.epoch}`)
    must(sameBytes(file.storeId, storeId) || file.epoch < firstEpoch, `epoch/${name} belongs to another store`)
  }
}

/** What a crash may leave of an epoch file that was being made: nothing, zeros, its beginning, or what the block held before. */
function isUnfinished(bytes: Uint8Array): boolean {
  if (allZero(bytes)) return true
  const magic = new TextEncoder().encode('ANNALSE\n')
  if (!sameBytes(bytes.subarray(0, 8), magic.subarray(0, bytes.length))) return true
  return bytes.length < 16 || new Fields(bytes, 12).u32() > bytes.length
}
