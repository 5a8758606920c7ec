import { plainCopy, isThenable } from '../plain-value.js'
import { Draft, type Lane } from './draft.js'
import type { HandlerCalls, Item } from './handler-calls.js'
import type { Projection } from './projection.js'
import type { ProjectionBuild, RowChange } from './projection-store.js'

/** Name of the only row of a projection to a state, and of its table. */
export const STATE = 'state'
/** Table of the events that could not be projected. */
export const DEAD_LETTERS = 'dead_letters'

/** What came of a batch: the rows it makes, or the first event that failed. Then nothing of the batch counts. */
export type Batch =
  | { readonly rows: readonly RowChange[]; readonly done?: (() => void) | undefined; readonly failed?: undefined }
  | { readonly failed: { readonly index: number; readonly error: unknown } }

/** Has the handlers work on a batch, without storing anything. */
export interface BatchWork {
  /** `attempt` is that of the first item; the others are tried for the first time. */
  apply(items: readonly Item[], attempt: number, calls: HandlerCalls): Promise<Batch>
  /** Something else is stored than was before: what is known of it is dropped. */
  reset(): void
}

/** Folds events into one state, which is kept from batch to batch. */
export class StateWork implements BatchWork {
  readonly #build: ProjectionBuild
  readonly #projection: Projection
  /** As it is stored; undefined: to be looked up. */
  #state: { readonly value: unknown } | undefined

  constructor(build: ProjectionBuild, projection: Projection) {
    this.#build = build
    this.#projection = projection
  }

  reset(): void {
    this.#state = undefined
  }

  async apply(items: readonly Item[], attempt: number, calls: HandlerCalls): Promise<Batch> {
    calls.begin()
    let value = this.#state === undefined ? stateOf(this.#build, this.#projection) : this.#state.value
    // A handler may change the state it is given. Unless the batch is stored, this one is none any more.
    this.#state = undefined
    let index = 0
    try {
      for (const item of items) {
        let next = calls.call(item, value, index === 0 ? attempt : 1)
        if (isThenable(next)) next = await next
        if (next !== undefined) value = next
        index++
      }
      index--
      const rows = items.length === 0 ? [] : [{ table: STATE, key: '', row: plainCopy(value) }]
      return { rows, done: () => (this.#state = { value }) }
    } catch (error) {
      return { failed: { index, error } }
    }
  }
}

/** Returns a copy of the state that is stored, or the initial one. */
export function stateOf(build: ProjectionBuild, projection: Projection): unknown {
  const stored = build.get(STATE, '')
  return stored === undefined ? projection.initialState!() : stored
}

/** Lets handlers change rows: in order, or for several streams at once, as long as these do not meet in a row. */
export class TableWork implements BatchWork {
  readonly #build: ProjectionBuild
  readonly #projection: Projection
  readonly #concurrency: number

  constructor(build: ProjectionBuild, projection: Projection, concurrency: number) {
    this.#build = build
    this.#projection = projection
    this.#concurrency = concurrency
  }

  reset(): void {
    // Nothing is kept from batch to batch.
  }

  async apply(items: readonly Item[], attempt: number, calls: HandlerCalls): Promise<Batch> {
    calls.begin()
    const draft = new Draft(this.#build, this.#projection.tables)
    const view = draft.view(undefined)
    let index = 0
    try {
      for (const item of items) {
        const result = calls.call(item, view, index === 0 ? attempt : 1)
        if (isThenable(result)) await result
        index++
      }
      return { rows: draft.changes() }
    } catch (error) {
      return { failed: { index, error } }
    } finally {
      draft.end()
    }
  }

  /** Deals with several streams at once. Undefined: that cannot be; the batch is to be applied in order. */
  async applyAtOnce(items: readonly Item[], calls: HandlerCalls): Promise<readonly RowChange[] | undefined> {
    const lanes = new Map<string, Item[]>()
    for (const item of items) {
      const lane = lanes.get(item.stored.stream)
      if (lane === undefined) lanes.set(item.stored.stream, [item])
      else lane.push(item)
    }
    if (this.#concurrency === 1 || lanes.size === 1) return undefined
    const draft = new Draft(this.#build, this.#projection.tables)
    const waiting = lanes.entries()
    const lost = new AbortController()
    const work = async (): Promise<void> => {
      for (const [stream, lane] of waiting) {
        const view = draft.view(stream satisfies Lane)
        for (const item of lane) {
          if (lost.signal.aborted || draft.hasConflict) return
          const result = calls.call(item, view, 1)
          if (isThenable(result)) await result
        }
      }
    }
    const workers = Array.from({ length: Math.min(this.#concurrency, lanes.size) }, async () =>
      work().catch((error: unknown) => lost.abort(error)),
    )
    await Promise.all(workers)
    draft.end()
    return lost.signal.aborted || draft.hasConflict ? undefined : draft.changes()
  }
}
