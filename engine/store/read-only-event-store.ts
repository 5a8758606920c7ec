import { AnnalsError, type CorruptionError, named, quote } from '../errors.js'
import type { Environment } from '../io/file-system.js'
import type { VerifyReport } from '../recovery/findings.js'
import { verify, type VerifyOptions } from '../recovery/verify.js'
import type { StoredEvent } from '../types/event.js'
import type {
  AppendResult,
  EventReader,
  EventStore,
  ListedStream,
  ListStreamsOptions,
  ReadAllOptions,
  ReadStreamOptions,
  StreamInfo,
} from '../types/event-store.js'
import type { SubscribeOptions, Subscription } from '../types/subscription.js'
import { FollowedStore } from './followed-store.js'
import { checkMaintenance } from './maintenance-options.js'
import type { Settings } from './options.js'
import type { StoreStats } from './stats.js'
import { StoreReader } from './store-reader.js'

/**
 * A store that is open for reading only, beside whoever writes to it: another process, another thread, or this one. It takes no lock and
 * writes nothing, so it also works where this user may not write. What it shows is committed, whole, and stays; it follows the
 * writer, also through its death and into the next one.
 */
export class ReadOnlyEventStore implements EventStore {
  readonly #environment: Environment
  readonly #settings: Settings
  readonly #directory: string
  #followed!: FollowedStore
  #reader!: StoreReader
  #closed = false

  private constructor(environment: Environment, settings: Settings, directory: string) {
    this.#environment = environment
    this.#settings = settings
    this.#directory = directory
  }

  /** @internal Opens the store in a folder in which there is one. */
  static async open(
    environment: Environment,
    settings: Settings,
    directory: string,
    storeId: Buffer,
  ): Promise<ReadOnlyEventStore> {
    const store = new ReadOnlyEventStore(environment, settings, directory)
    store.#followed = await FollowedStore.open(environment, settings, directory, storeId, () => store.#assertOpen())
    store.#reader = new StoreReader(store.#followed.reading)
    return store
  }

  /** Why what is behind a place in the log cannot be read; undefined as long as all is well. Opening the store again may help, or a repair. */
  get damage(): CorruptionError | undefined {
    return this.#followed.damage
  }

  /** Position behind the last event that can be read, as far as the writer was followed. */
  get position(): number {
    return this.#followed.position
  }

  /** Rejects with ERR_READ_ONLY. */
  append(): Promise<AppendResult> {
    return this.#refuse('append')
  }

  /** Rejects with ERR_READ_ONLY. */
  appendMany(): Promise<AppendResult[]> {
    return this.#refuse('append')
  }

  /** Rejects with ERR_READ_ONLY. */
  flush(): Promise<void> {
    return this.#refuse('flush')
  }

  /** Rejects with ERR_READ_ONLY. */
  checkpoint(): Promise<void> {
    return this.#refuse('write a checkpoint')
  }

  readStream<Event = StoredEvent>(stream: string, options?: ReadStreamOptions): EventReader<Event> {
    return this.#reader.readStream(stream, options)
  }

  readAll<Event = StoredEvent>(options?: ReadAllOptions): EventReader<Event> {
    return this.#reader.readAll(options)
  }

  readCategory<Event = StoredEvent>(category: string, options?: Omit<ReadAllOptions, 'category'>): EventReader<Event> {
    return this.#reader.readCategory(category, options)
  }

  subscribe<Event = StoredEvent>(options?: SubscribeOptions): Subscription<Event> {
    return this.#reader.subscribe(options)
  }

  streamInfo(stream: string): Promise<StreamInfo> {
    return this.#reader.streamInfo(stream)
  }

  listStreams(options?: ListStreamsOptions): AsyncIterable<ListedStream> {
    return this.#reader.listStreams(options)
  }

  /**
   * Goes on to everything that the writer has told of. Reads and subscriptions do so by themselves when they begin; this is for
   * who is far behind, and for `position`. Rejects with ERR_CORRUPT, ERR_IO, ERR_CLOSED.
   */
  async refresh(): Promise<void> {
    this.#assertOpen()
    await this.#followed.refresh()
  }

  /**
   * Reads all files of the store and compares them with each other, beside the writer. Rejects with the signal's reason, or with ERR_IO when
   * a file cannot be read.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#assertOpen()
    checkMaintenance('verify', [], options)
    await this.#followed.refresh()
    const openSince = this.#followed.settledPosition
    const known = { limits: this.#settings.limits, ...options, openSince }
    return named('verify the store', verify(this.#environment, this.#directory, known))
  }

  stats(): Pick<StoreStats, 'events' | 'cachedStreams' | 'streams' | 'openFiles'> {
    const { catalog } = this.#followed.reading
    return {
      events: this.#followed.position,
      cachedStreams: catalog.size,
      streams: { hits: catalog.hits, loads: catalog.loads },
      openFiles: this.#followed.handles.size,
    }
  }

  /** Ends its subscriptions and gives everything back. Closing twice is a no-op. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#followed.close()
    }
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #refuse(what: string): Promise<never> {
    this.#assertOpen()
    throw new AnnalsError(
      'ERR_READ_ONLY',
      `Cannot ${what}: store ${quote(this.#directory)} is open for reading only; open it without { readOnly: true }`,
    )
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new AnnalsError('ERR_CLOSED', `Cannot use store ${quote(this.#directory)}: it is closed`)
    }
  }
}
