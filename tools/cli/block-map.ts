import type { InspectedItem } from '../../engine/index.js'
import type { Colour, Paint } from './paint.js'

/** What a cell can show, the rarest first: where a cell has several, the first of them is shown. */
const CELLS = [
  { letter: 'X', colour: 'red', meaning: 'damage' },
  { letter: 'H', colour: 'cyan', meaning: 'header' },
  { letter: 'S', colour: 'magenta', meaning: 'seal' },
  { letter: '+', colour: 'yellow', meaning: 'index point' },
  { letter: 'G', colour: 'blue', meaning: 'group' },
  { letter: 'd', colour: 'magenta', meaning: 'shape' },
  { letter: 'C', colour: 'green', meaning: 'start of a commit' },
  { letter: 'e', colour: 'green', meaning: 'event' },
  { letter: 'r', colour: 'green', meaning: 'record' },
  { letter: '.', colour: 'dim', meaning: 'zeros' },
] as const satisfies readonly { letter: string; colour: Colour; meaning: string }[]
type Letter = (typeof CELLS)[number]['letter']
const RANKS = new Map<string, number>(CELLS.map(({ letter }, rank) => [letter, rank]))

const COLUMNS = 64
const MOST_CELLS = COLUMNS * 16
const LEAST_CELL_BYTES = 8

/** A picture of a file: each cell stands for as many bytes, and shows the rarest of what begins or stands there. */
export class BlockMap {
  readonly cellBytes: number
  readonly #ranks: Uint8Array

  constructor(size: number, headerBytes: number) {
    let cellBytes = LEAST_CELL_BYTES
    while (size / cellBytes > MOST_CELLS) cellBytes *= 2
    this.cellBytes = cellBytes
    this.#ranks = new Uint8Array(Math.ceil(size / cellBytes)).fill(CELLS.length)
    this.#fill(0, headerBytes, 'H')
  }

  add(item: InspectedItem): void {
    if (item.what === 'problem') {
      this.#fill(item.byte, 1, 'X')
      return
    }
    const { byte, length, kind, commit } = item
    if (kind === 'damage') this.#fill(byte, length, 'X')
    else if (kind === 'zeros') this.#fill(byte, length, '.')
    else if (kind === 'group') this.#fill(byte, length, 'G')
    else if (kind === 'shape') this.#fill(byte, length, 'd')
    else if (kind === 'seal') this.#fill(byte, length, 'S')
    else if (kind === 'event') {
      this.#fill(byte, length, 'e')
      if (commit === 'first' || commit === 'only') this.#fill(byte, 1, 'C')
      if (item.isIndexPoint === true) this.#fill(byte, 1, '+')
    } else this.#fill(byte, length, 'r')
  }

  #fill(from: number, bytes: number, letter: Letter): void {
    const rank = RANKS.get(letter)!
    const to = Math.min(this.#ranks.length, Math.ceil((from + bytes) / this.cellBytes))
    for (let i = Math.floor(from / this.cellBytes); i < to; i++) if (rank < this.#ranks[i]!) this.#ranks[i] = rank
  }

  /** Rows of cells with the byte each begins at, and a legend of what is in them. */
  lines(paint: Paint): string[] {
    const digits = Math.max(4, (this.#ranks.length * this.cellBytes).toString(16).length)
    const rows: string[] = []
    for (let from = 0; from < this.#ranks.length; from += COLUMNS) {
      const cells = [...this.#ranks.subarray(from, from + COLUMNS)].map((rank) => {
        const cell = CELLS[rank]
        return cell === undefined ? '?' : paint(cell.colour, cell.letter)
      })
      const byte = (from * this.cellBytes).toString(16).padStart(digits, '0')
      rows.push(`${paint('dim', byte)}  ${cells.join('')}`)
    }
    const seen = new Set(this.#ranks)
    const legend = CELLS.filter((_, rank) => seen.has(rank)).map(({ letter, colour, meaning }) => {
      return `${paint(colour, letter)} ${meaning}`
    })
    return [...rows, `${' '.repeat(digits)}  ${legend.join('  ')}`]
  }
}
