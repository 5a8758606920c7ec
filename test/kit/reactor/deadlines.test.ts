import t from 'tap'
import { type EventStore, openMemoryStore } from '../../../engine/index.js'
import {
  cancelDeadline,
  defineEvents,
  event,
  type EventOf,
  type Process,
  processManager,
  type Reactor,
  type ReactorOptions,
  runReactor,
  setDeadline,
} from '../../../kit/index.js'
import { Deadlines, deadlineStream } from '../../../kit/reactor/deadlines.js'
import { faultyStore } from '../../../kit/testing/index.js'
import { collect } from '../../contract/contract-support.js'
import { TestClock, until } from '../projection/projection-support.js'

const events = defineEvents({
  OrderPlaced: event<{ readonly order: string }>(),
  Reminded: event<{ readonly order: string }>(),
  PaymentReceived: event<{ readonly order: string }>(),
})
const outcomeEvents = defineEvents({ Shipped: event(), Cancelled: event(), Late: event<number>() })
type Command = 'ship' | 'cancel'

const MINUTE = 60_000
const fulfilment: Process<string, EventOf<typeof events>, Command> = {
  initialState: () => 'new',
  evolve: (state, { type }) => (type === 'DeadlinePassed' ? 'over' : state),
  react(input) {
    switch (input.type) {
      case 'OrderPlaced':
        return [setDeadline('payment', { afterMs: 10 * MINUTE }, { placed: input.data.order })]
      case 'Reminded':
        return [setDeadline('payment', { afterMs: 10 * MINUTE })]
      case 'PaymentReceived':
        return ['ship', cancelDeadline('payment')]
      case 'DeadlinePassed':
        return ['cancel']
      default:
        return []
    }
  },
}

function managerOf(store: EventStore, also: (command: Command) => unknown = () => undefined): Reactor {
  return processManager({
    name: 'orders',
    store,
    events,
    processOf: ({ data }) => data.order,
    process: fulfilment,
    execute: async (command, { unit, processId }) => {
      await also(command)
      const type = command === 'ship' ? 'Shipped' : 'Cancelled'
      unit.append(outcomeEvents, { stream: `outcome-${processId}`, events: [{ type }] })
    },
  })
}

/** A store, a clock, and what happens at its time. */
async function world() {
  const store = await openMemoryStore()
  const clock = new TestClock()
  const happen = async (type: EventOf<typeof events>['type'], order: string): Promise<number> =>
    (await store.append(`order-${order}`, [{ type, data: { order }, timestamp: clock.now() }])).position
  const outcomes = async (): Promise<string[]> =>
    (await collect(store.readCategory('outcome'))).map(({ stream, type }) => `${stream} ${type}`)
  const start = (more: ReactorOptions = {}, on = store as EventStore, manager = managerOf(on)) =>
    runReactor(on, manager, { clock, retry: { attempts: 1 }, ...more })
  /** Lets time pass, and what is due happen. */
  const go = async (ms: number, isDone: () => boolean | Promise<boolean>): Promise<void> => {
    clock.go(ms)
    for (let turn = 0; turn < 2000; turn++) {
      if (await isDone()) return
      await new Promise((resolve) => setImmediate(resolve))
    }
    throw new Error('nothing is done')
  }
  const nothing = async (): Promise<boolean> => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    return true
  }
  const some = (count: number) => async () => (await outcomes()).length >= count
  return { store, clock, happen, outcomes, start, go, nothing, some }
}

t.test('[B4] a deadline that passes is an input of the process, once, and not before', async (t) => {
  const { store, clock, happen, outcomes, start, go, nothing, some } = await world()
  const placedAt = clock.now()
  const running = await start()
  await running.whenProcessed(await happen('OrderPlaced', 'a'))
  await until(() => running.nextDeadline !== undefined)
  t.equal(running.nextDeadline, placedAt + 10 * MINUTE)
  await go(10 * MINUTE - 1, nothing)
  t.same(await outcomes(), [])
  await go(1, some(1))
  await go(100 * MINUTE, nothing)
  t.same(await outcomes(), ['outcome-a Cancelled'])
  const notes = await collect(store.readStream('orders-a'))
  t.match(
    notes.map(({ type, data }) => [type, data]),
    [
      ['ProcessInput', { position: 0 }],
      ['ProcessDeadlineSet', { name: 'payment', dueAt: placedAt + 10 * MINUTE }],
      ['ProcessDeadlinePassed', { name: 'payment', data: { placed: 'a' }, passedAt: placedAt + 10 * MINUTE }],
    ],
  )
  const [cancelled] = await collect(store.readStream('outcome-a'))
  t.equal(cancelled!.commitId, notes[2]!.commitId, 'what comes of it is one commit')
  const [set] = await collect(store.readStream(deadlineStream('orders')))
  t.match(cancelled!.metadata, { causationId: set!.id })
  t.equal(running.nextDeadline, undefined)
  await running.stop()
  await using again = await start()
  t.equal(again.nextDeadline, undefined, 'its checkpoint says that it has passed')
  await store.close()
})

