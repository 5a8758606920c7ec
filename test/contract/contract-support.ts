import type { Test } from 'tap'
import type { EventReader, EventStore, NewEvent, OpenOptions, StoredEvent, StoreStats } from '../../engine/index.js'

/** How the contract gets a fresh, empty store. It closes what it opens. */
export type OpenStore = (options?: OpenOptions) => Promise<EventStore>

/** What a store can do besides being an `EventStore`; tests that need more than is there are not run. */
export interface Capabilities {
  /** Opens an empty store with a clock of its own. */
  readonly openWithClock?: ((now: () => number) => Promise<EventStore>) | undefined
  /** Opens again what a store that was closed has left. */
  readonly reopen?: ((store: EventStore, options?: OpenOptions) => Promise<EventStore>) | undefined
  /** Brings everything that is in memory to where cold reads find it. */
  readonly settle?: ((store: EventStore) => Promise<void>) | undefined
  /** Counts files that the store has open. */
  readonly openFiles?: ((store: EventStore) => number) | undefined
}

/** What the engine's own stores do besides. */
export interface EngineStore extends EventStore {
  flush(): Promise<void>
  stats(): StoreStats
}

/** What every part of the contract is given. */
export interface ContractContext {
  readonly open: OpenStore
  readonly capabilities: Capabilities
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function offsets(reader: EventReader): Promise<number[]> {
  return (await collect(reader)).map(({ offset }) => offset)
}

/** What a caller said about an event. */
export function said({ type, data }: StoredEvent): NewEvent {
  return { type, data }
}

/** Events `{ n }` with n from `first` on. */
export function numbered(count: number, first = 0): NewEvent[] {
  return Array.from({ length: count }, (_, i) => ({ type: 'Numbered', data: { n: first + i } }))
}

/** The store is as if a refused call had never been made. */
export async function assertUntouched(t: Test, store: EventStore, stream: string, version = 0): Promise<void> {
  t.match(await store.streamInfo(stream), { stream, version }, 'nothing was stored')
  const result = await store.append(stream, [{ type: 'Next', data: 1 }])
  t.match(result, { firstOffset: version, lastOffset: version, version: version + 1 }, 'no offset was used')
}

/** Names that are hard on files, and all streams of their own. */
export const HOSTILE_NAMES: readonly string[] = [
  '.',
  '..',
  '...',
  '../x',
  '../../../../tmp/x',
  '/etc/x',
  '/',
  'a/b',
  'a\\b',
  'a\0b',
  '\0',
  'a\nb',
  'a\tb',
  ' ',
  'a ',
  ' a',
  'a.',
  '.a',
  'CON',
  'con',
  'nul.txt',
  'COM1',
  'a:b',
  'a*?"<>|',
  'a',
  'A',
  '%41',
  '%2e',
  '%',
  '~',
  'a@0000000000000000.seg',
  '@',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '😀',
  '\u00e9',
  'e\u0301',
  'ß',
  'SS',
  'ss',
  '\ufeff',
  '\u202e',
  'checkpoint',
  'lock',
  'x'.repeat(1000),
  `${'x'.repeat(999)}y`,
  'X'.repeat(1000),
  '/'.repeat(1000),
  'é'.repeat(500),
  '😀'.repeat(250),
]

export const BAD_NAMES: readonly unknown[] = [
  '',
  'x'.repeat(1001),
  'x'.repeat(10_000),
  'é'.repeat(501),
  '😀'.repeat(251),
  '\ud800',
  'a\udfff',
  undefined,
  null,
  1,
  {},
  ['a'],
  Symbol('a'),
]
