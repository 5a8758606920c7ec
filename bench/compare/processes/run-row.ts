/** Runs one row for one contestant, or loads what a limit reads, for `bench/compare/runner.ts`: each in a process of its own. */
import { contestant } from '../engines/index.js'
import { runRow } from '../row.js'
import type { DataSet, Measured, RowContext, Skipped } from '../row.js'
import { row } from '../rows/index.js'
import { loadLimit } from '../rows/read.js'

/** What the process is asked for, as JSON in its argument. */
export interface Task extends RowContext {
  readonly contestant: string
  readonly row?: string | undefined
  readonly load?: DataSet | undefined
}

export type Outcome = (Measured | Skipped) & { readonly version?: string }

async function main(argument: string | undefined): Promise<void> {
  if (argument === undefined) throw new Error('This is for bench/compare/index.js to call')
  const task = JSON.parse(argument) as Task
  const chosen = contestant(task.contestant)
  if (task.load !== undefined) {
    if (chosen.kind !== 'limit') throw new Error(`${chosen.name} loads nothing by itself`)
    loadLimit(chosen, task.directory, task.load, task.quick)
    return
  }
  const outcome = await runRow(row(task.row!), chosen, task)
  const version = chosen.kind === 'store' && !('skipped' in outcome) ? chosen.version() : undefined
  process.send?.({ ...outcome, ...(version === undefined ? {} : { version }) } satisfies Outcome)
}

main(process.argv[2]).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
