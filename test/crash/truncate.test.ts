/**
 * The log of a small store, cut at every second byte of its last groups (at every byte with ANNALS_CRASH_FULL=1), and with all sorts of rubbish behind its end: what was
 * whole before the cut is served, nothing else, and the store goes on from there. A cut that is provably damage is reported.
 */
import t from 'tap'
import { CorruptionError, type StoredEvent } from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { CrashDisk } from '../support/crash-disk.js'
import { everyStep } from '../support/crash-scale.js'
import { CrashWorld } from '../support/crash-world.js'
import { openSession, STORE_PATH } from '../support/crash-workload.js'
import { SeededRandom } from '../support/random.js'

t.setTimeout(600_000)

const COMMITS = [['a'], ['a', 'a', 'b'], ['c', 'a', 'b', 'a'], ['b'], ['new', 'a', 'new']]

interface Small {
  readonly disk: CrashDisk
  readonly world: CrashWorld
  /** Bytes of the log that count after each commit. */
  readonly ends: readonly number[]
  readonly log: string
}

/** A store of five commits, each a group of its own; closed, or as a kill leaves it. */
async function small(closed: boolean, durability: Durability = 'fsync'): Promise<Small> {
  const disk = new CrashDisk()
  const world = new CrashWorld()
  const { store } = await openSession(disk, 1, {})
  const ends: number[] = []
  let log = ''
  for (const streams of COMMITS) {
    await world.append(store, world.plan(streams, durability))
    log = `${STORE_PATH}/log/${disk.list(`${STORE_PATH}/log`).find((name) => name.endsWith('.log'))!}`
    ends.push((ends.at(-1) ?? 96) + store.stats().appends.bytes - ends.reduce((_, end) => end - 96, 0))
  }
  if (closed) await store.close()
  return { disk: disk.crash('kill', 0), world, ends, log }
}

function cut(disk: CrashDisk, path: string, size: number): CrashDisk {
  const copy = disk.crash('kill', 0)
  const handle = copy.open(path, 'write')
  handle.truncate(size)
  handle.close()
  return copy
}

function put(disk: CrashDisk, path: string, bytes: Uint8Array, at: number): CrashDisk {
  const copy = disk.crash('kill', 0)
  const handle = copy.open(path, 'write')
  handle.writeSync(bytes, 0, bytes.length, at)
  handle.close()
  return copy
}

function commits(count: number): Set<number> {
  return new Set(Array.from({ length: count }, (_, i) => i))
}

/** Opens, compares with the first `count` commits, appends, and opens once more. */
async function holds(disk: CrashDisk, world: CrashWorld, count: number): Promise<void> {
  const later = world.copy()
  const { store } = await openSession(disk, 5, {})
  if (store.recovery.damage !== undefined) throw store.recovery.damage
  const present = await later.check(store, commits(count))
  if (present.size !== count) throw new Error(`${present.size} commits are there instead of ${count}`)
  const commit = later.plan(['b', 'a'], 'fsync')
  await later.append(store, commit)
  present.add(commit.number)
  await later.check(store, present)
  const { store: again } = await openSession(disk.crash('minimal', 0), 6, {})
  await later.check(again, present)
  await again.close()
  await store.close()
}

t.test('[M1] [fault 40] a crashed store whose log is cut at any byte has the commits before the cut', async (t) => {
  const { disk, world, ends, log } = await small(false)
  const wrong: string[] = []
  // The ends of groups and the bytes around them always, of the rest a sample.
  for (let size = 0; size <= ends.at(-1)! + 40; size++) {
    if (size % everyStep(size < ends[1]! ? 7 : 2) !== 0 && !ends.some((end) => Math.abs(end - size) <= 4)) continue
    try {
      await holds(cut(disk, log, size), world, ends.filter((end) => end <= size).length)
    } catch (error) {
      wrong.push(`cut at ${size}: ${(error as Error).stack}`)
    }
  }
  t.same(wrong.slice(0, 3), [], `${wrong.length} cuts went wrong; groups end at ${ends.join()}`)
})

