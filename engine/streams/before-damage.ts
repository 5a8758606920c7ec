import { CorruptionError } from '../errors.js'
import { eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { checkSegmentHeader, type EventSink, scanFile } from './segment-scan.js'
import type { StreamDirectory } from './stream-directory.js'
import { StreamState } from './stream-state.js'

/**
 * Returns a stream that `damage` keeps from being loaded, as far as its files hold it: a read of it serves the events before the damage
 * and ends with that. To be read only. Reads the segment that is damaged, up to there; those before it are checked when they are read.
 *
 * @param position Events from this position on are not committed, or not known to be: they are left out.
 */
export function stateBeforeDamage(
  directory: StreamDirectory,
  handles: ReadHandles,
  key: StreamKey,
  damage: CorruptionError,
  position: number,
): StreamState {
  const bases = directory.files.stat(directory.segmentPath(key, 0)) === undefined ? [] : directory.bases(key)
  const own = bases.findIndex((base) => directory.segmentPath(key, base) === damage.file)
  // Where another file is named, or one that is missing, the segments of the stream lack what comes from this offset on.
  const end = own < 0 ? (damage.offset ?? 0) : Infinity
  const counted = own < 0 ? bases.filter((base) => base < end) : bases.slice(0, own + 1)
  const base = counted.at(-1)
  const { version, bytes, shapes, fault } =
    base === undefined ? NOTHING : readable(directory, handles, key, base, end, position)
  const state = new StreamState(key, version)
  if (base !== undefined && version > base) {
    state.bases = counted
    state.last = { base, bytes, unfinished: true, shapes, index: undefined }
  } else state.bases = counted.slice(0, -1)
  const place =
    fault === undefined || base === undefined ? damage : { file: directory.segmentPath(key, base), byte: bytes }
  state.damage = new CorruptionError(
    fault ?? damage.reason,
    { file: place.file, byte: place.byte, stream: key.name, offset: version },
    { cause: damage },
  )
  return state
}

interface Readable {
  /** Offset behind the last event, and the byte where its record ends. */
  readonly version: number
  readonly bytes: number
  readonly shapes: readonly number[]
  /** What is wrong there; undefined: nothing that can be seen. */
  readonly fault: string | undefined
}

const NOTHING: Readable = { version: 0, bytes: 0, shapes: [], fault: undefined }

function readable(
  directory: StreamDirectory,
  handles: ReadHandles,
  key: StreamKey,
  base: number,
  end: number,
  position: number,
): Readable {
  const path = directory.segmentPath(key, base)
  const handle = handles.get(path)
  const size = handle.size()
  const head = Buffer.allocUnsafe(Math.min(size, HEADER_FIXED_BYTES + key.byteLength))
  const got = readFullySync(handle, head, 0, head.length, 0)
  let start: number
  try {
    start = checkSegmentHeader(head.subarray(0, got), path, key, base, directory.storeId).start
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    return { ...NOTHING, version: base, fault: error.reason }
  }
  let cut: { readonly version: number; readonly bytes: number } | undefined
  const look: EventSink = (offset, byte, _timestamp, window, at) => {
    if (offset >= end || eventPosition(window, at) >= position) cut ??= { version: offset, bytes: byte }
  }
  const found = scanFile(handle, { byte: start, number: base }, size, key, MAX_COMMIT_BYTES, look)
  return cut === undefined ? found : { ...found, ...(cut as object), fault: undefined }
}
