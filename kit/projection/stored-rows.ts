import { InvalidArgumentError, quote } from '../../engine/errors.js'
import { DEAD_LETTERS, stateOf } from './batches.js'
import type { DeadLetter } from './dead-letters.js'
import type { Projection, ProjectionTable } from './projection.js'
import type { ProjectionBuild } from './projection-store.js'

/** Rows of a table as they are stored. */
export interface StoredTable<Row> {
  get(key: string): Row | undefined
  /** In no particular order. */
  entries(): Iterable<readonly [key: string, row: Row]>
}

export type RowOf<Table> = Table extends ProjectionTable<infer Row> ? Row : never

/** Returns a copy of the state that is stored. Throws InvalidArgumentError for a projection without one. */
export function storedState<View>(
  build: ProjectionBuild,
  projection: Projection<'state' | 'tables' | 'sql', View>,
): View {
  if (projection.kind !== 'state') throw misuse(projection, 'it has no state')
  return stateOf(build, projection) as View
}

/** Returns a table as it is stored. Throws InvalidArgumentError for one that is not among those of the projection. */
export function storedTable(build: ProjectionBuild, projection: Projection, name: string): StoredTable<unknown> {
  if (!projection.tables.includes(name)) throw misuse(projection, `it has no table ${quote(name)}`)
  return { get: (key) => build.get(name, key), entries: () => build.entries(name) }
}

/** Returns the events that were set aside, in the order of their positions. */
export function storedLetters(build: ProjectionBuild): DeadLetter[] {
  const letters = [...build.entries(DEAD_LETTERS)].map(([, letter]) => letter as DeadLetter)
  return letters.sort((a, b) => a.position - b.position)
}

function misuse({ name }: Projection, reason: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot read projection ${quote(name)}: ${reason}`)
}