t.test('one that is cancelled does not pass, one that is set again passes at its new time', async (t) => {
  const { store, clock, happen, outcomes, start, go, nothing, some } = await world()
  for (const isRestarted of [false, true]) {
    const [paid, reminded] = isRestarted ? ['c', 'd'] : ['a', 'b']
    let running = await start()
    await happen('OrderPlaced', paid)
    await running.whenProcessed(await happen('OrderPlaced', reminded))
    await go(5 * MINUTE, nothing)
    await happen('PaymentReceived', paid)
    await running.whenProcessed(await happen('Reminded', reminded))
    if (isRestarted) {
      await running.stop()
      running = await start()
    }
    const at = clock.now() + (isRestarted ? 5 : 10) * MINUTE
    await go(0, () => running.nextDeadline === at)
    const before = (await outcomes()).length
    await go(9 * MINUTE, nothing)
    t.equal((await outcomes()).length, before)
    await go(MINUTE, some(before + 1))
    t.same((await outcomes()).slice(before - 1), [`outcome-${paid} Shipped`, `outcome-${reminded} Cancelled`])
    await running.stop()
  }
  const noted = (await collect(store.readCategory('orders'))).map(({ type }) => type)
  t.equal(noted.filter((type) => type === 'ProcessDeadlinePassed').length, 2)
  t.equal(noted.filter((type) => type === 'ProcessDeadlineCancelled').length, 2)
  await store.close()
})

t.test('late, after nobody ran it: what was committed until then comes before', async (t) => {
  const { store, clock, happen, outcomes, start, some, go, nothing } = await world()
  const first = await start()
  await happen('OrderPlaced', 'a')
  await first.whenProcessed(await happen('OrderPlaced', 'b'))
  const dueAt = first.nextDeadline
  await first.stop()
  clock.go(60 * MINUTE)
  await happen('PaymentReceived', 'b')
  await happen('OrderPlaced', 'c')
  await using running = await start()
  await go(0, some(2))
  await go(0, nothing)
  t.same(await outcomes(), ['outcome-b Shipped', 'outcome-a Cancelled'])
  const [, , passed] = await collect(store.readStream('orders-a'))
  t.match(passed!.data, { passedAt: clock.now(), dueAt })
  t.equal(running.status, 'running')
  await store.close()
})

t.test('[B5] wherever it is killed, before or behind an append, a deadline passes once', async (t) => {
  let appends = Infinity
  let kills = 0
  for (let at = 1; at <= appends; at++) {
    for (const committed of [false, true]) {
      const { store, clock, happen, outcomes, start, some, go } = await world()
      for (const order of ['a', 'b', 'c']) await happen('OrderPlaced', order)
      const faulty = faultyStore(store)
      faulty.inject({ on: 'append', nth: at, times: committed ? 1 : Infinity, fail: 'ERR_OUTCOME_UNKNOWN', committed })
      const killed = await start({ checkpointEvery: 1 }, faulty.store)
      await killed.whenProcessed(2).catch(() => kills++)
      clock.go(20 * MINUTE)
      await until(() => killed.status === 'failed' || killed.nextDeadline === undefined)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      await killed.stop()
      if (faulty.appends < at) appends = at
      const running = await start({ checkpointEvery: 1 })
      await go(0, some(3))
      await running.stop()
      t.same(
        await outcomes(),
        ['a', 'b', 'c'].map((order) => `outcome-${order} Cancelled`),
        `append ${at}`,
      )
      await store.close()
    }
  }
  t.ok(kills >= 8, `${kills} kills`)
  t.ok(appends > 8, `${appends} appends`)
})

t.test('two of one name: each deadline passes once', async (t) => {
  const { store, happen, outcomes, start, some, go, nothing } = await world()
  const both = [await start(), await start()]
  await happen('OrderPlaced', 'a')
  await go(0, nothing)
  await go(10 * MINUTE, some(1))
  await go(0, nothing)
  t.same(await outcomes(), ['outcome-a Cancelled'])
  await Promise.all(both.map(async (one) => one.stop()))
  await store.close()
})

