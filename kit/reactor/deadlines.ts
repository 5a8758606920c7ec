import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { event } from '../event-definition.js'
import { defineEvents } from '../event-registry.js'
import type { Clock } from '../io/clock.js'
import { DeadlineSchedule, isBefore, type PendingDeadline } from './deadline-schedule.js'

/** Which deadline of its process it is, counted from 0, whatever their names. */
export function deadlineKey(processId: string, number: number): string {
  return `${number}:${processId}`
}

/** What is stored of a deadline besides the notes of its process, so that all of a process manager are found together. */
export const deadlineEvents = defineEvents({
  DeadlineSet: event<{
    readonly processId: string
    readonly number: number
    readonly name: string
    readonly dueAt: number
    readonly data: unknown
  }>(),
})
export const DEADLINE_SET = 'DeadlineSet'

export function deadlineStream(name: string): string {
  return `reactor:${name}:deadlines`
}

/** What a reaction did to deadlines, to be told when it is committed. */
export interface DeadlineChanges {
  readonly set: boolean
  /** Keys of those that will not come. */
  readonly removed: readonly string[]
}

/** What a checkpoint says of deadlines: of those before offset `end`, those due before `dueAt` have passed; none before offset `from` is due later. */
export interface DeadlineMark {
  readonly from: number
  readonly end: number
  readonly dueAt: number
}

const NONE: DeadlineMark = { from: 0, end: 0, dueAt: Number.MIN_SAFE_INTEGER }
/** Waits are looked at again after so long: the clock may have been put right, or the machine may have slept. */
const LONGEST_WAIT_MS = 60_000

/** The deadlines of a process manager: which one is next, when, and how far they have passed. They are read from their stream, which holds all of them. */
export class Deadlines {
  readonly #store: EventStore
  readonly #stream: string
  readonly #clock: Clock
  #schedule = new DeadlineSchedule()
  #mark = NONE
  /** Whether some were set since the stream was read. */
  #isBehind = false
  /** The one that is being dealt with. */
  #current: PendingDeadline | undefined

  constructor(store: EventStore, name: string, clock: Clock) {
    this.#store = store
    this.#stream = deadlineStream(name)
    this.#clock = clock
  }

  /** When the next one is due; undefined: none is pending. One that was cancelled may still be counted. */
  get nextAt(): number | undefined {
    return this.#schedule.nextAt
  }

  /** How far they have passed: one that was set late takes it back, and others are looked at again then. */
  get mark(): DeadlineMark {
    return { ...this.#mark, dueAt: Math.min(this.#mark.dueAt, this.#schedule.nextAt ?? Infinity) }
  }

  /** Begins where a checkpoint says. */
  async begin(mark: DeadlineMark | undefined, signal: AbortSignal): Promise<void> {
    this.#schedule = new DeadlineSchedule()
    this.#mark = mark ?? NONE
    const { end, dueAt } = this.#mark
    let from: number | undefined
    for await (const deadline of this.#read(this.#mark.from, signal)) {
      if (deadline.offset < end && deadline.dueAt < dueAt) continue
      from ??= deadline.offset
      this.#schedule.add(deadline)
    }
    this.#mark = { ...this.#mark, from: from ?? this.#mark.end }
  }

  /** A reaction was committed. */
  committed({ set, removed }: DeadlineChanges): void {
    if (set) this.#isBehind = true
    for (const key of removed) this.#schedule.remove(key)
  }

  /** Milliseconds until there is something to do, at most a minute; undefined: nothing is pending. */
  async wait(signal: AbortSignal): Promise<number | undefined> {
    if (this.#isBehind) {
      this.#isBehind = false
      for await (const deadline of this.#read(this.#mark.end, signal)) this.#schedule.add(deadline)
    }
    const { nextAt } = this.#schedule
    return nextAt === undefined ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(0, nextAt - this.#clock.now()))
  }

  /** The next deadline that is due, as it is stored. */
  async due(signal: AbortSignal): Promise<StoredEvent | undefined> {
    const { missing } = this.#schedule
    const now = this.#clock.now()
    if (missing !== undefined && missing.dueAt <= now) {
      this.#schedule.lookedUp()
      for await (const deadline of this.#read(this.#mark.from, signal)) {
        if (!isBefore(deadline, missing)) this.#schedule.add(deadline)
      }
    }
    const first = this.#schedule.first()
    if (first === undefined || first.dueAt > now) return undefined
    this.#current = first
    for await (const stored of this.#store.readStream(this.#stream, { fromOffset: first.offset, limit: 1, signal })) {
      return stored
    }
    return undefined
  }

  /** The one that is due was dealt with. */
  passed(): void {
    const { dueAt, key } = this.#current!
    this.#schedule.remove(key)
    this.#mark = { ...this.#mark, dueAt: Math.max(this.#mark.dueAt, dueAt + 1) }
  }

  async *#read(fromOffset: number, signal: AbortSignal): AsyncGenerator<PendingDeadline> {
    for await (const { offset, data } of this.#store.readStream(this.#stream, { fromOffset, signal })) {
      const { processId, number, dueAt } = data as { processId: string; number: number; dueAt: number }
      yield { dueAt, offset, key: deadlineKey(processId, number) }
      this.#mark = { ...this.#mark, end: Math.max(this.#mark.end, offset + 1) }
    }
  }
}
