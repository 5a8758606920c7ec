import { createRequire } from 'node:module'
import type { SqliteDatabase } from '../../../kit/index.js'

/** A database that tests can close. */
export interface TestDatabase extends SqliteDatabase {
  close(): unknown
}

const load = createRequire(import.meta.url)

/** Drivers by name: libsql has the interface of better-sqlite3 and comes with its binaries; node:sqlite is there from Node 22 on. */
export const drivers: Readonly<Record<string, (path: string) => TestDatabase>> = {
  libsql: (path) => new (load('libsql') as new (path: string) => TestDatabase)(path),
  ...(hasNodeSqlite() && {
    'node:sqlite': (path: string) =>
      new (load('node:sqlite') as { readonly DatabaseSync: new (path: string) => TestDatabase }).DatabaseSync(path),
  }),
}

function hasNodeSqlite(): boolean {
  try {
    load('node:sqlite')
    return true
  } catch {
    return false
  }
}
