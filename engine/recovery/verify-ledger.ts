/** Positions in one window. */
const WINDOW = 65_536
/** Windows that are compared event by event: 5 bytes for each position, 80 MiB in all. */
export const EXACT_WINDOWS = 256

const UNKNOWN = 0
const IN_LOG = 1
const IN_BOTH = 2

/** What the ledger makes of an event of a stream segment. `unknown`: the log has nothing there, or was not read so far. */
export type Comparison = 'same' | 'summed' | 'different' | 'twice' | 'lost' | 'unknown'

interface Sums {
  log: number
  logSum: number
  streams: number
  streamsSum: number
}

/**
 * Compares the two copies of every event by their checksums, which cover the whole record: the log is read first, then the
 * stream segments, in whatever order. Windows of positions that are not compared event by event are summed up, 4 numbers
 * each, so memory does not grow with the store; where the sums differ, another round compares that window exactly.
 */
export class CopyLedger {
  readonly #isExact: (window: number) => boolean
  readonly #exact = new Map<number, { readonly crcs: Uint32Array; readonly states: Uint8Array }>()
  readonly #sums = new Map<number, Sums>()
  readonly #lost: [number, number][] = []

  constructor(isExact: (window: number) => boolean) {
    this.#isExact = isExact
  }

  static windowOf(position: number): number {
    return Math.floor(position / WINDOW)
  }

  addLog(position: number, crc: number): void {
    const window = Math.floor(position / WINDOW)
    if (this.#isExact(window)) {
      const { crcs, states } = this.#page(window)
      crcs[position % WINDOW] = crc
      states[position % WINDOW] = IN_LOG
      return
    }
    const sums = this.#sum(window)
    sums.log++
    sums.logSum = (sums.logSum + mix(position, crc)) >>> 0
  }

  /** The log does not have the events from `from` to before `to` any more. */
  lose(from: number, to: number): void {
    const last = this.#lost.at(-1)
    if (last !== undefined && last[1] === from) last[1] = Math.max(last[1], to)
    else if (to > from) this.#lost.push([from, to])
  }

  /** Takes in an event of a stream segment. */
  compare(position: number, crc: number): Comparison {
    const window = Math.floor(position / WINDOW)
    if (!this.#isExact(window)) {
      if (this.#isLost(position)) return 'lost'
      const sums = this.#sums.get(window)
      if (sums === undefined) return 'unknown'
      sums.streams++
      sums.streamsSum = (sums.streamsSum + mix(position, crc)) >>> 0
      return 'summed'
    }
    const page = this.#exact.get(window)
    const at = position % WINDOW
    switch (page?.states[at] ?? UNKNOWN) {
      case IN_LOG:
        if (page!.crcs[at] !== crc) return 'different'
        page!.states[at] = IN_BOTH
        return 'same'
      case IN_BOTH:
        return 'twice'
      default:
        return this.#isLost(position) ? 'lost' : 'unknown'
    }
  }

  /** Windows whose sums differ: they must be compared event by event. */
  doubtful(): number[] {
    const doubtful: number[] = []
    for (const [window, sums] of this.#sums) {
      if (sums.log !== sums.streams || sums.logSum !== sums.streamsSum) doubtful.push(window)
    }
    return doubtful.sort((a, b) => a - b)
  }

  /** Tells whether some event below a position was met in the log and not in a stream segment. */
  *onlyInLog(below: number): Generator<number> {
    for (const [window, { states }] of this.#exact) {
      const end = Math.min(WINDOW, below - window * WINDOW)
      for (let at = 0; at < end; at++) if (states[at] === IN_LOG) yield window * WINDOW + at
    }
  }

  #isLost(position: number): boolean {
    return this.#lost.some(([from, to]) => position >= from && position < to)
  }

  #page(window: number): { readonly crcs: Uint32Array; readonly states: Uint8Array } {
    let page = this.#exact.get(window)
    if (page === undefined) {
      this.#exact.set(window, (page = { crcs: new Uint32Array(WINDOW), states: new Uint8Array(WINDOW) }))
    }
    return page
  }

  #sum(window: number): Sums {
    let sums = this.#sums.get(window)
    if (sums === undefined) this.#sums.set(window, (sums = { log: 0, logSum: 0, streams: 0, streamsSum: 0 }))
    return sums
  }
}

/** Two records that changed places must not cancel out. */
function mix(position: number, crc: number): number {
  let mixed = Math.imul(crc ^ Math.imul(position | 0, 0x9e3779b1), 0x85ebca6b)
  mixed ^= mixed >>> 15
  return Math.imul(mixed, 0xc2b2ae35) >>> 0
}
