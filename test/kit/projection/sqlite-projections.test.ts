import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openMemoryStore } from '../../../engine/index.js'
import {
  projection,
  type ProjectionStore,
  runProjection,
  sqliteProjections,
  type SqlValue,
  table,
} from '../../../kit/index.js'
import { projectionStoreSuite } from './projection-stores.js'
import { accountEvents, deposit, storeWith, until } from './projection-support.js'
import { drivers, type TestDatabase } from './sqlite-drivers.js'

const folder = mkdtempSync(join(tmpdir(), 'annals-sqlite-'))
const opened: TestDatabase[] = []
t.teardown(() => {
  for (const database of opened) database.close()
  rmSync(folder, { recursive: true, force: true })
})

for (const [driver, connect] of Object.entries(drivers)) {
  const open = (path = join(folder, `${driver.replace(':', '-')}-${opened.length}.db`)) => {
    const database = connect(path)
    opened.push(database)
    database.exec('PRAGMA busy_timeout = 1000')
    return { database, path, projections: sqliteProjections(database) }
  }
  const paths = new Map<ProjectionStore, string>()
  projectionStoreSuite({
    name: driver,
    open: () => {
      const { path, projections } = open()
      paths.set(projections, path)
      return projections
    },
    again: (store) => open(paths.get(store)).projections,
  })

  const accounts = (cents: () => number, version = 1) =>
    projection({
      name: 'money',
      version,
      events: accountEvents,
      sql: {
        accounts: {
          columns: 'account TEXT PRIMARY KEY, cents INTEGER NOT NULL',
          indexes: ['cents DESC', 'account, cents'],
        },
        days: { columns: 'position INTEGER PRIMARY KEY' },
      },
      handlers: {
        Deposited: (sql, { stream, position }) => {
          const { accounts, days } = sql.tables
          sql.run(
            `INSERT INTO ${accounts} VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents`,
            stream,
            cents(),
          )
          sql.run(`INSERT INTO ${days} VALUES (?)`, position)
          if (sql.get(`SELECT cents FROM ${accounts} WHERE account = ?`, stream) === undefined) throw new Error('lost')
        },
      },
    })
  const balances = (database: TestDatabase) =>
    (
      database.prepare('SELECT account, cents FROM money_accounts ORDER BY account').all() as Record<string, unknown>[]
    ).map(({ account, cents }) => [account, cents])

  t.test(
    `[P1] [B5] ${driver}: tables with columns, written in the transaction of the checkpoint; rebuilt under new names`,
    async (t) => {
      const store = await storeWith(20, 2)
      t.teardown(() => store.close())
      const { database, projections } = open()
      let broken = false
      let cents = 1
      const definition = accounts(() => {
        if (broken) throw new Error('never')
        return cents
      })
      await using runner = await runProjection(store, definition, { projections, batchSize: 6, retry: { attempts: 1 } })
      await runner.whenProcessed(19)
      t.same(balances(database), [
        ['account-0', 10],
        ['account-1', 10],
      ])
      const position = database.prepare('SELECT position FROM annals_projections').get() as { position: number }
      t.equal(position.position, 20)

      broken = true
      const last = await deposit(store, 2, 2)
      await t.rejects(runner.whenProcessed(last), {
        code: 'ERR_PROJECTION_HANDLER',
        position: 20,
        handler: 'Deposited',
      })
      t.same(
        balances(database),
        [
          ['account-0', 10],
          ['account-1', 10],
        ],
        'nothing of the event that failed',
      )
      broken = false
      runner.resume()
      await runner.whenProcessed(last)
      t.same(balances(database), [
        ['account-0', 11],
        ['account-1', 11],
      ])

      for (cents = 2; cents <= 3; cents++) {
        await runner.rebuild()
        t.same(
          balances(database),
          [
            ['account-0', 11 * cents],
            ['account-1', 11 * cents],
          ],
          'switched',
        )
        t.equal(
          (database.prepare('SELECT COUNT(*) AS n FROM money_days').get() as { n: number }).n,
          22,
          'each event once',
        )
      }
      const names = database.prepare(`SELECT name FROM sqlite_master WHERE name LIKE 'money%'`).all() as {
        name: string
      }[]
      t.same(
        names.filter(({ name }) => name.endsWith('__next')),
        [],
        'nothing is left of the other build',
      )
      t.equal(names.length, 5, 'three tables and two indexes')
      await runner.reset()
      await runner.whenProcessed(21)
      t.same(balances(database), [
        ['account-0', 44],
        ['account-1', 44],
      ])
    },
  )

  t.test(`${driver}: a handler that waits is refused, and nothing it did stays`, async (t) => {
    const store = await storeWith(1)
    t.teardown(() => store.close())
    const { database, projections } = open()
    const waits = projection({
      name: 'waits',
      events: accountEvents,
      sql: { rows: { columns: 'id INTEGER' } },
      handlers: {
        Deposited: (sql) => {
          sql.run(`INSERT INTO ${sql.tables.rows} VALUES (1)`)
          return Promise.resolve() as unknown as undefined
        },
      },
    })
    await using runner = await runProjection(store, waits, { projections, retry: { attempts: 2, delayMs: 0 } })
    await t.rejects(runner.whenProcessed(0), {
      code: 'ERR_PROJECTION_HANDLER',
      message: /returned a promise/,
      attempts: 2,
    })
    t.same(database.prepare('SELECT * FROM waits_rows').all(), [])
  })

  t.test(
    `[P1] ${driver}: of two processes one projects; when it is gone the other goes on, and each event counts once`,
    async (t) => {
      const store = await storeWith(10, 2)
      t.teardown(() => store.close())
      const one = open()
      const two = open(one.path)
      const options = { leaseMs: 20_000, batchSize: 3 }
      const first = await runProjection(
        store,
        accounts(() => 1),
        { ...options, projections: one.projections },
      )
      const second = await runProjection(
        store,
        accounts(() => 1),
        { ...options, projections: two.projections },
      )
      t.same([first.status, second.status], ['running', 'standby'])
      await first.whenProcessed(9)
      await second.whenProcessed(9)
      t.same(
        balances(two.database),
        [
          ['account-0', 5],
          ['account-1', 5],
        ],
        'it sees what the other does',
      )
      await t.rejects(second.reset(), { code: 'ERR_PROJECTION_MOVED' })
      await t.rejects(second.rebuild(), { code: 'ERR_PROJECTION_MOVED' })
      await first.stop()
      await second.whenProcessed(await deposit(store, 4, 2))
      t.equal(second.status, 'running')
      t.same(balances(one.database), [
        ['account-0', 7],
        ['account-1', 7],
      ])
      t.equal((one.database.prepare('SELECT COUNT(*) AS n FROM money_days').get() as { n: number }).n, 14)
      await second.stop()
    },
  )

  t.test(`[B5] ${driver}: whoever has been taken for dead stores nothing when it comes back`, async (t) => {
    const store = await storeWith(4, 1)
    t.teardown(() => store.close())
    const one = open()
    const two = open(one.path)
    let release: (() => void) | undefined
    const slow = (isSlow: boolean) =>
      projection({
        name: 'slow',
        events: accountEvents,
        tables: { seen: table<number>() },
        handlers: {
          Deposited: async ({ seen }, { position }) => {
            seen.update(String(position), (times = 0) => times + 1)
            if (isSlow) await new Promise<void>((resolve) => (release = resolve))
          },
        },
      })
    const first = await runProjection(store, slow(true), { projections: one.projections, batchSize: 1 })
    await until(() => release !== undefined)
    // Its lease is over although it does not know: as after a long stop of the process.
    one.database.exec('UPDATE annals_leases SET until = 0')
    const second = await runProjection(store, slow(false), { projections: two.projections })
    await second.whenProcessed(3)
    release!()
    await until(() => first.status === 'standby')
    t.same(Object.fromEntries(second.table('seen').entries()), { 0: 1, 1: 1, 2: 1, 3: 1 })
    await first.stop()
    await second.stop()
  })
}

