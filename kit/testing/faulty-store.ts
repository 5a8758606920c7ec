import { AnnalsError, InvalidArgumentError, VersionConflictError } from '../../engine/errors.js'
import type { NewEvent, StoredEvent } from '../../engine/types/event.js'
import type {
  AppendManyOptions,
  AppendOptions,
  AppendResult,
  EventReader,
  EventStore,
  StreamAppend,
} from '../../engine/types/event-store.js'
import { type Clock, nodeClock } from '../io/clock.js'

/** What stores report when something goes wrong that is not the caller's fault, or not his alone. */
export type FaultCode =
  | 'ERR_VERSION_CONFLICT'
  | 'ERR_OVERLOADED'
  | 'ERR_NO_SPACE'
  | 'ERR_IO'
  | 'ERR_OUTCOME_UNKNOWN'
  | 'ERR_LOCK_LOST'
  | 'ERR_CLOSED'
  | 'ERR_CORRUPT'

/** Which calls a fault meets, and when. */
interface FaultPlace {
  /** Only calls for this stream, alone or among others. Default: all calls. */
  readonly stream?: string | undefined
  /** The first of these calls that it meets, counted from when it is injected. Default: 1, the next one. */
  readonly nth?: number | undefined
  /** How many calls it meets, from that one on. Default: 1. */
  readonly times?: number | undefined
  /** Error of this code, or this error. Without it the call is only held up. */
  readonly fail?: FaultCode | Error | undefined
  /** Holds the call up, first of all, until this is settled. */
  readonly until?: Promise<unknown> | undefined
  /** Holds the call up for so many milliseconds. */
  readonly delayMs?: number | undefined
}

/** A fault of `append` and `appendMany`. */
export interface AppendFault extends FaultPlace {
  readonly on: 'append'
  /** The events are stored, and the error is reported all the same: what a caller cannot tell from one that is not. */
  readonly committed?: boolean | undefined
}

/** A fault of `readStream`, `readAll`, `readCategory` and `subscribe`. Each iteration is a call. */
export interface ReadFault extends FaultPlace {
  readonly on: 'read'
  /** Events that are handed out before. Default: 0. */
  readonly afterEvents?: number | undefined
}

export type Fault = AppendFault | ReadFault

export interface FaultyStore {
  /** The store to be tested with. */
  readonly store: EventStore
  /** Has something go wrong from now on. */
  readonly inject: (fault: Fault) => void
  /** Takes back all faults, and lets a failed writer write again, as opening the store anew would. */
  readonly heal: () => void
  /** Appends that were asked for so far. */
  readonly appends: number
}

/** After these a store writes nothing more until it is opened again. */
const WRITER_FAILURES: readonly unknown[] = ['ERR_NO_SPACE', 'ERR_IO', 'ERR_OUTCOME_UNKNOWN', 'ERR_LOCK_LOST']

interface Planned {
  readonly fault: Fault
  /** Calls that it has seen. */
  seen: number
}

/**
 * Puts a store in front of another in which things go wrong as a test says: the third append, a read in its middle, an append that is stored and
 * reported as failed. As with a real store, an append that failed with ERR_IO, ERR_NO_SPACE, ERR_OUTCOME_UNKNOWN or ERR_LOCK_LOST is the last: those
 * that follow are refused with ERR_WRITER_FAILED until `heal()`. Close the store behind it yourself.
 *
 * ```ts
 * const faulty = faultyStore(await openMemoryStore())
 * faulty.inject({ on: 'append', stream: 'account-1', nth: 2, fail: 'ERR_OUTCOME_UNKNOWN', committed: true })
 * ```
 */
