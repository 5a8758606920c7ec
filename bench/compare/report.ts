/** The table, in Markdown. */
import { type ContestantResult, figure, isOwn, middle, range, type RowResult, summary, timesAsGood } from './results.js'
import { lessIsBetter } from './row.js'

export function report(rows: readonly RowResult[]): string {
  const quick = rows.some(({ run }) => run.quick)
  return [
    '# annals beside others',
    '',
    'Written by `npm run compare`; what is compared and how it is checked is in [docs/performance.md](../../../docs/performance.md#beside-others).',
    'Medians of the rounds, least and most in brackets. Ratios are taken within each round, and the median of them is shown: above 1 annals is better, whatever the unit.',
    ...(quick ? ['', '**This was a quick run: it shows that everything works, and measures nothing.**'] : []),
    '',
    '![annals beside others](compare.svg)',
    '',
    ...overview(rows),
    '',
    ...rows.flatMap((row) => [...details(row), '']),
    ...notes(rows),
    '',
    ...runs(rows),
    '',
  ].join('\n')
}

function overview(rows: readonly RowResult[]): string[] {
  const lines = rows.map((row) => {
    const { own, rival, raw, betterLimit } = summary(row)
    return cells([
      `${row.title}, ${row.unit}`,
      own === undefined ? '–' : figure(middle(own)),
      rival === undefined ? '–' : `${rival.title} ${figure(middle(rival))}`,
      ratio(row, own, rival),
      raw === undefined ? '–' : figure(middle(raw)),
      ratio(row, own, raw),
      betterLimit === undefined ? '–' : `${betterLimit.title} ${figure(middle(betterLimit))}`,
      ratio(row, own, betterLimit),
    ])
  })
  return [
    cells(['row', 'annals', 'best rival', '× rival', 'raw', '× raw', 'better limit', '× limit']),
    cells(['---', '--:', '---', '--:', '--:', '--:', '---', '--:']),
    ...lines,
  ]
}

function details(row: RowResult): string[] {
  const { raw } = summary(row)
  const lines = row.contestants.map((one) => {
    const nothing = one.skipped ?? one.failed
    if (nothing !== undefined) {
      const word = one.failed === undefined ? 'skipped' : '**failed**'
      return cells([one.title, `${word}: ${oneLine(nothing)}`, '', '', '', ''])
    }
    const [least, most] = range(one)
    return cells([
      isOwn(one.name) ? `**${one.title}**` : one.title,
      `${figure(middle(one))} (${figure(least)}–${figure(most)})`,
      ratio(row, one, raw),
      cost(one, 'cpuUsPerEvent'),
      cost(one, 'peakMib'),
      cost(one, 'bytesPerEvent'),
    ])
  })
  return [
    `## ${row.title}`,
    '',
    ...(row.note === undefined ? [] : [row.note, '']),
    cells([
      '',
      `${row.unit}${lessIsBetter(row) ? ', less is better' : ''}`,
      '× raw',
      'CPU µs/event',
      'peak MiB',
      'B/event',
    ]),
    cells(['---', '--:', '--:', '--:', '--:', '--:']),
    ...lines,
  ]
}

function notes(rows: readonly RowResult[]): string[] {
  const seen = new Map<string, ContestantResult>()
  for (const { contestants } of rows) {
    for (const one of contestants) if (one.version !== undefined || !seen.has(one.name)) seen.set(one.name, one)
  }
  return [
    '## How each is used',
    '',
    ...[...seen.values()].map(
      ({ title, version, note }) => `* **${title}**${version === undefined ? '' : ` ${version}`}: ${note}.`,
    ),
  ]
}

function runs(rows: readonly RowResult[]): string[] {
  const byRun = new Map<string, string[]>()
  for (const { name, run } of rows) {
    const text = `${run.date}, Node.js ${run.node}, ${run.machine}, ${run.rounds} round${run.rounds === 1 ? '' : 's'}`
    byRun.set(text, [...(byRun.get(text) ?? []), name])
  }
  return ['## Runs', '', ...[...byRun].map(([text, names]) => `* ${text}: ${names.join(', ')}.`)]
}

function ratio(row: RowResult, one: ContestantResult | undefined, other: ContestantResult | undefined): string {
  if (one === undefined || other === undefined) return '–'
  return timesAsGood(row, one, other).toFixed(2)
}

function cost({ rounds }: ContestantResult, field: 'cpuUsPerEvent' | 'peakMib' | 'bytesPerEvent'): string {
  const values = rounds.map((round) => round[field]).filter((value) => value !== undefined)
  return values.length === 0 ? '' : figure(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!)
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')
}

function cells(row: readonly string[]): string {
  return `| ${row.join(' | ')} |`
}