t.test('[fault 40] a closed store whose log is cut serves nothing wrong, and says so or has all of it', async (t) => {
  const { disk, world, ends, log } = await small(true)
  const wrong: string[] = []
  for (let size = 0; size < ends.at(-1)!; size += everyStep(3)) {
    try {
      await damaged(cut(disk, log, size), world)
    } catch (error) {
      wrong.push(`cut at ${size}: ${(error as Error).stack}`)
    }
  }
  t.same(wrong.slice(0, 3), [], `${wrong.length} of ${ends.at(-1)!} cuts`)
})

/** Everything that is served is right; a shortfall of the log is told, at opening or at the end of the read. */
async function damaged(disk: CrashDisk, world: CrashWorld): Promise<void> {
  const truth = world.commits.flatMap(({ number, streams }) =>
    streams.map((stream, event) => ({ number, stream, event })),
  )
  let session
  try {
    session = await openSession(disk, 7, {})
  } catch (error) {
    if (error instanceof CorruptionError || (error as { code?: string }).code === 'ERR_CORRUPT') return
    throw error
  }
  const { store } = session
  const served: StoredEvent[] = []
  let told = store.recovery.damage !== undefined
  try {
    for await (const event of store.readAll()) served.push(event)
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    told = true
  }
  for (const [i, event] of served.entries()) {
    const { commit, event: n } = event.data as { commit: number; event: number }
    const wanted = truth[i]!
    if (commit !== wanted.number || n !== wanted.event || event.stream !== wanted.stream || event.position !== i) {
      throw new Error(`event ${i} is wrong: ${JSON.stringify(event)}`)
    }
  }
  if (served.length < truth.length && !told) throw new Error(`${served.length} of ${truth.length} events, and no error`)
  await store.close()
}

t.test('[fault 5] [fault 42] [fault 43] what stands behind the end of the log is dropped', async (t) => {
  const { disk, world, ends, log } = await small(false)
  const random = new SeededRandom(9)
  const end = ends.at(-1)!
  for (const length of [1, 15, 16, 83, 84, 85, 511, 4096, 70_000, 1_048_576]) {
    const cutDisk = cut(disk, log, end)
    await t.resolves(holds(put(cutDisk, log, Buffer.alloc(length), end), world, 5), `${length} zeros`)
    const noise = Buffer.alloc(length)
    random.fill(noise)
    await t.resolves(holds(put(cutDisk, log, noise, end), world, 5), `${length} random bytes`)
  }
})

t.test('[fault 6] valid groups of this store behind the end of the log are not taken for new ones', async (t) => {
  const { disk, world, ends, log } = await small(false)
  const end = ends.at(-1)!
  const handle = disk.open(log, 'read')
  const bytes = Buffer.alloc(end)
  handle.readSync(bytes, 0, end, 0)
  handle.close()
  const starts = [96, ...ends.slice(0, -1)]
  for (const [i, start] of starts.entries()) {
    const image = put(cut(disk, log, end), log, bytes.subarray(start, ends[i]), end)
    await t.resolves(holds(image, world, 5), `group ${i}`)
    const rest = put(cut(disk, log, end), log, bytes.subarray(start), end)
    await t.resolves(holds(rest, world, 5), `groups from ${i} on`)
  }
  // Cut in the middle of the third group, with the last two behind it: sectors of an older life of these blocks.
  const torn = put(cut(disk, log, ends[1]! + 50), log, bytes.subarray(ends[2]), ends[1]! + 50)
  await t.resolves(holds(torn, world, 2), 'old groups behind a torn one')
})

t.test('[fault 3] [fault 41] a header that is gone with its sector is damage only where it was durable', async (t) => {
  const relaxed = await small(false, 'os')
  const lost = put(relaxed.disk, relaxed.log, Buffer.alloc(512), 0)
  await t.resolves(holds(lost, relaxed.world, 0), 'nobody has synced it: the log begins anew')

  const { store } = await openSession(put(relaxed.disk, relaxed.log, Buffer.alloc(96), 0), 5, {})
  t.match(store.recovery.damage, { file: relaxed.log, byte: 0 }, 'a power cut does not take a part of a sector')
  await store.close()

  const durable = await small(false)
  const { store: other } = await openSession(put(durable.disk, durable.log, Buffer.alloc(512), 0), 5, {})
  t.match(other.recovery.damage, { file: durable.log, byte: 0 }, 'later groups say that it was durable')
  await other.close()
})
