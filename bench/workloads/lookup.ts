/**
 * Appends that look something up first, in a store of 1,000,000 commits with an id and two tags each: one in flight, durable. The rate to
 * compare with is that of plain durable appends in the same rounds.
 */
import { join } from 'node:path'
import { type FileEventStore, type NewEvent, openEventStore } from '../../engine/index.js'
import { alternate, check, latency, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import type { Context, Result, Workload } from '../workload.js'

const LOADED_AT_ONCE = 1000
/** Commits that share the tag of a decision. */
const PER_COURSE = 20
/** Of all events there are. */
const NEVER = { items: [{ types: ['CourseClosed'] }] }

const eventOf = (n: number, courses: number): NewEvent => ({
  type: 'StudentSubscribed',
  data: { n },
  tags: [`course:${n % courses}`, `student:${n}`],
})

async function load(store: FileEventStore, commits: number, courses: number): Promise<void> {
  for (let n = 0; n < commits; n += LOADED_AT_ONCE) {
    const appends = Array.from({ length: Math.min(LOADED_AT_ONCE, commits - n) }, (_, i) =>
      store.append(`course-${(n + i) % 1000}`, [eventOf(n + i, courses)], {
        commitId: `id-${n + i}`,
        durability: 'os',
      }),
    )
    await Promise.all(appends)
  }
}

export const lookup: Workload = {
  async run({ folder, quick }: Context): Promise<Result[]> {
    const commits = quick ? 2000 : 1_000_000
    const courses = Math.ceil(commits / PER_COURSE)
    const [rounds, perRound] = quick ? [1, 20] : [7, 300]
    const path = join(folder, 'store')
    const loaded = await openEventStore(path)
    await load(loaded, commits, courses)
    await loaded.close()
    const store = await openEventStore(path)
    await store.append('x', [{ type: 'T' }])
    const began = performance.now()
    await store.append('x', [{ type: 'T' }], { commitId: 'opens the index' })
    const firstMs = performance.now() - began

    let next = 0
    let random = 1
    const below = (bound: number): number => (random = (random * 48_271) % 2_147_483_647) % bound
    const measured = { plain: [], newId: [], knownId: [], decision: [], typesAlone: [] } as Record<string, number[]>
    const each = async (name: string, work: (n: number) => Promise<unknown>): Promise<void> => {
      for (let i = 0; i < perRound; i++) {
        const start = performance.now()
        await work(next++)
        measured[name]!.push(performance.now() - start)
      }
    }
    resetPeak()
    const seconds = await alternate(rounds, {
      plain: () => each('plain', (n) => store.append('y', [eventOf(n, courses)])),
      newId: () => each('newId', (n) => store.append('y', [eventOf(n, courses)], { commitId: `new-${n}` })),
      knownId: () =>
        each('knownId', async () => {
          const n = below(commits)
          const events = [eventOf(n, courses)]
          const result = await store.append(`course-${n % 1000}`, events, { commitId: `id-${n}` })
          check(result.isRepeat === true && result.position === n, `commit ${n} is not known`)
        }),
      decision: () =>
        each('decision', async () => {
          const query = { items: [{ tags: [`course:${below(courses)}`] }] }
          let after = -1
          for await (const { position } of store.readAll({ query })) after = position
          check(after >= 0, 'the query finds nothing')
          await store.append('y', [{ type: 'Decided' }], { failIfEventsMatch: query, after })
        }),
      typesAlone: () =>
        each('typesAlone', () => store.append('y', [{ type: 'Decided' }], { failIfEventsMatch: NEVER })),
    })
    const peak = peakMib()
    await store.close()
    const row = (title: string, name: keyof typeof seconds): Result => ({
      name: title,
      eventsPerSecond: perRound / median(seconds[name]),
      rawPerSecond: perRound / median(seconds.plain),
      ratio: ratioOf(seconds[name], seconds.plain),
      ...latency(measured[name]!),
    })
    return [
      { ...row('lookup, new commit id', 'newId'), peakMib: peak, note: `first of a session ${firstMs.toFixed(0)} ms` },
      row('  known commit id', 'knownId'),
      row(`  read ${PER_COURSE} by a tag, decide, append`, 'decision'),
      row('  decide by a type alone, append', 'typesAlone'),
    ]
  },
}