t.test('[P1] a deadline whose command fails is tried again, stops the manager, or is set aside', async (t) => {
  for (const onFailure of ['stop', 'dead-letter'] as const) {
    const { store, happen, outcomes, start, some, go } = await world()
    let isBroken = true
    const failing = managerOf(store, () => {
      if (isBroken) throw new Error('no')
    })
    await using running = await start({ onFailure }, store, failing)
    await running.whenProcessed(await happen('OrderPlaced', 'a'))
    const asked = { stream: deadlineStream('orders'), offset: 0, type: 'DeadlineSet', handler: 'deadline payment' }
    if (onFailure === 'stop') {
      await go(10 * MINUTE, () => running.status === 'failed')
      t.match(running.failure, { code: 'ERR_REACTION', ...asked })
      isBroken = false
      running.resume()
    } else {
      let letters: unknown[] = []
      await go(10 * MINUTE, async () => (letters = await running.deadLetters()).length > 0)
      t.match(letters, [{ ...asked, reason: 'no' }])
      t.same(await outcomes(), [])
      isBroken = false
      t.same(await running.retryDeadLetters(), [])
    }
    await go(0, some(1))
    t.same(await outcomes(), ['outcome-a Cancelled'])
    await store.close()
  }
})

t.test('[P1] a deadline whose command hangs is given up, and nothing of it counts', async (t) => {
  const { store, happen, outcomes, start, some, go } = await world()
  let isHanging = true
  const hanging = managerOf(store, () => (isHanging ? new Promise(() => undefined) : undefined))
  await using running = await start({ timeoutMs: 1000 }, store, hanging)
  await running.whenProcessed(await happen('OrderPlaced', 'a'))
  const { length } = await collect(store.readAll())
  await go(10 * MINUTE, async () => (await outcomes()).length === 0)
  await go(0, () => running.nextDeadline !== undefined)
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  await go(1000, () => running.status === 'failed')
  t.match(running.failure, { handler: 'deadline payment', message: /did not end within 1000 ms/ })
  const types = (await collect(store.readAll({ fromPosition: length }))).map(({ type }) => type)
  t.same(
    types.filter((type) => type !== 'ReactorCheckpoint'),
    [],
  )
  isHanging = false
  running.resume()
  await go(0, some(1))
  await store.close()
})

t.test('one far away is waited for in short waits, and stopping ends the wait', async (t) => {
  const { store, clock, happen, start, go, some, outcomes } = await world()
  const far = 1000 * 24 * 60 * MINUTE
  const never = processManager<string, EventOf<typeof events>, Command>({
    name: 'orders',
    store,
    events,
    processOf: ({ data }) => data.order,
    process: {
      ...fulfilment,
      react: (input) => (input.type === 'OrderPlaced' ? [setDeadline('d', { afterMs: far })] : ['cancel']),
    },
    execute: (_, { unit }) => unit.append(outcomeEvents, { stream: 'outcome-x', events: [{ type: 'Cancelled' }] }),
  })
  const running = await start({}, store, never)
  await running.whenProcessed(await happen('OrderPlaced', 'a'))
  await until(() => clock.slept.includes(MINUTE))
  t.equal(Math.max(...clock.slept), MINUTE, 'and not 1000 days, which no timer takes')
  await running.stop()
  t.equal(running.status, 'stopped')
  await using again = await start({}, store, never)
  await until(() => again.nextDeadline !== undefined)
  await go(far, some(1))
  t.equal((await outcomes()).length, 1)
  await store.close()
})

t.test('events that go on coming do not keep a deadline from passing', async (t) => {
  const { store, happen, start, go } = await world()
  let count = 0
  let isOver = false
  const busy = processManager<number, EventOf<typeof events>, 'more' | 'over'>({
    name: 'busy',
    store,
    events,
    processOf: ({ data }) => data.order,
    process: {
      initialState: () => 0,
      evolve: (n) => n + 1,
      react: ({ type }) =>
        type === 'OrderPlaced' ? [setDeadline('d', { afterMs: 0 })] : type === 'DeadlinePassed' ? ['over'] : ['more'],
    },
    execute: async (command) => {
      if (command === 'over') isOver = true
      else if (!isOver && count++ < 500) await happen('Reminded', `other-${count}`)
    },
  })
  for (let i = 0; i < 5; i++) await happen('Reminded', `early-${i}`)
  await happen('OrderPlaced', 'a')
  for (let i = 0; i < 5; i++) await happen('Reminded', `late-${i}`)
  await using running = await start({ checkpointEvery: 2 }, store, busy)
  await go(0, () => isOver)
  t.ok(count >= 10 && count < 40, `${count} events before it`)
  t.equal(running.status, 'running')
  await store.close()
})

