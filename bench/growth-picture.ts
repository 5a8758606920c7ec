/** The picture of growth: for each measure a line over the number of events, both axes by powers of ten. */

/** Points of events and milliseconds. */
export interface GrowthSeries {
  readonly open: readonly (readonly [events: number, ms: number])[]
  readonly append: readonly (readonly [events: number, ms: number])[]
  readonly offset: readonly (readonly [events: number, ms: number])[]
  readonly scan: readonly (readonly [events: number, ms: number])[]
}

const TITLES: Readonly<Record<keyof GrowthSeries, string>> = {
  scan: 'read everything',
  open: 'open',
  append: 'durable append',
  offset: '10 events at a random offset',
}
const WIDTH = 720
const HEIGHT = 420
const LEFT = 70
const RIGHT = 210
const TOP = 24
const BOTTOM = 44

/** Dark where the reader's system is. */
const STYLE = `
  :root { --ground: #ffffff; --text: #1f2328; --faint: #d0d7de; --line: #1a7f5a; }
  @media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3; --faint: #30363d; --line: #3fb984; } }
  .ground { fill: var(--ground) } .grid { stroke: var(--faint) }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--text) }
  polyline { fill: none; stroke: var(--line); stroke-width: 2 } circle { fill: var(--line) }`

export function growthPicture(series: GrowthSeries): string {
  const points = Object.values(series).flat() as (readonly [number, number])[]
  const [left, right] = powers(points.map(([events]) => events))
  const [low, high] = powers(points.map(([, ms]) => ms))
  const x = (events: number): number => LEFT + ((Math.log10(events) - left) / (right - left)) * (WIDTH - LEFT - RIGHT)
  const y = (ms: number): number => HEIGHT - BOTTOM - ((Math.log10(ms) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)
  const parts: string[] = []
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power)
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`,
      `<text x="${LEFT - 8}" y="${at + 4}" text-anchor="end">${named(10 ** power)}</text>`,
    )
  }
  for (let power = left; power <= right; power++) {
    parts.push(
      `<text x="${x(10 ** power)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${(10 ** power).toLocaleString('en')}</text>`,
    )
  }
  for (const [name, title] of Object.entries(TITLES) as [keyof GrowthSeries, string][]) {
    const line = series[name].map(([events, ms]) => [Math.round(x(events)), Math.round(y(ms))] as const)
    const [endX, endY] = line.at(-1)!
    parts.push(
      `<polyline points="${line.map((point) => point.join()).join(' ')}"/>`,
      ...line.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5"/>`),
      `<text x="${endX + 10}" y="${endY + 4}">${title}, ${named(series[name].at(-1)![1])}</text>`,
    )
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="time over the number of events">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}"/>`,
    ...parts,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">events in the store</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function powers(values: readonly number[]): [low: number, high: number] {
  return [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))]
}

function named(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toLocaleString('en', { maximumSignificantDigits: 2 })} s`
  if (ms >= 1) return `${ms.toLocaleString('en', { maximumSignificantDigits: 2 })} ms`
  return `${(ms * 1000).toLocaleString('en', { maximumSignificantDigits: 2 })} µs`
}
