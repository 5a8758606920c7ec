import { InvalidArgumentError } from '../../engine/errors.js'
import { valueToJson } from '../json-values.js'
import { leaseLost } from './leases.js'
import { rowOf } from './projection-file.js'
import { checkExpected, leaseOf, promoted } from './projection-head.js'
import type {
  BuildDescription,
  BuildName,
  ProjectionBuild,
  ProjectionHead,
  ProjectionStore,
} from './projection-store.js'
import type { ProjectionSql, SqlValue } from './projection.js'

/** A database of `node:sqlite`, better-sqlite3 or libsql: what of their interfaces is the same, and used. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
}

export interface SqliteStatement {
  run(...parameters: SqlValue[]): unknown
  get(...parameters: SqlValue[]): unknown
  all(...parameters: SqlValue[]): unknown[]
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS annals_projections (
  name TEXT NOT NULL, build TEXT NOT NULL, generation INTEGER NOT NULL, version INTEGER NOT NULL, shape TEXT NOT NULL,
  position INTEGER NOT NULL, effects_from INTEGER NOT NULL, PRIMARY KEY (name, build)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS annals_projection_tables (
  name TEXT NOT NULL, build TEXT NOT NULL, table_name TEXT NOT NULL, PRIMARY KEY (name, build, table_name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS annals_leases (
  lease TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;`

/** Rows that one statement looks up, where all of a table are read. */
const PAGE = 500
/** Statements that are kept ready; more than a projection has, unless it makes them up. */
const MAX_STATEMENTS = 200

/**
 * Keeps projections in a database of SQLite that the application opens and closes: a table `<projection>_<table>` for each of theirs. Rows and
 * checkpoint are stored in one transaction, which begins and ends without waiting for anything, so the connection can be used for other things too.
 *
 * ```ts
 * import { DatabaseSync } from 'node:sqlite'
 * const projections = sqliteProjections(new DatabaseSync('views.db'))
 * ```
 */
export function sqliteProjections(database: SqliteDatabase): ProjectionStore {
  const given = database as Partial<SqliteDatabase> | undefined
  if (typeof given?.exec !== 'function' || typeof given.prepare !== 'function') {
    throw new InvalidArgumentError('Cannot keep projections: the database has no exec and prepare')
  }
  return new SqliteProjections(database)
}

class SqliteProjections implements ProjectionStore {
  readonly hasSql = true
  readonly running = new Set<string>()
  readonly #database: SqliteDatabase
  readonly #statements = new Map<string, SqliteStatement>()
  #isReady = false

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  async open(description: BuildDescription, build: BuildName): Promise<ProjectionBuild> {
    this.#prepareDatabase()
    return new SqliteBuild(this, description, build)
  }

  async promote(
    { name }: BuildDescription,
    live: Pick<ProjectionHead, 'generation' | 'position'>,
    next: Pick<ProjectionHead, 'generation' | 'position'>,
  ): Promise<void> {
    this.transaction(() => {
      const [old, made] = [this.headOf(name, 'live'), this.headOf(name, 'next')]
      checkExpected(name, live, old)
      checkExpected(name, next, made)
      this.dropTables(name, 'live')
      for (const table of this.tablesOf(name, 'next')) {
        const to = table.slice(0, -NEXT.length)
        this.#database.exec(`ALTER TABLE ${quoted(table)} RENAME TO ${quoted(to)}`)
        this.noteTable(name, 'live', to)
      }
      this.forget(name, 'next')
      this.storeHead(name, 'live', promoted(name, old!, made!))
    })
    this.#statements.clear()
  }

  async claim(lease: string, holder: string, now: number, until: number): Promise<boolean> {
    this.#prepareDatabase()
    try {
      return this.transaction(() => {
        const present = this.statement('SELECT holder, until FROM annals_leases WHERE lease = ?').get(lease)
        const held = present as { readonly holder: string; readonly until: number } | undefined
        if (held !== undefined && held.holder !== holder && held.until > now) return false
        const sql = `INSERT INTO annals_leases VALUES (?, ?, ?)
          ON CONFLICT (lease) DO UPDATE SET holder = excluded.holder, until = excluded.until`
        this.statement(sql).run(lease, holder, until)
        return true
      })
    } catch (error) {
      // Another connection writes: it may be the one that has the lease.
      if (isBusy(error)) return false
      throw error
    }
  }

