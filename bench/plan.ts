import { orderEvent, type OrderEvent } from './events.js'
import type { EventStore, StoredEvent } from '../engine/index.js'
import { VersionConflictError } from '../engine/index.js'
import { check } from './measure.js'

/** Events repeat after so many; making each anew would cost more than storing it. */
const POOL_EVENTS = 8192

/** Says which event is the n-th, and where it goes: round-robin over the streams. */
export class Plan {
  readonly streams: readonly string[]
  readonly #pool: readonly OrderEvent[]

  constructor(streams: number) {
    this.streams = Array.from({ length: streams }, (_, n) => `order-${n}`)
    this.#pool = Array.from({ length: POOL_EVENTS }, (_, n) => orderEvent(n))
  }

  event(n: number): OrderEvent {
    return this.#pool[n % POOL_EVENTS]!
  }

  events(from: number, count: number): OrderEvent[] {
    return Array.from({ length: count }, (_, n) => this.event(from + n))
  }

  stream(n: number): string {
    return this.streams[n % this.streams.length]!
  }

  offset(n: number): number {
    return Math.floor(n / this.streams.length)
  }

  /** Sum of the amounts of the first events, added up in order. */
  sum(events: number): number {
    let sum = 0
    for (let n = 0; n < events; n++) sum += this.event(n).data.amount
    return sum
  }

  /** Throws unless an event is the n-th. */
  check(event: StoredEvent, n: number): void {
    const { data, type } = event as StoredEvent<string, OrderEvent['data']>
    const wanted = this.event(n)
    check(event.position === n, `position ${event.position} instead of ${n}`)
    check(event.stream === this.stream(n), `event ${n} is in ${event.stream}`)
    check(event.offset === this.offset(n), `event ${n} has offset ${event.offset}`)
    check(type === wanted.type && data.id === wanted.data.id, `event ${n} is another one`)
    check(data.amount === wanted.data.amount && data.items.length === 2, `event ${n} has other data`)
  }
}

const STRIDES = [7919, 7907, 7901]

/** How far to go each time to visit so many streams without order, and none twice: a prime that is no divisor of their number. */
export function strideOver(streams: number): number {
  return STRIDES.find((prime) => streams % prime !== 0)!
}

/** Appends events `from` … `from + count − 1` in so many loops, each waiting for its append. */
export async function appendLoops(
  store: EventStore,
  plan: Plan,
  from: number,
  count: number,
  inFlight: number,
  durations?: number[],
): Promise<void> {
  const end = from + count
  let next = from
  const timed = async (): Promise<void> => {
    while (next < end) {
      const n = next++
      const begun = performance.now()
      await store.append(plan.stream(n), [plan.event(n)])
      durations!.push(performance.now() - begun)
    }
  }
  const untimed = async (): Promise<void> => {
    while (next < end) {
      const n = next++
      await store.append(plan.stream(n), [plan.event(n)])
    }
  }
  await Promise.all(Array.from({ length: inFlight }, durations === undefined ? untimed : timed))
}

/** Reads a store back: every event in the global order, streams by themselves, and a conflict that must be refused. */
export async function verify(store: EventStore, plan: Plan, events: number): Promise<void> {
  let n = 0
  let sum = 0
  for await (const event of store.readAll<StoredEvent<string, OrderEvent['data']>>()) {
    plan.check(event, n++)
    sum += event.data.amount
  }
  check(n === events, `${n} events instead of ${events}`)
  check(sum === plan.sum(events), `amounts add up to ${sum}`)

  const streams = Math.min(plan.streams.length, events)
  for (let index = 0; index < streams; index += Math.ceil(streams / 100)) {
    let at = index
    for await (const event of store.readStream(plan.stream(index))) {
      plan.check(event, at)
      at += plan.streams.length
    }
    check(at >= events, `${plan.stream(index)} ends after ${plan.offset(at)} events`)
  }

  const stream = plan.stream(0)
  const { version } = await store.streamInfo(stream)
  const refused = await store.append(stream, [plan.event(0)], { expectedVersion: version + 1 }).then(
    () => undefined,
    (error: unknown) => error,
  )
  check(refused instanceof VersionConflictError, 'an append with a wrong version was not refused')
  check((await store.streamInfo(stream)).version === version, 'the refused append changed the stream')
}
