import { inspect } from 'node:util'
import { AnnalsError, type FileEventStore, type Finding, type StoredEvent } from '../../engine/index.js'
import type { Environment } from '../../engine/io/file-system.js'
import { openStore } from '../../engine/store/open-store.js'
import { verify } from '../../engine/recovery/verify.js'
import { SeededRandom } from './random.js'
import { type FilesImage, SmallFiles } from './small-files.js'

export const STORE = '/store'

/** Small segments, so that there are several of each kind. */
export const LIMITS = {
  eventBytes: 8192,
  groupBytes: 4096,
  logSegmentBytes: 3000,
  streamSegmentBytes: 2400,
  indexIntervalBytes: 1024,
  dirtyBytes: 1,
}

/**
 * The environment of a process that never waits, and to which all others are dead. While `opening()`, time jumps to the next timer,
 * as an opener that watches a lock needs it; otherwise no timer ever calls back.
 */
export function stillEnvironment(files: SmallFiles, pid: number, opening: () => boolean = () => false): Environment {
  const random = new SeededRandom(pid)
  // Since the golden stores were made, a lock looks at the clock twice while it is taken.
  let time = -0.02
  return {
    files,
    now: () => 1_700_000_000_000 + Math.max(0, Math.floor(time)),
    elapsed: () => (time += 0.01),
    random: (target) => random.fill(target),
    soon: (callback) => process.nextTick(callback),
    after(delay, callback) {
      let waits = true
      if (opening()) {
        setImmediate(() => {
          if (!waits) return
          time += delay
          callback()
        })
      }
      return { cancel: () => (waits = false) }
    },
    process: { pid, host: 'here', incarnation: String(pid), isAlive: (other) => (other === pid ? 'alive' : 'dead') },
  }
}

/** A store and what is in it. */
export interface HostileStore {
  readonly image: FilesImage
  readonly all: readonly StoredEvent[]
  readonly streams: ReadonlyMap<string, readonly StoredEvent[]>
}

export interface HostileStoreOptions {
  /** Closed, with everything settled; or as a kill leaves it. */
  readonly closed: boolean
  readonly seed?: number | undefined
  readonly commits?: number | undefined
  /** Default: one that follows from the seed. */
  readonly storeId?: Buffer | undefined
}

/** Makes a store with shapes, commits over several streams, and several segments of log and streams. */
export async function hostileStore({
  closed,
  seed = 1,
  commits = 14,
  storeId,
}: HostileStoreOptions): Promise<HostileStore> {
  const files = new SmallFiles()
  const random = new SeededRandom(seed)
  const environment = stillEnvironment(files, seed)
  const first = storeId === undefined ? environment : { ...environment, random: firstIs(storeId, environment) }
  const store = await openStore(first, STORE, { limits: LIMITS })
  for (let i = 0; i < commits; i++) {
    const event = (n: number) => ({
      type: n % 3 === 0 ? 'Opened' : 'Changed',
      data: { n, note: 'x'.repeat(random.below(300)), at: new Date(n), list: [n, { deep: 2n ** 70n }] },
      ...(n % 4 === 0 ? { metadata: { correlationId: `c${n}` }, tags: ['one', `t${n}`] } : {}),
    })
    if (i % 3 === 0) {
      await store.appendMany([
        { stream: 'a', events: [event(i)] },
        { stream: 'B/b', events: [event(i + 1), event(i + 2)] },
      ])
    } else await store.append(i % 2 === 0 ? 'a' : 'c-1', [event(i)])
    if (i % 5 === 4) await store.flush()
  }
  const all: StoredEvent[] = []
  const streams = new Map<string, StoredEvent[]>()
  for await (const stored of store.readAll()) {
    all.push(stored)
    streams.set(stored.stream, [...(streams.get(stored.stream) ?? []), stored])
  }
  if (!closed) return { image: files.image(), all, streams }
  // The first call settles what is sealed, the second the rest.
  await store.checkpoint()
  await store.checkpoint()
  await store.close()
  return { image: files.image(), all, streams }
}

/** The first random bytes that a new store asks for are its id. */
function firstIs(id: Buffer, environment: Environment): (target: Uint8Array) => void {
  let first = true
  return (target) => {
    if (first) target.set(id)
    else environment.random(target)
    first = false
  }
}

