import { readFileSync } from 'node:fs'
import { openEventStore, VersionConflictError } from '../../../engine/index.js'
import type { OrderEvent } from '../../events.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'

/** Reads this long are taken in batches; shorter ones event by event. */
const BATCH = 1000

export const annals: ComparedEngine = {
  kind: 'store',
  name: 'annals',
  title: 'annals',
  note: "default options; `durability: 'os'` where a row is relaxed; reads of everything in batches of 1,000, short reads event by event",
  family: 'annals',
  prepare: () => undefined,
  open: async ({ directory, level }: OpenOptions) =>
    new AnnalsStore(await openEventStore(directory, { durability: level === 'durable' ? 'fsync' : 'os' })),
  isConflict: (error) => error instanceof VersionConflictError,
  version: () =>
    (JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as { version: string })
      .version,
}

/** For the row of subscriptions, whose rival tells of events before they are on disk. */
export const annalsRelaxed: ComparedEngine = {
  ...annals,
  name: 'annals-relaxed',
  title: 'annals, relaxed',
  note: "`durability: 'os'`, also where the row is durable",
  open: (options: OpenOptions) => annals.open({ ...options, level: 'relaxed' }),
}

type Opened = Awaited<ReturnType<typeof openEventStore>>

class AnnalsStore implements ComparedStore {
  readonly #store: Opened

  constructor(store: Opened) {
    this.#store = store
  }

  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> {
    // The loops want no result, and a handler that drops it would be charged to annals.
    return this.#store.append(stream, events, { expectedVersion: version }) as Promise<unknown> as Promise<void>
  }

  async version(stream: string): Promise<number> {
    return (await this.#store.streamInfo(stream)).version
  }

  async readStream(stream: string, fromOffset: number, limit: number, visit: Visit): Promise<void> {
    const options = limit === Infinity ? { fromOffset } : { fromOffset, limit }
    const reader = this.#store.readStream<OrderRecord>(stream, options)
    if (limit < BATCH) {
      for await (const event of reader) visit(event)
      return
    }
    for await (const batch of reader.batches(BATCH)) for (const event of batch) visit(event)
  }

  async readAll(visit: Visit): Promise<void> {
    for await (const batch of this.#store.readAll<OrderRecord>().batches(BATCH)) {
      for (const event of batch) visit(event)
    }
  }

  settle(): Promise<void> {
    return this.#store.flush()
  }

  async subscribe(stream: string, arrived: (position: number) => void): Promise<() => Promise<void>> {
    const subscription = this.#store.subscribe({ stream, fromPosition: 'end' })
    const following = (async () => {
      for await (const { position } of subscription) arrived(position)
    })()
    return async () => {
      await subscription.close()
      await following
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
