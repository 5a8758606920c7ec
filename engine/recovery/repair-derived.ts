import { join } from 'node:path'
import { encodeLogIndex } from '../commit-log/log-index.js'
import type { ExpectedGroup } from '../commit-log/group-scan.js'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { CHECKPOINT_FILE, type Checkpoint, encodeCheckpoint } from '../format/checkpoint.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import {
  eventFlags,
  eventOffset,
  eventPosition,
  eventTimestamp,
  FLAG_ASSIGNED,
  FLAG_COMMIT_ID,
  FLAG_TAGS,
} from '../format/event-record.js'
import { type Window, windowOf } from '../format/frame.js'
import { parseLogFileName, parseStreamFileName, streamFileName, streamKey } from '../format/names.js'
import { decodeSeal, SEAL_BYTES } from '../format/shape-record.js'
import { encodeEntries, IndexBuilder } from '../format/sparse-index.js'
import { WATERMARK_FILE } from '../format/watermark.js'
import { parseKeyFileName } from '../keys/key-names.js'
import type { Finding } from './findings.js'
import { rebuildTable } from './recover.js'
import { eachSoundEvent } from './repair-events.js'
import type { Repairs } from './repair-plan.js'
import { RecordCheck } from './verify-event.js'
import type { VerifyContext } from './verify-context.js'
import type { LogSink } from './log-sink.js'
import { LogVerifier } from './verify-log.js'

const CRC_OF_HEADER_AT = 16

/** Makes again what is derived and was found wrong: indexes, stream tables, the checkpoint, the file that names the store. */
export async function repairDerived(
  context: VerifyContext,
  repairs: Repairs,
  epoch: number,
  findings: readonly Finding[],
): Promise<void> {
  const { directory: log } = LogDirectory.read(context.environment.files, context.logPath)
  for (const { severity, file, stream } of findings) {
    if (severity !== 'derived') continue
    const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
    const inLog = parseLogFileName(name)
    const inStream = parseStreamFileName(name)
    const segment = inLog && log.segments[log.find(inLog)]
    if (name === 'annals') {
      await repairs.replace(file, encodeHeader({ kind: 'H', storeId: context.storeId }), 'written again from the log')
    } else if (inLog?.suffix === '.idx') {
      if (segment === undefined) await repairs.remove(file, 'set aside: it has no segment')
      else await repairs.replace(file, logIndex(context, segment), 'made again from its segment')
    } else if (inLog?.suffix === '.tab') {
      if (segment === undefined) await repairs.remove(file, 'set aside: it has no segment')
      else await repairs.replace(file, streamTable(context, log, segment), 'made again from its segment')
    } else if (parseKeyFileName(name) !== undefined) {
      await repairs.remove(file, 'set aside: it is made again when it is needed')
    } else if (inStream?.suffix === '.idx') {
      const made = stream === undefined ? undefined : streamIndex(context, stream, inStream.base)
      if (made === undefined) await repairs.remove(file, 'set aside: it is made again when it is needed')
      else await repairs.replace(file, made, 'made again from its segment')
    } else if (name === CHECKPOINT_FILE) {
      const made = await checkpoint(context, log, epoch)
      await repairs.replace(file, encodeCheckpoint(context.storeId, made), 'made again from the log')
    } else if (name === WATERMARK_FILE) {
      await repairs.remove(file, 'set aside: the next writer makes it again')
    }
    // What is left needs nothing: of the file that names a writer its name counts, for a stream segment stands the log.
  }
}

/** What deriving a file from a segment needs. */
type Place = Pick<VerifyContext, 'environment' | 'storeId' | 'limits'>

/** Returns the contents of the sparse index of a log segment. */
export function logIndex(context: Place, segment: LogSegment): Buffer {
  const builder = new IndexBuilder(context.limits.indexIntervalBytes)
  withEvents(context, segment.path, HEADER_FIXED_BYTES, (window, at, length, byte) =>
    builder.add(eventPosition(window, at), byte, eventTimestamp(window, at), length),
  )
  builder.finish()
  return encodeLogIndex(context.storeId, segment, builder.entries)
}

function streamIndex(context: VerifyContext, stream: string, base: number): Buffer | undefined {
  const key = streamKey(stream)
  const { storeId, streamsPath, environment, limits } = context
  const path = join(streamsPath, streamFileName(key.path, base, '.seg'))
  if (environment.files.stat(path) === undefined) return undefined
  const builder = new IndexBuilder(limits.indexIntervalBytes)
  const size = withEvents(context, path, HEADER_FIXED_BYTES + key.bytes.length, (window, at, length, byte) =>
    builder.add(eventOffset(window, at), byte, eventTimestamp(window, at), length),
  )
  if (isSealed(context, path, size)) builder.finish()
  const header = encodeHeader({ kind: 'I', storeId, base, name: key.bytes })
  return Buffer.concat([header, encodeEntries(builder.entries, 0, header.readUInt32LE(CRC_OF_HEADER_AT))])
}

function isSealed(context: VerifyContext, path: string, size: number): boolean {
  const handle = context.environment.files.open(path, 'read')
  try {
    const window = windowOf(Buffer.alloc(SEAL_BYTES))
    handle.readSync(window.bytes, 0, SEAL_BYTES, Math.max(0, size - SEAL_BYTES))
    return decodeSeal(window, 0, window.view.getUint32(0, true)) !== undefined
  } finally {
    handle.close()
  }
}

/** Returns the contents of the stream table of a log segment. */
export function streamTable(context: Place, log: LogDirectory, segment: LogSegment): Buffer {
  const { environment, storeId } = context
  const table = rebuildTable(environment.files, log, segment, storeId)
  const { base, epoch } = segment
  const previousEnd = environment.files.stat(segment.path)!.size
  return Buffer.concat([encodeHeader({ kind: 'T', storeId, base, epoch, previousEnd }), table.encode()])
}

/** The checkpoint that the log gives: opening starts at the last segment. What is settled is known no longer: nothing. */
async function checkpoint(context: VerifyContext, log: LogDirectory, epoch: number): Promise<Checkpoint> {
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
      if (segment.path !== last?.path || byte !== HEADER_FIXED_BYTES) return
      const { sequence, position } = next
      redo = { base: segment.base, epoch: segment.epoch, byte, sequence, position }
      shapes = records.shapes.definitions().map(({ id, keys }) => ({ id, keys }))
    },
    finished: () => {},
  }
  await new LogVerifier({ ...context, records, checkpoint: undefined }, sink).read(log)
  return { epoch, clean: false, redo, settledPosition: 0, lastTimestamp, keyedFrom, shapes }
}

function withEvents(
  context: Place,
  path: string,
  from: number,
  visit: (window: Window, at: number, length: number, byte: number) => void,
): number {
  const handle = context.environment.files.open(path, 'read')
  try {
    const size = handle.size()
    eachSoundEvent(handle, from, size, visit)
    return size
  } finally {
    handle.close()
  }
}
