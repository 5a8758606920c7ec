import t from 'tap'
import { memoryProjections, projection, runProjection, table } from '../../../kit/index.js'
import { DEAD_LETTERS } from '../../../kit/projection/batches.js'
import { Draft } from '../../../kit/projection/draft.js'
import { accountEvents, rowsOf, storeWith } from './projection-support.js'

async function draftOf(): Promise<Draft> {
  const build = await memoryProjections().open({ name: 'a', tables: ['rows', DEAD_LETTERS], sql: {} }, 'live')
  const head = { generation: 1, version: 1, shape: '', position: 0, effectsFrom: 0 }
  await build.commit({ expected: undefined, holder: undefined }, () => ({
    head,
    rows: [{ table: 'rows', key: 'old', row: { n: 1 } }],
  }))
  return new Draft(build, ['rows'])
}

t.test('rows are copied in and out, and what is changed is what is stored', async (t) => {
  const draft = await draftOf()
  const { rows } = draft.view(undefined) as { rows: ReturnType<Draft['view']>[string] }
  const old = rows.get('old') as { n: number }
  old.n = 2
  t.same(rows.get('old'), { n: 1 })
  const row = { n: 3 }
  rows.set('new', row)
  row.n = 4
  const read = rows.get('new') as { n: number }
  read.n = 5
  t.same(rows.get('new'), { n: 3 })
  rows.delete('old')
  t.equal(rows.get('old'), undefined)
  t.same(draft.changes(), [
    { table: 'rows', key: 'new', row: { n: 3 } },
    { table: 'rows', key: 'old', row: undefined },
  ])
  t.throws(() => rows.get(1 as never), { code: 'ERR_INVALID_ARGUMENT' })
  draft.end()
  t.throws(() => rows.set('late', 1), { code: 'ERR_INVALID_ARGUMENT', message: /ended/ })
})

t.test('lanes may share rows that nobody changes, and nothing else', async (t) => {
  for (const [steps, isConflict] of [
    [['a get', 'b get', 'c get'], false],
    [['a set', 'a get', 'a set'], false],
    [['a get', 'a set'], false],
    [['a get', 'b set'], true],
    [['a set', 'b get'], true],
    [['a get', 'b get', 'a set'], true],
    [['a get', 'a set', 'b get'], true],
  ] as const) {
    const draft = await draftOf()
    const act = () => {
      for (const step of steps) {
        const [lane, what] = step.split(' ') as [string, 'get' | 'set']
        draft.view(lane)['rows']![what]('old', 1)
      }
    }
    if (isConflict) t.throws(act, /two streams at once/, steps.join())
    else act()
    t.equal(draft.hasConflict, isConflict, steps.join())
  }
})

t.test('[P1] streams are dealt with at once, as many as allowed, each in its order', async (t) => {
  const store = await storeWith(60, 6)
  t.teardown(() => store.close())
  let [atOnce, most] = [0, 0]
  const slow = projection({
    name: 'slow',
    events: accountEvents,
    tables: { accounts: table<number[]>(), sums: table<number>() },
    handlers: {
      Deposited: async ({ accounts, sums }, { stream, offset }) => {
        most = Math.max(most, ++atOnce)
        await new Promise((resolve) => setImmediate(resolve)).finally(() => atOnce--)
        accounts.update(stream, (offsets = []) => [...offsets, offset])
        // Two streams share a row from offset 7 on: these batches are done in order.
        if (offset >= 7) sums.update('all', (sum = 0) => sum + 1)
      },
    },
  })
  await using runner = await runProjection(store, slow, {
    projections: memoryProjections(),
    concurrency: 4,
    batchSize: 12,
  })
  await runner.whenProcessed(59)
  const offsets = Array.from({ length: 10 }, (_, n) => n)
  t.same(rowsOf(runner.table('accounts')), Object.fromEntries([0, 1, 2, 3, 4, 5].map((n) => [`account-${n}`, offsets])))
  t.same(rowsOf(runner.table('sums')), { all: 18 })
  t.equal(most, 4)
})

t.test('[P1] a handler that fails beside others: what came before it is stored, and nothing else', async (t) => {
  const store = await storeWith(12, 6)
  t.teardown(() => store.close())
  const failing = projection({
    name: 'failing',
    events: accountEvents,
    tables: { seen: table<number>() },
    handlers: {
      Deposited: async ({ seen }, { position }) => {
        seen.update(String(position), (times = 0) => times + 1)
        await Promise.resolve()
        if (position === 4) throw new Error('never')
      },
    },
  })
  await using runner = await runProjection(store, failing, {
    projections: memoryProjections(),
    concurrency: 4,
    retry: { attempts: 1 },
  })
  await t.rejects(runner.whenProcessed(11), { code: 'ERR_PROJECTION_HANDLER', position: 4 })
  t.same(rowsOf(runner.table('seen')), { 0: 1, 1: 1, 2: 1, 3: 1 })
})
