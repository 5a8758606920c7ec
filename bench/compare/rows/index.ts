import type { Row } from '../row.js'
import { appendRows } from './append.js'
import { bytesRows } from './bytes.js'
import { followRow } from './follow.js'
import { openRows } from './open.js'
import { readRows } from './read.js'

/** In the order of the table. */
export const rows: readonly Row[] = [...appendRows, ...readRows, ...openRows, followRow, ...bytesRows]

export function row(name: string): Row {
  const found = rows.find((one) => one.name === name)
  if (found === undefined) throw new Error(`There is no row ${name}`)
  return found
}
