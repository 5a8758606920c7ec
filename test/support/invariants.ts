/**
 * What must hold of a store whatever happened to it: used by every suite that crashes, cuts off, breaks or races a store, so
 * that "nothing is lost" means the same everywhere.
 *
 * 1. What was acknowledged is there, whole, in order, once.
 * 2. A commit is there in all its streams and in the global order, or in none of them.
 * 3. Positions are dense over the store, offsets in each stream.
 * 4. Of the appends of a session a beginning is there: nothing stands behind a gap.
 * 5. What was once read is there ever after. One exception: of `interval` and `os` appends a power cut may take the newest, those
 *    that nothing has made durable since; what makes them durable is an acknowledged `fsync` append behind them, or a later
 *    opening that found them.
 * 6. The segments of a stream say what the log says, and nothing else.
 * 7. Nothing is there that nobody appended, and every byte of an event is the one that was appended.
 * 8. `verify` finds nothing in a store that was settled after a crash (`assertSettled`).
 * 9. What has a commit id or a tag is found by it, and nothing else is.
 * 10. Damage is told and never served: here nothing is ever damaged, so none may be told.
 */
import type { FileEventStore, StoredEvent } from '../../engine/index.js'
import { type Commit, type CrashWorld, eventsOf } from './crash-world.js'

/**
 * Reads everything and compares it with what was appended. Returns the numbers of the commits that are there.
 *
 * @param required Commits that must be there: acknowledged, or once served.
 * @throws Error that says what is wrong
 */
export async function checkStore(
  store: FileEventStore,
  world: CrashWorld,
  required: ReadonlySet<number>,
): Promise<Set<number>> {
  const all: StoredEvent[] = []
  for await (const batch of store.readAll().batches(1000)) for (const event of batch) all.push(event)
  const { present, streams } = compare(all, world, required)
  for (const name of world.streams) await checkStream(store, name, streams.get(name) ?? [])
  await checkKeys(store, world, present, all)
  return present
}

/** Asks for each tag, and for the first, a middle and the last commit with an id. */
async function checkKeys(
  store: FileEventStore,
  world: CrashWorld,
  present: ReadonlySet<number>,
  all: readonly StoredEvent[],
): Promise<void> {
  const check = async (what: string, read: AsyncIterable<StoredEvent>, isWanted: (event: StoredEvent) => boolean) => {
    const found: number[] = []
    for await (const { position } of read) found.push(position)
    const wanted = all.filter(isWanted).map(({ position }) => position)
    expect(isEqual(found, wanted), () => `${what} is at ${found.join()} instead of ${wanted.join()}`)
  }
  const tags = new Set(world.commits.flatMap(({ keys }) => keys?.tags ?? []))
  for (const tag of tags) {
    const query = { items: [{ tags: [tag] }] }
    await check(`tag ${tag}`, store.readAll({ query }), (event) => event.tags.includes(tag))
  }
  const ids = world.commits.filter(({ number, keys }) => keys?.commitId !== undefined && present.has(number))
  for (const { number, keys } of new Set(
    [ids[0], ids[ids.length >> 1], ids.at(-1)].filter((commit) => commit !== undefined),
  )) {
    const { commitId } = keys as { commitId: string }
    await check(`commit ${number}`, store.readAll({ commitId }), (event) => numberOf(event) === number)
  }
}

interface Compared {
  readonly present: Set<number>
  readonly streams: Map<string, StoredEvent[]>
}

/** Compares the events of the log with the commits, in order. */
function compare(all: readonly StoredEvent[], world: CrashWorld, required: ReadonlySet<number>): Compared {
  const present = new Set<number>()
  const streams = new Map<string, StoredEvent[]>()
  /** The first commit of each session that is not there. */
  const ends = new Map<number, number>()
  let at = 0
  for (const commit of world.commits) {
    const { number, session } = commit
    if (numberOf(all[at]) !== number) {
      expect(!required.has(number), () => `commit ${number} was acknowledged or served and is gone`)
      if (!ends.has(session) && !world.refused.has(number)) ends.set(session, number)
      continue
    }
    expect(!world.refused.has(number), () => `commit ${number} was refused and is there`)
    expect(!ends.has(session), () => `commit ${number} is there and ${ends.get(session)} of the same session is not`)
    at = compareCommit(commit, all, at, streams)
    present.add(number)
  }
  expect(at === all.length, () => `event ${at} of ${all.length} was never appended here: ${JSON.stringify(all[at])}`)
  return { present, streams }
}

