import type { Environment, Timer, Watch } from '../io/file-system.js'

/** Looks at the watermark by itself so often: where the system does not tell of writes, this is the delay. */
const LOOK_MS = 200
/** Between two looks that the system has asked for: a busy writer costs its readers so many looks, and not one for each commit. */
const PACE_MS = 1

/** Decides when to look at what another process has written: soon after the system tells of a write, and now and then. */
export class FollowClock {
  readonly #environment: Environment
  readonly #path: string
  readonly #look: (now: 'told' | 'regular') => void
  #watch: Watch | undefined
  #timer: Timer | undefined
  #soon = false
  #lookedAt = -Infinity
  #closed = false

  /** @param path What to watch. @param look Never throws. */
  constructor(environment: Environment, path: string, look: (now: 'told' | 'regular') => void) {
    this.#environment = environment
    this.#path = path
    this.#look = look
    this.#wait()
  }

  /** Watches the file that has this name now. */
  watch(): void {
    this.#watch?.close()
    this.#watch = this.#environment.files.watch(this.#path, () => this.lookSoon())
  }

  /** Looks in a later turn. */
  lookSoon(): void {
    if (this.#soon || this.#closed) return
    this.#soon = true
    const run = (): void => {
      this.#soon = false
      this.#run('told')
    }
    const left = this.#lookedAt + PACE_MS - this.#environment.elapsed()
    if (left > 0) this.#environment.after(Math.ceil(left), run)
    else setImmediate(run)
  }

  close(): void {
    this.#closed = true
    this.#watch?.close()
    this.#timer?.cancel()
  }

  #wait(): void {
    this.#timer = this.#environment.after(LOOK_MS, () => {
      this.#run('regular')
      if (!this.#closed) this.#wait()
    })
  }

  #run(now: 'told' | 'regular'): void {
    if (this.#closed) return
    this.#lookedAt = this.#environment.elapsed()
    this.#look(now)
  }
}
