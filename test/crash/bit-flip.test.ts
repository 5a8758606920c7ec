/**
 * Every third byte of every file of a small store with one bit of it flipped, each bit in turn (with ANNALS_CRASH_FULL=1 every
 * bit of every byte): opening and reading ends, and what is served is right. A shortfall is always told, and damage in the
 * file of one stream of a closed store leaves the other streams alone.
 */
import t from 'tap'
import { AnnalsError, CorruptionError, type FileEventStore, type StoredEvent } from '../../engine/index.js'
import { CrashDisk } from '../support/crash-disk.js'
import { everyStep, FULL } from '../support/crash-scale.js'
import { CrashWorld } from '../support/crash-world.js'
import { openSession, STORE_PATH } from '../support/crash-workload.js'

t.setTimeout(3_600_000)

const BITS = FULL ? [0, 1, 2, 3, 4, 5, 6, 7] : [-1]
const OPTIONS = { limits: { logSegmentBytes: 1024, streamSegmentBytes: 512, indexIntervalBytes: 128 } }
const COMMITS = [['a'], ['a', 'b'], ['c', 'a', 'b'], ['b'], ['a', 'c', 'a'], ['b', 'b'], ['c']]

interface Truth {
  readonly all: readonly string[]
  readonly streams: ReadonlyMap<string, readonly string[]>
}

function textOf(event: StoredEvent): string {
  return JSON.stringify(event)
}

async function readTruth(store: FileEventStore): Promise<Truth> {
  const all: string[] = []
  const streams = new Map<string, string[]>()
  for await (const event of store.readAll()) {
    all.push(textOf(event))
    streams.set(event.stream, [...(streams.get(event.stream) ?? []), textOf(event)])
  }
  return { all, streams }
}

async function make(closed: boolean): Promise<{ disk: CrashDisk; truth: Truth }> {
  const disk = new CrashDisk()
  const world = new CrashWorld()
  const { store } = await openSession(disk, 1, OPTIONS)
  for (const [i, streams] of COMMITS.entries()) {
    await world.append(store, world.plan(streams, 'fsync'))
    if (i === 3) await store.flush()
  }
  if (closed) await store.checkpoint()
  const truth = await readTruth(store)
  if (closed) await store.close()
  return { disk: disk.crash('kill', 0), truth }
}

function filesBelow(disk: CrashDisk, path: string): string[] {
  return disk.list(path).flatMap((name) => {
    const child = `${path}/${name}`
    return disk.stat(child)!.kind === 'directory' ? filesBelow(disk, child) : [child]
  })
}

function flip(disk: CrashDisk, path: string, byte: number, bit: number): CrashDisk {
  const copy = disk.crash('kill', 0)
  const handle = copy.open(path, 'write')
  const value = Buffer.alloc(1)
  handle.readSync(value, 0, 1, byte)
  value[0]! ^= 1 << bit
  handle.writeSync(value, 0, 1, byte)
  handle.close()
  return copy
}

/** Reads to the end or to an error. What is served must be a beginning of the truth; less than all must end in an error. */
async function compare(events: AsyncIterable<StoredEvent>, truth: readonly string[], told: boolean): Promise<boolean> {
  let at = 0
  try {
    for await (const event of events) {
      if (textOf(event) !== truth[at]) throw new Error(`wrong at ${at}: ${textOf(event)}`)
      at++
    }
  } catch (error) {
    // A flipped version number is that of a newer annals.
    if (!(error instanceof CorruptionError) && (error as AnnalsError).code !== 'ERR_FORMAT') throw error
    return false
  }
  if (at < truth.length && !told) throw new Error(`${at} of ${truth.length} events and no error`)
  return at === truth.length
}

for (const closed of [true, false]) {
  t.test(`[fault 39] [U3] a bit flipped in a store that ${closed ? 'was closed' : 'a kill has left'}`, async (t) => {
    const { disk, truth } = await make(closed)
    const wrong: string[] = []
    let cases = 0
    let refused = 0
    for (const path of filesBelow(disk, STORE_PATH)) {
      for (let byte = 0; byte < disk.stat(path)!.size; byte += everyStep(3)) {
        // Zeros ahead of the log's end: one bit in each sector is enough.
        if (!closed && path.endsWith('.log') && byte > 8192 && byte % 509 !== 0) continue
        for (const bit of BITS) {
          cases++
          const at = `${path.slice(STORE_PATH.length)}, byte ${byte}, bit ${bit < 0 ? byte % 8 : bit}`
          const hung = setTimeout(() => t.fail(`hangs: ${at}`), 10_000)
          try {
            let session
            try {
              session = await openSession(flip(disk, path, byte, bit < 0 ? byte % 8 : bit), byte, OPTIONS)
            } catch (error) {
              if (!(error instanceof AnnalsError)) throw error
              if (!['ERR_CORRUPT', 'ERR_FORMAT', 'ERR_NOT_A_STORE'].includes(error.code)) throw error
              refused++
              continue
            }
            const { store } = session
            const told = store.recovery.damage !== undefined
            // A log of which the last group was never covered by a later one ends there: nobody can tell it from a torn one.
            const torn = !closed && store.recovery.tornBytes > 0
            await compare(store.readAll(), truth.all, told || torn)
            for (const [name, events] of truth.streams) {
              const whole = await compare(store.readStream(name), events, told || torn)
              if (closed && !whole && path.includes('/streams/') && !path.includes(`/${name}@`)) {
                throw new Error(`stream ${name} suffers from damage of another`)
              }
            }
            await store.close()
          } catch (error) {
            wrong.push(`${at}: ${(error as Error).stack}`)
          } finally {
            clearTimeout(hung)
          }
        }
      }
    }
    t.comment(`${cases} cases, ${refused} refused at opening`)
    t.same(wrong.slice(0, 4), [], `${wrong.length} of ${cases} cases went wrong`)
  })
}
