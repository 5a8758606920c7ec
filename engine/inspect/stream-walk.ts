import { eventFits, eventOffset } from '../format/event-record.js'
import { FRAME_EVENT, FRAME_KIND, FRAME_SEAL, FRAME_SHAPE, type Window } from '../format/frame.js'
import type { StreamKey } from '../format/names.js'
import { decodeSeal } from '../format/shape-record.js'
import { FrameWalk } from '../recovery/verify-frames.js'
import { reasonOf } from '../segment/frame-reader.js'
import { type InspectedItem, problem } from './records.js'
import { type SegmentFile, SegmentWalk } from './segment-file.js'

/** Goes through a stream segment from its first record to its end, by itself: without the log. */
export class StreamWalk {
  readonly #file: SegmentFile
  /** Undefined: the header does not tell whose it is. */
  readonly #key: StreamKey | undefined
  readonly #segment = new SegmentWalk()
  /** Of the next event; undefined where damage has left it open. */
  #offset: number | undefined
  #sealed = false
  #damaged = false

  constructor(file: SegmentFile, key: StreamKey | undefined) {
    this.#file = file
    this.#key = key
    this.#offset = file.header?.base
    if (file.header === undefined) this.#noteDamage()
  }

  /** What defines the shapes that records use. */
  get shapes(): SegmentWalk['checks']['shapes'] {
    return this.#segment.checks.shapes
  }

  *items(): Generator<InspectedItem, void> {
    const { handle, size, start } = this.#file
    const walk = new FrameWalk(handle, Math.min(start, size), size, (window, at, length) =>
      this.#accept(window, at, length),
    )
    for (let step = walk.next(); step !== 'end'; step = walk.next()) {
      if (step === 'fault') {
        const atEnd = walk.faultEnd >= size && !this.#sealed
        yield this.#segment.damage(walk, handle)
        yield problem('I3', walk.byte, reasonOf(walk.fault), { atEnd })
        this.#noteDamage()
        continue
      }
      yield* this.#record(walk)
    }
  }

  #accept(window: Window, at: number, length: number): boolean {
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_SEAL) return decodeSeal(window, at, length) !== undefined
    if (kind !== FRAME_EVENT) return kind === FRAME_SHAPE
    return eventFits(window, at, length) && eventOffset(window, at) >= (this.#offset ?? 0) && this.#isOwn(window, at)
  }

  #isOwn(window: Window, at: number): boolean {
    return this.#key?.stands(window.bytes, at + 64, at + 64 + window.view.getUint16(at + 12, true)) ?? true
  }

  #noteDamage(): void {
    this.#damaged = true
    this.#segment.checks.noteDamage()
  }

  *#record(walk: FrameWalk): Generator<InspectedItem, void> {
    const { window, at, length, byte } = walk
    const { checks } = this.#segment
    const kind = window.bytes[at + FRAME_KIND]
    const follows = this.#sealed ? problem('I6', byte, 'a record follows the seal') : undefined
    if (kind === FRAME_EVENT && eventFits(window, at, length)) {
      yield this.#segment.event(walk)
      yield* this.#event(walk)
    } else if (kind === FRAME_SHAPE) {
      yield this.#segment.shape(walk)
      const wrong = checks.shape(window, at, length)
      if (wrong !== undefined) yield problem(wrong.invariant, byte, wrong.message)
    } else if (kind === FRAME_SEAL) {
      const next = decodeSeal(window, at, length)
      yield {
        ...this.#segment.record(walk, 'seal'),
        detail: next === undefined ? undefined : `goes on at offset ${next}`,
      }
      const right = this.#damaged ? next !== undefined && next >= (this.#offset ?? 0) : next === this.#offset
      if (!right) yield problem('I6', byte, 'the seal names another offset')
      this.#sealed = true
    } else {
      yield this.#segment.record(walk, kind === FRAME_EVENT ? 'event' : 'group')
      yield kind === FRAME_EVENT
        ? problem('I9', byte, 'an event is malformed')
        : problem('I3', byte, 'a record of a kind that does not belong here')
    }
    if (follows !== undefined) yield follows
  }

  *#event({ window, at, length, byte }: FrameWalk): Generator<InspectedItem, void> {
    const offset = eventOffset(window, at)
    if (!this.#isOwn(window, at)) yield problem('I7', byte, 'the event belongs to another stream')
    const expected = this.#offset
    const skips = this.#damaged && (expected === undefined || offset > expected)
    if (offset !== expected && !skips) {
      yield problem('I6', byte, `the event has offset ${offset} instead of ${expected ?? 0}`)
    }
    this.#offset = offset + 1
    const wrong = this.#segment.checks.event(window, at, length)
    if (wrong !== undefined) yield problem(wrong.invariant, byte, wrong.message)
  }
}
