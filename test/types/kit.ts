/**
 * What must compile with the kit, and what must not. Checked by the compiler through `kit.test.ts`; never run.
 *
 * @module
 */
import type { EventStore, StoredEvent } from '../../engine/index.js'
import {
  Aggregate,
  auditCsv,
  auditLog,
  cancelDeadline,
  combineEvents,
  commandHandler,
  type CommandHandler,
  type Decider,
  deciderRepository,
  defineEvents,
  event,
  type EventOf,
  memoryProjections,
  projection,
  replay,
  runProjection,
  type Process,
  processManager,
  reactor,
  runReactor,
  setDeadline,
  type StandardSchema,
  type StoredOf,
  table,
  unitOfWork,
} from '../../kit/index.js'

/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unnecessary-type-parameters, @typescript-eslint/no-unused-vars, @typescript-eslint/no-meaningless-void-operator -- nothing here is run */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const assertType = <_Right extends true>(): void => {}

declare const schema: StandardSchema<{ readonly amount: number }>

const events = defineEvents({
  Opened: event<{ readonly name: string }>().upcast(({ name }) => ({ owner: name })),
  Deposited: event(schema),
  Closed: event(),
})
type Event = EventOf<typeof events>

export async function registries(store: EventStore): Promise<void> {
  assertType<Same<Event['type'], 'Opened' | 'Deposited' | 'Closed'>>()
  for await (const one of events.read(store.readAll())) {
    assertType<Same<typeof one, StoredOf<Event>>>()
    switch (one.type) {
      case 'Opened':
        assertType<Same<typeof one.data.owner, string>>()
        break
      case 'Deposited':
        assertType<Same<typeof one.data.amount, number>>()
        break
      case 'Closed':
        assertType<Same<typeof one.data, undefined>>()
    }
  }
  for await (const one of events.read(store.readAll(), { unknown: 'raw' })) {
    if (events.isKnown(one) && one.type === 'Opened') assertType<Same<typeof one.data.owner, string>>()
    const offset: number = one.offset
    assertType<Same<typeof offset, number>>()
  }
  const all = combineEvents(events, defineEvents({ Noted: event<string>() }))
  assertType<Same<EventOf<typeof all>['type'], 'Opened' | 'Deposited' | 'Closed' | 'Noted'>>()
  // @ts-expect-error: an upcaster gets the data of the version before it
  event<{ name: string }>().upcast(({ title }) => ({ title }))
  // @ts-expect-error: the schema is one of other data
  event<{ name: string }>().validate(schema)
  // @ts-expect-error: a repository cannot pass on what it does not know
  defineEvents({}, { unknown: 'raw' })
}

export const right: readonly Event[] = [
  { type: 'Opened', data: { owner: 'Ada' }, metadata: { by: 'u' }, tags: ['a'] },
  { type: 'Closed' },
]
// @ts-expect-error: data of another type
export const wrongData: Event = { type: 'Opened', data: { amount: 1 } }
// @ts-expect-error: data of an older version
export const oldData: Event = { type: 'Opened', data: { name: 'Ada' } }
// @ts-expect-error: no such type
export const wrongType: Event = { type: 'Blown', data: { owner: 'Ada' } }
// @ts-expect-error: an event without data
export const someData: Event = { type: 'Closed', data: 1 }
// @ts-expect-error: data is missing
export const noData: Event = { type: 'Deposited' }
// @ts-expect-error: the registry says which schema version
export const versioned: Event = { type: 'Closed', schemaVersion: 3 }

export class Account extends Aggregate<Event> {
  readonly id = 1
  deposit(amount: number): void {
    this.apply({ type: 'Deposited', data: { amount } })
    // @ts-expect-error: data of another type
    this.apply({ type: 'Deposited', data: { owner: 'Ada' } })
  }
  protected when(event: Event): void {
    if (event.type === 'Opened') assertType<Same<typeof event.data.owner, string>>()
  }
}

export function aggregates(account: Account, stored: StoredOf<Event>): void {
  assertType<Same<typeof account.uncommittedEvents, readonly Event[]>>()
  // @ts-expect-error: only the repository clears it
  account.uncommittedEvents.pop()
  // @ts-expect-error: events are applied by the methods of the aggregate
  account.apply({ type: 'Closed' })
  const event: Event = stored
  const raw: StoredEvent = stored
  void [event, raw]
}

const decider: Decider<number, 'add', Event> = {
  initialState: () => 0,
  decide: (command, state) => {
    assertType<Same<typeof command, 'add'>>()
    return state > 9 ? [] : [{ type: 'Deposited', data: { amount: 1 } }]
  },
  evolve: (state, event) => (event.type === 'Deposited' ? state + event.data.amount : state),
}
// @ts-expect-error: what it decides is no event of these
export const strange: Decider<number, 'add', Event> = { ...decider, decide: () => [{ type: 'Blown' }] }

const process: Process<number, Event, 'pay' | 'ship'> = {
  initialState: () => 0,
  evolve: (state, input) => {
    if (input.type === 'CommandRefused') assertType<Same<typeof input.data.command, 'pay' | 'ship'>>()
    else if (input.type === 'Deposited') assertType<Same<typeof input.data.amount, number>>()
    else if (input.type === 'DeadlinePassed') assertType<Same<typeof input.data.dueAt, number>>()
    return state + 1
  },
  react: () => ['pay', setDeadline('payment', { afterMs: 1 }, { n: 1 }), cancelDeadline('other')],
}
// @ts-expect-error: a time from now, or one of the calendar
setDeadline('payment', 1000)
// @ts-expect-error: not both
setDeadline('payment', { afterMs: 1, at: 'x' })
// @ts-expect-error: no such command
export const odd: Process<number, Event, 'pay'> = { ...process, react: () => ['fly'] }

