/** Where a key is found: the event with this position; `byte`: where its frame starts in its log segment, −1 where that is not known. */
export interface KeyPlace {
  readonly position: number
  readonly byte: number
}

const FIRST_SIZE = 256

/**
 * Entries of keys in memory, in columns: those of events that no key file covers yet, and those of a log segment while its key file is
 * made. Entries are added by rising position. Memory: 28 bytes for each.
 */
export class KeyTable {
  #high = new Uint32Array(FIRST_SIZE)
  #low = new Uint32Array(FIRST_SIZE)
  #positions = new Float64Array(FIRST_SIZE)
  #bytes = new Uint32Array(FIRST_SIZE)
  /** The entry before with a hash of the same chain, −1 at its end. */
  #before = new Int32Array(FIRST_SIZE)
  /** The newest entry of each chain. As long as the columns. */
  #chains = new Int32Array(FIRST_SIZE).fill(-1)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `byte` −1: not known. */
  add(high: number, low: number, position: number, byte: number): void {
    const entry = this.#size
    if (entry === this.#high.length) this.#grow()
    this.#high[entry] = high
    this.#low[entry] = low
    this.#positions[entry] = position
    this.#bytes[entry] = byte + 1
    this.#link(entry)
    this.#size++
  }

  /** Returns the places of a hash with positions in `from` … `end − 1`, the newest first, at most `most`. */
  find(high: number, low: number, from: number, end: number, most = Infinity): KeyPlace[] {
    const places: KeyPlace[] = []
    if (this.#size === 0) return places
    for (let entry = this.#chains[low & (this.#chains.length - 1)]!; entry >= 0; entry = this.#before[entry]!) {
      if (this.#low[entry] !== low || this.#high[entry] !== high) continue
      const position = this.#positions[entry]!
      if (position < from || places.length >= most) break
      if (position < end) places.push({ position, byte: this.#bytes[entry]! - 1 })
    }
    return places
  }

  /** Calls back with an entry by its number. */
  visit(entry: number, visit: (high: number, low: number, position: number, byte: number) => void): void {
    visit(this.#high[entry]!, this.#low[entry]!, this.#positions[entry]!, this.#bytes[entry]! - 1)
  }

  /**
   * Returns the numbers of the entries by rising hash, then position. Sorts by digits of 16 bits, the lowest first: a sort with a callback
   * for each comparison would block for ten times as long.
   */
  sorted(): Uint32Array {
    const size = this.#size
    let order = new Uint32Array(size)
    for (let i = 0; i < size; i++) order[i] = i
    let next = new Uint32Array(size)
    const counts = new Uint32Array(0x10000)
    for (const [column, shift] of [
      [this.#low, 0],
      [this.#low, 16],
      [this.#high, 0],
      [this.#high, 16],
    ] as const) {
      counts.fill(0)
      for (let i = 0; i < size; i++) counts[(column[i]! >>> shift) & 0xffff]!++
      for (let digit = 0, start = 0; digit < counts.length; digit++) {
        const count = counts[digit]!
        counts[digit] = start
        start += count
      }
      for (let i = 0; i < size; i++) {
        const entry = order[i]!
        next[counts[(column[entry]! >>> shift) & 0xffff]!++] = entry
      }
      const done = order
      order = next
      next = done
    }
    this.#byPosition(order)
    return order
  }

  /** Entries of a hash are in order already, but for types, which are added last. */
  #byPosition(order: Uint32Array): void {
    for (let i = 1; i < order.length; i++) {
      const entry = order[i]!
      let at = i
      for (; at > 0 && this.#comesAfter(order[at - 1]!, entry); at--) order[at] = order[at - 1]!
      order[at] = entry
    }
  }

  #comesAfter(a: number, b: number): boolean {
    return this.#high[a] === this.#high[b] && this.#low[a] === this.#low[b] && this.#positions[a]! > this.#positions[b]!
  }

  #link(entry: number): void {
    const chain = this.#low[entry]! & (this.#chains.length - 1)
    this.#before[entry] = this.#chains[chain]!
    this.#chains[chain] = entry
  }

  #grow(): void {
    const length = 2 * this.#high.length
    this.#high = longer(this.#high, new Uint32Array(length))
    this.#low = longer(this.#low, new Uint32Array(length))
    this.#positions = longer(this.#positions, new Float64Array(length))
    this.#bytes = longer(this.#bytes, new Uint32Array(length))
    this.#before = new Int32Array(length)
    this.#chains = new Int32Array(length).fill(-1)
    for (let entry = 0; entry < this.#size; entry++) this.#link(entry)
  }
}

function longer<Column extends Uint32Array | Float64Array>(column: Column, next: Column): Column {
  next.set(column)
  return next
}
