import t from 'tap'
import { memoryProjections, projection, type ProjectionOptions, runProjection, table } from '../../../kit/index.js'
import { accountEvents, balances, deposit, rowsOf, storeWith, total, until } from './projection-support.js'

t.test('[P1] a state and tables follow the store, from the first event on', async (t) => {
  const store = await storeWith(10)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  const state = await runProjection(store, total, { projections, batchSize: 3 })
  const tables = await runProjection(store, balances, { projections, batchSize: 3 })
  await Promise.all([state.whenProcessed(9), tables.whenProcessed(9)])
  t.same(state.state(), { cents: 10, events: 10 })
  t.same(rowsOf(tables.table('accounts')), {
    'account-0': { cents: 4, events: 4 },
    'account-1': { cents: 3, events: 3 },
    'account-2': { cents: 3, events: 3 },
  })
  const last = await deposit(store, 5)
  await Promise.all([state.whenProcessed(last), tables.whenProcessed(last)])
  t.same(state.state(), { cents: 15, events: 15 })
  t.same([state.position, state.lag, state.status], [15, 0, 'running'])
  await state.stop()
  await tables.stop()
  t.equal(state.status, 'stopped')
})

t.test(
  '[P3] whenProcessed: events that it does not want, a position that is still to come, and what ends the wait',
  async (t) => {
    const store = await storeWith(2)
    t.teardown(() => store.close())
    const runner = await runProjection(store, total, { projections: memoryProjections() })
    const { position } = await store.append('other-1', [{ type: 'Unwanted' }, { type: 'Unwanted' }])
    await runner.whenProcessed(position)
    t.equal(runner.position, position + 1, 'what it does not want is behind it all the same')

    let isDone = false
    const later = runner.whenProcessed(position + 2).then(() => (isDone = true))
    await store.append('account-1', [{ type: 'Deposited', data: { cents: 1 } }])
    await runner.whenProcessed(position + 1)
    t.equal(isDone, false, 'one position is missing')
    await store.append('other-1', [{ type: 'Unwanted' }])
    await later

    const control = new AbortController()
    const aborted = runner.whenProcessed(100, { signal: control.signal })
    control.abort(new Error('enough'))
    await t.rejects(aborted, { message: 'enough' })
    await t.rejects(runner.whenProcessed(1.5), { code: 'ERR_INVALID_ARGUMENT' })
    const waiting = t.rejects(runner.whenProcessed(100), { code: 'ERR_CLOSED' })
    await runner.stop()
    await waiting
    await t.rejects(runner.whenProcessed(100), { code: 'ERR_CLOSED' })
  },
)

t.test('it ends with the store, and says so to those who wait', async (t) => {
  const store = await storeWith(2)
  const runner = await runProjection(store, total, { projections: memoryProjections() })
  const waiting = t.rejects(runner.whenProcessed(100), { code: 'ERR_CLOSED' })
  await store.close()
  await waiting
  await until(() => runner.status === 'stopped')
  t.same(runner.state(), { cents: 2, events: 2 }, 'what was projected is there')
  await runner.stop()
})

t.test('[P1] [B5] stopped anywhere and started again it goes on: each event once, and none is missing', async (t) => {
  const store = await storeWith(40)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  for (let run = 0; run < 12; run++) {
    const runner = await runProjection(store, total, { projections, batchSize: 3 })
    for (let turn = 0; turn < run; turn++) await Promise.resolve()
    await runner.stop()
    const { cents, events } = runner.state()
    t.equal(cents, events)
    t.ok(runner.position >= events, `stopped at ${runner.position} after ${events} events`)
    await deposit(store, 1)
  }
  await using runner = await runProjection(store, total, { projections })
  await runner.whenProcessed(51)
  t.same(runner.state(), { cents: 52, events: 52 })
})

t.test('[P1] a pause ends with what is under way, and resume goes on', async (t) => {
  const store = await storeWith(5)
  t.teardown(() => store.close())
  await using runner = await runProjection(store, balances, { projections: memoryProjections() })
  await runner.whenProcessed(4)
  await runner.pause()
  await until(() => runner.status === 'paused')
  await deposit(store, 4)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.same([runner.position, runner.lag], [5, 4])
  const waiting = runner.whenProcessed(8)
  runner.resume()
  await waiting
  t.equal(runner.position, 9)
})

