import t from 'tap'
import { type EventStore, openMemoryStore } from '../../../engine/index.js'
import {
  defineEvents,
  event,
  type HandlerContext,
  type KitWarning,
  memoryProjections,
  projection,
  type ProjectionOptions,
  type ProjectionStore,
  runProjection,
  type StoredOf,
  type EventOf,
  table,
} from '../../../kit/index.js'
import { accountEvents, deposit, rowsOf, storeWith, TestClock, until } from './projection-support.js'

type Deposited = Extract<StoredOf<EventOf<typeof accountEvents>>, { type: 'Deposited' }>

/** Notes how often each position was projected; `before` may fail. State and tables do the same. */
function noting(before: (event: Deposited, context: HandlerContext) => void | Promise<void>) {
  return {
    state: projection({
      name: 'noting-state',
      events: accountEvents,
      initialState: (): { seen: Record<string, number> } => ({ seen: {} }),
      handlers: {
        Deposited: async (state, event, context) => {
          state.seen[event.position] = (state.seen[event.position] ?? 0) + 1
          await before(event, context)
        },
      },
    }),
    tables: projection({
      name: 'noting-tables',
      events: accountEvents,
      tables: { seen: table<number>() },
      handlers: {
        Deposited: async ({ seen }, event, context) => {
          seen.update(String(event.position), (times = 0) => times + 1)
          await before(event, context)
        },
      },
    }),
  }
}

const once = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n), 1]))