export async function reactions(store: EventStore): Promise<void> {
  const definition = reactor({
    name: 'a',
    events,
    handlers: {
      Opened: ({ data, offset }, { unit, effectId }) => {
        assertType<Same<typeof data.owner, string>>()
        // @ts-expect-error: data of another type
        unit.append(events, { stream: 's', events: [{ type: 'Deposited', data: { owner: effectId } }] })
        return offset
      },
      '*': ({ type }) => assertType<Same<typeof type, Event['type']>>(),
    },
  })
  await runReactor(store, definition, {
    from: 'end',
    onFailure: ({ attempts }) => (attempts > 1 ? 'stop' : 'dead-letter'),
  })
  // @ts-expect-error: no such type
  reactor({ name: 'a', events, handlers: { Strange: () => 1 } })
  // @ts-expect-error: it is tried again or set aside, not dropped
  await runReactor(store, definition, { onFailure: 'drop' })
  processManager({
    name: 'p',
    store,
    events,
    process,
    processOf: ({ stream }) => stream,
    execute: (command, { processId }) => assertType<Same<typeof command, 'pay' | 'ship'>>() ?? processId,
  })
  for await (const { who, data } of auditLog(store, { stream: 's', fromTime: new Date(0) })) {
    assertType<Same<typeof who, string | undefined>>()
    void data
  }
  // @ts-expect-error: no such column
  auditCsv(auditLog(store), { columns: ['owner'] })
  // @ts-expect-error: a result has to be made of the commit
  commandHandler<number, string>(async () => 'x', { repeats: { store } })
  commandHandler<number, string>(async () => 'x', { repeats: { store, answer: (stored) => stored[0]!.id } })
  commandHandler<number>(async () => undefined, { repeats: { store } })
}

export async function commands(store: EventStore): Promise<void> {
  const counters = deciderRepository(store, { category: 'counter', events, decider })
  const { state } = await counters.execute(1, 'add', { attempts: 3, signal: AbortSignal.timeout(1) })
  assertType<Same<typeof state, number>>()
  // @ts-expect-error: no such command
  await counters.execute(1, 'remove')
  const handler = commandHandler<{ readonly n: number }, string>(
    async ({ n }, { signal }) => `${n} ${String(signal?.aborted)}`,
  )
  assertType<Same<typeof handler, CommandHandler<{ readonly n: number }, string>>>()
  // @ts-expect-error: no such field
  await handler({ m: 1 })
  // @ts-expect-error: the result is a string
  const result: number = await handler({ n: 1 })
  const committed = await unitOfWork(store, async (unit) => (await unit.execute(counters, 1, 'add')).state)
  assertType<Same<typeof committed, number>>()
  // @ts-expect-error: events of another registry
  const other = deciderRepository(store, { category: 'c', events: defineEvents({ Noted: event<string>() }), decider })
  void [result, other]
}

export async function projections(store: EventStore): Promise<void> {
  const memory = memoryProjections()
  const sums = projection({
    name: 'sums',
    events,
    initialState: () => ({ sum: 0 }),
    handlers: {
      Deposited: (state, { data }) => ({ sum: state.sum + data.amount }),
      Opened: (state, { data }) => {
        assertType<Same<typeof data.owner, string>>()
        state.sum++
      },
      '*': (state, event) => {
        assertType<Same<typeof event, StoredOf<Event>>>()
        return state
      },
    },
  })
  const runner = await runProjection(store, sums, { projections: memory })
  assertType<Same<ReturnType<typeof runner.state>, { sum: number }>>()
  const rows = projection({
    name: 'rows',
    events,
    tables: { owners: table<{ readonly owner: string }>(), counts: table<number>() },
    handlers: {
      Opened: ({ owners, counts }, { stream, data }) => {
        owners.set(stream, { owner: data.owner })
        counts.update(stream, (count = 0) => count + 1)
        // @ts-expect-error: another row
        owners.set(stream, { name: data.owner })
      },
    },
  })
  const tables = await runProjection(store, rows, { projections: memory })
  const owner = tables.table('owners').get('a')?.owner
  assertType<Same<typeof owner, string | undefined>>()
  // @ts-expect-error: no such table
  tables.table('others')
  const sql = projection({
    name: 'sql',
    events,
    sql: { accounts: { columns: 'id TEXT' } },
    handlers: {
      Closed: (db) => {
        assertType<Same<typeof db.tables.accounts, string>>()
        // @ts-expect-error: no such table
        db.run(`DELETE FROM ${db.tables.others}`)
      },
    },
  })
  const common = { name: 'wrong', events, initialState: () => 0 }
  // @ts-expect-error: no such event
  projection({ ...common, handlers: { Blown: (state: number) => state } })
  for await (const event of replay(store, { events, eventsPerSecond: 10 })) {
    assertType<Same<typeof event, StoredOf<Event>>>()
  }
  for await (const event of replay(store)) assertType<Same<typeof event, StoredEvent>>()
  void sql
}
