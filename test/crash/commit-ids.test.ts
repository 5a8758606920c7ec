import t from 'tap'
import type { AppendResult, FileEventStore, NewEvent } from '../../engine/index.js'
import { CrashDisk } from '../support/crash-disk.js'
import { everyStep, ONE_IN } from '../support/crash-scale.js'
import { openSession, type Session, TINY } from '../support/crash-workload.js'
import type { CrashMode } from '../support/disk-state.js'
import { SeededRandom } from '../support/random.js'

const SEED = 20
const COMMITS = 90
const STRIDE = everyStep(18)
const MODES: readonly CrashMode[] = ['kill', 'torn', 'minimal', 'strict', 'ordered']

interface Planned {
  readonly commitId: string
  readonly appends: readonly { readonly stream: string; readonly events: readonly NewEvent[] }[]
}

function planned(random: SeededRandom): Planned[] {
  return Array.from({ length: COMMITS }, (_, n) => {
    const count = 1 + random.below(3)
    const appends = Array.from({ length: count }, (_, part) => ({
      stream: random.pick(['a', 'b', 'c']),
      events: Array.from({ length: 1 + random.below(2) }, (_, i) => ({
        type: 'T',
        data: { n, part, i },
        tags: [`n:${n}`, `part:${part}`],
      })),
    }))
    return { commitId: `commit-${n}`, appends }
  })
}

const appendOf = (store: FileEventStore, { commitId, appends }: Planned): Promise<AppendResult[]> =>
  store.appendMany(appends, { commitId })

/** Lets what runs in the background go on, with the timers that are due. */
async function settle({ process }: Session): Promise<void> {
  process.advance(1500)
  for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Two sessions; after each acknowledgement the number of steps on the disk. */
async function recorded(plan: readonly Planned[]): Promise<{ disk: CrashDisk; known: Map<number, number> }> {
  const disk = new CrashDisk()
  const known = new Map<number, number>()
  for (let half = 0; half < 2; half++) {
    const session = await openSession(disk, SEED + half, TINY)
    for (let n = (half * COMMITS) / 2; n < ((half + 1) * COMMITS) / 2; n++) {
      await appendOf(session.store, plan[n]!)
      known.set(n, disk.steps.length)
      if (n % 15 === 7) await settle(session)
    }
    await session.store.close()
  }
  return { disk, known }
}

t.test(
  '[C2] [fault 1] [fault 2] [fault 3] every acknowledged commit is known by its id after every crash, and none is there by half',
  async (t) => {
    const plan = planned(new SeededRandom(SEED))
    const { disk, known } = await recorded(plan)
    t.ok(disk.steps.length > 300, `${disk.steps.length} steps`)
    let images = 0
    for (let step = 0; step < disk.steps.length; step += STRIDE) {
      const mode = MODES[images % MODES.length]!
      const image = disk.crash(mode, step, step)
      const where = `${mode} after step ${step}`
      images++
      const session = await openSession(image, 1000 + step, TINY)
      const { store } = session
      for (const [n, commit] of plan.entries()) {
        const results = await appendOf(store, commit)
        const isRepeat = results.every((result) => result.isRepeat === true)
        if (known.get(n)! <= step && !isRepeat) t.fail(`${where}: commit ${n} was acknowledged and is not known`)
        if (n === COMMITS / 2) await settle(session)
      }
      await settle(session)
      const found: unknown[] = []
      for await (const { data } of store.readAll()) found.push(data)
      const wanted = plan.flatMap(({ appends }) => appends.flatMap(({ events }) => events.map(({ data }) => data)))
      if (JSON.stringify(found) !== JSON.stringify(wanted)) t.fail(`${where}: the store is not each commit once`)
      for (const n of [0, 17, COMMITS - 1]) {
        const tagged: unknown[] = []
        for await (const { data } of store.readAll({ query: { items: [{ tags: [`n:${n}`, 'part:0'] }] } })) {
          tagged.push(data)
        }
        if (JSON.stringify(tagged) !== JSON.stringify(plan[n]!.appends[0]!.events.map(({ data }) => data))) {
          t.fail(`${where}: a query does not find commit ${n}`)
        }
      }
      await store.close()
    }
    t.ok(images > 30 / ONE_IN, `${images} images`)
  },
)