t.test('a process that sets a deadline whenever one passes goes on by the time that is', async (t) => {
  const { store, clock, happen, start, go } = await world()
  const passed: number[] = []
  const beating = processManager<number, EventOf<typeof events>, 'beat'>({
    name: 'beating',
    store,
    events,
    processOf: ({ data }) => data.order,
    process: {
      initialState: () => 0,
      evolve: (n) => n + 1,
      react: ({ type }) => [
        setDeadline('beat', { afterMs: MINUTE }),
        ...(type === 'DeadlinePassed' ? ['beat' as const] : []),
      ],
    },
    execute: (_, { now }) => passed.push(now),
  })
  const start0 = clock.now()
  await using running = await start({}, store, beating)
  await running.whenProcessed(await happen('OrderPlaced', 'a'))
  await go(MINUTE, () => passed.length === 1)
  await go(5 * MINUTE, () => passed.length === 2)
  await go(MINUTE, () => passed.length === 3)
  t.same(
    passed,
    [1, 6, 7].map((minutes) => start0 + minutes * MINUTE),
  )
  await store.close()
})

t.test('many deadlines that are late pass in their order, by a real clock too', async (t) => {
  await using store = await openMemoryStore()
  const orders = 300
  const outcomes: string[] = []
  const manager = processManager<number, EventOf<typeof events>, 'note'>({
    name: 'many',
    store,
    events,
    processOf: ({ data }) => data.order,
    process: {
      initialState: () => 0,
      evolve: (n) => n + 1,
      react: (input) => {
        if (input.type === 'DeadlinePassed') return ['note']
        if (input.type === 'PaymentReceived') return [cancelDeadline('d')]
        return input.type === 'OrderPlaced' ? [setDeadline('d', { at: orders - Number(input.data.order) })] : []
      },
    },
    execute: (_, { processId }) => outcomes.push(processId),
  })
  await store.append(
    'all',
    Array.from({ length: orders }, (_, n) => ({ type: 'OrderPlaced', data: { order: String(n) } })),
  )
  const { position } = await store.append(
    'all',
    Array.from({ length: orders / 3 }, (_, n) => ({ type: 'PaymentReceived', data: { order: String(3 * n) } })),
  )
  await using running = await runReactor(store, manager)
  await running.whenProcessed(position)
  await until(() => running.nextDeadline === undefined, 100_000)
  const expected = Array.from({ length: orders }, (_, n) => orders - 1 - n).filter((n) => n % 3 !== 0)
  t.same(outcomes, expected.map(String))
})

t.test(
  'thousands pending: more deadlines than memory takes are looked up again, from where a checkpoint says',
  async (t) => {
    await using store = await openMemoryStore()
    const clock = new TestClock()
    const { signal } = new AbortController()
    const count = 12_000
    const dueAt = (n: number): number => 1 + ((n * 7919) % count)
    for (let from = 0; from < count; from += 1000) {
      const data = Array.from({ length: 1000 }, (_, i) => ({
        processId: String(from + i),
        number: 0,
        name: 'd',
        dueAt: dueAt(from + i),
      }))
      await store.append(
        deadlineStream('x'),
        data.map((data) => ({ type: 'DeadlineSet', data })),
      )
    }
    let deadlines = new Deadlines(store, 'x', clock)
    await deadlines.begin(undefined, signal)
    let last = 0
    for (let passed = 0; passed < count; passed++) {
      const due = await deadlines.due(signal)
      const { dueAt } = due!.data as { dueAt: number }
      if (dueAt !== passed + 1) return void t.equal(dueAt, passed + 1)
      last = dueAt
      deadlines.passed()
      if (passed === 5000) {
        const { mark } = deadlines
        t.equal(mark.dueAt, 5002)
        deadlines = new Deadlines(store, 'x', clock)
        await deadlines.begin(mark, signal)
      }
    }
    t.equal(last, count)
    t.equal(await deadlines.due(signal), undefined)
    t.equal(await deadlines.wait(signal), undefined)
    const again = new Deadlines(store, 'x', clock)
    await again.begin(deadlines.mark, signal)
    t.equal(again.nextAt, undefined)
    t.equal(again.mark.from, count, 'nothing before is read again')
    await store.append(deadlineStream('x'), [
      { type: 'DeadlineSet', data: { processId: 'late', number: 0, name: 'd', dueAt: 5 } },
    ])
    again.committed({ set: true, removed: [] })
    t.equal(await again.wait(signal), 0)
    t.equal(again.mark.dueAt, 5, 'until it has passed')
  },
)
