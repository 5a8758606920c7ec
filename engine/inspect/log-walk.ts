import { crc32c } from '../format/crc32c.js'
import { eventFits, eventFlags, eventPosition, FLAG_FIRST, FLAG_LAST } from '../format/event-record.js'
import { FRAME_CRC, FRAME_EVENT, FRAME_GROUP, FRAME_KIND, FRAME_SHAPE, type Window } from '../format/frame.js'
import { decodeGroup, type Group, GROUP_BYTES } from '../format/group.js'
import { FrameWalk } from '../recovery/verify-frames.js'
import { reasonOf } from '../segment/frame-reader.js'
import { type InspectedItem, type InspectedProblem, problem } from './records.js'
import { allZeros, type SegmentFile, SegmentWalk, writtenEnd } from './segment-file.js'

/** What the next group should say; undefined where damage has left it open. */
interface Expected {
  readonly sequence: number
  readonly position: number
  readonly epoch: number
}

/** A group whose records are being read. */
interface OpenGroup {
  readonly group: Group
  readonly byte: number
  readonly end: number
  frames: number
  events: number
  digest: number
  /** Of the next event. */
  position: number
  inCommit: boolean
  damaged: boolean
}

/** Goes through a log segment from its first record to its end, by itself: without the segments beside it. */
export class LogWalk {
  readonly #file: SegmentFile
  readonly #segment = new SegmentWalk()
  #expected: Expected | undefined
  #open: OpenGroup | undefined
  /** The head of a group is lost: whose the records are that follow is not known. */
  #astray = false

  constructor(file: SegmentFile) {
    this.#file = file
    const { header } = file
    if (header !== undefined) {
      this.#expected = { sequence: header.sequence, position: header.base, epoch: header.epoch }
    }
  }

  /** What defines the shapes that records use. */
  get shapes(): SegmentWalk['checks']['shapes'] {
    return this.#segment.checks.shapes
  }

  *items(): Generator<InspectedItem, void> {
    const { handle, size, start, storeId } = this.#file
    const end = Math.max(start, writtenEnd(handle, size))
    const walk = new FrameWalk(handle, start, Math.min(size, end), (window, at, length) =>
      this.#accept(window, at, length),
    )
    for (let step = walk.next(); step !== 'end'; step = walk.next()) {
      if (this.#open !== undefined && walk.byte >= this.#open.end) yield* this.#close()
      if (step === 'fault') {
        const { byte } = walk
        if (walk.fault === 'zeros' && allZeros(handle, byte, size)) {
          yield* this.#end(byte, size)
          return
        }
        yield this.#segment.damage(walk, handle)
        yield this.#fault(walk)
        continue
      }
      const kind = walk.window.bytes[walk.at + FRAME_KIND]
      if (kind === FRAME_GROUP) yield* this.#group(walk, storeId)
      else yield* this.#record(walk, kind)
    }
    yield* this.#end(Math.min(size, Math.max(start, walk.byte)), size)
  }

  /** A sound record behind damage that is none inside of a payload. */
  #accept(window: Window, at: number, length: number): boolean {
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_GROUP) return decodeGroup(window, at, length, this.#file.storeId) !== undefined
    if (kind === FRAME_SHAPE) return true
    const position = this.#open?.position ?? this.#expected?.position ?? 0
    return kind === FRAME_EVENT && eventFits(window, at, length) && eventPosition(window, at) >= position
  }

