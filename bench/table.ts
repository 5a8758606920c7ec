import type { Result } from './workload.js'

const COLUMNS = [
  'workload',
  'events/s',
  'raw/s',
  'ratio',
  'target',
  '',
  'p50 µs',
  'p99 µs',
  'B/event',
  'raw B',
  'peak MiB',
  'note',
] as const

/** Lines of a table with aligned columns, without the heading for results that follow others. */
export function table(results: readonly Result[], heading: boolean): string[] {
  const rows = results.map(cells)
  return (heading ? [COLUMNS as readonly string[], ...rows] : rows).map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(46) : column === 11 ? `  ${cell}` : cell.padStart(width(column)),
      )
      .join('')
      .trimEnd(),
  )
}

function width(column: number): number {
  return column === 5 ? 9 : 10
}

function cells(result: Result): readonly string[] {
  const { ms, targetMs, ratio, target } = result
  const met = reached(result)
  return [
    result.name,
    whole(result.eventsPerSecond),
    whole(result.rawPerSecond),
    ms === undefined ? fixed(ratio) : `${ms.toFixed(1)} ms`,
    targetMs === undefined ? fixed(target) : `${targetMs} ms`,
    met === undefined ? '' : met ? 'met' : 'NOT MET',
    whole(result.p50Us),
    whole(result.p99Us),
    whole(result.bytesPerEvent),
    whole(result.rawBytesPerEvent),
    whole(result.peakMib),
    result.note ?? '',
  ]
}

/** Whether a result reached its target; undefined when it has none. */
export function reached({ ms, targetMs, ratio, target }: Result): boolean | undefined {
  if (ms !== undefined && targetMs !== undefined) return ms <= targetMs
  if (ratio !== undefined && target !== undefined) return ratio >= target
  return undefined
}

function whole(value: number | undefined): string {
  return value === undefined ? '' : value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

function fixed(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(2)
}