export function faultyStore(inner: EventStore, { clock = nodeClock }: { readonly clock?: Clock } = {}): FaultyStore {
  const faults = new Faults(clock)
  let appends = 0
  let failed: unknown
  const append = async (
    streams: readonly StreamAppend[],
    work: () => Promise<AppendResult[]>,
  ): Promise<AppendResult[]> => {
    appends++
    const names = streams.map(({ stream }) => stream)
    if (failed !== undefined) {
      throw new AnnalsError('ERR_WRITER_FAILED', 'Cannot append: an earlier append has failed', { cause: failed })
    }
    const fault = faults.take('append', names)
    if (fault === undefined) return work()
    await faults.hold(fault)
    if (fault.fail === undefined) return work()
    if (fault.on === 'append' && fault.committed === true) await work()
    const error = await errorOf(fault.fail, 'append', inner, streams[0])
    if (WRITER_FAILURES.includes((error as { readonly code?: unknown }).code)) failed = error
    throw error
  }
  const changed: Partial<EventStore> = {
    append: async (stream: string, events: readonly NewEvent[], options?: AppendOptions) => {
      const { expectedVersion } = options ?? {}
      const [result] = await append([{ stream, events, expectedVersion }], async () => [
        await inner.append(stream, events, options),
      ])
      return result!
    },
    appendMany: async (appended: readonly StreamAppend[], options?: AppendManyOptions) =>
      append(appended, async () => inner.appendMany(appended, options)),
    readStream: (stream, options) => faults.reader(inner.readStream(stream, options), [stream]),
    readAll: (options) => faults.reader(inner.readAll(options), []),
    readCategory: (category, options) => faults.reader(inner.readCategory(category, options), []),
    subscribe: (options) =>
      faults.reader(inner.subscribe(options), options?.stream === undefined ? [] : [options.stream]),
  }
  return {
    store: new Proxy(inner, {
      get: (target, name) => {
        if (name in changed) return changed[name as keyof EventStore]
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    }),
    inject: (fault) => faults.add(fault),
    heal: () => {
      faults.clear()
      failed = undefined
    },
    get appends() {
      return appends
    },
  }
}

/** The faults that are still to come. */
class Faults {
  readonly #clock: Clock
  #planned: Planned[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(fault: Fault): void {
    for (const name of ['nth', 'times'] as const) {
      const value = fault[name]
      if (value === undefined || value === Infinity || (Number.isSafeInteger(value) && value >= 1)) continue
      throw new InvalidArgumentError(`Cannot inject a fault: ${name} is ${value}, not a whole number from 1`)
    }
    this.#planned.push({ fault, seen: 0 })
  }

  clear(): void {
    this.#planned = []
  }

  /** Returns the first fault that meets a call; all that might are told of it. */
  take(on: Fault['on'], streams: readonly string[]): Fault | undefined {
    let met: Fault | undefined
    for (const planned of this.#planned) {
      const { fault } = planned
      if (fault.on !== on || (fault.stream !== undefined && !streams.includes(fault.stream))) continue
      planned.seen++
      const { nth = 1, times = 1 } = fault
      if (planned.seen >= nth && planned.seen < nth + times) met ??= fault
    }
    return met
  }

  async hold({ until, delayMs }: Fault): Promise<void> {
    await until
    if (delayMs !== undefined) await this.#clock.sleep(delayMs)
  }

  /** A reader or a subscription whose iterations meet faults. */
  reader<Reader extends object>(inner: Reader, streams: readonly string[]): Reader {
    const each = <Item>(items: AsyncIterable<Item>, sizeOf: (item: Item) => number): AsyncIterableIterator<Item> =>
      this.#faulty(items, this.take('read', streams), sizeOf)
    let events: AsyncIterableIterator<StoredEvent> | undefined
    const changed: Readonly<Record<string | symbol, unknown>> = {
      [Symbol.asyncIterator]: () => each(inner as EventReader, () => 1),
      // A subscription is its own iterator.
      next: async () => (events ??= each(inner as EventReader, () => 1)).next(),
      batches: (size: number) => each((inner as EventReader).batches(size), (batch) => batch.length),
      commits: () => each((inner as EventReader).commits(), (commit) => commit.length),
    }
    return new Proxy(inner, {
      get: (target, name) => {
        if (name in target && name in changed) return changed[name]
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  async *#faulty<Item>(
    items: AsyncIterable<Item>,
    fault: Fault | undefined,
    sizeOf: (item: Item) => number,
  ): AsyncIterableIterator<Item> {
    if (fault?.on !== 'read') {
      yield* items
      return
    }
    await this.hold(fault)
    const { fail } = fault
    if (fail === undefined) {
      yield* items
      return
    }
    let left = fault.afterEvents ?? 0
    if (left > 0) {
      for await (const item of items) {
        yield sizeOf(item) > left && Array.isArray(item) ? (item.slice(0, left) as Item) : item
        left -= sizeOf(item)
        if (left <= 0) break
      }
    }
    if (left <= 0) throw await errorOf(fail, 'read')
  }
}

async function errorOf(
  fail: FaultCode | Error,
  what: string,
  store?: EventStore,
  first?: StreamAppend,
): Promise<Error> {
  if (typeof fail !== 'string') return fail
  if (fail === 'ERR_VERSION_CONFLICT' && store !== undefined && first !== undefined) {
    const { version } = await store.streamInfo(first.stream)
    return new VersionConflictError(first.stream, first.expectedVersion ?? 'any', version)
  }
  return new AnnalsError(fail, `Cannot ${what}: a fault that the test has injected`)
}
