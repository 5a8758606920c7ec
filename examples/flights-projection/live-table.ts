/** A table that is drawn again in its place on a terminal, and printed now and then elsewhere. */
import type { Airport } from './delays.js'

const ROWS = 8

/** Returns the busiest airports as lines of text. */
export function tableLines(airports: Iterable<readonly [name: string, airport: Airport]>): string[] {
  const busiest = [...airports].sort(([a, x], [b, y]) => y.departures - x.departures || (a < b ? -1 : 1)).slice(0, ROWS)
  return busiest.map(([name, { departures, arrivals, delay, late }]) => {
    const mean = `${(departures === 0 ? 0 : delay / departures).toFixed(1)} min`
    const share = departures === 0 ? 0 : late / departures
    return `  ${name}${count(departures)} departures${count(arrivals)} arrivals${mean.padStart(10)} late${bar(share)}`
  })
}

/** Draws over what it has drawn before, where there is a terminal. */
export class LiveTable {
  readonly #out: NodeJS.WriteStream
  #drawn = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  draw(title: string, lines: readonly string[]): void {
    if (this.#out.isTTY && this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[J`)
    this.#out.write(`${[title, ...lines].join('\n')}\n`)
    this.#drawn = lines.length + 1
  }
}

function count(n: number): string {
  return n.toLocaleString('en-US').padStart(8)
}

function bar(share: number): string {
  return `${(share * 100).toFixed(1).padStart(7)}% ${'█'.repeat(Math.round(share * 40))}`
}
