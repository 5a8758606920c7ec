import { isThenable } from '../plain-value.js'
import type { HandlerCalls, Item } from './handler-calls.js'
import type { ProjectionSql } from './projection.js'

/** Undoes the transaction, and says which event it was. */
export class SqlFailure extends Error {
  readonly index: number
  readonly error: unknown

  constructor(index: number, error: unknown) {
    super('a handler failed')
    this.index = index
    this.error = error
  }
}

/** Has the handlers write to tables of SQLite, within a transaction. Throws SqlFailure at the first event that fails. */
export function applySql(
  items: readonly Item[],
  attempt: number,
  calls: HandlerCalls,
  sql: ProjectionSql | undefined,
): void {
  calls.begin()
  for (const [index, item] of items.entries()) {
    try {
      const result = calls.call(item, sql, index === 0 ? attempt : 1)
      if (!isThenable(result)) continue
      throw new TypeError('it returned a promise: within a transaction nothing can be waited for')
    } catch (error) {
      throw new SqlFailure(index, error)
    }
  }
}
