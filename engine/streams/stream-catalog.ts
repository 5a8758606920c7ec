import { streamKey, type StreamKey } from '../format/names.js'
import type { Limits } from '../limits.js'
import type { StreamState } from './stream-state.js'

/** Streams looked at in one go, at most: about a millisecond. */
const MAX_LOOKS = 4096

/**
 * The streams in memory, bounded: those with events that are not in their segments stay, of the others the least
 * recently used are forgotten, and cost one open and one read when they are used again.
 */
export class StreamCatalog {
  readonly #states = new Map<string, StreamState>()
  readonly #limit: number
  readonly #load: (key: StreamKey) => StreamState
  readonly #mayForget: (state: StreamState) => boolean
  #forgetting = false
  /** Number of streams in memory beyond which some are to be forgotten. Above the limit while there were none to forget. */
  #due: number

  /** `mayForget`: nothing is lost by forgetting a stream. Default: its files hold all its events. */
  constructor(
    limits: Limits,
    load: (key: StreamKey) => StreamState,
    mayForget: (state: StreamState) => boolean = ({ idle }) => idle,
  ) {
    this.#limit = limits.cachedStreams
    this.#due = this.#limit
    this.#load = load
    this.#mayForget = mayForget
  }

  /** Streams found in memory, and loaded from their files. */
  hits = 0
  loads = 0

  get size(): number {
    return this.#states.size
  }

  /** Returns a stream, loading it at its first use. Throws InvalidArgumentError for a bad name, CorruptionError, ERR_FORMAT or ERR_IO. */
  get(name: string): StreamState {
    const known = this.#states.get(name)
    if (known !== undefined) {
      this.hits++
      known.recent = true
      return known
    }
    const state = this.#load(streamKey(name))
    this.loads++
    this.#states.set(name, state)
    if (this.#states.size > this.#due && !this.#forgetting) {
      this.#forgetting = true
      // Not at once: a commit over many streams holds all of them until it is made, and one forgotten in between would be
      // loaded a second time, with the same offsets to give out.
      queueMicrotask(() => this.#forgetSome())
    }
    return state
  }

  /** Returns a stream that is in memory. */
  peek(name: string): StreamState | undefined {
    return this.#states.get(name)
  }

  /** Names of the streams in memory that have events and whose files are in a shard. */
  namesIn(shard: number): string[] {
    const names: string[] = []
    for (const [name, { key, version }] of this.#states) if (version > 0 && key.shard === shard) names.push(name)
    return names
  }

  /** Forgets all: what is known of them is out of date. */
  clear(): void {
    this.#states.clear()
  }

  /** The streams in memory. */
  states(): IterableIterator<StreamState> {
    return this.#states.values()
  }

  /** Second chance: what was used since the last time goes to the end of the line. A batch at a time, so that it is cheap per stream. */
  #forgetSome(): void {
    this.#forgetting = false
    // What has been let in beyond the limit goes too. No stream is looked at twice, or its second chance would be none.
    const beyond = Math.max(0, this.#states.size - this.#limit)
    let wanted = Math.min(Math.ceil(this.#limit / 64) + beyond, MAX_LOOKS / 4)
    let looks = Math.min(4 * wanted, this.#states.size)
    let inUse = 0
    for (const [name, state] of this.#states) {
      if (wanted === 0 || looks-- === 0) break
      this.#states.delete(name)
      const stays = !this.#mayForget(state)
      if (stays) inUse++
      if (stays || state.recent) {
        state.recent = false
        this.#states.set(name, state)
      } else wanted--
    }
    // Where many must stay, looking again for each stream that comes would cost the square of their number.
    this.#due =
      wanted > 0 && inUse > 0 ? Math.max(this.#limit, Math.floor(this.#states.size * (1 + 1 / 64))) : this.#limit
  }
}
