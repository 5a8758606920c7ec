/**
 * A store of 1,000,000 streams with one event each: the memory of its writer, and of a new process that opens it and uses 1,000 of them; its
 * files; its bytes per event with the log, which annals keeps for ever, and without. `--streams N` for another number.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type FileEventStore, openEventStore } from '../../engine/index.js'
import { type Sizes, sizesBelow } from '../folders.js'
import { check, type Memory, memoryNow, peakMib, resetPeak, sayMemory } from '../measure.js'
import { Plan, verify } from '../plan.js'
import type { UsedStreams } from '../processes/use-streams.js'
import type { Context, Result, Workload } from '../workload.js'

const IN_FLIGHT = 1024
const USE_STREAMS = fileURLToPath(new URL('../processes/use-streams.js', import.meta.url))

export const manyStreams: Workload = {
  async run({ folder, quick, streams = quick ? 2_000 : 1_000_000 }: Context) {
    const directory = join(folder, 'store')
    const written = await write(directory, streams, quick ? 100 : 5_000)
    const log = sizesBelow(join(directory, 'log'))
    const segments = sizesBelow(join(directory, 'streams'))
    check(segments.files >= streams, `${segments.files} files for ${streams} streams`)
    {
      await using reopened = await openEventStore(directory)
      await verify(reopened, new Plan(streams), streams)
    }
    const uses = Math.min(streams, quick ? 50 : 1_000)
    const used = await useStreams(directory, streams, uses)
    const title = `${streams.toLocaleString('en')} streams`
    return [
      {
        name: `many-streams, ${title}`,
        eventsPerSecond: streams / written.seconds,
        peakMib: written.peakMib,
        note: `until in their files; before: ${sayMemory(written.before)}`,
      },
      { name: '  its memory when all is in files', ms: written.seconds * 1000, note: sayMemory(written.flushed) },
      { name: '  its memory at rest', ms: written.restMs, note: sayMemory(written.rested) },
      size('  bytes with the log', streams, [log, segments]),
      size('  bytes without the log', streams, [segments]),
      {
        name: '  opened by a new process',
        ms: used.openMs,
        peakMib: used.openPeakMib,
        note: `${sayMemory(used.opened)}; before: ${sayMemory(used.before)}`,
      },
      {
        name: `  ${uses.toLocaleString('en')} streams at random, append and read`,
        eventsPerSecond: 1e6 / used.p50Us,
        p50Us: used.p50Us,
        p99Us: used.p99Us,
        peakMib: used.usePeakMib,
        note: sayMemory(used.used),
      },
    ]
  },
}

interface Written {
  readonly seconds: number
  readonly peakMib: number
  /** What the process has in memory before it opens the store, when every event is in its file, and some time later. */
  readonly before: Memory
  readonly flushed: Memory
  readonly rested: Memory
  readonly restMs: number
}

async function write(directory: string, streams: number, restMs: number): Promise<Written> {
  // Names are made when they are needed: a million of them would be the memory that is measured.
  const plan = new Plan(1)
  const before = memoryNow()
  resetPeak()
  const begun = performance.now()
  await using store = await openEventStore(directory, { durability: 'os' })
  await append(store, plan, streams)
  await store.flush()
  const seconds = (performance.now() - begun) / 1000
  const peak = peakMib()
  const { events, writeBehind } = store.stats()
  check(events === streams, `${events} events were stored`)
  check(writeBehind.waitingEvents === 0, `${writeBehind.waitingEvents} events are not in their files`)
  const flushed = memoryNow()
  await setTimeout(restMs)
  return { seconds, peakMib: peak, before, flushed, rested: memoryNow(), restMs }
}

async function append(store: FileEventStore, plan: Plan, streams: number): Promise<void> {
  let next = 0
  const loop = async (): Promise<void> => {
    while (next < streams) {
      const n = next++
      await store.append(`order-${n}`, [plan.event(n)], { expectedVersion: 'noStream' })
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop))
}

function size(name: string, events: number, parts: readonly Sizes[]): Result {
  const sum = (of: (sizes: Sizes) => number): number => parts.reduce((all, sizes) => all + of(sizes), 0)
  return {
    name,
    bytesPerEvent: sum(({ bytes }) => bytes) / events,
    note: `${sum(({ files }) => files).toLocaleString('en')} files; ${(sum(({ diskBytes }) => diskBytes) / events).toFixed(0)} B/event on the disk`,
  }
}

async function useStreams(directory: string, streams: number, uses: number): Promise<UsedStreams> {
  const child = fork(USE_STREAMS, [directory, String(streams), String(uses)], { execArgv: ['--expose-gc'] })
  let used: UsedStreams | undefined
  child.on('message', (message) => (used = message as UsedStreams))
  await once(child, 'close')
  if (used === undefined) throw new Error(`Using streams of ${directory} failed`)
  return used
}
