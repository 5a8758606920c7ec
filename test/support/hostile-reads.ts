/**
 * All the ways to read a store that has been changed by somebody: by places, times, types, tags and commit ids, forward and backward, as
 * its writer and beside it. What is asked by an index is served by it, and so may be wrong in ways that reading everything never is.
 */
import { inspect } from 'node:util'
import { AnnalsError, type EventReader, type FileEventStore, type StoredEvent } from '../../engine/index.js'
import { openReadOnly, openStore } from '../../engine/store/open-store.js'
import type { ReadOnlyEventStore } from '../../engine/store/read-only-event-store.js'
import { LIMITS, STORE, stillEnvironment } from './hostile-store.js'
import { type FilesImage, SmallFiles } from './small-files.js'

const T0 = 1_600_000_000_000
const REFUSALS = ['ERR_CORRUPT', 'ERR_FORMAT', 'ERR_NOT_A_STORE', 'ERR_NOT_FOUND']
const KEYED_LIMITS = { ...LIMITS, indexIntervalBytes: 512 }

type Store = FileEventStore | ReadOnlyEventStore

export interface KeyedStore {
  readonly image: FilesImage
  readonly all: readonly StoredEvent[]
}

/** A closed store with commit ids, tags, times and indexes, all of it settled, in several segments of each kind. */
export async function keyedStore(seed = 1, commits = 40): Promise<KeyedStore> {
  const files = new SmallFiles()
  const store = await openStore(stillEnvironment(files, seed), STORE, { limits: KEYED_LIMITS })
  const event = (n: number) => ({
    type: n % 3 === 0 ? 'Opened' : n % 7 === 0 ? 'Rare' : 'Changed',
    timestamp: T0 + n * 1000,
    data: { n, note: 'x'.repeat((n * 37) % 200) },
    ...(n % 2 === 0 ? { tags: ['even', `t${n % 5}`] } : {}),
  })
  for (let i = 0; i < commits; i++) {
    const stream = i % 2 === 0 ? 'a' : 'c-1'
    const appends = [{ stream, events: [event(2 * i)] }]
    if (i % 3 === 0) appends.push({ stream: 'B/b', events: [event(2 * i + 1)] })
    await store.appendMany(appends, i % 2 === 0 ? { commitId: `id-${i}` } : {})
    if (i % 11 === 4) await store.flush()
  }
  const all: StoredEvent[] = []
  for await (const stored of store.readAll()) all.push(stored)
  await store.checkpoint()
  await store.checkpoint()
  await store.close()
  return { image: files.image(), all }
}

interface Read {
  readonly what: string
  readonly from: (store: Store) => EventReader
  readonly wanted: readonly string[]
}

const text = (event: StoredEvent): string => inspect(event, { depth: 9 })

/** What is asked of a keyed store, and what must come. */
export function readsOf({ all }: KeyedStore): readonly Read[] {
  const reads: Read[] = []
  const add = (what: string, from: Read['from'], wanted: readonly StoredEvent[]): void => {
    reads.push({ what, from, wanted: wanted.map(text) })
  }
  const time = (from: number, to: number) => ({ fromTime: T0 + from * 1000, toTime: T0 + to * 1000 })
  const isIn = ({ timestamp }: StoredEvent, from: number, to: number): boolean =>
    timestamp >= T0 + from * 1000 && timestamp <= T0 + to * 1000
  for (const fromPosition of [0, 20, all.length - 1]) {
    add(`all from ${fromPosition}`, (store) => store.readAll({ fromPosition }), all.slice(fromPosition))
  }
  for (const [from, to] of [
    [5, 30],
    [60, 200],
  ] as const) {
    add(
      `all of times ${from} to ${to}`,
      (store) => store.readAll(time(from, to)),
      all.filter((event) => isIn(event, from, to)),
    )
  }
  for (const tags of [['even'], ['t4', 'even'], ['none']]) {
    const matching = all.filter((event) => tags.every((tag) => event.tags.includes(tag)))
    add(`tags ${tags.join()}`, (store) => store.readAll({ query: { items: [{ tags }] } }), matching)
  }
  const rare = all.filter(({ type }) => type === 'Rare')
  add('types', (store) => store.readAll({ query: { items: [{ types: ['Rare'] }] } }), rare)
  for (const commitId of ['id-0', 'id-12', 'id-38', 'none']) {
    add(
      commitId,
      (store) => store.readAll({ commitId }),
      all.filter((event) => event.commitId === commitId),
    )
  }
  for (const stream of ['a', 'B/b', 'c-1']) {
    const events = all.filter((event) => event.stream === stream)
    const fromOffset = events.length >> 1
    add(`${stream} from ${fromOffset}`, (store) => store.readStream(stream, { fromOffset }), events.slice(fromOffset))
    add(`${stream} backward`, (store) => store.readStream(stream, { direction: 'backward' }), events.toReversed())
    add(
      `${stream} of times`,
      (store) => store.readStream(stream, time(20, 50)),
      events.filter((event) => isIn(event, 20, 50)),
    )
  }
  return reads
}

export interface WideOutcome {
  readonly refused: string | undefined
  /** Reads that ended with an error that is meant for it. */
  readonly told: number
}

/**
 * Opens a changed store, as its writer or beside it, and does all of `reads`: each gives what it must, or the beginning of it and an
 * error that is meant for it; the error may have been told when the store was opened.
 *
 * @throws Error that says which did not
 */
export async function readWidely(
  image: FilesImage,
  reads: readonly Read[],
  as: 'writer' | 'reader',
): Promise<WideOutcome> {
  let opening = true
  const environment = stillEnvironment(new SmallFiles(image), as === 'writer' ? 99 : 97, () => opening)
  let store: Store
  try {
    store =
      as === 'writer'
        ? await openStore(environment, STORE, { limits: KEYED_LIMITS })
        : await openReadOnly(environment, STORE, { readOnly: true, limits: KEYED_LIMITS })
  } catch (error) {
    return { refused: refusal(error), told: 0 }
  }
  opening = false
  let told = 0
  try {
    for (const { what, from, wanted } of reads) {
      let count = 0
      try {
        for await (const event of from(store)) {
          const served = text(event)
          if (served !== wanted[count]) throw new Error(`${what}: serves ${served} instead of ${wanted[count]}`)
          count++
        }
        const isKnown = 'recovery' in store && store.recovery.damage !== undefined
        if (count < wanted.length && isKnown) told++
        else if (count < wanted.length) throw new Error(`${what}: ends in silence after ${count} of ${wanted.length}`)
      } catch (error) {
        refusal(error)
        told++
      }
    }
  } finally {
    await ('discard' in store ? store.discard(new Error('read')) : store.close())
  }
  return { refused: undefined, told }
}

function refusal(error: unknown): string {
  if (error instanceof AnnalsError && REFUSALS.includes(error.code)) return error.code
  throw error
}
