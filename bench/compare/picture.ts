/** The picture: a panel for each row, a bar for each contestant, the best of the row as long as the panel is wide. Reads in light and in dark. */
import { type ContestantResult, figure, isOwn, middle, type RowResult } from './results.js'
import { lessIsBetter } from './row.js'

const WIDTH = 860
const MARGIN = 20
const LABEL = 210
const FIGURE = 90
const BAR = 14
const STEP = 20
const TITLE = 34

/** Dark where the reader's system is. */
const STYLE = `
  :root { --ground: #ffffff; --text: #1f2328; --faint: #59636e; --own: #1a7f5a; --rival: #8fa3b8; --limit: #d9dee4; }
  @media (prefers-color-scheme: dark) {
    :root { --ground: #0d1117; --text: #e6edf3; --faint: #9198a1; --own: #3fb984; --rival: #5b6f86; --limit: #30363d; }
  }
  .ground { fill: var(--ground) }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--text) }
  .title { font-weight: 600; font-size: 13px }
  .faint { fill: var(--faint) }
  .own { fill: var(--own) } .rival { fill: var(--rival) } .limit { fill: var(--limit) }
  .own-text { font-weight: 600 }`

export function picture(rows: readonly RowResult[]): string {
  const parts: string[] = []
  let y = MARGIN
  for (const row of rows) {
    const measured = row.contestants.filter(({ rounds }) => rounds.length > 0)
    if (measured.length === 0) continue
    parts.push(...panel(row, measured, y))
    y += TITLE + measured.length * STEP + 12
  }
  const height = y + MARGIN
  const legend = 'green: annals, grey: other stores, pale: what the machine can do without a store'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="annals beside others">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    ...parts,
    `<text class="faint" x="${MARGIN}" y="${height - MARGIN}">${escape(legend)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function panel(row: RowResult, measured: readonly ContestantResult[], top: number): string[] {
  const less = lessIsBetter(row)
  const most = Math.max(...measured.map(middle))
  const sorted = measured.toSorted((a, b) => (less ? middle(a) - middle(b) : middle(b) - middle(a)))
  const widest = WIDTH - 2 * MARGIN - LABEL - FIGURE
  const unit = `${row.unit}${less ? ', less is better' : ''}`
  const parts = [
    `<text class="title" x="${MARGIN}" y="${top + 16}">${escape(row.title)} <tspan class="faint" font-weight="400">${escape(unit)}</tspan></text>`,
  ]
  for (const [index, one] of sorted.entries()) {
    const y = top + TITLE - 6 + index * STEP
    const width = Math.max(1, Math.round((middle(one) / most) * widest))
    const kind = isOwn(one.name) ? 'own' : one.kind === 'limit' ? 'limit' : 'rival'
    const strong = kind === 'own' ? ' class="own-text"' : ''
    parts.push(
      `<text${strong} x="${MARGIN + LABEL - 8}" y="${y + 11}" text-anchor="end">${escape(one.title)}</text>`,
      `<rect class="${kind}" x="${MARGIN + LABEL}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
      `<text${strong} x="${MARGIN + LABEL + width + 6}" y="${y + 11}">${figure(middle(one))}</text>`,
    )
  }
  return parts
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