t.test('what is no database is refused', async (t) => {
  for (const database of [undefined, {}, { exec: () => undefined }]) {
    t.throws(() => sqliteProjections(database as never), { code: 'ERR_INVALID_ARGUMENT' })
  }
  await (await openMemoryStore()).close()
})

t.test(
  '[P1] [B5] cut off in front of and behind every step of SQLite, a rebuild included, each event counts once',
  async (t) => {
    const store = await storeWith(6)
    t.teardown(() => store.close())
    const expected = { 'account-0': 2, 'account-1': 2, 'account-2': 2 }
    const counts = projection({
      name: 'counts',
      events: accountEvents,
      tables: { accounts: table<number>() },
      handlers: { Deposited: ({ accounts }, { stream }) => accounts.update(stream, (count = 0) => count + 1) },
    })
    const options = { batchSize: 3, retry: { attempts: 1 } }
    let step = 1
    for (let isOver = false; !isOver; step += 5) {
      const path = join(folder, `cut-${step}.db`)
      const database = drivers['libsql']!(path)
      let steps = 0
      // Every other time it is cut off when the step is done, and nobody hears of that.
      const act = <Result>(work: () => Result): Result => {
        if (++steps < step) return work()
        if (steps === step && step % 2 === 0) work()
        throw new Error('cut off')
      }
      const cutting = {
        exec: (sql: string) => act(() => database.exec(sql)),
        prepare: (sql: string) => {
          const statement = database.prepare(sql)
          return {
            run: (...parameters: SqlValue[]) => act(() => statement.run(...parameters)),
            get: (...parameters: SqlValue[]) => statement.get(...parameters),
            all: (...parameters: SqlValue[]) => statement.all(...parameters),
          }
        },
      }
      const first = await runProjection(store, counts, { ...options, projections: sqliteProjections(cutting) }).catch(
        () => undefined,
      )
      await first?.whenProcessed(5).catch(() => undefined)
      await first?.rebuild().catch(() => undefined)
      isOver = steps < step
      await first?.stop()
      // What SQLite has not committed is gone with the process.
      try {
        database.exec('ROLLBACK')
      } catch {
        // Nothing was begun.
      }
      database.close()

      const again = drivers['libsql']!(path)
      if (first !== undefined) again.exec('DELETE FROM annals_leases')
      const second = await runProjection(store, counts, { ...options, projections: sqliteProjections(again) })
      await second.whenProcessed(5)
      t.same(Object.fromEntries(second.table('accounts').entries()), expected, `step ${step}`)
      await second.rebuild({ resume: true })
      t.same(Object.fromEntries(second.table('accounts').entries()), expected, `rebuilt after step ${step}`)
      await second.stop()
      again.close()
    }
    t.ok(step > 60, `${step} steps`)
  },
)
