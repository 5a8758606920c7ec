import { bytes, duration } from './numbers.js'
import type { Output } from './output.js'

const EVERY_MS = 100
/** Rates of the first moments say nothing. */
const RATE_AFTER_MS = 500
const CLEAR_LINE = '\r\u001b[K'

/** One line on a terminal that says how far something has come, with rate and time left. Nothing anywhere else. */
export class Progress {
  readonly #output: Output
  readonly #what: string
  readonly #now: () => number
  readonly #say: (amount: number) => string
  readonly #begun: number
  #shown = -Infinity

  constructor(output: Output, what: string, now = (): number => performance.now(), say = bytes) {
    this.#output = output
    this.#what = what
    this.#now = now
    this.#say = say
    this.#begun = now()
  }

  /** Milliseconds since it began. */
  get spentMs(): number {
    return this.#now() - this.#begun
  }

  /** So many bytes, or what `say` counts, of so many are done; undefined where nobody knows of how many. `more` is said behind it. */
  show(done: number, total: number | undefined, more?: () => string): void {
    const now = this.#now()
    if (!this.#output.isTerminal || (now - this.#shown < EVERY_MS && done !== total)) return
    this.#shown = now
    const spent = now - this.#begun
    const parts: string[] = []
    if (total === undefined) parts.push(this.#what, this.#say(done))
    else {
      const percent = total === 0 ? 100 : Math.floor((100 * done) / total)
      parts.push(`${this.#what} ${String(percent).padStart(3)}%`, `${this.#say(done)} of ${this.#say(total)}`)
    }
    if (spent >= RATE_AFTER_MS && done > 0) {
      parts.push(`${this.#say((1000 * done) / spent)}/s`)
      if (total !== undefined) parts.push(`${duration((spent * Math.max(0, total - done)) / done)} left`)
    }
    if (more !== undefined) parts.push(more())
    this.#write(`${CLEAR_LINE}${parts.join('  ').slice(0, Math.max(1, this.#output.columns - 1))}`)
  }

  /** Shows a text instead. */
  say(text: string): void {
    const now = this.#now()
    if (!this.#output.isTerminal || now - this.#shown < EVERY_MS) return
    this.#shown = now
    this.#write(`${CLEAR_LINE}${text.slice(0, Math.max(1, this.#output.columns - 1))}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown > -Infinity) this.#write(CLEAR_LINE)
    this.#shown = -Infinity
  }

  #write(text: string): void {
    this.#output.text(text)
    this.#output.flush().catch(() => {}) // nobody looks any more
  }
}
