import type { ExpectedGroup } from '../commit-log/group-scan.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import type { Window } from '../format/frame.js'
import type { OpenFinding } from './findings.js'

/** What the log holds, in order. */
export interface LogSink {
  /** `wrong`: its header is, and the first event may tell more about it. */
  segment(segment: LogSegment, wrong: OpenFinding | undefined): void
  /** A sound event record. */
  event(window: Window, at: number, length: number, byte: number, segment: LogSegment): void
  /** The log does not have the events of these positions any more. */
  lost(from: number, to: number): void
  /** A group starts here, or the segment ends here. */
  place(segment: LogSegment, byte: number, next: ExpectedGroup): void
  /** The segment was read. `whole`: all of it was sound. */
  finished(segment: LogSegment, end: number, whole: boolean): void
  /** What is to be healed: a header, a stretch, a whole segment. */
  damagedHeader?(segment: LogSegment, link: SegmentLink): void
  damaged?(segment: LogSegment, stretch: DamagedStretch): void
  missing?(missing: MissingSegment): void
}

/** A log segment that is gone: its name, where it should begin, and what comes behind it. */
export interface MissingSegment {
  readonly segment: LogSegment
  readonly link: SegmentLink
  readonly next: ExpectedGroup
  /** Bytes of it that count. */
  readonly end: number
}

/** What the header of a log segment says beside its name. */
export interface SegmentLink {
  readonly previousBase: number
  readonly previousEpoch: number
  readonly previousEnd: number
  readonly sequence: number
}

/** A stretch of a log segment that was durable and is not right. */
export interface DamagedStretch {
  readonly from: number
  readonly to: number
  /** What should stand at its start. */
  readonly expected: ExpectedGroup
  /** What stands behind it; undefined when that cannot be told. */
  readonly next: ExpectedGroup | undefined
  /** Why the group at its start does not count. */
  readonly reason: string
}
