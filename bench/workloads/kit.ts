/**
 * What the kit adds to the bare engine. Raw is what an application would write by hand, on the same store and in the same rounds: a loop over
 * `readStream` for a load; such a loop and an append with the version it came to for a command.
 */
import { join } from 'node:path'
import { type EventStore, openEventStore } from '../../engine/index.js'
import { type Decider, deciderRepository, defineEvents, event, type EventOf, snapshotStreams } from '../../kit/index.js'
import { alternate, check, latency, median, ratioOf } from '../measure.js'
import type { Context, Result, Workload } from '../workload.js'

const events = defineEvents({ Deposited: event<{ readonly cents: number; readonly note: string }>() })
type Event = EventOf<typeof events>
interface State {
  readonly count: number
  readonly cents: number
}

const deposited = (cents: number): Event => ({ type: 'Deposited', data: { cents, note: 'a deposit like any other' } })
const decider: Decider<State, number, Event> = {
  initialState: () => ({ count: 0, cents: 0 }),
  decide: (cents) => [deposited(cents)],
  evolve: ({ count, cents }, { data }) => ({ count: count + 1, cents: cents + data.cents }),
}

async function bareLoad(store: EventStore, stream: string): Promise<State> {
  let state = decider.initialState()
  for await (const stored of store.readStream(stream)) state = decider.evolve(state, stored as Event)
  return state
}

async function timed<Value>(durations: number[], work: () => Promise<Value>): Promise<Value> {
  const begun = performance.now()
  const value = await work()
  durations.push(performance.now() - begun)
  return value
}

/** Loads of aggregates with 10, 1,000 and 100,000 events, from all events and from a snapshot at the end. */
export const aggregateLoad: Workload = {
  async run({ folder, quick }: Context) {
    await using store = await openEventStore(join(folder, 'store'))
    await using snapshotStore = await openEventStore(join(folder, 'snapshots'))
    const options = { category: 'account', events, decider, warnAfterEvents: Infinity }
    const plain = deciderRepository(store, options)
    const every = { events: 1 }
    const snapshots = { store: snapshotStreams(snapshotStore), reducer: 'bench/1', every }
    const snapshotted = deciderRepository(store, { ...options, snapshots })
    const results: Result[] = []
    for (const [size, perRound] of quick
      ? ([
          [10, 5],
          [100, 2],
        ] as const)
      : ([
          [10, 2000],
          [1000, 60],
          [100_000, 1],
        ] as const)) {
      const stream = `account-${size}`
      for (let n = 1; n < size; n += 1000) {
        const batch = Array.from({ length: Math.min(1000, size - n) }, () => deposited(1))
        await store.append(stream, batch, { durability: 'os' })
      }
      // The last event comes with a snapshot.
      await snapshotted.execute(size, 1)
      await store.flush()
      const durations = { kit: [] as number[], snapshot: [] as number[] }
      const loads = async (load: () => Promise<State>, into?: number[]): Promise<void> => {
        for (let n = 0; n < perRound; n++) {
          const { count } = into === undefined ? await load() : await timed(into, load)
          check(count === size, `${count} events instead of ${size}`)
        }
      }
      const seconds = await alternate(quick ? 1 : 7, {
        raw: () => loads(async () => bareLoad(store, stream)),
        kit: () => loads(async () => (await plain.load(size)).state, durations.kit),
        snapshot: () => loads(async () => (await snapshotted.load(size)).state, durations.snapshot),
      })
      const perSecond = (of: readonly number[]): string =>
        `${Math.round(perRound / median(of)).toLocaleString('en')} loads/s`
      results.push(
        {
          name: `kit-load, ${size} events`,
          eventsPerSecond: (size * perRound) / median(seconds.kit),
          rawPerSecond: (size * perRound) / median(seconds.raw),
          ratio: ratioOf(seconds.kit, seconds.raw),
          ...latency(durations.kit),
          note: perSecond(seconds.kit),
        },
        {
          name: '  from a snapshot',
          ms: (median(seconds.snapshot) * 1000) / perRound,
          ...latency(durations.snapshot),
          note: perSecond(seconds.snapshot),
        },
      )
    }
    return results
  },
}

const ACCOUNTS = 64

/** Durable commands, 1 and 64 in flight, over 64 aggregates that grow in the same way by hand and by the kit. */
export const command: Workload = {
  async run({ folder, quick }: Context) {
    await using store = await openEventStore(join(folder, 'store'))
    const category = 'account'
    const accounts = deciderRepository(store, { category, events, decider })
    const [rounds, perRound] = quick ? [1, ACCOUNTS] : [7, 10 * ACCOUNTS]
    const results: Result[] = []
    const byHand = async (stream: string): Promise<void> => {
      const { count } = await bareLoad(store, stream)
      await store.append(stream, [deposited(1)], { expectedVersion: count === 0 ? 'noStream' : count })
    }
    let commands = 0
    for (const inFlight of [1, ACCOUNTS]) {
      const durations: number[] = []
      const loops = async (each: (n: number) => Promise<unknown>): Promise<void> => {
        // With 64 in flight each loop has an aggregate of its own: conflicts are not what is measured.
        const loop = async (_: unknown, first: number): Promise<void> => {
          for (let n = first; n < perRound; n += inFlight) await each(n)
        }
        await Promise.all(Array.from({ length: inFlight }, loop))
      }
      const seconds = await alternate(rounds, {
        raw: () => loops((n) => byHand(`bare${inFlight}-${n % ACCOUNTS}`)),
        kit: () => loops((n) => timed(durations, () => accounts.execute(`${inFlight}-${n % ACCOUNTS}`, 1))),
        withId: () => {
          commands += perRound
          const first = commands
          return loops((n) =>
            accounts.execute(`id${inFlight}-${n % ACCOUNTS}`, 1, { commitId: `command-${inFlight}-${first + n}` }),
          )
        },
      })
      for (const name of [`${inFlight}-0`, `id${inFlight}-0`]) {
        const { state } = await accounts.load(name)
        check(
          state.count === (rounds * perRound) / ACCOUNTS && state.cents === state.count,
          `${state.count} commands in ${name}`,
        )
      }
      const row = (of: readonly number[]): Pick<Result, 'eventsPerSecond' | 'rawPerSecond' | 'ratio'> => ({
        eventsPerSecond: perRound / median(of),
        rawPerSecond: perRound / median(seconds.raw),
        ratio: ratioOf(of, seconds.raw),
      })
      results.push(
        { name: `kit-command, ${inFlight} in flight`, ...row(seconds.kit), ...latency(durations) },
        { name: '  with a commit id', ...row(seconds.withId) },
      )
    }
    return results
  },
}
