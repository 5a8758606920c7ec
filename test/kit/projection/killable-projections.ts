import { join } from 'node:path'
import {
  fileProjections,
  type Projection,
  projection,
  type ProjectionStore,
  sqliteProjections,
  table,
} from '../../../kit/index.js'
import { accountEvents } from './projection-support.js'
import { drivers } from './sqlite-drivers.js'

export type KillableKind = 'files' | 'rows' | 'columns'

/** What processes that are killed project, each in its way: which positions were projected, and how often. */
export interface Killable {
  readonly definition: Projection
  readonly open: (folder: string) => { readonly projections: ProjectionStore; readonly close: () => void }
}

const rows = (name: string): Projection =>
  projection({
    name,
    events: accountEvents,
    tables: { seen: table<number>() },
    handlers: { Deposited: ({ seen }, { position }) => seen.update(String(position), (times = 0) => times + 1) },
  })

const sqlite: Killable['open'] = (folder) => {
  const database = drivers['libsql']!(join(folder, 'views.db'))
  database.exec('PRAGMA busy_timeout = 2000')
  return { projections: sqliteProjections(database), close: () => void database.close() }
}

export const killable: Readonly<Record<KillableKind, Killable>> = {
  files: {
    definition: rows('in-files'),
    open: (folder) => ({ projections: fileProjections(join(folder, 'views')), close: () => undefined }),
  },
  rows: { definition: rows('in-rows'), open: sqlite },
  columns: {
    definition: projection({
      name: 'in-columns',
      events: accountEvents,
      sql: { seen: { columns: 'position INTEGER PRIMARY KEY, times INTEGER NOT NULL' } },
      handlers: {
        Deposited: (sql, { position }) =>
          sql.run(
            `INSERT INTO ${sql.tables.seen} VALUES (?, 1) ON CONFLICT (position) DO UPDATE SET times = times + 1`,
            position,
          ),
      },
    }),
    open: sqlite,
  },
}
