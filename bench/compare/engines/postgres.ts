import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import type { OrderEvent } from '../../events.js'
import { packrFor } from '../../raw/frames.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import { ConflictError } from '../conflict.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'
import { GroupCommit } from '../group-commit.js'
import { loadRival, missingRival, type Postgres, type PostgresClient, rivalVersion } from '../rivals.js'

let library: Postgres | undefined

/** The usual variables of libpq say where the server is: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE. */
async function connect(): Promise<PostgresClient> {
  library ??= loadRival('pg') as Postgres
  const client = new library.Client({ connectionTimeoutMillis: 2000 })
  // A connection that fails fails its queries, too.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

export const postgres: ComparedEngine = {
  kind: 'store',
  name: 'postgres',
  title: 'PostgreSQL',
  note: 'pg, one connection: table of events with UNIQUE (stream, "offset"), the version compared by the INSERT; one statement for all appends of a turn of the event loop; relaxed with synchronous_commit = off; without cold rows and bytes, and with the processor time and memory of the client only, the rest being that of the server',
  family: 'postgres',
  async cannot() {
    const missing = missingRival('pg')
    if (missing !== undefined) return missing
    try {
      await (await connect()).end()
      return undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message || ((error as NodeJS.ErrnoException).code ?? '') : ''
      return `no PostgreSQL server is reachable: ${reason}`
    }
  },
  prepare: () => undefined,
  async open({ directory, level, inFlight }: OpenOptions) {
    const client = await connect()
    const store = new PostgresStore(client, schemaOf(directory), inFlight)
    await store.create(level === 'relaxed')
    return store
  },
  isConflict: (error) => error instanceof ConflictError,
  version: () => rivalVersion('pg'),
}

/** A schema for each folder that a store on disk would have. */
function schemaOf(directory: string): string {
  return `annals_${plain(directory).slice(-50)}`
}

function plain(text: string): string {
  return text.replaceAll(/[^a-z0-9]+/gi, '_').toLowerCase()
}

interface Append {
  readonly stream: string
  readonly events: readonly OrderEvent[]
  readonly version: number
  conflict?: ConflictError
}

type Row = readonly [string, string, number, string, string, string, number, Buffer]

const COLUMNS = 'position, stream, "offset", id, type, timestamp, schema_version, payload'
const FETCH = 1000

class PostgresStore implements ComparedStore {
  readonly #client: PostgresClient
  readonly #table: string
  readonly #schema: string
  readonly #packr = packrFor('maps')
  readonly #group: GroupCommit<Append> | undefined
  readonly #versions = new Map<string, number>()
  #next = 0

  constructor(client: PostgresClient, schema: string, inFlight: number) {
    this.#client = client
    this.#schema = schema
    this.#table = `${schema}.events`
    if (inFlight > 1) this.#group = new GroupCommit((appends) => this.#insert(appends))
  }

  async create(relaxed: boolean): Promise<void> {
    await this.#client.query(`SET client_min_messages = warning; SET synchronous_commit = ${relaxed ? 'off' : 'on'}`)
    await this.#client.query(`CREATE SCHEMA IF NOT EXISTS ${this.#schema}`)
    await this.#client.query(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (position bigint PRIMARY KEY, stream text NOT NULL, "offset" integer NOT NULL, id uuid NOT NULL, type text NOT NULL, timestamp bigint NOT NULL, schema_version smallint NOT NULL, payload bytea NOT NULL, UNIQUE (stream, "offset"))`,
    )
    const [[next] = [0]] = await this.#rows('next', `SELECT coalesce(max(position) + 1, 0) FROM ${this.#table}`, [])
    this.#next = Number(next)
  }

  async #rows(name: string, text: string, values: readonly unknown[]): Promise<readonly (readonly unknown[])[]> {
    return (await this.#client.query({ name, text, values, rowMode: 'array' })).rows
  }

  async append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> {
    const append: Append = { stream, events, version }
    if (this.#group === undefined) await this.#insert([append])
    else await this.#group.add(append)
    if (append.conflict !== undefined) throw append.conflict
  }

  /** One statement, which is a transaction; the versions are compared before, as this is the only writer, and UNIQUE holds against others. */
  async #insert(appends: readonly Append[]): Promise<void> {
    const columns: [number[], string[], number[], string[], string[], number[], Buffer[]] = [[], [], [], [], [], [], []]
    const [positions, streams, offsets, ids, types, timestamps, payloads] = columns
    for (const append of appends) {
      const { stream, events, version } = append
      if ((this.#versions.get(stream) ?? (await this.version(stream))) !== version) {
        append.conflict = new ConflictError(stream, version)
        continue
      }
      for (let n = 0; n < events.length; n++) {
        const { type, data, metadata } = events[n]!
        positions.push(this.#next++)
        streams.push(stream)
        offsets.push(version + n)
        ids.push(randomUUID())
        types.push(type)
        timestamps.push(Date.now())
        payloads.push(this.#packr.pack({ data, metadata }))
      }
      this.#versions.set(stream, version + events.length)
    }
    if (positions.length === 0) return
    await this.#rows(
      'insert',
      `INSERT INTO ${this.#table} SELECT p, s, o, i, t, m, 1, b FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::uuid[], $5::text[], $6::bigint[], $7::bytea[]) AS new (p, s, o, i, t, m, b)`,
      columns,
    )
  }

  async version(stream: string): Promise<number> {
    const text = `SELECT coalesce(max("offset") + 1, 0) FROM ${this.#table} WHERE stream = $1`
    const [[version] = [0]] = await this.#rows('version', text, [stream])
    return Number(version)
  }

  async readStream(stream: string, fromOffset: number, limit: number, visit: Visit): Promise<void> {
    const text = `SELECT ${COLUMNS} FROM ${this.#table} WHERE stream = $1 AND "offset" >= $2 ORDER BY "offset" LIMIT $3`
    for (let from = fromOffset, left = limit; left > 0;) {
      const rows = await this.#rows('stream', text, [stream, from, Math.min(left, FETCH)])
      for (const row of rows) visit(this.#event(row as unknown as Row))
      if (rows.length < FETCH) break
      from += rows.length
      left -= rows.length
    }
  }

  async readAll(visit: Visit): Promise<void> {
    const text = `SELECT ${COLUMNS} FROM ${this.#table} WHERE position >= $1 ORDER BY position LIMIT $2`
    for (let from = 0; ; from += FETCH) {
      const rows = await this.#rows('all', text, [from, FETCH])
      for (const row of rows) visit(this.#event(row as unknown as Row))
      if (rows.length < FETCH) break
    }
  }

  #event([position, stream, offset, id, type, timestamp, schemaVersion, payload]: Row): OrderRecord {
    const { data, metadata } = this.#packr.unpack(payload) as Pick<OrderRecord, 'data' | 'metadata'>
    return {
      stream,
      offset,
      position: Number(position),
      id,
      type,
      timestamp: Number(timestamp),
      schemaVersion,
      tags: [],
      data,
      metadata,
    }
  }

  settle(): void {
    // The server does what it has to do by itself.
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}

/** Removes what the stores below the folder of a run left on the server. */
export async function dropSchemas(folder: string): Promise<void> {
  if ((await postgres.cannot?.(1)) !== undefined) return
  const client = await connect()
  const { rows } = await client.query({
    name: 'schemas',
    text: "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'annals_') AND position($1 IN nspname) > 0",
    values: [`_${plain(basename(folder))}_`],
    rowMode: 'array',
  })
  for (const [name] of rows) await client.query(`DROP SCHEMA ${String(name)} CASCADE`)
  await client.end()
}
