import { AnnalsError, type AppendResult, type FileEventStore, type NewEvent } from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { checkStore } from './invariants.js'
import { SeededRandom } from './random.js'

/** One append or appendMany, numbered in the order of the calls. */
export interface Commit {
  readonly number: number
  readonly session: number
  readonly durability: Durability
  /** Stream of each event, in order. */
  readonly streams: readonly string[]
  /** Bytes of the text in its first event. Default: a few. */
  readonly textBytes?: number | undefined
  readonly keys?: CommitKeys | undefined
}

/** What a commit can be found by. */
export interface CommitKeys {
  readonly commitId?: string | undefined
  /** Tags of its first event. */
  readonly tags?: readonly string[] | undefined
}

/** What a test has asked for, and so what a store may hold: each session a beginning of its commits, and nothing else. */
export class CrashWorld {
  readonly commits: Commit[] = []
  /** All streams that were ever appended to. */
  readonly streams = new Set<string>()
  /** Commits that were rejected before anything of them was written: never there, while later ones of the same session may be. */
  readonly refused = new Set<number>()
  session = 0

  /** A world in which the same has happened so far. */
  copy(): CrashWorld {
    const copy = new CrashWorld()
    for (const commit of this.commits) copy.commits.push(commit)
    for (const name of this.streams) copy.streams.add(name)
    for (const number of this.refused) copy.refused.add(number)
    copy.session = this.session + 1
    return copy
  }

  /** Registers the next commit: its number, and the stream of each of its events. */
  plan(streams: readonly string[], durability: Durability, textBytes?: number, keys?: CommitKeys): Commit {
    const commit = { number: this.commits.length, session: this.session, durability, streams, textBytes, keys }
    this.commits.push(commit)
    for (const name of streams) this.streams.add(name)
    return commit
  }

  /** Takes note of an append that failed: by itself, because its stream could not be loaded, or with the writer. */
  rejected(number: number, error: unknown): void {
    const alone = error instanceof AnnalsError && error.message.startsWith('Cannot append: the system reported')
    if (alone) this.refused.add(number)
  }

  /**
   * Appends a commit: events next to each other of one stream in one entry. The promise settles as that of the store.
   */
  append(store: FileEventStore, commit: Commit): Promise<AppendResult | AppendResult[]> {
    const entries: { stream: string; events: NewEvent[] }[] = []
    const events = eventsOf(commit)
    for (const [i, stream] of commit.streams.entries()) {
      const last = entries.at(-1)
      if (last?.stream === stream) last.events.push(events[i]!)
      else entries.push({ stream, events: [events[i]!] })
    }
    const { durability, keys } = commit
    const options = { durability, ...(keys?.commitId === undefined ? {} : { commitId: keys.commitId }) }
    return entries.length === 1
      ? store.append(entries[0]!.stream, entries[0]!.events, options)
      : store.appendMany(entries, options)
  }

  /** Reads everything and compares, as `checkStore` does. */
  check(store: FileEventStore, required: ReadonlySet<number>): Promise<Set<number>> {
    return checkStore(store, this, required)
  }
}

const made = new WeakMap<Commit, readonly NewEvent[]>()

/** Returns the events of a commit. The contents follow from the numbers, so that every byte can be checked. */
export function eventsOf(commit: Commit): readonly NewEvent[] {
  let events = made.get(commit)
  if (events === undefined) made.set(commit, (events = commit.streams.map((_, i) => eventOf(commit, i))))
  return events
}

function eventOf({ number, session, streams, textBytes, keys }: Commit, i: number): NewEvent {
  const random = new SeededRandom(number * 1000 + i)
  const length = i === 0 && textBytes !== undefined ? textBytes : random.chance(0.05) ? 1500 : random.below(80)
  const data = { commit: number, event: i, of: streams.length, session, text: 'x'.repeat(length) }
  // Several sets of keys, some of them rare: shapes are learned, defined, and defined again in other segments.
  const more = number % 7 === 0 ? { [`key${number % 3}`]: number, list: [i, { deep: data.text.length }] } : {}
  const tags = i === 0 ? keys?.tags : undefined
  return { type: `Type${number % 3}`, data: { ...data, ...more }, ...(tags === undefined ? {} : { tags }) }
}
