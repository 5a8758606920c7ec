/** What every store under comparison is driven through, and what a limit is: no store, only the files one would write. */
import type { OrderEvent } from '../events.js'
import type { RawCodec } from '../raw/frames.js'
import type { OrderRecord } from '../raw/raw-records.js'

/** `durable`: on disk when an append returns. `relaxed`: with the operating system, or in a buffer that the engine empties by itself. */
export type Level = 'durable' | 'relaxed'

export interface OpenOptions {
  /** Of the store alone; made by the caller. */
  readonly directory: string
  readonly level: Level
  /** How many appends will be under way at a time, so that an engine can take the way that suits it best. */
  readonly inFlight: number
}

export type Visit = (event: OrderRecord) => void

/** An open store. What an engine does synchronously it may return without a promise: that would be charged to it. */
export interface ComparedStore {
  /** Appends to a stream that must have exactly so many events; refused otherwise, with an error that the engine knows. */
  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> | void
  /** How many events a stream has, 0 without any. */
  version(stream: string): Promise<number> | number
  readStream(stream: string, fromOffset: number, limit: number, visit: Visit): Promise<void> | void
  /** In the order of the appends. */
  readAll(visit: Visit): Promise<void> | void
  /** Returns when everything appended is where it stays, and nothing goes on behind the scenes. */
  settle(): Promise<void> | void
  /** Calls with the position of every event appended to a stream from now on; missing where the engine has nothing of the kind. */
  subscribe?(stream: string, arrived: (position: number) => void): Promise<() => Promise<void>>
  close(): Promise<void> | void
}

export interface ComparedEngine {
  readonly kind: 'store'
  readonly name: string
  readonly title: string
  /** How the engine is used, for the notes below the table. */
  readonly note: string
  /** Engines of one family read the same files. */
  readonly family: string
  /** The reason why the engine cannot run here at all, or not with so many streams. */
  cannot?(streams: number): Promise<string | undefined> | string | undefined
  /** Its durable appends return before all of them is on disk: what a crash takes is told, and is no failure of the comparison. */
  readonly acknowledgesEarly?: true
  /** Loads what opening needs, so that the time of opening is not that of loading code. */
  prepare(): Promise<void> | void
  open(options: OpenOptions): Promise<ComparedStore>
  isConflict(error: unknown): boolean
  /** Version of the engine; asked after `prepare`. */
  version(): string
}

/** The raw limit, in one of its ways. */
export interface ComparedLimit {
  readonly kind: 'limit'
  readonly name: string
  readonly title: string
  readonly note: string
  readonly family: string
  readonly codec: RawCodec
  /** Whether the file is filled with zeros before. */
  readonly zeroFilled: boolean
}

export type Contestant = ComparedEngine | ComparedLimit
