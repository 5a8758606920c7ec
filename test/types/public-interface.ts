/**
 * What must compile, and what must not. Checked by the compiler through `public-interface.test.ts`; never run.
 *
 * @module
 */
import {
  AnnalsError,
  type AppendResult,
  type ErrorCode,
  type EventReader,
  type EventStore,
  type FileEventStore,
  type NewEvent,
  openEventStore,
  openMemoryStore,
  type StoredEvent,
  type StoreStats,
  type Subscription,
  VersionConflictError,
} from '../../engine/index.js'

/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters, @typescript-eslint/no-unused-vars, @typescript-eslint/no-meaningless-void-operator -- nothing here is run */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const assertType = <_Right extends true>(): void => {}

type Opened = NewEvent<'AccountOpened', { readonly owner: string }>
type Deposited = NewEvent<'MoneyDeposited', { readonly amount: number }>
type AccountEvent = Opened | Deposited
type StoredAccountEvent =
  StoredEvent<'AccountOpened', { readonly owner: string }> | StoredEvent<'MoneyDeposited', { readonly amount: number }>

export async function opening(): Promise<void> {
  const store = await openEventStore('folder', { create: undefined, durability: 'interval', limits: { eventBytes: 1 } })
  assertType<Same<typeof store, FileEventStore>>()
  await using memory: EventStore = await openMemoryStore()
  await memory.close()
  await openEventStore('folder', {})
  // @ts-expect-error: the folder is a path
  await openEventStore(7)
  // @ts-expect-error: no such option
  await openEventStore('folder', { readonly: true })
  // @ts-expect-error: no such durability
  await openEventStore('folder', { durability: 'never' })
  // @ts-expect-error: no such limit
  await openEventStore('folder', { limits: { events: 1 } })
  // @ts-expect-error: a store in memory is always new
  await openMemoryStore({ create: true })
}

export async function appending(store: EventStore): Promise<void> {
  const event: AccountEvent = { type: 'MoneyDeposited', data: { amount: 1 } }
  const result = await store.append('account-1', [event], { expectedVersion: 3 })
  assertType<Same<typeof result, AppendResult>>()
  assertType<Same<typeof result.position, number>>()
  const results = await store.appendMany([{ stream: 'a', events: [event], expectedVersion: 'noStream' }])
  assertType<Same<typeof results, AppendResult[]>>()
  const frozen: readonly AccountEvent[] = Object.freeze([event])
  await store.append('a', frozen, { expectedVersion: undefined, durability: undefined })
  await store.append('a', [{ type: 'T', timestamp: new Date(), id: undefined, metadata: undefined, schemaVersion: 2 }])
  // @ts-expect-error: versions are numbers or words
  await store.append('a', [event], { expectedVersion: 'latest' })
  // @ts-expect-error: positions and versions are never bigint
  await store.append('a', [event], { expectedVersion: 1n })
  // @ts-expect-error: an event has a type
  await store.append('a', [{ data: 1 }])
  // @ts-expect-error: an event has no such field
  await store.append('a', [{ type: 'T', payload: 1 }])
  // @ts-expect-error: events come in an array
  await store.append('a', event)
  // @ts-expect-error: expected versions of appendMany stand with each stream
  await store.appendMany([], { expectedVersion: 1 })
  // @ts-expect-error: results are read-only
  result.version = 7
}

export async function following(store: EventStore): Promise<void> {
  const subscription = store.subscribe<StoredAccountEvent>({ category: 'account', fromPosition: 'end', types: ['A'] })
  assertType<Same<typeof subscription, Subscription<StoredAccountEvent>>>()
  for await (const event of subscription) assertType<Same<typeof event, StoredAccountEvent>>()
  for await (const batch of subscription.batches(10)) assertType<Same<typeof batch, StoredAccountEvent[]>>()
  await using all: Subscription = store.subscribe()
  const place: [number, number, boolean] = [all.position, all.lag, all.isCaughtUp]
  assertType<Same<typeof place, [number, number, boolean]>>()
  store.subscribe({ stream: 'a', fromOffset: 3, onCaughtUp: (position) => position.toFixed(), signal: undefined })
  // @ts-expect-error: only 'end' is a word for a place
  store.subscribe({ fromPosition: 'start' })
  // @ts-expect-error: no such option
  store.subscribe({ limit: 3 })
  // @ts-expect-error: a checkpoint is not set, one subscribes from it
  all.position = 7
}

export function unions(): void {
  const right: AccountEvent = { type: 'AccountOpened', data: { owner: 'A' } }
  // @ts-expect-error: data of another type
  const wrongData: AccountEvent = { type: 'AccountOpened', data: { amount: 1 } }
  // @ts-expect-error: no such type
  const wrongType: AccountEvent = { type: 'AccountBlown', data: { owner: 'A' } }
  void [right, wrongData, wrongType]
}

export async function reading(store: EventStore): Promise<void> {
  const reader = store.readStream('a', { fromOffset: 1, toOffset: undefined, limit: 3, direction: 'backward' })
  assertType<Same<typeof reader, EventReader>>()
  for await (const event of reader) {
    assertType<Same<typeof event, StoredEvent>>()
    assertType<Same<typeof event.data, unknown>>()
    // @ts-expect-error: stored events are read-only
    event.offset = 1
    // @ts-expect-error: unknown data is not used without a look
    void event.data.amount
  }
  for await (const batch of reader.batches(10)) assertType<Same<typeof batch, StoredEvent[]>>()
  for await (const event of store.readStream<StoredAccountEvent>('a')) {
    if (event.type === 'AccountOpened') assertType<Same<typeof event.data.owner, string>>()
    else assertType<Same<typeof event.data.amount, number>>()
  }
  for await (const event of store.readAll({ fromPosition: 1, signal: AbortSignal.timeout(1) })) void event.position
  const { version } = await store.streamInfo('a')
  assertType<Same<typeof version, number>>()
  // @ts-expect-error: no such direction
  store.readStream('a', { direction: 'up' })
  // @ts-expect-error: readAll goes by position
  store.readAll({ fromOffset: 1 })
  // @ts-expect-error: readAll goes forward
  store.readAll({ direction: 'backward' })
  // @ts-expect-error: offsets are numbers
  store.readStream('a', { fromOffset: 1n })
}

export function errors(error: unknown): void {
  if (error instanceof VersionConflictError) {
    assertType<Same<typeof error.code, ErrorCode>>()
    assertType<Same<typeof error.actual, number>>()
  } else if (error instanceof AnnalsError) {
    // @ts-expect-error: no such code
    if (error.code === 'ERR_UNHEARD_OF') return
  }
}

export function figures(store: FileEventStore): void {
  const stats = store.stats()
  assertType<Same<typeof stats, StoreStats>>()
  // @ts-expect-error: figures are read-only
  stats.events = 1
}
