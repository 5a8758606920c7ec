import type { OrderEvent } from '../../events.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'
import {
  type EventStorage,
  type EventStorageMetadata,
  type EventStorageStore,
  loadRival,
  missingRival,
  rivalVersion,
} from '../rivals.js'

/** More take longer than anybody waits: every append asks the index of every stream, and each is a file that stays open. */
const MOST_STREAMS = 1000

let eventStorage: EventStorage | undefined

export const eventStorageEngine: ComparedEngine = {
  kind: 'store',
  name: 'event-storage',
  title: 'event-storage, one file',
  note: 'event-storage: all events in one partition, an index file for each stream, its own JSON, no event ids; write buffer 256 KiB; durable with syncOnFlush, which syncs the events before the append returns, but writes the index up to 100 ms later and does not rebuild it, so a crash takes acknowledged events: its durable rows promise less than the others; a subscriber has an event before it is on disk',
  family: 'event-storage',
  acknowledgesEarly: true,
  cannot: (streams) =>
    missingRival('event-storage') ??
    (streams > MOST_STREAMS
      ? `every append asks the index of every stream, and each is a file that stays open: not with ${streams.toLocaleString('en')} streams`
      : undefined),
  prepare() {
    eventStorage = loadRival('event-storage') as EventStorage
  },
  async open({ directory, level }: OpenOptions) {
    const store = new eventStorage!<OrderEvent>('events', {
      storageDirectory: directory,
      storageConfig: {
        partitioner: () => '',
        writeBufferSize: 256 * 1024,
        syncOnFlush: level === 'durable',
        // As after a crash, which the row of opening is about; without one there is no lock to reclaim.
        lock: eventStorage!.LOCK_RECLAIM,
      },
    })
    await new Promise<void>((resolve) => store.once('ready', resolve))
    return new EventStorageAdapter(store)
  },
  isConflict: (error) => error instanceof eventStorage!.OptimisticConcurrencyError,
  version: () => rivalVersion('event-storage'),
}

class EventStorageAdapter implements ComparedStore {
  readonly #store: EventStorageStore<OrderEvent>

  constructor(store: EventStorageStore<OrderEvent>) {
    this.#store = store
  }

  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> {
    return new Promise((resolve) => this.#store.commit(stream, events, version, resolve))
  }

  version(stream: string): number {
    return Math.max(0, this.#store.getStreamVersion(stream))
  }

  readStream(stream: string, fromOffset: number, limit: number, visit: Visit): void {
    const last = Math.min(fromOffset + limit, this.version(stream)) - 1
    const events = this.#store.getEventStream(stream, fromOffset, last)
    if (events !== false) events.forEach((event, metadata) => visit(record(stream, event, metadata)))
  }

  readAll(visit: Visit): void {
    const events = this.#store.getAllEvents()
    if (events !== false) events.forEach((event, metadata, stream) => visit(record(stream, event, metadata)))
  }

  settle(): void {
    this.#store.storage.flush()
  }

  async subscribe(stream: string, arrived: (position: number) => void): Promise<() => Promise<void>> {
    let next = this.version(stream)
    const consumer = this.#store.getConsumer(stream, 'compare', {}, next)
    consumer.on('data', () => arrived(next++))
    // It follows once it has seen that it has caught up, a turn of the event loop later.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    return async () => undefined
  }

  close(): void {
    this.#store.close()
  }
}

function record(stream: string, event: OrderEvent, metadata: EventStorageMetadata): OrderRecord {
  const { type, data, metadata: own } = event
  return {
    stream,
    offset: metadata.streamVersion,
    position: metadata.commitId + (metadata.commitVersion ?? 0),
    id: '',
    type,
    timestamp: metadata.committedAt,
    schemaVersion: 1,
    tags: [],
    data,
    metadata: own,
  }
}
