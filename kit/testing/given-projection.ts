import { InvalidArgumentError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { StoredOf, TypedEvent } from '../event-registry.js'
import { nodeClock } from '../io/clock.js'
import { type BatchWork, StateWork, TableWork } from '../projection/batches.js'
import { HandlerCalls, type Item } from '../projection/handler-calls.js'
import { memoryProjections } from '../projection/memory-projections.js'
import type { Projection } from '../projection/projection.js'
import type { ProjectionBuild, ProjectionHead } from '../projection/projection-store.js'
import { type RowOf, storedState, storedTable } from '../projection/stored-rows.js'
import { storedDefaults } from './given-process.js'
import { type Attempt, attempt, compare, type ExpectedError, refused, valueOf } from './outcomes.js'

/** An event to be projected, as the program knows it today: type and data are enough; most projections want the stream, too. */
export type ProjectedEvent<Event extends TypedEvent = TypedEvent> = Event extends TypedEvent
  ? Pick<StoredOf<Event>, 'type' | 'data'> & Partial<StoredEvent>
  : never

/** What a projection makes of events. Each method resolves when it is as expected, and rejects with an AssertionError otherwise. */
export interface GivenProjection<View> {
  /** More events, after those before. */
  when(...events: readonly ProjectedEvent[]): GivenProjection<View>
  /** This is the state; or a function looks at it, and throws when it is not right. */
  thenState(expected: View | ((state: View) => void)): Promise<void>
  /** These are the rows of a table, by key, and there are no others. */
  thenTable<Name extends keyof View & string>(
    table: Name,
    rows: Readonly<Record<string, RowOf<View[Name]>>>,
  ): Promise<void>
  /** So many effects were asked for. */
  thenEffects(count: number): Promise<void>
  /** A handler failed. */
  thenFailed(error?: ExpectedError): Promise<void>
}

interface Projected {
  readonly build: ProjectionBuild
  readonly effects: number
}

/**
 * Begins a test of a projection to a state or to tables: with the events that it gets. No store is needed. One to SQLite is tested by running it.
 *
 * ```ts
 * await givenProjection(balances, [{ stream: 'account-1', type: 'MoneyDeposited', data: { cents: 5 } }])
 *   .thenTable('accounts', { 'account-1': { cents: 5 } })
 * ```
 */
export function givenProjection<View>(
  projection: Projection<'state' | 'tables' | 'sql', View>,
  events: readonly ProjectedEvent[] = [],
): GivenProjection<View> {
  if (projection.kind === 'sql') {
    throw new InvalidArgumentError(
      `Cannot test projection ${quote(projection.name)} alone: it projects to SQLite; run it`,
    )
  }
  const project = (): Promise<Attempt<Projected>> => attempt(() => projected(projection, events))
  const built = async (): Promise<Projected> => valueOf(await project(), 'A handler failed')
  return {
    when: (...more) => givenProjection(projection, [...events, ...more]),
    async thenState(expected) {
      const state = storedState((await built()).build, projection)
      if (typeof expected === 'function') (expected as (state: View) => void)(state)
      else compare(state, expected, 'The state is not the one that was expected')
    },
    async thenTable(table, rows) {
      const { build } = await built()
      const actual = [...storedTable(build, projection, table).entries()]
      const sorted = (entries: readonly (readonly [string, unknown])[]): object =>
        Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)))
      compare(sorted(actual), sorted(Object.entries(rows)), `The rows of ${table} are not those that were expected`)
    },
    async thenEffects(count) {
      compare((await built()).effects, count, 'Another number of effects was expected')
    },
    async thenFailed(error) {
      refused(await project(), error, 'all events were projected')
    },
  }
}

async function projected(projection: Projection, events: readonly ProjectedEvent[]): Promise<Projected> {
  const build = await memoryProjections().open(projection, 'live')
  const { version, shape } = projection
  let head: ProjectionHead = { generation: 1, position: 0, effectsFrom: 0, version, shape }
  await build.commit({ expected: undefined, holder: undefined }, () => ({ head, rows: [] }))
  const work: BatchWork =
    projection.kind === 'state' ? new StateWork(build, projection) : new TableWork(build, projection, 1)
  const { signal } = new AbortController()
  let effects = 0
  for (const [i, given] of events.entries()) {
    const calls = new HandlerCalls({ clock: nodeClock, timeoutMs: 30_000, signal, effectsFrom: 0 })
    const handler = projection.handlerOf(given.type)
    if (handler === undefined) continue
    const event = { ...storedDefaults(i), ...(given as object) } as StoredEvent
    const item: Item = { stored: event, event, name: handler.name, handler: handler.handle }
    const batch = await work.apply([item], 1, calls)
    if (batch.failed !== undefined) throw batch.failed.error
    const expected = head
    head = { ...head, position: i + 1 }
    await build.commit({ expected, holder: undefined }, () => ({ head, rows: batch.rows }))
    effects += calls.effects.length
  }
  return { build, effects }
}