  #fault(walk: FrameWalk): InspectedProblem {
    const open = this.#open
    this.#segment.checks.noteDamage()
    const sequence = open?.group.sequence ?? this.#expected?.sequence
    if (open === undefined) this.#astray = true
    else open.damaged = true
    const message = open === undefined ? `no group starts here: ${reasonOf(walk.fault)}` : reasonOf(walk.fault)
    return problem(open === undefined ? 'I2' : 'I3', walk.byte, message, { tornGroup: sequence ?? 0 })
  }

  *#group(walk: FrameWalk, storeId: Buffer): Generator<InspectedItem, void> {
    const { window, at, length, byte } = walk
    if (this.#open !== undefined) yield* this.#close(byte)
    const group = decodeGroup(window, at, length, storeId)
    if (group === undefined) {
      yield this.#segment.record(walk, 'group')
      yield problem('I2', byte, 'this is no group of this store')
      this.#astray = true
      return
    }
    const { sequence, firstPosition, epoch, events } = group
    const detail = `group ${sequence}: events ${events} from position ${firstPosition}, records ${group.frames} in ${group.bodyBytes} bytes, epoch ${epoch}, durable below ${group.durable}`
    yield { ...this.#segment.record(walk, 'group'), position: firstPosition, sequence, durable: group.durable, detail }
    for (const message of this.#contradictions(group, byte)) yield problem('I2', byte, message)
    this.#expected = { sequence: sequence + 1, position: firstPosition + events, epoch }
    this.#astray = false
    this.#open = {
      group,
      byte,
      end: byte + GROUP_BYTES + group.bodyBytes,
      frames: 0,
      events: 0,
      digest: 0,
      position: firstPosition,
      inCommit: false,
      damaged: false,
    }
  }

  #contradictions(group: Group, byte: number): string[] {
    const expected = this.#expected
    const wrong: string[] = []
    if (group.byte !== byte) wrong.push(`the group says that it starts at byte ${group.byte}`)
    if (group.durable > group.sequence) wrong.push('the group says that it was durable before it was written')
    if (expected === undefined) return wrong
    // Behind damage, the groups that are lost are told by the numbers of the next one.
    if (this.#astray ? group.sequence < expected.sequence : group.sequence !== expected.sequence) {
      wrong.push(`the group has sequence ${group.sequence} instead of ${expected.sequence}`)
    }
    if (this.#astray ? group.firstPosition < expected.position : group.firstPosition !== expected.position) {
      wrong.push(`the group starts at position ${group.firstPosition} instead of ${expected.position}`)
    }
    if (group.epoch < expected.epoch) wrong.push(`the group is of epoch ${group.epoch}, behind epoch ${expected.epoch}`)
    return wrong
  }

  *#record(walk: FrameWalk, kind: number | undefined): Generator<InspectedItem, void> {
    const { window, at, length, byte } = walk
    const { checks } = this.#segment
    const open = this.#open
    const isEvent = kind === FRAME_EVENT && eventFits(window, at, length)
    if (isEvent) yield this.#segment.event(walk)
    else if (kind === FRAME_SHAPE) yield this.#segment.shape(walk)
    else yield this.#segment.record(walk, kind === FRAME_EVENT ? 'event' : 'seal')
    if (open === undefined && !this.#astray) yield problem('I2', byte, 'the record is in no group')
    if (kind !== FRAME_SHAPE && kind !== FRAME_EVENT) {
      yield problem('I3', byte, 'a record of a kind that does not belong here')
    }
    const wrong = kind === FRAME_SHAPE ? checks.shape(window, at, length) : checks.event(window, at, length)
    if (wrong !== undefined && (kind === FRAME_SHAPE || kind === FRAME_EVENT)) {
      yield problem(wrong.invariant, byte, wrong.message)
    }
    if (open === undefined) return
    open.frames++
    open.digest = crc32c(window.bytes, at + FRAME_CRC, at + FRAME_CRC + 4, open.digest)
    if (isEvent) yield* this.#inGroup(open, walk)
  }

  /** The place of an event in its group, and in its commit. */
  *#inGroup(open: OpenGroup, { window, at, byte }: FrameWalk): Generator<InspectedProblem, void> {
    const position = eventPosition(window, at)
    const skips = open.damaged && position > open.position
    if (position !== open.position && !skips) {
      yield problem('I4', byte, `the event has position ${position} instead of ${open.position}`)
    }
    const flags = eventFlags(window, at)
    const first = (flags & FLAG_FIRST) !== 0
    if (first === open.inCommit && !open.damaged) {
      const message = first ? 'a commit starts before the one before it has ended' : 'the event is in no commit'
      yield problem('I5', byte, message)
    }
    open.inCommit = (flags & FLAG_LAST) === 0
    open.position = position + 1
    open.events++
  }

  /** The group ends: what it said of its records must be so. `at`: where another begins already. */
  *#close(at?: number): Generator<InspectedProblem, void> {
    const open = this.#open
    this.#open = undefined
    if (open === undefined || open.damaged) return
    const { group, byte } = open
    if (at !== undefined && at !== open.end) {
      yield problem(
        'I2',
        byte,
        `the group says that it ends at byte ${open.end}, and the next one starts at byte ${at}`,
      )
    }
    if (open.frames !== group.frames || open.events !== group.events) {
      const has = `${open.frames} records and ${open.events} events`
      yield problem('I2', byte, `the group has ${has}, and says ${group.frames} and ${group.events}`)
    } else if (open.digest !== group.digest) yield problem('I2', byte, 'the records are not those of the group')
    if (open.inCommit) yield problem('I5', byte, 'the last commit of the group has no end')
  }

  /** The written part ends at a byte; behind it there may be zeros that were written ahead. */
  *#end(byte: number, size: number): Generator<InspectedItem, void> {
    const open = this.#open
    if (open !== undefined && byte < open.end && !open.damaged) {
      const message = `the group goes on to byte ${open.end}, and what was written of it ends here`
      yield problem('I2', byte, message, { tornGroup: open.group.sequence })
    } else yield* this.#close()
    if (byte < size) yield this.#segment.zeros(byte, size - byte)
  }
}
