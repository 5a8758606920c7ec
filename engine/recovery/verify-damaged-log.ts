import { COMMITS_NOT_WHOLE, OUT_OF_PLACE } from '../commit-log/group-scan.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import { EventDecoder, eventFits, eventOffset, eventPosition } from '../format/event-record.js'
import { FRAME_EVENT, FRAME_GROUP, FRAME_KIND, FRAME_SHAPE, type Window } from '../format/frame.js'
import { decodeGroup } from '../format/group.js'
import { ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import type { FileHandle } from '../io/file-system.js'
import { reasonOf } from '../segment/frame-reader.js'
import type { OpenFinding } from './findings.js'
import { report, type VerifyContext } from './verify-context.js'
import { FrameWalk } from './verify-frames.js'
import type { DamagedStretch, LogSink } from './log-sink.js'

/** Lost events that get a finding each, in one stretch. */
const MAX_NAMED = 256

/**
 * Reads a damaged stretch record by record: what is sound is taken, what is not is reported with the positions that are gone.
 * Returns the position behind the last event found.
 */
export async function readDamaged(
  context: VerifyContext,
  sink: LogSink,
  handle: FileHandle,
  segment: LogSegment,
  stretch: DamagedStretch,
): Promise<number> {
  const { records, pace, storeId } = context
  sink.damaged?.(segment, stretch)
  const names = new EventDecoder(new ValueDecoder(new ShapeTable({ compile: false })))
  const limit = stretch.next?.position ?? Infinity
  let position = stretch.expected.position
  const accept = (window: Window, at: number, length: number): boolean => {
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_GROUP) return decodeGroup(window, at, length, storeId) !== undefined
    if (kind !== FRAME_EVENT) return kind === FRAME_SHAPE
    return eventFits(window, at, length) && eventPosition(window, at) >= position && eventPosition(window, at) < limit
  }
  const walk = new FrameWalk(handle, stretch.from, stretch.to, accept)
  /** Faults that the next event will put a position to. */
  let open: { readonly byte: number; readonly message: string; readonly finding: OpenFinding | undefined }[] = []
  let reported = false

  const close = (until: number | undefined, event?: { readonly stream: string; readonly offset: number }): void => {
    const from = position
    if (until !== undefined && until > from) {
      sink.lost(from, until)
      const fault = open.at(-1) ?? {
        byte: walk.byte,
        message: 'records are missing before this byte',
        finding: undefined,
      }
      if (open.length === 0) {
        report(context, 'damage', 'I4', segment.path, fault.byte, fault.message, { position: from })
      }
      for (const { finding } of open) if (finding !== undefined) finding.position = from
      for (let lost = from + 1; lost < until && lost < from + MAX_NAMED; lost++) {
        report(context, 'damage', 'I3', segment.path, fault.byte, fault.message, { position: lost })
      }
      reported = true
    } else {
      for (const { finding } of open) {
        if (finding === undefined) continue
        finding.position = from
        Object.assign(finding, event)
      }
    }
    open = []
  }

  for (let step = walk.next(); step !== 'end'; step = walk.next()) {
    await pace.spend(0)
    if (step === 'fault') {
      const message = walk.byte === stretch.from ? `the head of a group: ${reasonOf(walk.fault)}` : reasonOf(walk.fault)
      open.push({
        byte: walk.byte,
        message,
        finding: report(context, 'damage', walk.byte === stretch.from ? 'I2' : 'I3', segment.path, walk.byte, message),
      })
      reported = true
      continue
    }
    const { window, at, length, byte } = walk
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_SHAPE) records.shape(window, at, length)
    if (kind !== FRAME_EVENT || !eventFits(window, at, length)) continue
    const found = eventPosition(window, at)
    if (!(found >= position && found < limit)) {
      report(context, 'damage', 'I4', segment.path, byte, `the event has position ${found} instead of ${position}`, {
        stream: names.stream(window, at),
        offset: eventOffset(window, at),
        position,
      })
      reported = true
      continue
    }
    close(found, { stream: names.stream(window, at), offset: eventOffset(window, at) })
    sink.event(window, at, length, byte, segment)
    position = found + 1
  }
  close(stretch.next?.position)
  if (!reported) {
    const { reason, expected } = stretch
    const invariant = reason === COMMITS_NOT_WHOLE ? 'I5' : reason === OUT_OF_PLACE ? 'I4' : 'I2'
    report(context, 'damage', invariant, segment.path, stretch.from, reason, { position: expected.position })
  }
  return Math.max(position, stretch.next?.position ?? position)
}
