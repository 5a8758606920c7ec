/**
 * Making read models of all events: a state, and tables of rows, in memory and in SQLite (libsql, a file, WAL). Raw: `readAll` of the same store in
 * batches, with the same sums in variables. The last line: how long an append takes until an inline projection has it, beside the append alone.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { openEventStore, openMemoryStore } from '../../engine/index.js'
import {
  defineEvents,
  event,
  inlineProjections,
  memoryProjections,
  type Projection,
  projection,
  type ProjectionStore,
  runProjection,
  type SqliteDatabase,
  sqliteProjections,
  table,
} from '../../kit/index.js'
import { sizeOf } from '../data-sets.js'
import type { Order } from '../events.js'
import { alternate, check, median, ratioOf } from '../measure.js'
import { Plan } from '../plan.js'
import type { Context, Result, Workload } from '../workload.js'

const BATCH = 1000

const events = defineEvents({
  OrderPlaced: event<Order>(),
  OrderPaid: event<Order>(),
  OrderShipped: event<Order>(),
  OrderDelivered: event<Order>(),
})

/** The same read model in three ways: orders and amounts by currency. */
const byState = projection({
  name: 'by-state',
  events,
  initialState: (): Record<string, { orders: number; amount: number }> => ({}),
  handlers: {
    '*': (state, { data }) => {
      const row = (state[data.currency] ??= { orders: 0, amount: 0 })
      row.orders++
      row.amount += data.amount
    },
  },
})
const byRows = projection({
  name: 'by-rows',
  events,
  tables: { currencies: table<{ orders: number; amount: number }>() },
  handlers: {
    '*': ({ currencies }, { data }) =>
      currencies.update(data.currency, (row = { orders: 0, amount: 0 }) => ({
        orders: row.orders + 1,
        amount: row.amount + data.amount,
      })),
  },
})
const byColumns = projection({
  name: 'by-columns',
  events,
  sql: { currencies: { columns: 'currency TEXT PRIMARY KEY, orders INTEGER NOT NULL, amount REAL NOT NULL' } },
  handlers: {
    '*': (sql, { data }) =>
      sql.run(
        `INSERT INTO ${sql.tables.currencies} VALUES (?, 1, ?)
          ON CONFLICT (currency) DO UPDATE SET orders = orders + 1, amount = amount + excluded.amount`,
        data.currency,
        data.amount,
      ),
  },
})

export const project: Workload = {
  needs: ['small-one'],
  run: async (context) => [...(await rebuild(context)), ...(await inline(context))],
}

async function rebuild({ quick, folder, dataSet }: Context): Promise<Result[]> {
  const { events: count } = sizeOf('small-one', quick)
  await using store = await openEventStore(dataSet('small-one'))
  let files = 0
  const run = async (definition: Projection, projections: ProjectionStore, orders: () => number): Promise<void> => {
    const runner = await runProjection<unknown>(store, definition, { projections, batchSize: BATCH })
    await runner.whenProcessed(count - 1)
    check(runner.position === count, `at position ${runner.position} of ${count}`)
    await runner.stop()
    check(orders() === count, `${orders()} of ${count} orders`)
  }
  const sumOf = (rows: Iterable<{ readonly orders: number }>): number =>
    Array.from(rows).reduce((sum, { orders }) => sum + orders, 0)
  const memory = async (definition: typeof byState | typeof byRows): Promise<void> => {
    const projections = memoryProjections()
    const runner = await runProjection<unknown>(store, definition, { projections, batchSize: BATCH })
    await runner.whenProcessed(count - 1)
    const rows =
      definition === byState
        ? Object.values(runner.state() as Record<string, { orders: number }>)
        : Array.from(runner.table('currencies' as never).entries(), ([, row]) => row as { orders: number })
    await runner.stop()
    check(sumOf(rows) === count, `${sumOf(rows)} of ${count} orders`)
  }
  const sqlite = async (definition: Projection): Promise<void> => {
    const database = connect(join(folder, `views-${files++}.db`))
    await run(definition, sqliteProjections(database), () => {
      const name = definition === byRows ? 'by-rows' : 'by-columns'
      const orders = definition === byRows ? `json_extract("row", '$.orders')` : 'orders'
      const [row] = database.prepare(`SELECT SUM(${orders}) AS orders FROM "${name}_currencies"`).all()
      return (row as { readonly orders: number }).orders
    })
    database.close()
  }
  const seconds = await alternate(quick ? 1 : 7, {
    raw: async () => {
      const sums = new Map<string, { orders: number; amount: number }>()
      for await (const batch of store.readAll<{ readonly data: Order }>().batches(BATCH)) {
        for (const { data } of batch) {
          const row = sums.get(data.currency)
          if (row === undefined) sums.set(data.currency, { orders: 1, amount: data.amount })
          else {
            row.orders++
            row.amount += data.amount
          }
        }
      }
      check(sumOf(sums.values()) === count, 'every order')
    },
    'a state in memory': () => memory(byState),
    'rows in memory': () => memory(byRows),
    'rows in SQLite': () => sqlite(byRows),
    'columns in SQLite': () => sqlite(byColumns),
  })
  return (Object.keys(seconds) as (keyof typeof seconds)[])
    .filter((name) => name !== 'raw')
    .map((name) => ({
      name: `project, ${name}`,
      eventsPerSecond: count / median(seconds[name]),
      rawPerSecond: count / median(seconds.raw),
      ratio: ratioOf(seconds[name], seconds.raw),
      note: 'raw: readAll',
    }))
}

/** In memory, one append in flight: what remains is the work of the kit. */
async function inline({ quick }: Context): Promise<Result[]> {
  const appends = quick ? 50 : 5000
  await using store = await openMemoryStore()
  const plan = new Plan(64)
  const runner = await runProjection(store, byRows, { projections: memoryProjections() })
  const waiting = inlineProjections(store, [runner])
  let n = 0
  const append = async (to: typeof store): Promise<void> => {
    for (let i = 0; i < appends; i++, n++) await to.append(plan.stream(n), [plan.event(n)])
  }
  await runner.pause()
  const seconds = await alternate(
    quick ? 1 : 5,
    { raw: () => append(store), inline: () => append(waiting) },
    async (name) => {
      // Alone it appends without anything that follows; what it appended is projected before the other begins.
      if (name === 'raw') return runner.pause()
      runner.resume()
      return runner.whenProcessed(n - 1)
    },
  )
  check(runner.position === n || runner.status === 'paused', 'everything is projected')
  await runner.stop()
  return [
    {
      name: 'project, inline in an append',
      eventsPerSecond: appends / median(seconds.inline),
      rawPerSecond: appends / median(seconds.raw),
      ratio: ratioOf(seconds.inline, seconds.raw),
      note: 'one in flight, in memory; raw: the append alone',
    },
  ]
}

function connect(path: string): SqliteDatabase & { close(): void } {
  const Database = createRequire(import.meta.url)('libsql') as new (path: string) => SqliteDatabase & { close(): void }
  const database = new Database(path)
  database.exec('PRAGMA journal_mode = WAL')
  return database
}
