import type { Environment, Timer } from '../io/file-system.js'
import { SHARDS } from '../format/names.js'
import type { Limits } from '../limits.js'
import type { Slabs } from '../segment/slabs.js'
import type { StreamFlusher } from '../streams/stream-flush.js'
import type { StreamState } from '../streams/stream-state.js'

/** Quiet time after which what is left in memory goes to the stream segments. */
const IDLE_MS = 500
/** With fewer events a stream waits while others make room: opening its file would cost more than what is written. */
const WORTH_A_FILE = 64

export interface WriteBehindHooks {
  /** Position behind the last committed event. */
  position(): number
  /** True while appends wait for the disk. */
  busy(): boolean
  /** Makes every committed event durable in the log. Undefined when they all are. */
  secure(): Promise<void> | undefined
  /** Stops (true) or lets go on (false) the writing of groups. */
  hold(held: boolean): void
  /** Every event below this position is in its stream segment. */
  flushed(position: number): void
  failed(error: unknown): void
}

/**
 * Moves events to the stream segments, behind the appends. When memory is full, those streams are flushed that have gathered enough
 * to be worth opening a file, and the others stay in the log; when too much of the log waits, or after a quiet while, all
 * are. Works in slices of a few milliseconds, so that appends wait no longer than that; if events come faster than files can
 * be written, groups are held back.
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
  /** Streams that the run under way has still to flush. */
  #flushing = 0
  /** Groups committed. */
  #commits = 0
  #stopped = false
  #abandoned = false
  runs = 0
  streamsFlushed = 0

  constructor(environment: Environment, limits: Limits, flusher: StreamFlusher, slabs: Slabs, hooks: WriteBehindHooks) {
    this.#environment = environment
    this.#limits = limits
    this.#flusher = flusher
    this.#slabs = slabs
    this.#hooks = hooks
  }

  /** A stream has events that are not in its segments. */
  add(state: StreamState): void {
    if (state.queued) return
    state.queued = true
    this.#queue.push(state)
  }

  /** Called after every group: starts a flush when it is time. */
  afterCommit(): void {
    this.#commits++
    const { bytes, span } = this.#slabs
    const { dirtyBytes, deferredBytes, dirtyStreams } = this.#limits
    if (span >= deferredBytes || this.#queue.length >= dirtyStreams) {
      if (!this.#held && !this.#hasRoom()) this.#hold(true)
      this.#startSoon('all')
    } else if (bytes >= dirtyBytes) {
      this.#startSoon('large')
      if (bytes >= 2 * dirtyBytes) this.#slabs.shrink(dirtyBytes)
    } else if (this.#timer === undefined) this.#wait()
  }

  /** Flushes everything committed so far. Rejects when writing fails. */
  async flush(): Promise<void> {
    while (this.#queue.length > 0 || this.#running !== undefined) await (this.#running ?? this.#start('all'))
  }

  /** Starts nothing more by itself. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** The writer failed: nothing more is written. Fulfilled when the run under way has ended; the store may have another writer then. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    this.stop()
    await this.#running?.catch(() => {})
  }

  /** Nobody has appended for a while: then what is left goes to the files, and does not compete with appends for the disk. */
  #quiet(commitsBefore: number): void {
    this.#timer = undefined
    if (this.#queue.length === 0) return
    if (this.#commits === commitsBefore && !this.#hooks.busy()) this.#startSoon('all')
    else this.#wait()
  }

  #wait(): void {
    const commits = this.#commits
    this.#timer = this.#environment.after(IDLE_MS, () => this.#quiet(commits))
  }

  /** Tells whether appends may go on beside the run under way. */
  #hasRoom(): boolean {
    const { deferredBytes, dirtyStreams } = this.#limits
    return this.#slabs.span < 2 * deferredBytes && this.#queue.length + this.#flushing < 2 * dirtyStreams
  }

  #hold(held: boolean): void {
    this.#held = held
    this.#hooks.hold(held)
  }

  /** Starts a run in the background; `#start` reports its failure. */
  #startSoon(which: 'all' | 'large'): void {
    this.#start(which).catch(() => {})
  }

  /** One run at a time: two could flush the same events of a stream. */
  #start(which: 'all' | 'large'): Promise<void> {
    if (this.#running !== undefined) return this.#running
    const run = this.#run(which).finally(() => {
      this.#running = undefined
    })
    this.#running = run
    if (!this.#stopped) run.catch((error: unknown) => this.#hooks.failed(error))
    return run
  }

  async #run(which: 'all' | 'large'): Promise<void> {
    // Only what is committed now: the log is secured as far as that, and not beyond.
    const position = this.#hooks.position()
    const queue = this.#queue
    this.#queue = []
    for (const state of queue) state.queued = false
    const worthIt = which === 'all' ? queue : queue.filter((state) => this.#isWorthIt(state))
    // The log first: a stream segment must never outlive, in a power cut, what the log says of it.
    await this.#hooks.secure()
    let sliceEnd = this.#environment.elapsed() + this.#limits.flushSliceMs
    this.#flushing = worthIt.length
    for (const state of byShard(worthIt)) {
      this.#flushing--
      if (state.version === state.flushed) continue
      if (state.last?.unfinished === true) await this.#flusher.renew(state)
      for (const _ of this.#flusher.flush(state, position)) {
        if (this.#environment.elapsed() < sliceEnd) continue
        await turn()
        if (this.#abandoned) await this.#hooks.secure() // says why
        if (this.#held && this.#hasRoom()) this.#hold(false)
        sliceEnd = this.#environment.elapsed() + this.#limits.flushSliceMs
      }
      this.streamsFlushed++
    }
    this.runs++
    this.#slabs.shrink(this.#limits.dirtyBytes / 2)
    if (worthIt.length === queue.length) this.#hooks.flushed(position)
    if (this.#held && this.#hasRoom()) this.#hold(false)
    else if (this.#held) this.#again()
  }

  /** Tells whether to flush a stream now; if not, it waits for another run. */
  #isWorthIt(state: StreamState): boolean {
    if (state.tail.length >= WORTH_A_FILE) return true
    if (state.tail.length > 0) this.add(state)
    return false
  }

  /** Still too much of the log waits: what has come since the run began goes next. */
  #again(): void {
    setImmediate(() => {
      if (this.#queue.length > 0) this.#startSoon('all')
      else this.#hold(false)
    })
  }
}

/** Neighbours in a folder one after another: creating a file is cheaper where the last one was created. Sorting so many would hold up everybody. */
function* byShard(states: readonly StreamState[]): Generator<StreamState> {
  if (states.length < SHARDS) return yield* [...states].sort((a, b) => a.key.shard - b.key.shard)
  const shards: StreamState[][] = Array.from({ length: SHARDS }, () => [])
  for (const state of states) shards[state.key.shard]!.push(state)
  for (const shard of shards) yield* shard
}

/** Lets everything else of this turn of the event loop happen. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
