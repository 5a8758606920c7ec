import type { AppendResult, FileEventStore, NewEvent, StoredEvent } from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { SeededRandom } from './random.js'

/** One append or appendMany, numbered in the order of the calls. */
export interface Commit {
  readonly number: number
  readonly session: number
  readonly durability: Durability
  /** Stream of each event, in order. */
  readonly streams: readonly string[]
}

/** What a test has asked for, and so what a store may hold: each session a beginning of its commits, and nothing else. */
export class CrashWorld {
  readonly commits: Commit[] = []
  /** Commits that were rejected without harm to the writer: later ones of the same session may be there without them. */
  readonly refused = new Set<number>()
  session = 0

  /** A world in which the same has happened so far. */
  copy(): CrashWorld {
    const copy = new CrashWorld()
    copy.commits.push(...this.commits)
    for (const number of this.refused) copy.refused.add(number)
    copy.session = this.session + 1
    return copy
  }

  /** Registers the next commit and returns the events to append, stream by stream. */
  plan(streams: readonly string[], durability: Durability): Commit {
    const commit = { number: this.commits.length, session: this.session, durability, streams }
    this.commits.push(commit)
    return commit
  }

  /**
   * Appends a commit: events next to each other of one stream in one entry. The promise settles as that of the store.
   */
  append(store: FileEventStore, commit: Commit): Promise<AppendResult | AppendResult[]> {
    const entries: { stream: string; events: NewEvent[] }[] = []
    for (const [i, stream] of commit.streams.entries()) {
      const event = eventOf(commit, i)
      const last = entries.at(-1)
      if (last?.stream === stream) last.events.push(event)
      else entries.push({ stream, events: [event] })
    }
    const { durability } = commit
    return entries.length === 1
      ? store.append(entries[0]!.stream, entries[0]!.events, { durability })
      : store.appendMany(entries, { durability })
  }

  /**
   * Reads everything and compares. `required` must be there. Returns the numbers of the commits that are there.
   *
   * @throws Error that says what is wrong
   */
  async check(store: FileEventStore, required: ReadonlySet<number>): Promise<Set<number>> {
    const all: StoredEvent[] = []
    for await (const batch of store.readAll().batches(1000)) for (const event of batch) all.push(event)
    const present = new Set<number>()
    const streams = new Map<string, StoredEvent[]>()
    const sessions = new Map<number, number>()
    let at = 0
    for (const commit of this.commits) {
      const first = all[at]
      if (first === undefined || numberOf(first) !== commit.number) {
        expect(!required.has(commit.number), `commit ${commit.number} was acknowledged or served and is gone`)
        const breaksOff = !sessions.has(commit.session) && !this.refused.has(commit.number)
        if (breaksOff) sessions.set(commit.session, commit.number)
        continue
      }
      expect(
        !sessions.has(commit.session),
        `commit ${commit.number} is there and ${sessions.get(commit.session)} of the same session is not`,
      )
      for (const [i, stream] of commit.streams.entries()) {
        const event = all[at]
        const place = `event ${i} of commit ${commit.number}`
        expect(event !== undefined, `${place} is missing`)
        expect(event.position === at, `${place} has position ${event.position} instead of ${at}`)
        expect(event.stream === stream, `${place} is in stream ${event.stream} instead of ${stream}`)
        const before = streams.get(stream) ?? []
        expect(event.offset === before.length, `${place} has offset ${event.offset} instead of ${before.length}`)
        const wanted = eventOf(commit, i)
        expect(event.type === wanted.type && same(event.data, wanted.data), `${place} has other contents`)
        streams.set(stream, [...before, event])
        at++
      }
      present.add(commit.number)
    }
    expect(at === all.length, `event ${at} of ${all.length} was never appended here: ${JSON.stringify(all[at])}`)
    for (const name of new Set(this.commits.flatMap((commit) => commit.streams))) {
      await checkStream(store, name, streams.get(name) ?? [])
    }
    return present
  }
}

async function checkStream(store: FileEventStore, name: string, wanted: readonly StoredEvent[]): Promise<void> {
  const { version } = await store.streamInfo(name)
  expect(version === wanted.length, `stream ${name} has version ${version} instead of ${wanted.length}`)
  const read: StoredEvent[] = []
  for await (const event of store.readStream(name)) read.push(event)
  expect(read.length === wanted.length, `stream ${name} has ${read.length} events instead of ${wanted.length}`)
  for (const [i, event] of read.entries()) {
    expect(same(event, wanted[i]), `stream ${name} differs from the log at offset ${i}`)
  }
}

function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function numberOf(event: StoredEvent): number {
  return (event.data as { commit: number }).commit
}

/** The contents follow from the numbers, so that every byte can be checked. */
function eventOf({ number, session, streams }: Commit, i: number): NewEvent {
  const random = new SeededRandom(number * 1000 + i)
  const text = 'x'.repeat(random.chance(0.05) ? 1500 : random.below(80))
  const data = { commit: number, event: i, of: streams.length, session, text }
  // Several sets of keys, some of them rare: shapes are learned, defined, and defined again in other segments.
  const more = number % 7 === 0 ? { [`key${number % 3}`]: number, list: [i, { deep: text.length }] } : {}
  return { type: `Type${number % 3}`, data: { ...data, ...more } }
}
