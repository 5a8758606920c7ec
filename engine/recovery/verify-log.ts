import { type ExpectedGroup, GroupScanner, type ScanStop } from '../commit-log/group-scan.js'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import { type FileHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, type Window } from '../format/frame.js'
import { type Group, GROUP_BYTES } from '../format/group.js'
import { logFileName } from '../format/names.js'
import type { FileHandle } from '../io/file-system.js'
import type { OpenFinding } from './findings.js'
import { report, type VerifyContext } from './verify-context.js'
import { expectedOf, groupEnd, type Head, readLogHead } from './verify-log-head.js'
import type { LogSink, SegmentLink } from './log-sink.js'
import { readDamaged } from './verify-damaged-log.js'
import { verdictOf } from './verdict.js'

/** No group of any store is longer, whatever its limits were. */
const MAX_GROUP_BYTES = 2 ** 31

/** What stands behind the last group that is right and was never proved to be durable. */
export interface LogTail {
  readonly segment: LogSegment
  readonly byte: number
  readonly size: number
  readonly reason: string
}

/** Reads the whole log and checks every record of it; says what is wrong and goes on behind it. */
export class LogVerifier {
  readonly #context: VerifyContext
  readonly #sink: LogSink
  #next: ExpectedGroup = { sequence: 0, position: 0, epoch: 0 }
  #previous: { readonly segment: LogSegment; readonly end: number } | undefined
  /** Set when the log ends in something that is not right and was perhaps never durable. */
  tail: LogTail | undefined

  constructor(context: VerifyContext, sink: LogSink) {
    this.#context = context
    this.#sink = sink
  }

  /** What comes behind the last event. */
  get next(): ExpectedGroup {
    return this.#next
  }

