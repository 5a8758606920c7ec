import type { ExpectedGroup } from '../commit-log/group-scan.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import { EventDecoder, eventOffset, eventPosition } from '../format/event-record.js'
import { FRAME_CRC, type Window } from '../format/frame.js'
import { ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import type { OpenFinding } from './findings.js'
import { report, type VerifyContext } from './verify-context.js'
import type { CopyLedger } from './verify-ledger.js'
import type { LogDerived } from './verify-derived.js'
import type { LogSink } from './log-sink.js'

/** Events of a stream that may be in the log only. */
export interface UnsettledStream {
  /** Offset of the first of them. */
  readonly first: number
  /** Offset behind the last. */
  next: number
  /** From this offset on the segments hold what was written, synced or not. */
  written: number
}

/** What the stream segments are compared with: every event of the log, and where the log lacks some. */
export class Copies implements LogSink {
  readonly #context: VerifyContext
  readonly #derived: LogDerived | undefined
  readonly #names = new EventDecoder(new ValueDecoder(new ShapeTable({ compile: false })))
  /** A damaged header waits for the first event of its segment. */
  #header: OpenFinding | undefined
  readonly ledger: CopyLedger
  /** Streams with events at or above the settled position. */
  readonly unsettled = new Map<string, UnsettledStream>()
  readonly settledPosition: number
  /** Events in stream segments that the log does not have, first of all those beyond its end. */
  readonly strangers: { readonly finding: OpenFinding; readonly crc: number }[] = []
  strangersBeyond = 0
  events = 0

  /** `derived`: checks indexes and tables of the log on the way; undefined when they were checked before. */
  constructor(context: VerifyContext, ledger: CopyLedger, derived: LogDerived | undefined) {
    this.#context = context
    this.#derived = derived
    this.ledger = ledger
    this.settledPosition = context.checkpoint?.settledPosition ?? 0
  }

  segment(segment: LogSegment, wrong: OpenFinding | undefined): void {
    this.#header = wrong
    this.#derived?.segment(segment)
  }

  event(window: Window, at: number, length: number, byte: number, segment: LogSegment): void {
    const position = eventPosition(window, at)
    this.events++
    if (this.#header !== undefined) {
      this.#header.stream = this.#names.stream(window, at)
      this.#header.offset = eventOffset(window, at)
      this.#header = undefined
    }
    this.ledger.addLog(position, window.view.getUint32(at + FRAME_CRC, true))
    if (this.#derived !== undefined) {
      const wrong = this.#context.records.event(window, at, length)
      if (wrong !== undefined) {
        report(this.#context, 'damage', wrong.invariant, segment.path, byte, wrong.message, {
          stream: this.#names.stream(window, at),
          offset: eventOffset(window, at),
          position,
        })
      }
      this.#derived.event(window, at, byte)
    }
    if (position >= this.settledPosition) this.#unsettled(window, at, byte, segment, position)
  }

  #unsettled(window: Window, at: number, byte: number, segment: LogSegment, position: number): void {
    const stream = this.#names.stream(window, at)
    const offset = eventOffset(window, at)
    let known = this.unsettled.get(stream)
    if (known === undefined) {
      known = { first: offset, next: offset, written: Infinity }
      this.unsettled.set(stream, known)
    }
    if (position >= this.#context.writtenFrom) known.written = Math.min(known.written, offset)
    if (offset === known.next) known.next++
    else if (!this.#context.findings.knowsStream(stream)) {
      const message = `the event has offset ${offset} instead of ${known.next}`
      this.#context.findings.noteStream(stream)
      report(this.#context, this.#gapSeverity(), 'I6', segment.path, byte, message, { stream, offset, position })
    }
  }

  /** A gap is no news where the log has lost events. */
  #gapSeverity(): 'damage' | 'note' {
    return this.#lostSome ? 'note' : 'damage'
  }

  #lostSome = false

  lost(from: number, to: number): void {
    this.#lostSome = true
    this.ledger.lose(from, to)
  }

  place(segment: LogSegment, byte: number, next: ExpectedGroup): void {
    this.#derived?.place(segment, byte, next)
  }

  finished(segment: LogSegment, end: number, whole: boolean): void {
    this.#derived?.finished(segment, end, whole)
  }

  /** Tells whether a crash may have left the segments of a stream wrong from this offset on: the log stands for it. */
  isUnproven(stream: string, offset: number): boolean {
    const known = this.unsettled.get(stream)
    return known !== undefined && offset >= known.first && offset < known.written
  }

  /** Takes in an event of a stream segment. */
  fromSegment(window: Window, at: number, file: string, byte: number, stream: string, offset: number): void {
    const position = eventPosition(window, at)
    const crc = window.view.getUint32(at + FRAME_CRC, true)
    const damage = (message: string): void => {
      this.#context.findings.noteStream(stream)
      report(this.#context, 'damage', 'I10', file, byte, message, { stream, offset, position })
    }
    switch (this.ledger.compare(position, crc)) {
      case 'same':
      case 'summed':
        return
      case 'different':
        return damage('the log holds another record at this position')
      case 'twice':
        return damage('another stream segment holds an event of the same position')
      case 'lost':
        return this.#tellLost(position, stream, offset)
      case 'unknown': {
        const message = 'the log does not hold this event'
        if (this.strangers.length >= 10_000) this.strangersBeyond++
        else {
          const finding: OpenFinding = {
            invariant: 'I10',
            severity: 'damage',
            file,
            byte,
            stream,
            offset,
            position,
            message,
          }
          this.strangers.push({ finding, crc })
        }
      }
    }
  }

  /** The copy tells which event it was that the log has lost. */
  #tellLost(position: number, stream: string, offset: number): void {
    for (const finding of this.#context.findings.all) {
      if (finding.position !== position || finding.stream !== undefined || finding.severity !== 'damage') continue
      finding.stream = stream
      finding.offset = offset
    }
  }
}
