import { join } from 'node:path'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { EventDecoder, eventOffset, eventPosition } from '../format/event-record.js'
import { checkFrame, FRAME_EVENT, FRAME_KIND, windowOf } from '../format/frame.js'
import { isStreamName, streamKey } from '../format/names.js'
import { decodeSeal, SEAL_BYTES } from '../format/shape-record.js'
import { ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { readFullySync } from '../io/transfer.js'
import { StreamDirectory } from '../streams/stream-directory.js'
import type { Copies } from './verify-copies.js'
import { report, type VerifyContext } from './verify-context.js'
import { FrameWalk } from './verify-frames.js'
import type { LogVerifier } from './verify-log.js'

/**
 * Names what one copy has and the other lacks, when both were read: events of the log below the settled position that are in no
 * stream segment, and events of stream segments that are not in the log, even where that has grown in the meantime.
 */
export async function nameMissing(
  context: VerifyContext,
  copies: Copies,
  log: LogDirectory,
  reader: LogVerifier,
  live: boolean,
): Promise<void> {
  const missing = new Set<number>()
  for (const position of copies.ledger.onlyInLog(copies.settledPosition)) {
    missing.add(position)
    if (missing.size >= 100_000) break
  }
  if (missing.size > 0) await missingInStreams(context, log, missing)
  await missingInLog(context, copies, reader, live)
}

/** Looks up in the log which events they are. One finding for each stream: the others follow from it. */
async function missingInStreams(
  context: VerifyContext,
  log: LogDirectory,
  missing: ReadonlySet<number>,
): Promise<void> {
  const names = new EventDecoder(new ValueDecoder(new ShapeTable({ compile: false })))
  const { findings } = context
  await eachEvent(context, log.segments, (walk) => {
    const position = eventPosition(walk.window, walk.at)
    if (!missing.has(position)) return
    const stream = names.stream(walk.window, walk.at)
    if (findings.knowsStream(stream)) return
    findings.noteStream(stream)
    const offset = eventOffset(walk.window, walk.at)
    if (!isStreamName(stream)) return // the record itself was reported
    const file = segmentOf(context, stream, offset)
    const message = 'the event is in the log and was settled, and yet no segment of its stream holds it'
    report(context, 'damage', 'I10', file, 0, message, { stream, offset, position })
  })
}

/** The segment that should hold an offset: the last one at or below it, unless that is sealed before it. */
function segmentOf(context: VerifyContext, stream: string, offset: number): string {
  const { environment, streamsPath, storeId } = context
  const key = streamKey(stream)
  const directory = new StreamDirectory(environment.files, streamsPath, storeId, true)
  const base =
    environment.files.stat(join(streamsPath, key.path.slice(0, 2))) === undefined
      ? undefined
      : directory
          .bases(key)
          .filter((known) => known <= offset)
          .at(-1)
  if (base === undefined) return directory.segmentPath(key, 0)
  const handle = environment.files.open(directory.segmentPath(key, base), 'read')
  try {
    const window = windowOf(Buffer.alloc(SEAL_BYTES))
    const got = readFullySync(handle, window.bytes, 0, SEAL_BYTES, Math.max(0, handle.size() - SEAL_BYTES))
    const sealed = typeof checkFrame(window, 0, got, SEAL_BYTES) === 'number' && decodeSeal(window, 0, got) === offset
    return directory.segmentPath(key, sealed ? offset : base)
  } finally {
    handle.close()
  }
}

async function missingInLog(context: VerifyContext, copies: Copies, reader: LogVerifier, live: boolean): Promise<void> {
  const { strangers } = copies
  const { tail, next } = reader
  let beyond = 0
  if (strangers.length > 0) {
    // The log may have grown since it was read: what was flushed from it in the meantime is in it.
    const later = new Map<number, number>()
    const { directory } = LogDirectory.read(context.environment.files, context.logPath)
    const segments = directory.segments.filter(
      ({ base }, i) => (directory.segments[i + 1]?.base ?? Infinity) > next.position && base >= 0,
    )
    await eachEvent(context, segments, ({ window, at }) => {
      const position = eventPosition(window, at)
      if (position >= next.position) later.set(position, window.view.getUint32(at + 4, true))
    })
    const named = new Set<string>()
    for (const { finding, crc } of strangers) {
      if (later.get(finding.position!) === crc) continue
      if (finding.position! >= next.position) beyond++
      if (named.has(finding.stream!)) continue // the others of the stream follow from the first
      named.add(finding.stream!)
      context.findings.noteStream(finding.stream!)
      context.findings.add(finding)
    }
  }
  if (copies.strangersBeyond > 0) context.findings.truncated += copies.strangersBeyond
  if (tail === undefined || live) return
  const { segment, byte, size, reason } = tail
  if (beyond === 0) {
    const message = `${size - byte} bytes of a group that was never acknowledged as durable do not count: ${reason}`
    report(context, 'note', 'I2', segment.path, byte, message)
    return
  }
  const lost = strangers.find(({ finding }) => finding.position === next.position)?.finding
  report(context, 'damage', 'I2', segment.path, byte, `stream segments hold events of this group: ${reason}`, {
    stream: lost?.stream,
    offset: lost?.offset,
    position: next.position,
  })
}

/** Visits the sound event records of log segments. */
async function eachEvent(
  context: VerifyContext,
  segments: readonly LogSegment[],
  visit: (walk: FrameWalk) => void,
): Promise<void> {
  for (const segment of segments) {
    const handle = context.environment.files.open(segment.path, 'read')
    try {
      const walk = new FrameWalk(
        handle,
        96,
        handle.size(),
        (window, at) => window.bytes[at + FRAME_KIND] === FRAME_EVENT,
      )
      for (let step = walk.next(); step !== 'end'; step = walk.next()) {
        const pause = context.pace.spend(0)
        if (pause !== undefined) await pause
        if (step === 'frame' && walk.window.bytes[walk.at + FRAME_KIND] === FRAME_EVENT) visit(walk)
      }
    } finally {
      handle.close()
    }
  }
}