for (const kind of ['state', 'tables'] as const) {
  const run = async (
    store: EventStore,
    before: (event: Deposited, context: HandlerContext) => void | Promise<void>,
    options: Partial<ProjectionOptions> = {},
  ) => {
    const projections = options.projections ?? memoryProjections()
    const both = noting(before)
    if (kind === 'state') {
      const runner = await runProjection(store, both.state, { projections, ...options })
      return { runner, seen: () => runner.state().seen }
    }
    const runner = await runProjection(store, both.tables, { projections, ...options })
    return { runner, seen: () => rowsOf(runner.table('seen')) }
  }

  t.test(`[P1] [B5] ${kind}: a handler that fails for a while is called again, later each time`, async (t) => {
    const store = await storeWith(6)
    t.teardown(() => store.close())
    const clock = new TestClock()
    const attempts: number[] = []
    const { runner, seen } = await run(
      store,
      ({ position }, { attempt }) => {
        if (position !== 3) return
        attempts.push(attempt)
        if (attempts.length < 4) throw new Error('not now')
      },
      { clock, retry: { attempts: 5, delayMs: 10, maxDelayMs: 15 }, leaseMs: 1_000_000 },
    )
    const done = runner.whenProcessed(5)
    for (const [n, ms] of [10, 15, 15].entries()) {
      await until(() => clock.slept.filter((slept) => slept < 100).length > n)
      t.same([runner.position, seen()], [3, once(3)], 'what came before it is stored')
      clock.go(ms)
    }
    await done
    t.same(attempts, [1, 2, 3, 4])
    t.same(
      clock.slept.filter((ms) => ms < 100),
      [10, 15, 15],
    )
    t.same(seen(), once(6), 'each event once')
    await runner.stop()
  })

  t.test(`[P1] ${kind}: it stops before an event that it cannot project, and says which`, async (t) => {
    const store = await storeWith(6)
    t.teardown(() => store.close())
    let isBroken = true
    const cause = new Error('no such column')
    const { runner, seen } = await run(
      store,
      ({ position }) => {
        if (position === 4 && isBroken) throw cause
      },
      { retry: { attempts: 2, delayMs: 0 } },
    )
    const expected = {
      code: 'ERR_PROJECTION_HANDLER',
      projection: `noting-${kind}`,
      stream: 'account-1',
      offset: 1,
      position: 4,
      type: 'Deposited',
      handler: 'Deposited',
      attempts: 2,
      cause,
    }
    await t.rejects(runner.whenProcessed(5), expected)
    t.match(runner.failure, expected)
    t.same([runner.status, runner.position, seen()], ['failed', 4, once(4)])
    await t.rejects(runner.whenProcessed(5), expected, 'as long as it has failed')
    t.equal(await runner.whenProcessed(3), undefined, 'what is projected is')
    await t.rejects(runner.retryDeadLetters(), expected)
    isBroken = false
    runner.resume()
    await runner.whenProcessed(5)
    t.same(seen(), once(6))
    await runner.stop()
  })

  t.test(`[P1] ${kind}: an event set aside as a dead letter is projected when its handler can`, async (t) => {
    const store = await storeWith(8)
    t.teardown(() => store.close())
    let isBroken = true
    const asked: string[] = []
    const { runner, seen } = await run(
      store,
      ({ position }) => {
        if (isBroken && position % 3 === 0) throw new Error(`not ${position}`)
      },
      {
        retry: { attempts: 1 },
        onFailure: (error, { id }) => {
          asked.push(id)
          return error.position < 9 ? 'dead-letter' : 'stop'
        },
      },
    )
    await runner.whenProcessed(7)
    const all = once(8)
    t.same(seen(), { 1: 1, 2: 1, 4: 1, 5: 1, 7: 1 })
    t.match(runner.deadLetters(), [
      { position: 0, stream: 'account-0', offset: 0, type: 'Deposited', handler: 'Deposited', reason: 'not 0' },
      { position: 3, attempts: 1 },
      { position: 6 },
    ])
    t.equal(asked.length, 3)
    t.equal((await runner.retryDeadLetters()).length, 3)
    t.match(runner.deadLetters(), [{ attempts: 2 }, { attempts: 2 }, { attempts: 2 }])
    isBroken = false
    t.same(await runner.retryDeadLetters(), [])
    t.same(seen(), all, 'each event once')
    t.equal(runner.position, 8)
    isBroken = true
    await deposit(store, 2)
    await t.rejects(runner.whenProcessed(9), { code: 'ERR_PROJECTION_HANDLER', position: 9 })
    await runner.stop()
  })

  t.test(`${kind}: more dead letters than are kept stop it`, async (t) => {
    const store = await storeWith(5)
    t.teardown(() => store.close())
    const { runner } = await run(
      store,
      () => {
        throw new Error('never')
      },
      { retry: { attempts: 1 }, onFailure: 'dead-letter', maxDeadLetters: 3 },
    )
    await t.rejects(runner.whenProcessed(4), { code: 'ERR_PROJECTION_HANDLER', position: 3 })
    t.equal(runner.deadLetters().length, 3)
    await runner.stop()
  })

  t.test(`${kind}: a handler that hangs is given up, told so, and changes nothing any more`, async (t) => {
    const store = await storeWith(4)
    t.teardown(() => store.close())
    const clock = new TestClock()
    const signals: AbortSignal[] = []
    let release = (): void => undefined
    const { runner, seen } = await run(
      store,
      async ({ position }, { attempt, signal }) => {
        if (position !== 2 || attempt > 1) return
        signals.push(signal)
        await new Promise<void>((resolve) => (release = resolve))
      },
      { clock, timeoutMs: 50, retry: { attempts: 3, delayMs: 1 }, leaseMs: 1_000_000 },
    )
    await until(() => signals.length === 1)
    clock.go(60)
    await until(() => clock.slept.includes(1))
    t.same([runner.position, seen()], [2, once(2)])
    clock.go(2)
    await runner.whenProcessed(3)
    t.ok(signals.every(({ aborted }) => aborted))
    t.match(signals[0]!.reason, { message: 'it did not end within 50 ms' })
    release()
    await deposit(store, 1)
    await runner.whenProcessed(4)
    t.same(seen(), once(5))
    await runner.stop()
  })

  t.test(`${kind}: stopped while a handler hangs, it ends at once, and nothing of the batch counts`, async (t) => {
    const store = await storeWith(4)
    t.teardown(() => store.close())
    const projections = memoryProjections()
    let told = false
    const { runner, seen } = await run(
      store,
      async ({ position }, { signal }) => {
        if (position < 2) return
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => {
            told = true
            resolve()
          }),
        )
      },
      { projections },
    )
    await until(() => runner.status === 'running')
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    await runner.stop()
    t.equal(told, true)
    t.same(seen(), {})
    const again = await run(store, () => undefined, { projections })
    await again.runner.whenProcessed(3)
    t.same(again.seen(), once(4))
    await again.runner.stop()
  })

  t.test(
    `[B5] ${kind}: a store that fails is asked again; what it refuses for good stops the projection`,
    async (t) => {
      const store = await storeWith(6)
      t.teardown(() => store.close())
      let failures = 2
      const inner = memoryProjections()
      const projections: ProjectionStore = {
        ...inner,
        open: async (description, build) => {
          const opened = await inner.open(description, build)
          const failing = Object.create(opened) as typeof opened
          failing.commit = async (request, work) => {
            if (opened.head !== undefined && failures-- > 0) throw new Error('disk full')
            return opened.commit(request, work)
          }
          Object.defineProperty(failing, 'head', { get: () => opened.head })
          return failing
        },
      }
      const { runner, seen } = await run(store, () => undefined, { projections, batchSize: 2, retry: { delayMs: 0 } })
      await runner.whenProcessed(5)
      t.same(seen(), once(6))
      failures = 3
      const last = await deposit(store, 1)
      await t.rejects(runner.whenProcessed(last), { message: 'disk full' })
      t.equal(runner.status, 'failed')
      runner.resume()
      await runner.whenProcessed(last)
      t.same(seen(), once(7))
      await runner.stop()
    },
  )
}