function compareCommit(
  commit: Commit,
  all: readonly StoredEvent[],
  first: number,
  streams: Map<string, StoredEvent[]>,
): number {
  let at = first
  const wanted = eventsOf(commit)
  for (const [i, name] of commit.streams.entries()) {
    const event = all[at]
    const place = (): string => `event ${i} of commit ${commit.number}`
    expect(event !== undefined, () => `${place()} is missing`)
    expect(event.position === at, () => `${place()} has position ${event.position} instead of ${at}`)
    expect(event.stream === name, () => `${place()} is in stream ${event.stream} instead of ${name}`)
    let stream = streams.get(name)
    if (stream === undefined) streams.set(name, (stream = []))
    expect(event.offset === stream.length, () => `${place()} has offset ${event.offset} instead of ${stream.length}`)
    const { type, data, tags = [] } = wanted[i]!
    expect(event.type === type && isEqual(event.data, data), () => `${place()} has other contents`)
    expect(isEqual(event.tags, tags), () => `${place()} has tags ${event.tags.join()} instead of ${tags.join()}`)
    expect(event.commitId === commit.keys?.commitId, () => `${place()} has commit id ${event.commitId}`)
    stream.push(event)
    at++
  }
  return at
}

async function checkStream(store: FileEventStore, name: string, wanted: readonly StoredEvent[]): Promise<void> {
  const { version } = await store.streamInfo(name)
  expect(version === wanted.length, () => `stream ${name} has version ${version} instead of ${wanted.length}`)
  let offset = 0
  if (version > 0 || wanted.length > 0) {
    for await (const batch of store.readStream(name).batches(1000)) {
      for (const event of batch) {
        const log = wanted[offset]
        expect(log !== undefined, () => `stream ${name} has more events than the log has for it`)
        expect(isEqual(event, log), () => `stream ${name} differs from the log at offset ${offset}`)
        offset++
      }
    }
  }
  expect(offset === wanted.length, () => `stream ${name} has ${offset} events instead of ${wanted.length}`)
}

/** Opening told of no damage and lost no checkpoint that was there. */
export function checkRecovery({ recovery }: FileEventStore, checkpointIsThere: boolean): void {
  if (recovery.damage !== undefined) throw recovery.damage
  if (recovery.checkpointLost !== undefined && checkpointIsThere) {
    throw new Error(`checkpoint lost: ${recovery.checkpointLost}`)
  }
}

/**
 * `verify` finds neither damage nor a derived file that is missing or wrong in a store that was settled. Notes are left out: a torn
 * end that recovery cut in the log is told only until then, and files of a write that was broken off are kept until somebody needs
 * their name. So are files of writers: a kill leaves them cut short, a power cut with anything in them, and only their names count.
 *
 * @param afterFault A call of the file system has failed: an index may then end early, which leads to a place further back and nothing else, and
 *   a stream table that is of no use any more may be left in pieces.
 */
export async function assertSettled(store: FileEventStore, afterFault = false): Promise<void> {
  const { findings } = await store.verify()
  for (const { severity, file, byte, message } of findings) {
    if (severity === 'note' || file.includes('/epoch/') || (afterFault && /\.(?:idx|tab)$/.test(file))) continue
    expect(false, () => `verify: ${file} at byte ${byte}: ${message}`)
  }
}

function expect(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(message())
}

function numberOf(event: StoredEvent | undefined): number | undefined {
  return (event?.data as { commit: number } | undefined)?.commit
}

/** Compares plain values, key by key. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) {
    if (!isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false
  }
  return true
}
