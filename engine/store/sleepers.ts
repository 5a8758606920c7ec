import type { SubscribeOptions } from '../types/subscription.js'

/** What a subscription follows: a stream, a category, or with neither the whole store. */
export type Interest = Pick<SubscribeOptions, 'stream' | 'category'>

/** A subscription that has read everything and waits for more. */
export interface Sleeper {
  readonly interest: Interest
  /** Something it may want was committed at position `from` or behind it. Called once, and only to be remembered. */
  touched(from: number): void
  /** Lets it read on. */
  wake(): void
}

/** A stream that events were committed to. */
export interface TouchedStream {
  readonly key: { readonly name: string }
}

/**
 * The subscriptions that wait, found by what they wait for: a commit costs one look for each of its streams, however many
 * wait for others.
 */
export class Sleepers {
  readonly #everything = new Set<Sleeper>()
  readonly #streams = new Map<string, Set<Sleeper>>()
  readonly #categories = new Map<string, Set<Sleeper>>()
  /** How many of the categories have names of which length. */
  readonly #lengths = new Map<number, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(sleeper: Sleeper): void {
    const { stream, category } = sleeper.interest
    this.#size++
    if (stream !== undefined) join(this.#streams, stream, sleeper)
    else if (category === undefined) this.#everything.add(sleeper)
    else if (join(this.#categories, category, sleeper)) {
      this.#lengths.set(category.length, (this.#lengths.get(category.length) ?? 0) + 1)
    }
  }

  /** Takes one out. One that is not there is a no-op. */
  remove(sleeper: Sleeper): void {
    const { stream, category } = sleeper.interest
    const sleepers =
      stream !== undefined
        ? this.#streams.get(stream)
        : category !== undefined
          ? this.#categories.get(category)
          : this.#everything
    if (sleepers?.delete(sleeper) !== true) return
    this.#size--
    if (sleepers.size > 0) return
    if (stream !== undefined) this.#streams.delete(stream)
    else if (category !== undefined) this.#forgetCategory(category)
  }

  /** Takes out those that wait for events of these streams, and tells each that it was touched. */
  take(streams: readonly TouchedStream[], from: number, into: Sleeper[]): void {
    if (streams.length === 0) return
    this.#takeOut(this.#everything, from, into)
    this.#everything.clear()
    if (this.#size === 0) return
    let last: TouchedStream | undefined
    for (const stream of streams) {
      // The events of a commit stand together: most often this is the stream of the event before.
      if (stream === last) continue
      last = stream
      this.#takeStream(stream.key.name, from, into)
    }
  }

  /** Takes out all. */
  takeAll(from: number, into: Sleeper[]): void {
    const groups = [this.#everything, ...this.#streams.values(), ...this.#categories.values()]
    for (const sleepers of groups) this.#takeOut(sleepers, from, into)
    this.#everything.clear()
    this.#streams.clear()
    this.#categories.clear()
    this.#lengths.clear()
  }

  #takeStream(name: string, from: number, into: Sleeper[]): void {
    const followers = this.#streams.get(name)
    if (followers !== undefined) {
      this.#streams.delete(name)
      this.#takeOut(followers, from, into)
    }
    // A name with several dashes is in several categories.
    for (const length of this.#lengths.keys()) {
      if (name.charCodeAt(length) !== DASH) continue
      const category = name.slice(0, length)
      const members = this.#categories.get(category)
      if (members === undefined) continue
      this.#forgetCategory(category)
      this.#takeOut(members, from, into)
    }
  }

  #takeOut(sleepers: ReadonlySet<Sleeper>, from: number, into: Sleeper[]): void {
    this.#size -= sleepers.size
    for (const sleeper of sleepers) {
      sleeper.touched(from)
      into.push(sleeper)
    }
  }

  #forgetCategory(category: string): void {
    this.#categories.delete(category)
    const left = this.#lengths.get(category.length)! - 1
    if (left === 0) this.#lengths.delete(category.length)
    else this.#lengths.set(category.length, left)
  }
}

const DASH = 0x2d

/** Adds one to those of a name. Returns true when it is the first. */
function join(groups: Map<string, Set<Sleeper>>, name: string, sleeper: Sleeper): boolean {
  const sleepers = groups.get(name)
  if (sleepers === undefined) groups.set(name, new Set([sleeper]))
  else sleepers.add(sleeper)
  return sleepers === undefined
}