t.test('[P1] a reset empties it and begins anew, without the effects that it had', async (t) => {
  const store = await storeWith(5)
  t.teardown(() => store.close())
  const effects: number[] = []
  const told = projection({
    name: 'told',
    events: accountEvents,
    tables: { seen: table<{ isReplay: boolean }>() },
    handlers: {
      Deposited: ({ seen }, { position }, { effect, isReplay }) => {
        seen.set(String(position), { isReplay })
        effect(() => effects.push(position))
      },
    },
  })
  await using runner = await runProjection(store, told, { projections: memoryProjections(), batchSize: 2 })
  await runner.whenProcessed(4)
  t.same(effects, [0, 1, 2, 3, 4])
  await runner.pause()
  const reset = runner.reset()
  await reset
  t.same(rowsOf(runner.table('seen')), {})
  await deposit(store, 2)
  runner.resume()
  await runner.whenProcessed(6)
  t.same(effects, [0, 1, 2, 3, 4, 5, 6], 'each effect once')
  t.same(
    [...runner.table('seen').entries()].map(([, { isReplay }]) => isReplay),
    [true, true, true, true, true, false, false],
  )
})

t.test('two of one name are refused while one runs', async (t) => {
  const store = await storeWith(1)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  const first = await runProjection(store, total, { projections })
  await t.rejects(runProjection(store, total, { projections }), { code: 'ERR_PROJECTION_EXISTS', projection: 'total' })
  await first.stop()
  await (await runProjection(store, total, { projections })).stop()
})

t.test('a definition that changed under an old checkpoint', async (t) => {
  const store = await storeWith(3)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  const version = (version: number, more: object = {}) =>
    projection({
      name: 'changing',
      version,
      events: accountEvents,
      initialState: () => ({ sum: 0, version }),
      handlers: { Deposited: (state, { data }) => ({ ...state, sum: state.sum + data.cents * version }), ...more },
    })
  const run = async (definition: ReturnType<typeof version>, options: Partial<ProjectionOptions> = {}) => {
    const runner = await runProjection(store, definition, { projections, ...options })
    await runner.whenProcessed(2)
    await runner.stop()
    return runner.state()
  }
  t.same(await run(version(1)), { sum: 3, version: 1 })
  await t.rejects(run(version(2)), { code: 'ERR_PROJECTION_CHANGED', stored: 1, defined: 2 })
  await t.rejects(run(version(1, { Closed: () => undefined })), { code: 'ERR_PROJECTION_CHANGED', message: /raise it/ })
  t.same(await run(version(2), { onChange: 'keep' }), { sum: 3, version: 1 }, 'gone on with')
  await t.rejects(run(version(1), { onChange: 'rebuild' }), { code: 'ERR_PROJECTION_CHANGED', stored: 2 })
  const runner = await runProjection(store, version(3), { projections, onChange: 'rebuild' })
  await until(() => runner.status === 'running')
  t.same(runner.state(), { sum: 9, version: 3 }, 'made anew')
  await runner.stop()
})

t.test('options and uses that make no sense are refused', async (t) => {
  const store = await storeWith(1)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  for (const options of [
    {},
    { projections: {} },
    { projections, batchSize: 0 },
    { projections, concurrency: 1.5 },
    { projections, concurrency: 2 },
    { projections, timeoutMs: 0 },
    { projections, leaseMs: 0 },
    { projections, retry: { attempts: 0 } },
    { projections, retry: { delayMs: -1 } },
    { projections, onFailure: 'ignore' },
    { projections, onChange: 'yes' },
    { projections, maxDeadLetters: NaN },
  ]) {
    await t.rejects(runProjection(store, total, options as ProjectionOptions), { code: 'ERR_INVALID_ARGUMENT' })
  }
  const sql = projection({
    name: 'sql',
    events: accountEvents,
    sql: { rows: { columns: 'id TEXT' } },
    handlers: { Closed: () => undefined },
  })
  await t.rejects(runProjection(store, sql, { projections }), { code: 'ERR_INVALID_ARGUMENT', message: /SQLite/ })
  await using runner = await runProjection(store, balances, { projections })
  t.throws(() => runner.state(), { code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => runner.table('nothing' as never), { code: 'ERR_INVALID_ARGUMENT' })
})
