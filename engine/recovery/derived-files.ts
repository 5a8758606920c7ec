import { join } from 'node:path'
import type { ExpectedGroup } from '../commit-log/group-scan.js'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import { encodeLogIndex } from '../commit-log/log-index.js'
import type { Checkpoint } from '../format/checkpoint.js'
import {
  eventFlags,
  eventOffset,
  eventPosition,
  eventTimestamp,
  FLAG_ASSIGNED,
  FLAG_COMMIT_ID,
  FLAG_TAGS,
} from '../format/event-record.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import { type Window, windowOf } from '../format/frame.js'
import { type StreamKey, streamFileName } from '../format/names.js'
import { decodeSeal, SEAL_BYTES } from '../format/shape-record.js'
import { encodeEntries, IndexBuilder } from '../format/sparse-index.js'
import type { LogSink } from './log-sink.js'
import { rebuildTable } from './recover.js'
import { eachSoundEvent } from './repair-events.js'
import type { VerifyContext } from './verify-context.js'
import { RecordCheck } from './verify-event.js'
import { LogVerifier } from './verify-log.js'

const CRC_OF_HEADER_AT = 16

/** What deriving a file from a segment needs. */
type Place = Pick<VerifyContext, 'environment' | 'storeId' | 'limits'>

/** Returns the contents of the sparse index of a log segment. `end`: bytes that count, where that is not all of the file. */
export function logIndex(context: Place, segment: LogSegment, end?: number): Buffer {
  const builder = new IndexBuilder(context.limits.indexIntervalBytes)
  withEvents(context, segment.path, { from: HEADER_FIXED_BYTES, end }, (window, at, length, byte) =>
    builder.add(eventPosition(window, at), byte, eventTimestamp(window, at), length),
  )
  builder.finish()
  return encodeLogIndex(context.storeId, segment, builder.entries)
}

/** Returns the contents of the stream table of a log segment. `end`: as with `logIndex`. */
export function streamTable(context: Place, log: LogDirectory, segment: LogSegment, end?: number): Buffer {
  const { environment, storeId } = context
  const table = rebuildTable(environment.files, log, segment, storeId)
  const { base, epoch } = segment
  const previousEnd = end ?? environment.files.stat(segment.path)!.size
  return Buffer.concat([encodeHeader({ kind: 'T', storeId, base, epoch, previousEnd }), table.encode()])
}

/** Returns the contents of the sparse index of a stream segment; undefined when there is no such segment. */
export function streamIndex(
  context: Place & Pick<VerifyContext, 'streamsPath'>,
  key: Pick<StreamKey, 'path' | 'bytes'>,
  base: number,
): Buffer | undefined {
  const { storeId, streamsPath, environment, limits } = context
  const path = join(streamsPath, streamFileName(key.path, base, '.seg'))
  if (environment.files.stat(path) === undefined) return undefined
  const builder = new IndexBuilder(limits.indexIntervalBytes)
  const from = HEADER_FIXED_BYTES + key.bytes.length
  const size = withEvents(context, path, { from }, (window, at, length, byte) =>
    builder.add(eventOffset(window, at), byte, eventTimestamp(window, at), length),
  )
  if (isSealed(context, path, size)) builder.finish()
  const header = encodeHeader({ kind: 'I', storeId, base, name: key.bytes })
  return Buffer.concat([header, encodeEntries(builder.entries, 0, header.readUInt32LE(CRC_OF_HEADER_AT))])
}

function isSealed(context: Place, path: string, size: number): boolean {
  const handle = context.environment.files.open(path, 'read')
  try {
    const window = windowOf(Buffer.alloc(SEAL_BYTES))
    handle.readSync(window.bytes, 0, SEAL_BYTES, Math.max(0, size - SEAL_BYTES))
    return decodeSeal(window, 0, window.view.getUint32(0, true)) !== undefined
  } finally {
    handle.close()
  }
}

/**
 * The checkpoint that the log gives, with nothing settled: what was synced no file can tell. Opening starts at the last segment; with
 * `closed`, behind the last event, as if the store had been closed there.
 */
export async function checkpointOfLog(
  context: VerifyContext,
  log: LogDirectory,
  epoch: number,
  closed = false,
): Promise<Checkpoint> {
  const last = log.segments.at(-1)
  let redo: Checkpoint['redo'] = { base: 0, epoch: 0, byte: 0, sequence: 0, position: 0 }
  let shapes: Checkpoint['shapes'] = []
  let lastTimestamp = 0
  let keyedFrom: number | null = null
  const records = new RecordCheck(false)
  const sink: LogSink = {
    segment: () => {},
    event: (window, at) => {
      const flags = eventFlags(window, at)
      if ((flags & (FLAG_COMMIT_ID | FLAG_TAGS)) !== 0) keyedFrom ??= eventPosition(window, at)
      if ((flags & FLAG_ASSIGNED) !== 0) {
        lastTimestamp = Math.max(lastTimestamp, eventTimestamp(window, at))
      }
    },
    lost: () => {},
    place: (segment: LogSegment, byte: number, next: ExpectedGroup) => {
      if (segment.path !== last?.path || (!closed && byte !== HEADER_FIXED_BYTES)) return
      const { sequence, position } = next
      redo = { base: segment.base, epoch: segment.epoch, byte, sequence, position }
      shapes = records.shapes.definitions().map(({ id, keys }) => ({ id, keys }))
    },
    finished: () => {},
  }
  await new LogVerifier({ ...context, records, checkpoint: undefined }, sink).read(log)
  return { epoch, clean: closed, redo, settledPosition: 0, lastTimestamp, keyedFrom, shapes }
}

function withEvents(
  context: Place,
  path: string,
  { from, end = Infinity }: { readonly from: number; readonly end?: number | undefined },
  visit: (window: Window, at: number, length: number, byte: number) => void,
): number {
  const handle = context.environment.files.open(path, 'read')
  try {
    const size = Math.min(handle.size(), end)
    eachSoundEvent(handle, from, size, visit)
    return size
  } finally {
    handle.close()
  }
}
