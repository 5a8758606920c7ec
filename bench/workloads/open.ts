/**
 * Opening, each time in a new process, from the call until the store may be used. After a clean close (and then twice more), and after the
 * writer was killed in mid-append: under the durability that leaves a synced log, and under the one that leaves most to read.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DataSetName, dataSets, sizeOf } from '../data-sets.js'
import { check, median } from '../measure.js'
import { Plan } from '../plan.js'
import type { Opened } from '../processes/open-once.js'
import type { Context, Result, Workload } from '../workload.js'
import { killInMidAppend } from '../kill-writer.js'

const process_ = (name: string): string => fileURLToPath(new URL(`../processes/${name}.js`, import.meta.url))

export const open: Workload = {
  needs: Object.keys(dataSets) as DataSetName[],
  async run(context) {
    const results: Result[] = []
    // With small sizes the two of each kind are alike.
    for (const name of context.quick ? (['one', 'many'] as const) : open.needs!) {
      results.push(...(await openings(context, name)))
    }
    return results
  },
}

async function openings({ quick, folder, dataSet }: Context, name: DataSetName): Promise<Result[]> {
  const { events, streams } = sizeOf(name, quick)
  const plan = new Plan(streams)
  const directory = dataSet(name)
  const title = `${events.toLocaleString('en')} events, ${streams.toLocaleString('en')} streams`
  const clean: Opened[] = []
  let held = 0
  for (let n = 0; n < (quick ? 1 : 9); n++) {
    const opened = await openOnce(directory)
    if (n === 0) held = opened.events
    check(opened.recovery.clean && opened.events === held && held >= events, `it holds ${opened.events} events`)
    check(opened.last?.amount === plan.event(held - 1).data.amount, 'the last event is another one')
    clean.push(opened)
  }
  const again = clean.map(({ againMs }) => againMs)
  const results: Result[] = [
    line(`open clean, ${title}`, clean, 5),
    { name: '  the third time in a process', ms: median(again), note: `slowest ${Math.max(...again).toFixed(1)} ms` },
  ]
  for (const [durability, inFlight] of [
    ['fsync', 64],
    ['os', 1024],
  ] as const) {
    const killed: Opened[] = []
    for (let n = 0; n < (quick ? 1 : 5); n++) {
      const notes = join(folder, 'acknowledged')
      // At another moment of the write-behind each time.
      const acknowledged = await appendAndKill(
        directory,
        notes,
        streams,
        durability,
        inFlight,
        quick ? 20 : 300 + 170 * n,
      )
      const opened = await openOnce(directory)
      check(!opened.recovery.clean, 'the writer was killed and the store says it was closed')
      check(opened.events >= acknowledged, `${opened.events} events are left of ${acknowledged} acknowledged`)
      check(opened.last?.amount === plan.event(opened.events - 1).data.amount, 'the last event is another one')
      killed.push(opened)
    }
    results.push(line(`  killed (${durability}, ${inFlight} in flight)`, killed, 50))
  }
  return results
}

function line(name: string, opened: readonly Opened[], targetMs: number): Result {
  const times = opened.map(({ ms }) => ms)
  const read = median(opened.map(({ recovery }) => recovery.events))
  const most = Math.max(...opened.map(({ recovery }) => recovery.events))
  const behind = most === 0 ? '' : `, events read again: median ${read}, most ${most}`
  return { name, ms: median(times), targetMs, note: `slowest ${Math.max(...times).toFixed(1)} ms${behind}` }
}

async function openOnce(directory: string): Promise<Opened> {
  const child = fork(process_('open-once'), [directory], { execArgv: [] })
  let opened: Opened | undefined
  child.on('message', (message) => (opened = message as Opened))
  await once(child, 'close')
  if (opened === undefined) throw new Error(`Opening ${directory} failed`)
  return opened
}

/** Returns how many events the store had when its writer had the last acknowledgement. */
async function appendAndKill(
  directory: string,
  notes: string,
  streams: number,
  durability: string,
  inFlight: number,
  ms: number,
): Promise<number> {
  const child = fork(
    process_('append-until-killed'),
    [directory, notes, String(streams), durability, String(inFlight)],
    {
      execArgv: [],
    },
  )
  return killInMidAppend(child, notes, ms)
}
