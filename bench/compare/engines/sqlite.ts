import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { OrderEvent } from '../../events.js'
import { packrFor } from '../../raw/frames.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import { ConflictError } from '../conflict.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'
import { GroupCommit } from '../group-commit.js'
import {
  loadRival,
  missingRival,
  rivalVersion,
  type Sqlite,
  type SqliteDatabase,
  type SqliteStatement,
} from '../rivals.js'

type Synchronous = 'FULL' | 'NORMAL' | 'OFF'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    offset INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    schemaVersion INTEGER NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (stream, offset)
  ) STRICT`

const COLUMNS = 'position, stream, offset, id, type, timestamp, schemaVersion, payload'

function engine(name: string, title: string, synchronous: Synchronous, grouped: boolean): ComparedEngine {
  let sqlite: Sqlite | undefined
  return {
    kind: 'store',
    name,
    title,
    note: `better-sqlite3: table of events with UNIQUE (stream, offset), the version read and compared in the transaction; WAL, synchronous ${synchronous}, page cache 64 MiB, mmap 1 GiB; data and metadata as MessagePack${grouped ? '; appends of one turn of the event loop share a transaction' : ', a transaction for each append'}`,
    family: 'sqlite',
    cannot: () => missingRival('better-sqlite3'),
    prepare() {
      sqlite = loadRival('better-sqlite3') as Sqlite
      new sqlite(':memory:').close()
    },
    open: async ({ directory }: OpenOptions) =>
      new SqliteStore(new sqlite!(join(directory, 'events.db')), synchronous, grouped),
    isConflict: (error) => error instanceof ConflictError,
    version: () => rivalVersion('better-sqlite3'),
  }
}

export const sqliteEngines: readonly ComparedEngine[] = [
  engine('sqlite', 'SQLite', 'FULL', false),
  engine('sqlite-full', 'SQLite FULL', 'FULL', false),
  engine('sqlite-full-group', 'SQLite FULL, group commit', 'FULL', true),
  engine('sqlite-normal', 'SQLite NORMAL', 'NORMAL', false),
  engine('sqlite-normal-group', 'SQLite NORMAL, group commit', 'NORMAL', true),
  engine('sqlite-off', 'SQLite OFF', 'OFF', false),
  engine('sqlite-off-group', 'SQLite OFF, group commit', 'OFF', true),
]

interface Append {
  readonly stream: string
  readonly events: readonly OrderEvent[]
  readonly version: number
  conflict?: ConflictError
}

type Row = readonly [number, string, number, string, string, number, number, Buffer]

class SqliteStore implements ComparedStore {
  readonly #database: SqliteDatabase
  readonly #begin: SqliteStatement
  readonly #commit: SqliteStatement
  readonly #rollback: SqliteStatement
  readonly #version: SqliteStatement
  readonly #insert: SqliteStatement
  readonly #range: SqliteStatement
  readonly #all: SqliteStatement
  readonly #packr = packrFor('maps')
  readonly #group: GroupCommit<Append> | undefined

  constructor(database: SqliteDatabase, synchronous: Synchronous, grouped: boolean) {
    this.#database = database
    database.pragma('journal_mode = WAL')
    database.pragma(`synchronous = ${synchronous}`)
    database.pragma('cache_size = -65536')
    database.pragma(`mmap_size = ${2 ** 30}`)
    database.exec(SCHEMA)
    this.#begin = database.prepare('BEGIN IMMEDIATE')
    this.#commit = database.prepare('COMMIT')
    this.#rollback = database.prepare('ROLLBACK')
    this.#version = database.prepare('SELECT max(offset) + 1 FROM events WHERE stream = ?').raw()
    // The position is that of the row, which SQLite counts up.
    this.#insert = database.prepare(
      'INSERT INTO events (position, stream, offset, id, type, timestamp, schemaVersion, payload) VALUES ((SELECT coalesce(max(position) + 1, 0) FROM events), ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#range = database
      .prepare(`SELECT ${COLUMNS} FROM events WHERE stream = ? AND offset >= ? AND offset < ? ORDER BY offset`)
      .raw()
    this.#all = database.prepare(`SELECT ${COLUMNS} FROM events ORDER BY position`).raw()
    if (grouped) this.#group = new GroupCommit((appends) => this.#transaction(appends))
  }

  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> | void {
    const append: Append = { stream, events, version }
    if (this.#group !== undefined) return this.#grouped(append)
    this.#transaction([append])
    if (append.conflict !== undefined) throw append.conflict
  }

  async #grouped(append: Append): Promise<void> {
    await this.#group!.add(append)
    if (append.conflict !== undefined) throw append.conflict
  }

  /** A conflict refuses the append, not those that share its transaction. */
  #transaction(appends: readonly Append[]): void {
    this.#begin.run()
    try {
      for (const append of appends) {
        const { stream, events, version } = append
        if (this.version(stream) !== version) {
          append.conflict = new ConflictError(stream, version)
          continue
        }
        for (let n = 0; n < events.length; n++) {
          const { type, data, metadata } = events[n]!
          const payload = this.#packr.pack({ data, metadata })
          this.#insert.run(stream, version + n, randomUUID(), type, Date.now(), 1, payload)
        }
      }
      this.#commit.run()
    } catch (error) {
      this.#rollback.run()
      throw error
    }
  }

  version(stream: string): number {
    return (this.#version.get(stream) as readonly [number | null])[0] ?? 0
  }

  readStream(stream: string, fromOffset: number, limit: number, visit: Visit): void {
    for (const row of this.#range.iterate(stream, fromOffset, fromOffset + limit)) visit(this.#event(row as Row))
  }

  readAll(visit: Visit): void {
    for (const row of this.#all.iterate()) visit(this.#event(row as Row))
  }

  #event([position, stream, offset, id, type, timestamp, schemaVersion, payload]: Row): OrderRecord {
    const { data, metadata } = this.#packr.unpack(payload) as Pick<OrderRecord, 'data' | 'metadata'>
    return { stream, offset, position, id, type, timestamp, schemaVersion, tags: [], data, metadata }
  }

  settle(): void {
    // Nothing goes on behind the scenes.
  }

  close(): void {
    this.#database.close()
  }
}
