import type { ComparedEngine, ComparedLimit, Contestant } from './engine.js'

/** What one process measured. */
export interface Measured {
  /** In the unit of the row. */
  readonly value: number
  /** Processor time of all threads of the process. */
  readonly cpuUsPerEvent?: number | undefined
  /** Most memory resident, Node.js and the events to write included; mapped files count where they are resident. */
  readonly peakMib?: number | undefined
  readonly bytesPerEvent?: number | undefined
}

/** Why nothing was measured. */
export interface Skipped {
  readonly skipped: string
}

export type DataSet = 'one' | 'many'

/** Where and how large. */
export interface RowContext {
  readonly quick: boolean
  /** Of this process alone; empty, or a copy of the data set where the row changes it. */
  readonly directory: string
  /** The data set that the row needs. */
  readonly dataSet: string
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly unit: 'events/s' | 'reads/s' | 'ms' | 'µs' | 'B'
  /** What must be known to compare the contestants; stands above the table. */
  readonly note?: string | undefined
  /** Names of engines and limits; the first limit is what the others are compared with. */
  readonly contestants: readonly string[]
  readonly streams: number
  /** Read by the row, or written by it for the rows that read. */
  readonly needs?: DataSet | undefined
  readonly produces?: DataSet | undefined
  /** The row works on a copy of the data set. */
  readonly copies?: boolean | undefined
  /** The files leave the page cache before. */
  readonly cold?: boolean | undefined
  store(engine: ComparedEngine, context: RowContext): Promise<Measured | Skipped>
  limit?(limit: ComparedLimit, context: RowContext): Promise<Measured | Skipped> | Measured | Skipped
}

export function lessIsBetter({ unit }: Pick<Row, 'unit'>): boolean {
  return unit === 'ms' || unit === 'µs' || unit === 'B'
}

/** Runs a row for a contestant in this process. */
export async function runRow(row: Row, contestant: Contestant, context: RowContext): Promise<Measured | Skipped> {
  if (contestant.kind === 'store') {
    const reason = await contestant.cannot?.(row.streams)
    if (reason !== undefined) return { skipped: reason }
    await contestant.prepare()
    return row.store(contestant, context)
  }
  if (row.limit === undefined) return { skipped: 'there is no raw limit' }
  return row.limit(contestant, context)
}
