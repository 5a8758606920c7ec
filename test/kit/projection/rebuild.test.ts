import t from 'tap'
import { memoryProjections, type Progress, projection, runProjection, table } from '../../../kit/index.js'
import { accountEvents, deposit, rowsOf, storeWith, until } from './projection-support.js'

/** Counts by account, with a factor that stands for code that was corrected, and effects. */
function counting(factor: () => number, effects: number[], version = 1) {
  return projection({
    name: 'counting',
    version,
    events: accountEvents,
    tables: { counts: table<number>() },
    handlers: {
      Deposited: async ({ counts }, { stream, position }, { effect }) => {
        counts.update(stream, (count = 0) => count + factor())
        effect(() => effects.push(position))
      },
    },
  })
}

t.test(
  '[P1] rebuilt beside the live one: readers see the old until they see the new, and each effect is had once',
  async (t) => {
    const store = await storeWith(50, 1)
    t.teardown(() => store.close())
    const effects: number[] = []
    let factor = 1
    await using runner = await runProjection(
      store,
      counting(() => factor, effects),
      {
        projections: memoryProjections(),
        batchSize: 7,
      },
    )
    await runner.whenProcessed(49)
    const read = () => runner.table('counts').get('account-0')
    t.equal(read(), 50)

    factor = 10
    const seen = new Set<number | undefined>()
    const progress: Progress[] = []
    let appended = 50
    const rebuilt = runner.rebuild({
      onProgress: (made) => {
        seen.add(read())
        progress.push(made)
      },
    })
    // The store moves on meanwhile, and so does the live projection.
    for (let n = 0; n < 5; n++) {
      appended++
      await runner.whenProcessed(await deposit(store, 1, 1))
      seen.add(read())
    }
    await rebuilt
    appended++
    await runner.whenProcessed(await deposit(store, 1, 1))
    t.equal(read(), appended * 10)
    t.ok(
      [...seen].every((count) => count !== undefined && count >= 50),
      'never less than there was',
    )
    t.same(
      effects,
      Array.from({ length: appended }, (_, n) => n),
      'each effect once',
    )
    t.equal(progress.at(-1)?.done, 1)
    t.ok(progress[0]!.events > 0 && progress[0]!.done > 0)
  },
)

t.test(
  '[P1] a rebuild that fails or is ended leaves the live one as it is; resumed it goes on where it was',
  async (t) => {
    const store = await storeWith(20, 1)
    t.teardown(() => store.close())
    const effects: number[] = []
    const calls: number[] = []
    let broken = false
    const definition = counting(() => {
      calls.push(1)
      if (broken && calls.length > 32) throw new Error('never')
      return 1
    }, effects)
    await using runner = await runProjection(store, definition, {
      projections: memoryProjections(),
      batchSize: 5,
      retry: { attempts: 1 },
    })
    await runner.whenProcessed(19)
    broken = true
    await t.rejects(runner.rebuild(), { code: 'ERR_PROJECTION_HANDLER', position: 10 })
    t.same(rowsOf(runner.table('counts')), { 'account-0': 20 })
    t.equal(runner.status, 'running')

    broken = false
    calls.length = 0
    await runner.rebuild({ resume: true })
    t.equal(calls.length, 10, 'only what was missing')
    t.same(rowsOf(runner.table('counts')), { 'account-0': 20 })

    const control = new AbortController()
    const ended = runner.rebuild({ signal: control.signal, onProgress: () => control.abort(new Error('enough')) })
    await t.rejects(runner.rebuild(), { code: 'ERR_INVALID_ARGUMENT' }, 'one at a time')
    await t.rejects(ended, { message: 'enough' })
    await runner.rebuild()
    const last = await deposit(store, 1, 1)
    await runner.whenProcessed(last)
    t.same(rowsOf(runner.table('counts')), { 'account-0': 21 })
    t.equal(effects.length, 21, 'each effect once')
  },
)

t.test('[P1] a rebuild heals a projection that has failed; a reset in the middle of it begins it again', async (t) => {
  const store = await storeWith(10, 1)
  t.teardown(() => store.close())
  let broken = true
  const definition = counting(() => {
    if (broken) throw new Error('never')
    return 1
  }, [])
  await using runner = await runProjection(store, definition, {
    projections: memoryProjections(),
    batchSize: 2,
    retry: { attempts: 1 },
  })
  await t.rejects(runner.whenProcessed(9), { code: 'ERR_PROJECTION_HANDLER' })
  broken = false
  await runner.rebuild()
  await runner.whenProcessed(9)
  t.same(rowsOf(runner.table('counts')), { 'account-0': 10 })

  let reset: Promise<void> | undefined
  await runner.rebuild({ onProgress: () => void (reset ??= runner.reset()) })
  await reset
  await runner.whenProcessed(9)
  t.same(rowsOf(runner.table('counts')), { 'account-0': 10 })
})

t.test('[P1] a newer version is made beside an older one that still runs, and takes its place', async (t) => {
  const store = await storeWith(30, 1)
  t.teardown(() => store.close())
  // Two processes: each has a projection store of its own, over the same data.
  const shared = memoryProjections()
  const process = () => ({ ...shared, running: new Set<string>() })
  const effects: number[] = []
  const old = await runProjection(
    store,
    counting(() => 1, effects),
    { projections: process(), leaseMs: 30 },
  )
  await old.whenProcessed(29)
  const newer = await runProjection(
    store,
    counting(() => 10, effects, 2),
    {
      projections: process(),
      leaseMs: 30,
      onChange: 'rebuild',
      batchSize: 4,
    },
  )
  await newer.whenProcessed(await deposit(store, 5, 1))
  await until(() => newer.table('counts').get('account-0') === 350, 100_000)
  const last = await deposit(store, 1, 1)
  await newer.whenProcessed(last)
  await until(() => old.status === 'failed', 100_000)
  t.match(old.failure, { code: 'ERR_PROJECTION_CHANGED', stored: 2, defined: 1 })
  t.same(rowsOf(newer.table('counts')), { 'account-0': 360 })
  t.same(
    [...effects].sort((a, b) => a - b),
    Array.from({ length: 36 }, (_, n) => n),
    'each effect once',
  )
  await old.stop()
  await newer.stop()
})
