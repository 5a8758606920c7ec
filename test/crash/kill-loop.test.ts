/**
 * Real processes on a real disk: a child appends and reports what was acknowledged, and is killed with SIGKILL at a random
 * moment, also while it opens the store. The next one must find all of it; so must this process in the end.
 *
 * 25 rounds; 500 with ANNALS_CRASH_FULL=1. After every fifth a copy of the store is opened here and checked, in the end the store itself;
 * otherwise it is the next child that recovers.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openEventStore } from '../../engine/index.js'
import { FULL } from '../support/crash-scale.js'
import { TINY } from '../support/crash-workload.js'
import { SeededRandom } from '../support/random.js'

t.setTimeout(3_600_000)

const ROUNDS = FULL ? 500 : 25
const CHILD = fileURLToPath(new URL('fixtures/append-until-killed.js', import.meta.url))

/** Commit number and events of each stream in it, as the child writes them. */
type Report = readonly [number, Readonly<Record<string, number>>]

/** Lets a child append until it is killed, `delay` milliseconds after it began to open the store. */
async function killedRun(directory: string, first: number, delay: number): Promise<Report[]> {
  const child = spawn(process.execPath, [CHILD, directory, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const reports: Report[] = []
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const opening = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.endsWith(';')) return // cut off by the kill
      const report = JSON.parse(line.slice(0, -1)) as Report | 'opening'
      if (report === 'opening') resolve()
      else reports.push(report)
    })
  })
  await Promise.race([opening, ended])
  await sleep(delay)
  child.kill('SIGKILL')
  await ended
  return reports
}

t.test(
  '[fault 1] [fault 11] [K2] [K3] [M1] [F4] a process killed again and again loses nothing it acknowledged',
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'annals-kill-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const seed = Number(process.env['ANNALS_SEED'] ?? Date.now() % 1_000_000)
    t.comment(`seed ${seed}`)
    const random = new SeededRandom(seed)
    const acknowledged = new Map<number, Readonly<Record<string, number>>>()
    let quick = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const delay = random.chance(0.33) ? random.below(30) : 100 + random.below(500)
      const reports = await killedRun(directory, round * 1_000_000, delay)
      for (const [commit, streams] of reports) acknowledged.set(commit, streams)
      if (reports.length === 0) quick++
      if (round % 5 !== 0 && round !== ROUNDS) continue
      const opened = round === ROUNDS ? directory : `${directory}-copy`
      if (opened !== directory) cpSync(directory, opened, { recursive: true })
      const store = await openEventStore(opened, TINY)
      t.equal(store.recovery.damage, undefined, `round ${round}: no damage`)
      const seen = new Map<number, Record<string, number>>()
      const streams = new Map<string, string[]>()
      let position = 0
      let highest = -1
      const wrong: string[] = []
      for await (const event of store.readAll()) {
        const { commit, of } = event.data as { commit: number; of: Record<string, number> }
        if (event.position !== position++) wrong.push(`position ${event.position} instead of ${position - 1}`)
        if (commit < highest) wrong.push(`commit ${commit} after ${highest}`)
        highest = commit
        const counts = seen.get(commit) ?? {}
        counts[event.stream] = (counts[event.stream] ?? 0) + 1
        seen.set(commit, counts)
        const ids = streams.get(event.stream) ?? []
        if (event.offset !== ids.length) wrong.push(`${event.stream}: offset ${event.offset} instead of ${ids.length}`)
        ids.push(event.id)
        streams.set(event.stream, ids)
        if (counts[event.stream]! > of[event.stream]!) wrong.push(`commit ${commit} has too many events`)
      }
      for (const [commit, wanted] of acknowledged) {
        if (JSON.stringify(sorted(seen.get(commit) ?? {})) !== JSON.stringify(sorted(wanted))) {
          wrong.push(
            `commit ${commit} was acknowledged with ${JSON.stringify(wanted)}: ${JSON.stringify(seen.get(commit))}`,
          )
        }
      }
      for (const [name, ids] of streams) {
        const read: string[] = []
        for await (const event of store.readStream(name)) read.push(event.id)
        if (read.join() !== ids.join()) wrong.push(`stream ${name} differs from the log`)
      }
      await store.close()
      if (opened !== directory) rmSync(opened, { recursive: true })
      t.same(wrong.slice(0, 3), [], `round ${round}: ${seen.size} commits, ${acknowledged.size} acknowledged`)
    }
    t.comment(`${ROUNDS} kills, ${quick} before the first acknowledgement, ${acknowledged.size} commits acknowledged`)
    t.ok(acknowledged.size > ROUNDS, 'the children got to work')
  },
)

function sorted(counts: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(counts).sort()
}
