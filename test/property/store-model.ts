import assert from 'node:assert/strict'
import fc from 'fast-check'
import type {
  AppendResult,
  EventFilterOptions,
  ExpectedVersion,
  FileEventStore,
  NewEvent,
  Query,
  StoredEvent,
  StreamAppend,
} from '../../engine/index.js'
import { collect } from '../contract/contract-support.js'

/** What every store is, in a few lines: streams by name, and everything in commit order. */
export class StoreModel {
  readonly streams = new Map<string, StoredEvent[]>()
  readonly all: StoredEvent[] = []
  /** Commits with an id: what was appended, and its results. */
  readonly commits = new Map<
    number,
    { readonly appends: readonly StreamAppend[]; readonly results: Promise<AppendResult[]> }
  >()

  version(stream: string): number {
    return this.streams.get(stream)?.length ?? 0
  }

  meets(stream: string, expected: ExpectedVersion, version = this.version(stream)): boolean {
    if (expected === 'any') return true
    if (expected === 'noStream') return version === 0
    return expected === 'streamExists' ? version > 0 : version === expected
  }

  append(stream: string, events: readonly NewEvent[], commitId?: string): void {
    const list = this.streams.get(stream) ?? []
    if (events.length > 0) this.streams.set(stream, list)
    for (const { type, data, metadata, schemaVersion = 1, timestamp, tags = [] } of events) {
      const event = {
        ...{ stream, type, data, metadata, schemaVersion, tags },
        offset: list.length,
        position: this.all.length,
        timestamp: timestamp as number,
        ...(commitId === undefined ? {} : { commitId }),
      }
      list.push(event as StoredEvent)
      this.all.push(event as StoredEvent)
    }
  }
}

/** One thing a user does. `name` and fields are all a failing run prints. */
export type Step =
  | { readonly name: 'append'; readonly stream: number; readonly events: readonly NewEvent[]; readonly expect: Expect }
  | { readonly name: 'appendMany'; readonly parts: readonly Part[] }
  | { readonly name: 'burst'; readonly parts: readonly Part[] }
  | {
      readonly name: 'read'
      readonly stream: number
      readonly from?: number
      readonly to?: number
      readonly limit?: number
      readonly backward: boolean
      readonly batch?: number
      readonly filter: Filter
    }
  | {
      readonly name: 'readAll'
      readonly from?: number
      readonly to?: number
      readonly limit?: number
      readonly batch?: number
      readonly filter: Filter & { readonly category?: string }
    }
  | { readonly name: 'list'; readonly prefix?: string }
  | { readonly name: 'commit'; readonly id: number; readonly parts: readonly Part[]; readonly other: boolean }
  | {
      readonly name: 'query'
      readonly query: Query
      readonly from?: number
      readonly to?: number
      readonly limit?: number
      readonly batch?: number
    }
  | {
      readonly name: 'decide'
      readonly stream: number
      readonly events: readonly NewEvent[]
      readonly query: Query
      /** So many events before the end; undefined: none is known. */
      readonly back?: number
    }
  | { readonly name: 'flush' | 'checkpoint' | 'reopen' | 'crash' | 'wait' }

/** What a read filters by; none of it for most reads. */
export type Filter = EventFilterOptions

/** An expected version, right or wrong, told in a way that needs no knowledge of the store. */
export type Expect = 'any' | 'right' | 'off' | 'noStream' | 'streamExists'

export interface Part {
  readonly stream: number
  readonly events: readonly NewEvent[]
  readonly expect: Expect
}

export const STREAMS = ['account-1', 'account-2', 'a/b:c', 'Ä', '😀'.repeat(60), ...numberedNames(20)]

function numberedNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `s${i}`)
}

const CORRELATIONS = ['c1', 'c2', '', 'é', 'c'.repeat(300)]

/** Objects come back with the usual prototype, whatever they had. */
const plain = { noNullPrototype: true } as const

