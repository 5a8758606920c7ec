import { openMemoryStore, type EventStore } from '../../../engine/index.js'
import { defineEvents, event, projection, table } from '../../../kit/index.js'
import type { Clock } from '../../../kit/io/clock.js'

export const accountEvents = defineEvents({
  Opened: event<{ readonly owner: string }>(),
  Deposited: event<{ readonly cents: number }>(),
  Closed: event(),
})

/** A clock that stands still; sleepers wake when it is told to go on. */
export class TestClock implements Clock {
  /** How long somebody slept, in order. */
  readonly slept: number[] = []
  #now = 1_000_000
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()

  now(): number {
    return this.#now
  }

  async sleep(ms: number, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    signal?.throwIfAborted()
    this.slept.push(ms)
    return new Promise((resolve, reject) => {
      const sleeper = {
        at: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper)
          signal?.removeEventListener('abort', stop)
          resolve()
        },
      }
      const stop = (): void => {
        this.#sleepers.delete(sleeper)
        reject(signal!.reason as Error)
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#sleepers.add(sleeper)
    })
  }

  go(ms: number): void {
    this.#now += ms
    for (const sleeper of [...this.#sleepers]) if (sleeper.at <= this.#now) sleeper.wake()
  }
}

/** Waits, turn by turn of the event loop, until something is so. */
export async function until(isSo: () => boolean, turns = 2000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (isSo()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`It is not so after ${turns} turns: ${isSo.toString()}`)
}

/** A store with deposits: account i of `accounts` gets 1 cent in turn. */
export async function storeWith(deposits: number, accounts = 3): Promise<EventStore> {
  const store = await openMemoryStore()
  await deposit(store, deposits, accounts)
  return store
}

export async function deposit(store: EventStore, deposits: number, accounts = 3): Promise<number> {
  const byAccount = Array.from({ length: deposits }, (_, n) => ({
    stream: `account-${n % accounts}`,
    events: [{ type: 'Deposited', data: { cents: 1 } }],
  }))
  let position = -1
  for (const append of byAccount) position = (await store.append(append.stream, append.events)).position
  return position
}

/** Counts deposits in a state. */
export const total = projection({
  name: 'total',
  events: accountEvents,
  category: 'account',
  initialState: () => ({ cents: 0, events: 0 }),
  handlers: {
    Deposited: (state, { data }) => {
      state.cents += data.cents
      state.events++
    },
  },
})

/** Counts deposits by account in a table. */
export const balances = projection({
  name: 'balances',
  events: accountEvents,
  category: 'account',
  tables: { accounts: table<{ cents: number; events: number }>() },
  handlers: {
    Deposited: ({ accounts }, { stream, data }) =>
      accounts.update(stream, (row = { cents: 0, events: 0 }) => ({
        cents: row.cents + data.cents,
        events: row.events + 1,
      })),
    Closed: ({ accounts }, { stream }) => accounts.delete(stream),
  },
})

export function rowsOf<Row>(table: { entries(): Iterable<readonly [string, Row]> }): Record<string, Row> {
  return Object.fromEntries([...table.entries()].sort(([a], [b]) => (a < b ? -1 : 1)))
}
