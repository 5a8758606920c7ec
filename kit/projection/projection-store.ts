import type { SqlTableDefinition, ProjectionSql } from './projection.js'

/** Which of the two builds of a projection: the one that is read, or the one that is made beside it. */
export type BuildName = 'live' | 'next'

/** What is stored of a build besides its rows, and in one with them. */
export interface ProjectionHead {
  /** Another one after each reset and each switch: who goes on with an older one is refused. */
  readonly generation: number
  readonly version: number
  readonly shape: string
  /** The checkpoint: the next position to read. */
  readonly position: number
  /** Effects of events before this position were had once, by the build before: they are held back. */
  readonly effectsFrom: number
}

/** A row to store; undefined: to delete. */
export interface RowChange {
  readonly table: string
  readonly key: string
  /** Belongs to the store from now on. */
  readonly row: unknown
}

/** Rows and checkpoint that are stored together, or not at all. */
export interface ProjectionChange {
  readonly head: ProjectionHead
  readonly rows: readonly RowChange[]
}

export interface CommitRequest {
  /** What is stored now, as far as the caller knows; undefined: nothing. Anything else is refused. */
  readonly expected: Pick<ProjectionHead, 'generation' | 'position'> | undefined
  /** Who has the lease, where there is one: if it is somebody else by now, the commit is refused. */
  readonly holder: string | undefined
  /** Removes all rows before. */
  readonly clear?: boolean | undefined
}

/** One build of a projection in a store. Rows are looked up at once; what is looked up is what was committed. */
export interface ProjectionBuild {
  /** As of opening it, of its last commit here or of its last `refresh`; undefined: there is nothing. */
  readonly head: ProjectionHead | undefined
  /** Looks again: somebody else may have changed it. */
  refresh(): Promise<void>
  /** Returns a row that the caller may change; undefined: there is none. */
  get(table: string, key: string): unknown
  /** Returns all rows of a table, in no particular order. */
  entries(table: string): Iterable<readonly [key: string, row: unknown]>
  /**
   * Stores a change: all of it, or nothing. `work` makes the change; where the store has tables of its own (`sql`), it may write
   * to them, in the same transaction, and what it throws undoes all.
   *
   * @throws ProjectionMovedError (ERR_PROJECTION_MOVED) when something else is stored than was expected; what `work` throws
   */
  commit(request: CommitRequest, work: (sql: ProjectionSql | undefined) => ProjectionChange): Promise<void>
  /** Removes what is stored. */
  drop(): Promise<void>
}

/** What a store must know of a projection to keep it. */
export interface BuildDescription {
  readonly name: string
  /** Names of the tables of rows by key. */
  readonly tables: readonly string[]
  /** Tables of SQLite, by name. */
  readonly sql: Readonly<Record<string, SqlTableDefinition>>
}

/** Keeps projections: rows and checkpoint together. */
export interface ProjectionStore {
  /** True where projections can have tables of SQLite. */
  readonly hasSql: boolean
  /** Names of the projections that run on it in this process. */
  readonly running: Set<string>
  open(description: BuildDescription, build: BuildName): Promise<ProjectionBuild>
  /**
   * Makes the build beside the live one, in one step, if both are still as they were: at the same position. Its effects begin
   * there.
   *
   * @throws ProjectionMovedError (ERR_PROJECTION_MOVED)
   */
  promote(
    description: BuildDescription,
    live: Pick<ProjectionHead, 'generation' | 'position'>,
    next: Pick<ProjectionHead, 'generation' | 'position'>,
  ): Promise<void>
  /**
   * Takes a lease, or keeps it, until a moment in milliseconds since the epoch. Resolves to false while somebody else has it.
   * A lease only says who works: what is stored is right whoever does.
   */
  claim(lease: string, holder: string, now: number, until: number): Promise<boolean>
  /** Gives a lease back. Of one that somebody else has: a no-op. */
  release(lease: string, holder: string): Promise<void>
}
