import { plainCopy } from '../plain-value.js'
import { leases } from './leases.js'
import { checkExpected, leaseOf, promoted } from './projection-head.js'
import type { BuildName, ProjectionBuild, ProjectionHead, ProjectionStore } from './projection-store.js'

/** What is stored of one build. */
interface Stored {
  head: ProjectionHead | undefined
  tables: Map<string, Map<string, unknown>>
}

/** Keeps projections in memory: they begin anew with the process. For tests, and for what is quickly made of the events again. */
export function memoryProjections(): ProjectionStore {
  const builds = new Map<string, Stored>()
  const held = leases()
  const storedOf = (name: string, build: BuildName): Stored => {
    const key = `${name} ${build}`
    let stored = builds.get(key)
    if (stored === undefined) builds.set(key, (stored = { head: undefined, tables: new Map() }))
    return stored
  }
  return {
    hasSql: false,
    running: new Set(),
    async open({ name }, build): Promise<ProjectionBuild> {
      const stored = (): Stored => storedOf(name, build)
      // As it was last seen here: whoever goes on with what another has changed since is refused.
      let seen = stored().head
      return {
        get head() {
          return seen
        },
        async refresh() {
          seen = stored().head
        },
        get: (table, key) => plainCopy(stored().tables.get(table)?.get(key)),
        *entries(table) {
          for (const [key, row] of stored().tables.get(table) ?? []) yield [key, plainCopy(row)]
        },
        async commit({ expected, holder, clear }, work) {
          const now = stored()
          checkExpected(name, expected, now.head)
          held.check(leaseOf(name, build), holder)
          const { head, rows } = work(undefined)
          if (clear === true) now.tables.clear()
          for (const { table, key, row } of rows) {
            const of = now.tables.get(table) ?? new Map<string, unknown>()
            now.tables.set(table, of)
            if (row === undefined) of.delete(key)
            else of.set(key, row)
          }
          seen = now.head = head
        },
        async drop() {
          builds.delete(`${name} ${build}`)
          seen = undefined
        },
      }
    },
    async promote({ name }, live, next) {
      const [old, made] = [storedOf(name, 'live').head, storedOf(name, 'next').head]
      checkExpected(name, live, old)
      checkExpected(name, next, made)
      builds.set(`${name} live`, { ...storedOf(name, 'next'), head: promoted(name, old!, made!) })
      builds.delete(`${name} next`)
    },
    claim: async (lease, holder, now, until) => held.claim(lease, holder, now, until),
    release: async (lease, holder) => held.release(lease, holder),
  }
}