t.test(
  '[B3] events are upcast, former names are found, and what cannot be upcast is a failure like others',
  async (t) => {
    const store = await openMemoryStore()
    t.teardown(() => store.close())
    await store.append('a-1', [
      { type: 'Old', data: { n: 1 } },
      { type: 'New', data: { n: 2 }, schemaVersion: 1 },
      { type: 'New', data: { count: 3 }, schemaVersion: 2 },
      { type: 'New', data: { n: -1 }, schemaVersion: 1 },
      { type: 'Other', data: undefined },
      { type: 'Unknown', data: undefined },
    ])
    const events = defineEvents({
      New: event<{ n: number }>()
        .upcast(({ n }) => {
          if (n < 0) throw new Error('negative')
          return { count: n }
        })
        .formerly('Old'),
      Other: event(),
    })
    const seen = projection({
      name: 'seen',
      events,
      initialState: () => [] as string[],
      handlers: {
        New: (all, { data }) => [...all, `new ${data.count}`],
        '*': (all, { type }) => [...all, `other ${type}`],
      },
    })
    await using runner = await runProjection(store, seen, {
      projections: memoryProjections(),
      onFailure: 'dead-letter',
      retry: { attempts: 1 },
    })
    await runner.whenProcessed(5)
    t.same(runner.state(), ['new 1', 'new 2', 'new 3', 'other Other'])
    t.match(runner.deadLetters(), [{ position: 3, type: 'New', reason: /negative/ }])
  },
)

t.test('a stream alone can be projected', async (t) => {
  const store = await storeWith(9)
  t.teardown(() => store.close())
  const one = projection({
    name: 'one',
    events: accountEvents,
    stream: 'account-1',
    initialState: () => 0,
    handlers: { Deposited: (count) => count + 1 },
  })
  await using runner = await runProjection(store, one, { projections: memoryProjections() })
  await runner.whenProcessed(8)
  t.equal(runner.state(), 3)
})

t.test('a state that cannot be stored is a failure, and so is a row', async (t) => {
  const store = await storeWith(2)
  t.teardown(() => store.close())
  const common = { events: accountEvents }
  const state = projection({
    ...common,
    name: 'classy-state',
    initialState: () => ({}),
    handlers: { Deposited: () => new URL('http://localhost') },
  })
  const tables = projection({
    ...common,
    name: 'classy-rows',
    tables: { rows: table<unknown>() },
    handlers: { Deposited: ({ rows }) => rows.set('a', () => 1) },
  })
  const missing = projection({
    ...common,
    name: 'missing-row',
    tables: { rows: table<unknown>() },
    handlers: { Deposited: ({ rows }) => rows.set('a', undefined) },
  })
  for (const definition of [state, tables, missing]) {
    const runner = await runProjection<unknown>(store, definition, {
      projections: memoryProjections(),
      retry: { attempts: 1 },
    })
    await t.rejects(runner.whenProcessed(1), { code: 'ERR_PROJECTION_HANDLER', cause: Error })
    await runner.stop()
  }
})

t.test('[P1] a dead letter is stored in one with the checkpoint behind it', async (t) => {
  const store = await storeWith(3)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  const options = { projections, retry: { attempts: 1 }, onFailure: 'dead-letter' } as const
  const { state } = noting(() => {
    throw new Error('never')
  })
  const runner = await runProjection(store, state, options)
  await runner.whenProcessed(2)
  const build = await projections.open({ name: state.name, tables: [], sql: {} }, 'live')
  t.same([build.head?.position, [...build.entries('dead_letters')].length], [3, 3])
  await runner.stop()
})

t.test('an effect that throws is told, and stops nothing', async (t) => {
  const store = await storeWith(3)
  t.teardown(() => store.close())
  const heard: KitWarning[] = []
  const had: number[] = []
  const loud = projection({
    name: 'loud',
    events: accountEvents,
    initialState: () => 0,
    handlers: {
      Deposited: (count, { position }, { effect }) => {
        effect(async () => {
          if (position === 1) throw new Error('nobody there')
          had.push(position)
        })
        return count + 1
      },
    },
  })
  await using runner = await runProjection(store, loud, {
    projections: memoryProjections(),
    onWarning: (warning) => heard.push(warning),
  })
  await runner.whenProcessed(2)
  await until(() => had.length === 2)
  t.same(had, [0, 2])
  t.match(heard, [
    { kind: 'effect-failed', projection: 'loud', stream: 'account-1', offset: 0, reason: 'nobody there' },
  ])
})
