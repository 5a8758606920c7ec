import { join } from 'node:path'
import { valueToJson } from '../json-values.js'
import { randomId } from '../io/clock.js'
import { nodeFiles, type ProjectionFiles } from '../io/projection-files.js'
import { leaseLost } from './leases.js'
import { fileText, readFileText, rowOf } from './projection-file.js'
import { checkExpected, leaseOf, promoted } from './projection-head.js'
import type { BuildName, CommitRequest, ProjectionBuild, ProjectionHead, ProjectionStore } from './projection-store.js'

/** Who projects, and until when. */
interface Lease {
  readonly holder: string
  readonly until: number
}

/**
 * Keeps projections in a folder, a file each: rows and checkpoint in one, replaced as a whole with each batch, so that after a kill or a
 * power cut it is the one before a batch or the one behind it. All rows of a projection are in memory too; for what does not fit there is SQLite.
 */
export function fileProjections(folder: string): ProjectionStore {
  return projectionsInFiles(folder, nodeFiles)
}

/** @internal With a file system of one's own. */
export function projectionsInFiles(folder: string, files: ProjectionFiles): ProjectionStore {
  /** Nobody else writes to files of this name. */
  const own = randomId()
  const pathOf = (name: string, build: BuildName): string =>
    join(folder, build === 'live' ? `${name}.projection` : `${name}.next.projection`)
  const leasePath = (lease: string): string => join(folder, `${lease.replace(' ', '.')}.lease`)
  const replace = async (path: string, text: string, durable = true): Promise<void> => {
    const made = `${path}.${own}.tmp`
    await files.write(made, text, durable)
    await files.rename(made, path)
    if (durable) await files.syncFolder(folder)
  }
  const readLease = async (lease: string): Promise<Lease | undefined> => {
    const text = await files.read(leasePath(lease))
    try {
      return text === undefined ? undefined : (JSON.parse(text) as Lease)
    } catch {
      // A lease is only advice; what cannot be read gives none.
      return undefined
    }
  }
  const load = async (name: string, build: BuildName) => {
    const path = pathOf(name, build)
    // Before it is read: what comes in between is noticed at the next commit.
    const identity = await files.identity(path)
    const text = await files.read(path)
    return { identity, ...(text === undefined ? NOTHING : readFileText(name, path, text)) }
  }
  return {
    hasSql: false,
    running: new Set(),
    async open({ name }, build): Promise<ProjectionBuild> {
      await files.makeFolder(folder)
      const path = pathOf(name, build)
      let seen = await load(name, build)
      const check = async ({ expected, holder }: CommitRequest): Promise<void> => {
        if ((await files.identity(path)) !== seen.identity) {
          checkExpected(name, expected, (await load(name, build)).head)
        }
        checkExpected(name, expected, seen.head)
        const lease = leaseOf(name, build)
        if (holder !== undefined && (await readLease(lease))?.holder !== holder) throw leaseLost(name)
      }
      return {
        get head() {
          return seen.head
        },
        async refresh() {
          if ((await files.identity(path)) !== seen.identity) seen = await load(name, build)
        },
        get: (table, key) => rowOf(seen.tables.get(table)?.get(key)),
        *entries(table) {
          for (const [key, row] of seen.tables.get(table) ?? []) yield [key, rowOf(row)]
        },
        async commit(request, work) {
          await check(request)
          const { head, rows } = work(undefined)
          const tables = new Map(request.clear === true ? [] : seen.tables)
          const changed = new Set<string>()
          for (const { table, key, row } of rows) {
            // What is stored stays as it is, until the new file is.
            if (!changed.has(table)) tables.set(table, new Map(tables.get(table)))
            changed.add(table)
            if (row === undefined) tables.get(table)!.delete(key)
            else tables.get(table)!.set(key, valueToJson(row))
          }
          await replace(path, fileText(name, head, tables))
          seen = { identity: await files.identity(path), head, tables }
        },
        async drop() {
          await files.remove(path)
          await files.syncFolder(folder)
          seen = { identity: undefined, ...NOTHING }
        },
      }
    },
    async promote({ name }, live, next) {
      const [old, made] = [await load(name, 'live'), await load(name, 'next')]
      checkExpected(name, live, old.head)
      checkExpected(name, next, made.head)
      await replace(pathOf(name, 'live'), fileText(name, promoted(name, old.head!, made.head!), made.tables))
      await files.remove(pathOf(name, 'next'))
      await files.syncFolder(folder)
    },
    async claim(lease, holder, now, until) {
      await files.makeFolder(folder)
      const present = await readLease(lease)
      if (present !== undefined && present.holder !== holder && present.until > now) return false
      await replace(leasePath(lease), JSON.stringify({ holder, until } satisfies Lease), false)
      if (present?.holder !== holder) await sweep(files, folder, lease, own)
      // Two may have found it free at once: the last one has it.
      return (await readLease(lease))?.holder === holder
    },
    async release(lease, holder) {
      if ((await readLease(lease))?.holder === holder) await files.remove(leasePath(lease))
    },
  }
}

const NOTHING: {
  readonly head: ProjectionHead | undefined
  readonly tables: ReadonlyMap<string, Map<string, string>>
} = { head: undefined, tables: new Map() }

/** Removes what processes that were killed have left half written. Who is still at it has no lease, and is refused. */
async function sweep(files: ProjectionFiles, folder: string, lease: string, own: string): Promise<void> {
  const name = lease.replace(' ', '.')
  const begins = [`${name}.projection.`, `${name}.lease.`]
  for (const file of await files.list(folder)) {
    const isHalf = begins.some((begin) => file.startsWith(begin)) && file.endsWith('.tmp') && !file.includes(own)
    if (isHalf) await files.remove(join(folder, file))
  }
}
