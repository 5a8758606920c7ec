import { InvalidArgumentError, quote } from '../../engine/errors.js'
import { plainCopy } from '../plain-value.js'
import type { ProjectionTable } from './projection.js'
import type { ProjectionBuild, RowChange } from './projection-store.js'

/** Events of one stream that are dealt with beside those of others. Undefined: all are dealt with one after another. */
export type Lane = string | undefined

/** Who touched a row: one lane, or several that only read it. */
interface Touch {
  readonly lane: Lane
  readonly isShared: boolean
  readonly isWritten: boolean
}

/** What the handlers of one batch do to the tables of a build, until it is stored or dropped. */
export class Draft {
  readonly #build: ProjectionBuild
  readonly #names: readonly string[]
  readonly #rows = new Map<string, Map<string, unknown>>()
  readonly #touches = new Map<string, Map<string, Touch>>()
  #isOver = false
  #hasConflict = false

  constructor(build: ProjectionBuild, names: readonly string[]) {
    this.#build = build
    this.#names = names
    for (const name of names) {
      this.#rows.set(name, new Map())
      this.#touches.set(name, new Map())
    }
  }

  /** Returns the tables for the handlers of a lane. */
  view(lane: Lane): Readonly<Record<string, ProjectionTable<unknown>>> {
    return Object.fromEntries(this.#names.map((name) => [name, this.#table(name, lane)]))
  }

  /** A handler that goes on after its time has nothing to write to any more. */
  end(): void {
    this.#isOver = true
  }

  /** Two lanes meant the same row, and one of them to change it: which is first would be chance. The batch is to be done again in order. */
  get hasConflict(): boolean {
    return this.#hasConflict
  }

  changes(): RowChange[] {
    const changes: RowChange[] = []
    for (const [table, rows] of this.#rows) for (const [key, row] of rows) changes.push({ table, key, row })
    return changes
  }

  #table(name: string, lane: Lane): ProjectionTable<unknown> {
    const rows = this.#rows.get(name)!
    const touches = this.#touches.get(name)!
    const touch = (key: string, isWritten: boolean): void => {
      if (typeof key !== 'string') {
        throw new InvalidArgumentError(`Cannot use a row of ${quote(name)}: its key is a ${typeof key}, not a string`)
      }
      if (this.#isOver) throw new InvalidArgumentError(`Cannot use table ${quote(name)}: its handler has ended`)
      if (lane === undefined || joins(touches, key, lane, isWritten)) return
      this.#hasConflict = true
      throw new Error(`row ${quote(key)} of ${quote(name)} is used for two streams at once`)
    }
    const get = (key: string): unknown => {
      touch(key, false)
      return rows.has(key) ? plainCopy(rows.get(key)) : this.#build.get(name, key)
    }
    const set = (key: string, row: unknown): void => {
      touch(key, true)
      if (row === undefined) {
        throw new InvalidArgumentError(`Cannot set row ${quote(key)} of ${quote(name)} to undefined: use delete`)
      }
      rows.set(key, plainCopy(row))
    }
    return {
      get,
      set,
      delete: (key) => {
        touch(key, true)
        rows.set(key, undefined)
      },
      update: (key, change) => set(key, change(get(key))),
    }
  }
}

/** Notes that a lane touches a row. Returns false when that depends on which lane is first. */
function joins(touches: Map<string, Touch>, key: string, lane: string, isWritten: boolean): boolean {
  const before = touches.get(key)
  if (before === undefined) touches.set(key, { lane, isShared: false, isWritten })
  else if (before.lane === lane && !before.isShared) {
    if (isWritten && !before.isWritten) touches.set(key, { ...before, isWritten })
  } else if (before.isWritten || isWritten) return false
  else if (!before.isShared) touches.set(key, { ...before, isShared: true })
  return true
}
