/** What a comparison found, as it is kept in `results/compare.json` and turned into the table and the picture. */
import { median } from '../measure.js'
import { lessIsBetter, type Measured, type Row } from './row.js'

export interface ContestantResult {
  readonly name: string
  readonly title: string
  readonly kind: 'store' | 'limit'
  readonly note: string
  readonly version?: string | undefined
  /** One a round; none when it was skipped or failed. */
  readonly rounds: readonly Measured[]
  readonly skipped?: string | undefined
  readonly failed?: string | undefined
}

export interface RowResult extends Pick<Row, 'name' | 'title' | 'unit' | 'note'> {
  readonly contestants: readonly ContestantResult[]
  /** Where and when: rows of one file may come from several runs. */
  readonly run: RunInfo
}

export interface RunInfo {
  readonly date: string
  readonly node: string
  readonly machine: string
  readonly rounds: number
  readonly quick: boolean
}

/** Whether a contestant is annals, in one of its durabilities: no rival, then. */
export function isOwn(name: string): boolean {
  return name === 'annals' || name.startsWith('annals-')
}

/** Puts new rows in the place of older ones, in the order of all rows. */
export function mergeRows(
  older: readonly RowResult[],
  newer: readonly RowResult[],
  order: readonly string[],
): RowResult[] {
  const rows = new Map([...older, ...newer].map((row) => [row.name, row]))
  return order.map((name) => rows.get(name)).filter((row) => row !== undefined)
}

export function middle({ rounds }: Pick<ContestantResult, 'rounds'>): number {
  return median(rounds.map(({ value }) => value))
}

export function range({ rounds }: Pick<ContestantResult, 'rounds'>): readonly [number, number] {
  const values = rounds.map(({ value }) => value)
  return [Math.min(...values), Math.max(...values)]
}

/** How many times as good as another, compared round by round; above 1 is better, whatever the unit. */
export function timesAsGood(row: Pick<Row, 'unit'>, one: ContestantResult, other: ContestantResult): number {
  const rounds = Math.min(one.rounds.length, other.rounds.length)
  return median(
    Array.from({ length: rounds }, (_, round) => {
      const [a, b] = [one.rounds[round]!.value, other.rounds[round]!.value]
      return lessIsBetter(row) ? b / a : a / b
    }),
  )
}

/** What stands out in a row. */
export interface Summary {
  readonly own: ContestantResult | undefined
  readonly rival: ContestantResult | undefined
  /** The plain limit, and the best of the others when it is better. */
  readonly raw: ContestantResult | undefined
  readonly betterLimit: ContestantResult | undefined
}

export function summary(row: RowResult): Summary {
  const measured = row.contestants.filter(({ rounds }) => rounds.length > 0)
  const best = (of: readonly ContestantResult[]): ContestantResult | undefined =>
    of.toSorted((a, b) => (lessIsBetter(row) ? middle(a) - middle(b) : middle(b) - middle(a)))[0]
  const raw = measured.find(({ name }) => name === 'raw')
  const betterLimit = best(measured.filter(({ kind }) => kind === 'limit'))
  return {
    own: measured.find(({ name }) => name === 'annals'),
    rival: best(measured.filter(({ kind, name }) => kind === 'store' && !isOwn(name))),
    raw,
    betterLimit: betterLimit === raw ? undefined : betterLimit,
  }
}

/** A figure as people write it: 5,494 or 3.2. */
export function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
