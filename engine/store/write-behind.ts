import type { Environment, Timer } from '../io/file-system.js'
import type { Limits } from '../limits.js'
import type { Slab, Slabs } from '../segment/slabs.js'
import type { StreamFlusher } from '../streams/stream-flush.js'
import type { StreamState } from '../streams/stream-state.js'

/** Quiet time after which what is left in memory goes to the stream segments. */
const IDLE_MS = 500
/** Streams flushed between two looks at the clock. */
const LOOK_EVERY = 4

export interface WriteBehindHooks {
  /** Position behind the last committed event. */
  position(): number
  /** Makes every committed event durable in the log. Undefined when they all are. */
  secure(): Promise<void> | undefined
  /** The slab that groups collect in: never given back. */
  currentSlab(): Slab | undefined
  /** Stops (true) or lets go on (false) the writing of groups. */
  hold(held: boolean): void
  /** Every event below this position is in its stream segment. */
  flushed(position: number): void
  failed(error: unknown): void
}

/**
 * Moves events from memory to the stream segments, behind the appends: when enough has gathered, or after a quiet while.
 * Works in slices of a few milliseconds, so that appends wait no longer than that; if memory fills up faster than files
 * can be written, groups are held back.
 */
export class WriteBehind {
  readonly #environment: Environment
  readonly #limits: Limits
  readonly #flusher: StreamFlusher
  readonly #slabs: Slabs
  readonly #hooks: WriteBehindHooks
  #queue: StreamState[] = []
  #running: Promise<void> | undefined
  #timer: Timer | undefined
  #held = false
  /** Groups committed. */
  #commits = 0
  #stopped = false
  runs = 0
  streamsFlushed = 0

  constructor(environment: Environment, limits: Limits, flusher: StreamFlusher, slabs: Slabs, hooks: WriteBehindHooks) {
    this.#environment = environment
    this.#limits = limits
    this.#flusher = flusher
    this.#slabs = slabs
    this.#hooks = hooks
  }

  /** A stream has events in memory. */
  add(state: StreamState): void {
    if (state.queued) return
    state.queued = true
    this.#queue.push(state)
  }

  /** Called after every group: starts a flush when it is time. */
  afterCommit(): void {
    if (this.#slabs.bytes >= this.#limits.dirtyBytes) {
      if (this.#slabs.bytes >= 2 * this.#limits.dirtyBytes && !this.#held) this.#hold(true)
      this.#startSoon()
    } else {
      this.#commits++
      if (this.#timer === undefined) this.#wait()
    }
  }

  /** Flushes everything committed so far. Rejects when writing fails. */
  async flush(): Promise<void> {
    while (this.#queue.length > 0 || this.#running !== undefined) await (this.#running ?? this.#start())
  }

  /** Starts nothing more by itself. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Nobody has appended for a while: then what is left goes to the files, and does not compete with appends for the disk. */
  #quiet(commitsBefore: number): void {
    this.#timer = undefined
    if (this.#queue.length === 0) return
    if (this.#commits === commitsBefore) this.#startSoon()
    else this.#wait()
  }

  #wait(): void {
    const commits = this.#commits
    this.#timer = this.#environment.after(IDLE_MS, () => this.#quiet(commits))
  }

  #hold(held: boolean): void {
    this.#held = held
    this.#hooks.hold(held)
  }

  /** Starts a run in the background; `#start` reports its failure. */
  #startSoon(): void {
    this.#start().catch(() => {})
  }

  #start(): Promise<void> {
    if (this.#running === undefined && !this.#stopped) {
      const run = this.#run().finally(() => {
        this.#running = undefined
      })
      run.catch((error: unknown) => this.#hooks.failed(error))
      this.#running = run
    }
    return this.#running ?? this.#run()
  }

  async #run(): Promise<void> {
    const position = this.#hooks.position()
    // Only those of now: what is loaded or committed while this run yields is not in its queue.
    const slabs = this.#slabs.complete(this.#hooks.currentSlab())
    const queue = this.#queue
    this.#queue = []
    for (const state of queue) state.queued = false
    // The log first: a stream segment must never outlive, in a power cut, what the log says of it.
    await this.#hooks.secure()
    let sliceEnd = this.#environment.elapsed() + this.#limits.flushSliceMs
    for (const [i, state] of queue.entries()) {
      if (state.version > state.flushed) {
        if (state.last?.unfinished === true) await this.#flusher.renew(state)
        this.#flusher.flush(state, position)
        this.streamsFlushed++
      }
      if (i % LOOK_EVERY === 0 && this.#environment.elapsed() >= sliceEnd) {
        await turn()
        sliceEnd = this.#environment.elapsed() + this.#limits.flushSliceMs
      }
    }
    this.runs++
    this.#slabs.release(slabs)
    this.#hooks.flushed(position)
    if (this.#held && this.#slabs.bytes < 2 * this.#limits.dirtyBytes) this.#hold(false)
    else if (this.#held) this.#again()
  }

  /** Still too much in memory: what has come since the run began goes next. */
  #again(): void {
    setImmediate(() => {
      if (this.#queue.length > 0) this.#startSoon()
      else this.#hold(false)
    })
  }
}

/** Lets everything else of this turn of the event loop happen. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