const event: fc.Arbitrary<NewEvent> = fc.record({
  type: fc.constantFrom('Opened', 'Deposited', 'Ä'),
  timestamp: fc.integer({ min: 0, max: 1000 }),
  data: fc.oneof(
    fc.record({ id: fc.integer(), amount: fc.double(), note: fc.string({ maxLength: 10 }) }, plain),
    fc.record({ order: fc.record({ lines: fc.array(fc.nat(9), { maxLength: 5 }) }, plain) }, plain),
    fc.constantFrom(undefined, null, 1n, -0),
    fc.integer({ min: 1, max: 3000 }).map((n) => 'x'.repeat(n)),
  ),
  metadata: fc.option(fc.record({ correlationId: fc.oneof(fc.uuid(), fc.constantFrom(...CORRELATIONS)) }, plain), {
    nil: undefined,
  }),
  schemaVersion: fc.constantFrom(1, 2),
  tags: fc.constantFrom(undefined, [], ['course:c1'], ['student:s1', 'course:c1'], ['Ä'.repeat(127)]),
})

const stream = fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(STREAMS.length - 1) })
const expectation = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Expect>('any', 'right') },
  { weight: 1, arbitrary: fc.constantFrom<Expect>('off', 'noStream', 'streamExists') },
)
const part = fc.record({ stream, events: fc.array(event, { maxLength: 12 }), expect: expectation })
const place = fc.option(fc.nat(60), { nil: undefined })
const range = {
  from: place,
  to: place,
  limit: place,
  batch: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
}

const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined, freq: 1 })
const filter = fc.record({
  types: optional(fc.uniqueArray(fc.constantFrom('Opened', 'Deposited', 'Ä', 'None'), { minLength: 1 })),
  correlationId: optional(fc.constantFrom(...CORRELATIONS)),
  fromTime: optional(fc.integer({ min: -10, max: 1010 })),
  toTime: optional(fc.integer({ min: -10, max: 1010 })),
})
const filterOfStream = fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: filter })
const category = optional(fc.constantFrom('account', 's', 'a/b:c'))
const filterOfAll = fc.tuple(filterOfStream, category).map(([filter, category]) => ({ ...filter, category }))

const query: fc.Arbitrary<Query> = fc.record({
  items: fc.array(
    fc
      .record({
        types: fc.uniqueArray(fc.constantFrom('Opened', 'Deposited', 'Ä', 'None'), { maxLength: 2 }),
        tags: fc.uniqueArray(fc.constantFrom('course:c1', 'student:s1', 'Ä'.repeat(127), 'none'), { maxLength: 2 }),
      })
      .filter(({ types, tags }) => types.length + tags.length > 0),
    { minLength: 1, maxLength: 3 },
  ),
})

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: part.map((of): Step => ({ name: 'append', ...of })) },
    { weight: 3, arbitrary: fc.array(part, { maxLength: 5 }).map((parts): Step => ({ name: 'appendMany', parts })) },
    { weight: 3, arbitrary: fc.array(part, { maxLength: 20 }).map((parts): Step => ({ name: 'burst', parts })) },
    {
      weight: 3,
      arbitrary: fc
        .record({ stream, ...range, backward: fc.boolean(), filter: filterOfStream })
        .map((of) => ({ name: 'read', ...of }) as Step),
    },
    {
      weight: 2,
      arbitrary: fc.record({ ...range, filter: filterOfAll }).map((of) => ({ name: 'readAll', ...of }) as Step),
    },
    {
      weight: 1,
      arbitrary: fc
        .record({ prefix: optional(fc.constantFrom('account', 's1', 'x')) })
        .map((of) => ({ name: 'list', ...of }) as Step),
    },
    {
      weight: 5,
      arbitrary: fc
        .record({
          id: fc.nat(15),
          parts: fc.array(part, { minLength: 1, maxLength: 3 }),
          other: fc.nat(3).map((n) => n === 0),
        })
        .map((of): Step => ({ name: 'commit', ...of })),
    },
    { weight: 2, arbitrary: fc.record({ query, ...range }).map((of) => ({ name: 'query', ...of }) as Step) },
    {
      weight: 2,
      arbitrary: fc
        .record({ stream, events: fc.array(event, { maxLength: 3 }), query, back: optional(fc.nat(12)) })
        .map((of) => ({ name: 'decide', ...of }) as Step),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom('flush', 'checkpoint', 'reopen', 'crash', 'wait').map((name): Step => ({ name })),
    },
  ),
  { minLength: 10, maxLength: 60, size: 'max' },
)

export function expectedVersion(expect: Expect, version: number): ExpectedVersion {
  if (expect === 'right') return version
  return expect === 'off' ? version + 1 : expect
}