  /** Reads segments, oldest first. `ends`: bytes that count of the segment that is written to at the moment. */
  async read(directory: LogDirectory): Promise<void> {
    const { segments } = directory
    for (const [i, segment] of segments.entries()) {
      if (!(await this.#segment(segment, segments[i + 1]))) {
        for (const { path } of segments.slice(i + 1)) {
          report(this.#context, 'note', 'I13', path, 0, 'the log ends before this segment, so it does not count')
        }
        return
      }
    }
  }

  /** Returns false when the log ends in this segment, whatever follows. */
  async #segment(segment: LogSegment, later: LogSegment | undefined): Promise<boolean> {
    const { files } = this.#context.environment
    const handle = files.open(segment.path, 'read')
    try {
      this.#context.records.beginFile()
      this.#context.pace.begin(handle.size())
      const head = readLogHead(handle, segment, this.#context.storeId)
      const successor = later && this.#successor(segment, later)
      const wrong = head.wrong === undefined ? undefined : this.#headerWrong(segment, head.wrong, handle.size())
      this.#sink.segment(segment, wrong)
      if (wrong !== undefined) this.#sink.damagedHeader?.(segment, this.link)
      this.#checkLink(segment, head.header)
      const goesOn = await this.#groups(handle, segment, head, successor, later)
      return goesOn
    } finally {
      handle.close()
    }
  }

  #headerWrong(segment: LogSegment, wrong: string, size: number): OpenFinding | undefined {
    this.#context.records.noteDamage()
    const { checkpoint } = this.#context
    const proven =
      size > HEADER_FIXED_BYTES || (checkpoint?.redo.base === segment.base && checkpoint.redo.epoch === segment.epoch)
    return report(this.#context, proven ? 'damage' : 'note', 'I1', segment.path, 0, wrong, { position: segment.base })
  }

  /** What the header of a next segment would say. */
  get link(): SegmentLink {
    const previous = this.#previous
    return {
      previousBase: previous?.segment.base ?? 0,
      previousEpoch: previous?.segment.epoch ?? 0,
      previousEnd: previous?.end ?? 0,
      sequence: this.#next.sequence,
    }
  }

  /** Compares what a header says of the segment before with what was read there. */
  #checkLink(segment: LogSegment, header: FileHeader | undefined): void {
    const previous = this.#previous
    const { position, sequence } = this.#next
    const base = previous?.segment.base ?? 0
    const epoch = previous?.segment.epoch ?? 0
    if (header !== undefined && (header.previousBase !== base || header.previousEpoch !== epoch)) {
      const path = segment.path.replace(/[^/\\]*$/, logFileName(header.previousBase, header.previousEpoch, '.log'))
      this.#missing(path, segment, header)
      return
    }
    if (segment.base !== position) {
      this.#missing(previous?.segment.path ?? segment.path, segment, header)
      return
    }
    if (header !== undefined && header.sequence !== sequence) {
      const message = `the segment starts with group ${header.sequence}, the one before ends before ${sequence}`
      report(this.#context, 'damage', 'I13', segment.path, 0, message, { position })
    }
    this.#next = {
      ...this.#next,
      sequence: header?.sequence ?? sequence,
      epoch: Math.max(segment.epoch, this.#next.epoch),
    }
  }

  /** Events before this segment are gone with the file that held them. */
  #missing(path: string, segment: LogSegment, header: FileHeader | undefined): void {
    const { position } = this.#next
    if (segment.base > position) {
      const message = `the log segment is missing: it held the events from position ${position} to ${segment.base - 1}`
      report(this.#context, 'damage', 'I13', path, 0, message, { position })
      this.#sink.lost(position, segment.base)
      if (header !== undefined && header.previousBase === position) {
        this.#sink.missing?.({
          segment: { base: position, epoch: header.previousEpoch, path },
          link: this.link,
          next: { sequence: header.sequence, position: segment.base, epoch: segment.epoch },
          end: header.previousEnd,
        })
      }
    } else if (header !== undefined) {
      const message = 'the segment hangs on another one than the one before it'
      report(this.#context, 'damage', 'I13', segment.path, 0, message, { position: segment.base })
    }
    this.#next = {
      sequence: header?.sequence ?? this.#next.sequence,
      position: segment.base,
      epoch: Math.max(segment.epoch, this.#next.epoch),
    }
  }

  async #groups(
    handle: FileHandle,
    segment: LogSegment,
    head: Head,
    successor: FileHeader | undefined,
    later: LogSegment | undefined,
  ): Promise<boolean> {
    const { storeId, pace } = this.#context
    const scanner = new GroupScanner(handle, storeId, MAX_GROUP_BYTES)
    const size = handle.size()
    const end = successor?.previousEnd ?? Infinity
    let whole = head.wrong === undefined
    let at = head.start
    let stop: ScanStop | undefined
    for (;;) {
      this.#sink.place(segment, at, this.#next)
      stop = scanner.scan(
        at,
        Math.min(end, groupEnd(handle, at, size, storeId)),
        this.#next,
        (group, window, start, to) => this.#group(segment, group, window, start, to),
      )
      const read = stop.byte - at
      this.#next = stop.next
      await pace.spend(read)
      at = stop.byte
      if (read > 0 && at < Math.min(end, size)) continue
      if (at >= end) break
      const found = at >= size ? 'nothing' : stop.found
      const evidence = scanner.behind({ ...stop, byte: at })
      const behind = evidence.nextGroup !== undefined && evidence.nextGroup.byte < end ? evidence.nextGroup : undefined
      const durable =
        evidence.behind === 'durable' ||
        (successor !== undefined && successor.durable > stop.next.sequence) ||
        this.#checkpointKnows(segment, at)
      const verdict = verdictOf(
        found,
        durable ? 'durable' : evidence.behind,
        successor === undefined ? 'open' : 'beyond',
      )
      if (verdict === 'end') break
      if (verdict === 'torn') {
        this.tail = { segment, byte: at, size: Math.min(size, end), reason: stop.reason }
        this.#finish(segment, at, whole)
        return later === undefined
      }
      whole = false
      this.#context.records.noteDamage()
      const goOn = behind === undefined ? this.#behindTheEnd(segment, end, later, successor) : expectedOf(behind.group)
      const to = Math.min(behind?.byte ?? end, size)
      await readDamaged(this.#context, this.#sink, handle, segment, {
        from: at,
        to,
        expected: this.#next,
        next: goOn,
        reason: found === 'nothing' ? 'the file ends before what was durable' : stop.reason,
      }).then((position) => {
        this.#next = {
          sequence: goOn?.sequence ?? this.#next.sequence,
          position: goOn?.position ?? position,
          epoch: Math.max(goOn?.epoch ?? 0, this.#next.epoch),
        }
      })
      at = Math.max(to, at)
      if (behind === undefined) break
    }
    this.#sink.place(segment, at, this.#next)
    if (at < size) await this.#rest(segment, at, size, end)
    this.#finish(segment, at, whole)
    return true
  }

  #finish(segment: LogSegment, end: number, whole: boolean): void {
    this.#previous = { segment, end }
    this.#sink.finished(segment, end, whole)
  }

  /** Where the log goes on behind damage that reaches the end of a segment. */
  #behindTheEnd(
    segment: LogSegment,
    end: number,
    later: LogSegment | undefined,
    successor: FileHeader | undefined,
  ): ExpectedGroup | undefined {
    if (later !== undefined && successor !== undefined) {
      return { sequence: successor.sequence, position: later.base, epoch: segment.epoch }
    }
    const { checkpoint } = this.#context
    if (later !== undefined || checkpoint === undefined || end !== Infinity) return undefined
    return checkpoint.redo.base === segment.base && checkpoint.redo.epoch === segment.epoch
      ? { sequence: checkpoint.redo.sequence, position: checkpoint.redo.position, epoch: segment.epoch }
      : undefined
  }

  /** What stands behind the end: nothing, zeros written ahead, or what does not count. */
  async #rest(segment: LogSegment, at: number, size: number, end: number): Promise<void> {
    if (end === Infinity) return // zeros: whatever else stands there was judged
    await this.#context.pace.spend(size - at)
    const message = `${size - at} bytes behind the end of the segment do not count`
    report(this.#context, 'note', 'I13', segment.path, at, message)
  }

  /** The checkpoint was written after everything before its place was durable. */
  #checkpointKnows(segment: LogSegment, byte: number): boolean {
    const { checkpoint } = this.#context
    if (checkpoint === undefined) return false
    const { redo } = checkpoint
    if (redo.base === segment.base && redo.epoch === segment.epoch) return byte < redo.byte
    return segment.base < redo.base
  }

  #group(segment: LogSegment, group: Group, window: Window, start: number, end: number): void {
    const { records } = this.#context
    const shift = group.byte + GROUP_BYTES - start
    for (let at = start; at < end;) {
      const length = window.view.getUint32(at, true)
      const kind = window.bytes[at + FRAME_KIND]
      if (kind === FRAME_EVENT) this.#sink.event(window, at, length, at + shift, segment)
      else {
        // A shape: the scan lets no other kind pass.
        const wrong = records.shape(window, at, length)
        if (wrong !== undefined) {
          report(this.#context, 'damage', wrong.invariant, segment.path, at + shift, wrong.message)
        }
      }
      at += length
    }
  }

  /** The header of the next segment, when it says that it follows this one. */
  #successor(segment: LogSegment, later: LogSegment): FileHeader | undefined {
    const handle = this.#context.environment.files.open(later.path, 'read')
    try {
      const { header, wrong } = readLogHead(handle, later, this.#context.storeId)
      if (header === undefined || wrong !== undefined) return undefined
      return header.previousBase === segment.base && header.previousEpoch === segment.epoch ? header : undefined
    } finally {
      handle.close()
    }
  }
}
