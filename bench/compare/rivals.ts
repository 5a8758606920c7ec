/**
 * The parts of other packages that are used here. They are no dependencies of annals: `bench/compare/package.json` names them, and they are
 * loaded from there, so that annals builds, and is checked, without them.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `bench/compare` of the sources, from its place in `build/`. */
export const compareFolder = fileURLToPath(new URL('../../../bench/compare/', import.meta.url))

const require = createRequire(new URL('../../../bench/compare/package.json', import.meta.url))

/** Returns an installed package. */
export function loadRival(name: string): unknown {
  return require(name)
}

/** Version of an installed package. */
export function rivalVersion(name: string): string {
  // Read, not required: some packages do not export it.
  const text = readFileSync(join(compareFolder, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** The reason why a package cannot be used, or undefined. */
export function missingRival(name: string): string | undefined {
  try {
    require(name)
    return undefined
  } catch (error) {
    return `${name} is not installed: ${String(error).split('\n', 1)[0]!}`
  }
}

export interface SqliteStatement {
  run(...values: readonly unknown[]): unknown
  get(...values: readonly unknown[]): unknown
  iterate(...values: readonly unknown[]): Iterable<unknown>
  raw(): SqliteStatement
}

export interface SqliteDatabase {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): SqliteStatement
  close(): void
}

export type Sqlite = new (path: string) => SqliteDatabase

export interface LmdbDatabase<Key, Value> {
  openDB<SubKey, SubValue>(options: Readonly<Record<string, unknown>>): LmdbDatabase<SubKey, SubValue>
  get(key: Key): Value | undefined
  doesExist(key: Key): boolean
  put(key: Key, value: Value): Promise<boolean>
  putSync(key: Key, value: Value): void
  getRange(options: Readonly<Record<string, unknown>>): Iterable<{ readonly key: Key; readonly value: Value }>
  getKeys(options: Readonly<Record<string, unknown>>): Iterable<Key>
  transaction<Result>(run: () => Result): Promise<Result>
  transactionSync<Result>(run: () => Result): Result
  close(): Promise<void>
}

export interface Lmdb {
  open<Key, Value>(options: Readonly<Record<string, unknown>>): LmdbDatabase<Key, Value>
}

export interface LevelIterator {
  next(): Promise<readonly [string, Buffer] | undefined>
  nextv(size: number): Promise<readonly (readonly [string, Buffer])[]>
  close(): Promise<void>
}

export interface LevelPut {
  readonly type: 'put'
  readonly key: string
  readonly value: Buffer
}

export interface LevelDatabase {
  open(): Promise<void>
  getSync(key: string): Buffer | undefined
  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]>
  batch(puts: readonly LevelPut[], options: { readonly sync: boolean }): Promise<void>
  iterator(options: Readonly<Record<string, unknown>>): LevelIterator
  close(): Promise<void>
}

export interface Level {
  readonly ClassicLevel: new (path: string, options: Readonly<Record<string, unknown>>) => LevelDatabase
}

export interface EventStorageMetadata {
  readonly commitId: number
  readonly commitVersion?: number
  readonly committedAt: number
  readonly streamVersion: number
}

export interface EventStorageStream<Event> {
  forEach(visit: (event: Event, metadata: EventStorageMetadata, stream: string) => void): void
}

export interface EventStorageStore<Event> {
  readonly storage: { flush(): unknown }
  once(event: 'ready', listener: () => void): void
  commit(stream: string, events: readonly Event[], expectedVersion: number, done: () => void): void
  getStreamVersion(stream: string): number
  getEventStream(stream: string, from: number, to: number): EventStorageStream<Event> | false
  getAllEvents(): EventStorageStream<Event> | false
  getConsumer(
    stream: string,
    name: string,
    state: object,
    since: number,
  ): { on(event: 'data', listener: (event: unknown) => void): void; stop(): void }
  close(): void
}

export interface EventStorage {
  new <Event>(name: string, options: Readonly<Record<string, unknown>>): EventStorageStore<Event>
  readonly LOCK_RECLAIM: number
  readonly OptimisticConcurrencyError: new () => Error
}

export interface PostgresResult {
  readonly rows: readonly (readonly unknown[])[]
}

export interface PostgresClient {
  connect(): Promise<void>
  query(
    query: string | { name: string; text: string; values?: readonly unknown[]; rowMode: 'array' },
  ): Promise<PostgresResult>
  on(event: 'notification', listener: (message: { payload?: string }) => void): void
  on(event: 'error', listener: (error: Error) => void): void
  end(): Promise<void>
}

export interface Postgres {
  readonly Client: new (options: Readonly<Record<string, unknown>>) => PostgresClient
}