/** Asserts that the store answers a read as the model does. */
export async function assertRead(
  store: FileEventStore,
  model: StoreModel,
  step: Step & { name: 'read' | 'readAll' },
): Promise<void> {
  const { from, to, limit, batch, filter } = step
  const backward = step.name === 'read' && step.backward
  const name = step.name === 'read' ? STREAMS[step.stream]! : undefined
  const list = name === undefined ? model.all : (model.streams.get(name) ?? [])
  const low = backward ? (to ?? 0) : (from ?? 0)
  const high = backward ? (from ?? Infinity) : (to ?? Infinity)
  const inRange = list.filter((_, i) => i >= low && i <= high)
  const matching = inRange.filter((event) => meets(event, filter))
  const expected = (backward ? matching.reverse() : matching).slice(0, limit)
  const reader =
    name === undefined
      ? store.readAll({ ...filter, fromPosition: from, toPosition: to, limit })
      : store.readStream(name, {
          ...filter,
          ...{ fromOffset: from, toOffset: to, limit, direction: backward ? 'backward' : 'forward' },
        })
  const found = batch === undefined ? await collect(reader) : (await collect(reader.batches(batch))).flat()
  assertSame(found, expected)
}

/** Asserts that the store finds by a query what the model has. */
export async function assertQuery(
  store: FileEventStore,
  model: StoreModel,
  { query, from, to, limit, batch }: Step & { name: 'query' },
): Promise<void> {
  const inRange = model.all.slice(from ?? 0, (to ?? Infinity) + 1)
  const expected = inRange.filter((event) => matches(query, event)).slice(0, limit)
  const reader = store.readAll({ query, fromPosition: from, toPosition: to, limit })
  assertSame(batch === undefined ? await collect(reader) : (await collect(reader.batches(batch))).flat(), expected)
}

export function matches({ items }: Query, { type, tags }: StoredEvent): boolean {
  return items.some(
    (item) => (item.types!.length === 0 || item.types!.includes(type)) && item.tags!.every((tag) => tags.includes(tag)),
  )
}

function meets(event: StoredEvent, filter: Filter & { readonly category?: string | undefined }): boolean {
  const { types, correlationId, fromTime = -Infinity, toTime = Infinity, category } = filter
  const metadata = event.metadata as { readonly correlationId?: string } | undefined
  return (
    (types === undefined || types.includes(event.type)) &&
    (category === undefined || event.stream.startsWith(`${category}-`)) &&
    (correlationId === undefined || metadata?.correlationId === correlationId) &&
    event.timestamp >= Number(fromTime) &&
    event.timestamp <= Number(toTime)
  )
}

/** Asserts that the store lists the streams as the model knows them. */
export async function assertListed(
  store: FileEventStore,
  model: StoreModel,
  prefix: string | undefined,
): Promise<void> {
  const found = new Map<string, unknown>()
  for await (const { stream, version, firstTimestamp, lastTimestamp, damage } of store.listStreams({ prefix })) {
    assert.ok(!found.has(stream), stream)
    found.set(stream, { version, firstTimestamp, lastTimestamp, damage })
  }
  const expected = [...model.streams]
    .filter(([name]) => name.startsWith(prefix ?? ''))
    .map(([name, events]) => {
      const firstTimestamp = events[0]!.timestamp
      const lastTimestamp = events.at(-1)!.timestamp
      return [name, { version: events.length, firstTimestamp, lastTimestamp, damage: undefined }] as const
    })
  assert.deepStrictEqual(found, new Map(expected))
}

export function assertSame(found: readonly StoredEvent[], expected: readonly StoredEvent[]): void {
  assert.deepStrictEqual(
    found.map(({ id: _, ...rest }) => rest),
    expected.map((event) => ({ ...event })),
  )
}

/** Asserts that the store is the model: every stream, its version, and the global order. */
export async function assertSameStore(store: FileEventStore, model: StoreModel): Promise<void> {
  assertSame(await collect(store.readAll()), model.all)
  for (const name of STREAMS) {
    const events = model.streams.get(name) ?? []
    assert.equal((await store.streamInfo(name)).version, events.length)
    assertSame(await collect(store.readStream(name)), events)
  }
}
