/** Plain text that is good to look at, with or without a terminal. */
import type { WriteStream } from 'node:tty'

const BLOCKS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** Colours only on a terminal, and never with NO_COLOR (https://no-color.org) or TERM=dumb. */
export class Terminal {
  readonly #out: NodeJS.WriteStream | WriteStream
  readonly #colours: boolean
  readonly #redraws: boolean

  constructor(out: NodeJS.WriteStream, environment: NodeJS.ProcessEnv) {
    const terminal = out.isTTY && environment.TERM !== 'dumb'
    this.#out = out
    this.#redraws = terminal
    this.#colours = terminal && (environment.NO_COLOR ?? '') === ''
  }

  line(text = ''): void {
    this.#out.write(`${text}\n`)
  }

  /** Prints a heading over what follows. */
  heading(text: string): void {
    this.line(`\n${this.bold(text)}`)
  }

  /** Prints a promise and whether it was kept. Returns `kept`. */
  promise(kept: boolean, text: string): boolean {
    this.line(`  ${kept ? this.#styled('32', 'kept  ') : this.#styled('31', 'BROKEN')}  ${text}`)
    return kept
  }

  /** Prints names and values below each other. */
  facts(facts: readonly (readonly [name: string, value: string])[]): void {
    const width = Math.max(...facts.map(([name]) => name.length))
    for (const [name, value] of facts) this.line(`  ${this.dim(name.padEnd(width))}  ${value}`)
  }

  /** Begins a progress bar from `start`: redrawn in place on a terminal, a line for each quarter elsewhere. */
  progress(label: string, total: number, start = 0): Progress {
    let drawnAt = 0
    let quarter = Math.floor((start / total) * 4)
    const redraw = (done: number): void => {
      const percent = `${Math.floor((done / total) * 100)}%`.padStart(4)
      this.#out.write(`\r  ${label} ${this.#styled('36', bar(done / total, 30, '░'))} ${percent} ${count(done)}`)
    }
    return {
      at: (done) => {
        if (!this.#redraws) {
          if (Math.floor((done / total) * 4) === quarter) return
          quarter = Math.floor((done / total) * 4)
          this.line(`  ${label} ${count(done)} of ${count(total)}`)
        } else if (performance.now() - drawnAt >= 40) {
          drawnAt = performance.now()
          redraw(done)
        }
      },
      end: (done) => {
        if (!this.#redraws) return
        redraw(done)
        this.line()
      },
    }
  }

  bold(text: string): string {
    return this.#styled('1', text)
  }

  dim(text: string): string {
    return this.#styled('2', text)
  }

  #styled(code: string, text: string): string {
    return this.#colours ? `\u001b[${code}m${text}\u001b[0m` : text
  }
}

export interface Progress {
  readonly at: (done: number) => void
  /** Draws the last state and ends the line. */
  readonly end: (done: number) => void
}

/** Returns a bar of at most `width` characters, padded with `empty`. */
export function bar(share: number, width: number, empty = ' '): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8)
  return ('█'.repeat(Math.floor(eighths / 8)) + BLOCKS[eighths % 8]!).padEnd(width, empty)
}

/** Returns a whole number with its thousands apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} bytes`
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(1)} MB`
}

export function milliseconds(value: number): string {
  return value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`
}