/** Deep equality of what these stores hold: several times as fast as the one of node:assert, and it is asked ten million times. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime()
  if (Array.isArray(a) !== Array.isArray(b)) return false
  let fields = 0
  for (const key in a) {
    if (!Object.hasOwn(b, key)) return false
    if (!same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false
    fields++
  }
  for (const _key in b) fields--
  return fields === 0
}

/** A store as it is with some of its files changed; `undefined` removes one. */
export function changed(image: FilesImage, changes: Readonly<Record<string, Buffer | undefined>>): FilesImage {
  const files = new Map(image.files)
  for (const [path, bytes] of Object.entries(changes)) {
    if (bytes === undefined) files.delete(path)
    else files.set(path, bytes)
  }
  return { files, folders: image.folders }
}

/** What became of opening and reading a changed store. */
export interface Outcome {
  /** Code of the error that opening ended with. */
  readonly refused: string | undefined
  /** Opening, or a read, told of damage. */
  readonly told: boolean
  /** Bytes cut as torn. */
  readonly torn: number
  /** Events that were served, of the log and of the streams. */
  readonly served: number
  /** Streams that were not served whole. */
  readonly short: readonly string[]
  /** Whether everything is there, from both copies. */
  readonly whole: boolean
}

const REFUSALS = ['ERR_CORRUPT', 'ERR_FORMAT', 'ERR_NOT_A_STORE']

/** What is read after opening. Default: all of it, from the log and stream by stream. */
export interface ReadScope {
  readonly log?: boolean | undefined
  readonly streams?: boolean | undefined
  /** `verify` tells of it, so the store need not. */
  readonly silent?: boolean | undefined
}

/**
 * Opens and reads a changed store. Whatever is served must be what was stored, in order and from the start; opening or reading ends
 * well or with an error that is meant for it.
 *
 * @throws Error that says what is wrong
 */
export async function readHostile(
  truth: HostileStore,
  image: FilesImage,
  { log = true, streams = true, silent = false }: ReadScope = {},
): Promise<Outcome> {
  let store: FileEventStore
  try {
    let opening = true
    const environment = stillEnvironment(new SmallFiles(image), 99, () => opening)
    store = await openStore(environment, STORE, { limits: LIMITS })
    opening = false
  } catch (error) {
    return { refused: refusal(error), told: true, torn: 0, served: 0, short: [], whole: false }
  }
  const { damage, tornBytes } = store.recovery
  const all = log ? await served(store.readAll(), truth.all) : { count: truth.all.length, told: false }
  let count = all.count
  let told = damage !== undefined || all.told
  const short: string[] = []
  for (const [stream, events] of streams ? truth.streams : []) {
    const read = await served(store.readStream(stream), events)
    count += read.count
    told ||= read.told
    if (read.count < events.length) short.push(stream)
  }
  await store.discard(new Error('read')) // a process remembers the stores that it has open
  const whole = short.length === 0 && all.count === truth.all.length
  if (!whole && !told && tornBytes === 0 && !silent) {
    throw new Error(`silently lacks ${truth.all.length - all.count} events of the log, and of streams ${short.join()}`)
  }
  return { refused: undefined, told, torn: tornBytes, served: count, short, whole }
}

async function served(
  events: AsyncIterable<StoredEvent>,
  truth: readonly StoredEvent[],
): Promise<{ readonly count: number; readonly told: boolean }> {
  let count = 0
  try {
    for await (const event of events) {
      if (!same(event, truth[count])) {
        throw new Error(`serves ${inspect(event)} where ${inspect(truth[count])} was stored`)
      }
      count++
    }
  } catch (error) {
    refusal(error)
    return { count, told: true }
  }
  return { count, told: false }
}

function refusal(error: unknown): string {
  if (error instanceof AnnalsError && REFUSALS.includes(error.code)) return error.code
  throw error
}

/** What `verify` finds in a changed store, or the code of the error it ends with. */
export async function verifyHostile(image: FilesImage): Promise<readonly Finding[] | string> {
  try {
    return (await verify(stillEnvironment(new SmallFiles(image), 98), STORE, {})).findings
  } catch (error) {
    return refusal(error)
  }
}

/** Holds what is asked of `Buffer` to a bound while `work` runs. Returns the largest request. */
export async function largestAllocation(work: () => Promise<void>): Promise<number> {
  const names = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const
  const originals = Object.fromEntries(names.map((name) => [name, Reflect.get(Buffer, name) as unknown]))
  let largest = 0
  for (const name of names) {
    const allocate = Buffer[name].bind(Buffer) as (size: number, ...rest: unknown[]) => Buffer
    Object.assign(Buffer, {
      [name]: (size: number, ...rest: unknown[]) => {
        largest = Math.max(largest, size)
        return allocate(size, ...rest)
      },
    })
  }
  try {
    await work()
  } finally {
    Object.assign(Buffer, originals)
  }
  return largest
}