  async release(lease: string, holder: string): Promise<void> {
    this.statement('DELETE FROM annals_leases WHERE lease = ? AND holder = ?').run(lease, holder)
  }

  checkLease(name: string, build: BuildName, holder: string | undefined): void {
    if (holder === undefined) return
    const sql = 'SELECT holder FROM annals_leases WHERE lease = ?'
    const held = this.statement(sql).get(leaseOf(name, build)) as { readonly holder: string } | undefined
    if (held?.holder !== holder) throw leaseLost(name)
  }

  /** Does something as one transaction. It waits for nothing, so nothing else gets into it. */
  transaction<Result>(work: () => Result): Result {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.#database.exec('ROLLBACK')
      } catch {
        // SQLite has undone it itself, as it does when the disk is full.
      }
      // Tables that were made are none now.
      this.#statements.clear()
      throw error
    }
  }

  statement(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql)
    if (statement !== undefined) return statement
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear()
    statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  headOf(name: string, build: BuildName): ProjectionHead | undefined {
    const sql = `SELECT generation, version, shape, position, effects_from AS effectsFrom
      FROM annals_projections WHERE name = ? AND build = ?`
    const row = this.statement(sql).get(name, build) as ProjectionHead | undefined
    if (row === undefined) return undefined
    const { generation, version, shape, position, effectsFrom } = row
    return { generation, version, shape, position, effectsFrom }
  }

  storeHead(name: string, build: BuildName, head: ProjectionHead): void {
    const { generation, version, shape, position, effectsFrom } = head
    const sql = 'INSERT OR REPLACE INTO annals_projections VALUES (?, ?, ?, ?, ?, ?, ?)'
    this.statement(sql).run(name, build, generation, version, shape, position, effectsFrom)
  }

  tablesOf(name: string, build: BuildName): string[] {
    const sql = 'SELECT table_name FROM annals_projection_tables WHERE name = ? AND build = ?'
    const rows = this.statement(sql).all(name, build) as { readonly table_name: string }[]
    return rows.map(({ table_name }) => table_name)
  }

  noteTable(name: string, build: BuildName, table: string): void {
    this.statement('INSERT INTO annals_projection_tables VALUES (?, ?, ?)').run(name, build, table)
  }

  dropTables(name: string, build: BuildName): void {
    // Ready statements of a table keep it from being dropped in some drivers.
    this.#statements.clear()
    for (const table of this.tablesOf(name, build)) this.#database.exec(`DROP TABLE IF EXISTS ${quoted(table)}`)
    this.statement('DELETE FROM annals_projection_tables WHERE name = ? AND build = ?').run(name, build)
  }

  forget(name: string, build: BuildName): void {
    this.statement('DELETE FROM annals_projection_tables WHERE name = ? AND build = ?').run(name, build)
    this.statement('DELETE FROM annals_projections WHERE name = ? AND build = ?').run(name, build)
  }

  create(sql: string): void {
    this.#database.exec(sql)
  }

  #prepareDatabase(): void {
    if (this.#isReady) return
    this.#database.exec(SCHEMA)
    this.#isReady = true
  }
}

class SqliteBuild implements ProjectionBuild {
  readonly #store: SqliteProjections
  readonly #description: BuildDescription
  readonly #build: BuildName
  readonly #sql: ProjectionSql
  #head: ProjectionHead | undefined
  #tables: ReadonlySet<string>

