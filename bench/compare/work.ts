/** What rows have in common: appending, measuring, checking. */
import { setImmediate } from 'node:timers/promises'
import { orderEvent } from '../events.js'
import { check, collectYoung, peakMib, resetPeak } from '../measure.js'
import type { Plan } from '../plan.js'
import type { OrderRecord } from '../raw/raw-records.js'
import type { ComparedEngine, ComparedStore } from './engine.js'

/** Appends events `from` … `from + count − 1`, `size` to an append, each with the version its stream must have. */
export async function appendAll(
  store: ComparedStore,
  plan: Plan,
  from: number,
  count: number,
  inFlight: number,
  size = 1,
): Promise<void> {
  const end = from + count
  let next = from
  const loop = async (): Promise<void> => {
    while (next < end) {
      const n = next
      next += size
      const events = size === 1 ? [plan.event(n)] : plan.events(n, Math.min(size, end - n))
      const appended = store.append(plan.stream(n), events, plan.offset(n))
      if (appended !== undefined) await appended
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
}

export interface Spent {
  readonly seconds: number
  readonly cpuUsPerEvent: number
  readonly peakMib: number
}

/** Time, processor time and memory of some work on so many events. */
export async function spent(events: number, work: () => Promise<void> | void): Promise<Spent> {
  collectYoung()
  await setImmediate()
  resetPeak()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const working = work()
  if (working !== undefined) await working
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuUsPerEvent: (user + system) / events, peakMib: peakMib() }
}

/** Checks events as they are read in the global order: none missing, none twice, each stream in its order, all of them what was appended. */
export class OrderCheck {
  readonly #plan: Plan
  readonly #offsets: Int32Array
  count = 0
  sum = 0

  constructor(plan: Plan) {
    this.#plan = plan
    this.#offsets = new Int32Array(plan.streams.length)
  }

  readonly visit = (event: OrderRecord): void => {
    const stream = Number(event.stream.slice('order-'.length))
    const offset = this.#offsets[stream]!++
    const n = offset * this.#offsets.length + stream
    const wanted = this.#plan.event(n)
    check(event.position === this.count, `position ${event.position} instead of ${this.count}`)
    check(event.offset === offset, `offset ${event.offset} of ${event.stream} instead of ${offset}`)
    check(event.type === wanted.type && event.data.id === wanted.data.id, `event ${n} is another one`)
    check(event.data.amount === wanted.data.amount && event.data.items.length === 2, `event ${n} has other data`)
    check(event.metadata.userId === wanted.metadata.userId, `event ${n} has other metadata`)
    this.count++
    this.sum += event.data.amount
  }

  done(events: number): void {
    check(this.count === events, `${this.count} events instead of ${events}`)
    // Floating-point sums depend on the order, which differs between streams.
    const wanted = this.#plan.sum(events)
    check(Math.abs(this.sum - wanted) < wanted * 1e-9, `amounts add up to ${this.sum} instead of ${wanted}`)
  }
}

/** Reads a store back: everything in the global order, a hundred streams by themselves, and versions that must be refused. */
export async function verify(engine: ComparedEngine, store: ComparedStore, plan: Plan, events: number): Promise<void> {
  const order = new OrderCheck(plan)
  await store.readAll(order.visit)
  order.done(events)

  const streams = Math.min(plan.streams.length, events)
  for (let index = 0; index < streams; index += Math.ceil(streams / 100)) {
    let at = index
    await store.readStream(plan.stream(index), 0, Infinity, (event) => {
      const wanted = plan.event(at)
      check(event.offset === plan.offset(at) && event.data.id === wanted.data.id, `event ${at} is another one`)
      at += plan.streams.length
    })
    check(at >= events, `${plan.stream(index)} ends after ${plan.offset(at)} events`)
  }
  await refuses(engine, store, plan.stream(0))
}

/** Checks that appends with a version too high, too low and none are refused, and change nothing. */
export async function refuses(engine: ComparedEngine, store: ComparedStore, stream: string): Promise<void> {
  const version = await store.version(stream)
  for (const wrong of [version + 1, version - 1, 0]) {
    if (wrong === version || wrong < 0) continue
    const refused = await appendAnswer(store, stream, wrong)
    check(
      engine.isConflict(refused),
      `an append with version ${wrong} instead of ${version} was not refused: ${String(refused)}`,
    )
  }
  check((await store.version(stream)) === version, 'a refused append changed the stream')
}

async function appendAnswer(store: ComparedStore, stream: string, version: number): Promise<unknown> {
  try {
    await store.append(stream, [orderEvent(0)], version)
    return undefined
  } catch (error) {
    return error
  }
}
