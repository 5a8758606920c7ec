import { BrokenPipeError } from './exit-codes.js'
import { type Paint, plain } from './paint.js'

/** What output is written to: `process.stdout` and `process.stderr`. */
export interface Sink extends NodeJS.EventEmitter {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): boolean
}

const FLUSH_AT = 16 * 1024
/** Whoever waits for slow lines sees them all the same. */
const FLUSH_EVERY_MS = 100
const DEFAULT_COLUMNS = 80

/** Writes lines, gathered, no faster than they are read. */
export class Output {
  readonly #sink: Sink
  #gathered = ''
  #gone = false
  #flushed = -Infinity
  paint: Paint = plain

  /** `onGone` is called once, when whoever reads has gone. */
  constructor(sink: Sink, onGone: () => void) {
    this.#sink = sink
    sink.on('error', () => {
      if (this.#gone) return
      this.#gone = true
      onGone()
    })
  }

  get isTerminal(): boolean {
    return this.#sink.isTTY === true
  }

  get columns(): number {
    const { columns } = this.#sink
    // A terminal that does not know says 0.
    return columns === undefined || columns === 0 ? DEFAULT_COLUMNS : columns
  }

  /** Adds a line; shown when enough has gathered and `drain` is called, or with the next flush. */
  line(text = ''): void {
    this.#gathered += `${text}
`
  }

  /** To be called in a loop that prints: hands on what has gathered, when it is enough or old. Wait for what it returns, if anything. */
  drain(): Promise<void> | undefined {
    const due = this.#gathered.length >= FLUSH_AT || performance.now() - this.#flushed >= FLUSH_EVERY_MS
    return due ? this.flush() : undefined
  }

  /** Adds text without a line break; shown with the next flush. */
  text(text: string): void {
    this.#gathered += text
  }

  /** Hands everything on. Throws BrokenPipeError when nobody reads. */
  async flush(): Promise<void> {
    if (this.#gone) throw new BrokenPipeError()
    const text = this.#gathered
    this.#gathered = ''
    this.#flushed = performance.now()
    if (text === '' || this.#sink.write(text)) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#sink.off('drain', done)
        this.#sink.off('error', done)
        this.#sink.off('close', done)
        resolve()
      }
      this.#sink.on('drain', done)
      this.#sink.on('error', done)
      this.#sink.on('close', done)
    })
    if (this.#gone as boolean) throw new BrokenPipeError()
  }
}