  constructor(store: SqliteProjections, description: BuildDescription, build: BuildName) {
    this.#store = store
    this.#description = description
    this.#build = build
    this.#head = store.headOf(description.name, build)
    this.#tables = new Set(store.tablesOf(description.name, build))
    this.#sql = {
      tables: Object.fromEntries(Object.keys(description.sql).map((table) => [table, quoted(this.#nameOf(table))])),
      run: (sql, ...parameters) => void store.statement(sql).run(...parameters),
      get: (sql, ...parameters) => store.statement(sql).get(...parameters) as Record<string, unknown> | undefined,
      all: (sql, ...parameters) => store.statement(sql).all(...parameters) as Record<string, unknown>[],
    }
  }

  get head(): ProjectionHead | undefined {
    return this.#head
  }

  async refresh(): Promise<void> {
    const { name } = this.#description
    this.#head = this.#store.headOf(name, this.#build)
    this.#tables = new Set(this.#store.tablesOf(name, this.#build))
  }

  get(table: string, key: string): unknown {
    const name = this.#nameOf(table)
    if (!this.#tables.has(name)) return undefined
    const found = this.#store.statement(`SELECT "row" FROM ${quoted(name)} WHERE "key" = ?`).get(key)
    return rowOf((found as { readonly row: string } | undefined)?.row)
  }

  *entries(table: string): Iterable<readonly [key: string, row: unknown]> {
    const name = this.#nameOf(table)
    if (!this.#tables.has(name)) return
    const select = `SELECT "key", "row" FROM ${quoted(name)}`
    let page: unknown[] = this.#store.statement(`${select} ORDER BY "key" LIMIT ${PAGE}`).all()
    while (page.length > 0) {
      const rows = page as { readonly key: string; readonly row: string }[]
      for (const { key, row } of rows) yield [key, rowOf(row)]
      if (rows.length < PAGE) return
      const further = `${select} WHERE "key" > ? ORDER BY "key" LIMIT ${PAGE}`
      page = this.#store.statement(further).all(rows.at(-1)!.key)
    }
  }

  async commit(
    { expected, holder, clear }: Parameters<ProjectionBuild['commit']>[0],
    work: Parameters<ProjectionBuild['commit']>[1],
  ): Promise<void> {
    const { name } = this.#description
    const store = this.#store
    this.#head = store.transaction(() => {
      checkExpected(name, expected, store.headOf(name, this.#build))
      store.checkLease(name, this.#build, holder)
      if (clear === true) store.dropTables(name, this.#build)
      this.#makeTables()
      const { head, rows } = work(this.#sql)
      for (const { table, key, row } of rows) {
        const into = quoted(this.#nameOf(table))
        if (row === undefined) store.statement(`DELETE FROM ${into} WHERE "key" = ?`).run(key)
        else store.statement(`INSERT OR REPLACE INTO ${into} VALUES (?, ?)`).run(key, valueToJson(row))
      }
      store.storeHead(name, this.#build, head)
      return head
    })
    this.#tables = new Set(store.tablesOf(name, this.#build))
  }

  async drop(): Promise<void> {
    const { name } = this.#description
    this.#store.transaction(() => {
      this.#store.dropTables(name, this.#build)
      this.#store.forget(name, this.#build)
    })
    this.#head = undefined
    this.#tables = new Set()
  }

  /** Makes the tables that are missing: all of them at first, and those that a later version has more. */
  #makeTables(): void {
    const { name, sql, tables } = this.#description
    const all = [...tables, ...Object.keys(sql)].map((table) => [table, this.#nameOf(table)] as const)
    if (all.every(([, made]) => this.#tables.has(made)) && this.#head !== undefined) {
      // As far as is known here. Others drop tables only with another generation, which is refused before.
      if (this.#store.tablesOf(name, this.#build).length >= all.length) return
    }
    const present = new Set(this.#store.tablesOf(name, this.#build))
    for (const [table, made] of all) {
      if (present.has(made)) continue
      const columns = sql[table]?.columns ?? '"key" TEXT NOT NULL PRIMARY KEY, "row" TEXT NOT NULL'
      this.#store.create(`CREATE TABLE ${quoted(made)} (${columns})${table in sql ? '' : ' WITHOUT ROWID'}`)
      for (const index of sql[table]?.indexes ?? []) {
        this.#store.create(`CREATE INDEX ${quoted(this.#indexName(made))} ON ${quoted(made)} (${index})`)
      }
      this.#store.noteTable(name, this.#build, made)
    }
  }

  /** An index keeps its name when its table becomes the live one: the next build needs another. */
  #indexName(table: string): string {
    const taken = this.#store.statement(`SELECT 1 AS taken FROM sqlite_master WHERE type = 'index' AND name = ?`)
    let name: string
    for (let n = 1; taken.get((name = `${table}__${n}`)) !== undefined; n++);
    return name
  }

  #nameOf(table: string): string {
    return `${this.#description.name}_${table}${this.#build === 'next' ? NEXT : ''}`
  }
}

/** What the tables of the build beside the live one end with. */
const NEXT = '__next'

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (error as { readonly code?: unknown }).code === 'SQLITE_BUSY' || error.message.includes('database is locked')
}
