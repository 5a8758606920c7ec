import t from 'tap'
import { type EventStore, openMemoryStore } from '../../../engine/index.js'
import { type SagaState, type Step, transferManager, transferSaga } from '../../../examples/transfer-saga/transfers.js'
import {
  defineEvents,
  event,
  type Process,
  processManager,
  type ReactorOptions,
  runReactor,
} from '../../../kit/index.js'
import { faultyStore } from '../../../kit/testing/index.js'
import { collect } from '../../contract/contract-support.js'
import { noteEvents, notes, swiftClock } from './reactor-support.js'

const options: ReactorOptions = { clock: swiftClock(), retry: { attempts: 2 } }

/** Two accounts with money, one that is closed. */
async function bank(store: EventStore): Promise<ReturnType<typeof transferManager>> {
  const bank = transferManager(store)
  for (const [accountId, cents] of [
    [1, 100],
    [2, 100],
    [3, 0],
  ] as const) {
    await bank.accounts.execute(accountId, { type: 'Open', accountId, owner: 'x', cents })
  }
  await bank.accounts.execute(3, { type: 'Close' })
  return bank
}

/** Requests transfers, and stops the saga when nothing is left to do. */
async function settle(store: EventStore, manager: ReturnType<typeof transferManager>['manager']): Promise<void> {
  await using saga = await runReactor(store, manager, options)
  for (let end = -1; ;) {
    const { length } = await collect(store.readAll())
    if (length === end) return
    await saga.whenProcessed(length - 1)
    end = length
  }
}

async function outcomes(store: EventStore): Promise<unknown> {
  const { accounts, transfers } = transferManager(store)
  const [one, two] = await Promise.all([accounts.load(1), accounts.load(2)])
  const states = await Promise.all(['a', 'b', 'c'].map(async (id) => (await transfers.find(id))?.state))
  return [one.state, two.state, ...states].map((state) =>
    state !== undefined && 'cents' in state ? state.cents : state,
  )
}

const REQUESTS = [
  ['a', 1, 2, 30],
  ['b', 2, 1, 500],
  ['c', 2, 3, 20],
] as const
const EXPECTED = [
  70,
  130,
  { status: 'completed' },
  { status: 'failed', reason: 'Insufficient funds' },
  { status: 'failed', reason: 'Cannot deposit to closed account' },
]

t.test('[M5] [B4] a transfer in steps: one is finished, one begins with nothing, one is made good again', async (t) => {
  await using store = await openMemoryStore()
  const { transfers, manager } = await bank(store)
  for (const [transferId, from, to, cents] of REQUESTS) {
    await transfers.execute(transferId, { type: 'Request', transferId, from, to, cents })
  }
  await settle(store, manager)
  t.same(await outcomes(store), EXPECTED)
  t.match(
    (await collect(store.readStream('account-2'))).slice(1).map(({ type, data }) => [type, data]),
    [
      ['MoneyWithdrawn', { cents: 20, transferId: 'c' }],
      ['MoneyDeposited', { cents: 30, transferId: 'a' }],
      ['MoneyDeposited', { cents: 20, transferId: 'c' }],
    ],
  )
  const [requested] = await collect(store.readStream('transfer-c'))
  const chain = await collect(store.readAll({ correlationId: requested!.id }))
  t.same(
    chain.map(({ stream, type }) => [stream, type]),
    [
      ['account-2', 'MoneyWithdrawn'],
      ['transfer-saga-c', 'ProcessInput'],
      ['account-2', 'MoneyDeposited'],
      ['transfer-saga-c', 'ProcessInput'],
      ['transfer-saga-c', 'ProcessCommandRefused'],
      ['transfer-c', 'TransferFailed'],
      ['transfer-saga-c', 'ProcessInput'],
      ['transfer-saga-c', 'ProcessInput'],
    ],
  )
  t.equal((chain[0]!.metadata as { causationId: string }).causationId, requested!.id)
  t.equal((chain[2]!.metadata as { causationId: string }).causationId, chain[0]!.id)
})

t.test('[B5] wherever it is killed, before or behind an append, each step happens once', async (t) => {
  let appends = Infinity
  let kills = 0
  for (let at = 1; at <= appends; at++) {
    for (const committed of [false, true]) {
      await using store = await openMemoryStore()
      const { transfers } = await bank(store)
      for (const [transferId, from, to, cents] of REQUESTS) {
        await transfers.execute(transferId, { type: 'Request', transferId, from, to, cents })
      }
      const faulty = faultyStore(store)
      faulty.inject({ on: 'append', nth: at, times: Infinity, fail: 'ERR_OUTCOME_UNKNOWN' })
      if (committed) {
        faulty.heal()
        faulty.inject({ on: 'append', nth: at, fail: 'ERR_OUTCOME_UNKNOWN', committed })
      }
      await settle(faulty.store, transferManager(faulty.store).manager).catch(() => kills++)
      await settle(store, transferManager(store).manager)
      t.same(await outcomes(store), EXPECTED, `killed ${committed ? 'behind' : 'before'} append ${at}`)
      const types = (await collect(store.readCategory('account'))).map(({ type }) => type)
      t.equal(types.filter((type) => type.startsWith('Money')).length, 4, types.join())
      // Without a kill it makes so many.
      if (faulty.appends < at) appends = at
    }
  }
  t.ok(kills > 15, `${kills} kills`)
})

t.test('[P1] where nobody takes the money back, it is a dead letter for people to look at', async (t) => {
  await using store = await openMemoryStore()
  const { accounts, transfers, manager } = await bank(store)
  await transfers.execute('c', { type: 'Request', transferId: 'c', from: 2, to: 3, cents: 100 })
  // The account is closed between two steps.
  const faulty = faultyStore(store)
  faulty.inject({ on: 'append', stream: 'transfer-saga-c', nth: 2, times: Infinity, fail: new Error('killed') })
  const first = await runReactor(faulty.store, transferManager(faulty.store).manager, options)
  const withdrawn = { position: 5, type: 'MoneyWithdrawn' }
  await first.whenProcessed(withdrawn.position).catch(() => undefined)
  await first.stop()
  await accounts.execute(2, { type: 'Close' })
  const running = await runReactor(store, manager, { ...options, onFailure: 'dead-letter' })
  await running.whenProcessed(withdrawn.position)
  t.match(await running.deadLetters(), [{ ...withdrawn, reason: /Refund was refused/ }])
  await running.stop()
})

const copyEvents = defineEvents({ Copied: event<number>() })
const counting: Process<number, never, string> = {
  initialState: () => 0,
  evolve: (count) => count + 1,
  react: (_, count) => (count > 2 ? [`three and more: ${count}`] : []),
}

t.test('processes are told apart, remember, and ignore what is none of theirs', async (t) => {
  await using store = await openMemoryStore()
  const executed: string[] = []
  const manager = processManager({
    name: 'counting',
    events: noteEvents,
    store,
    processOf: ({ data }) => (data === undefined ? undefined : data.n % 2 === 0 ? 'even' : 'odd'),
    process: counting,
    execute: (command, { processId }) => executed.push(`${processId}: ${command}`),
  })
  for (let session = 0; session < 2; session++) {
    const { position } = await store.append('notes', [...notes(session === 0 ? 4 : 3, session * 4), { type: 'Other' }])
    const running = await runReactor(store, manager)
    await running.whenProcessed(position)
    await running.stop()
  }
  t.same(executed, ['even: three and more: 3', 'odd: three and more: 3', 'even: three and more: 4'])
  t.equal((await store.streamInfo('counting-even')).version, 4)
  t.equal((await store.streamInfo('counting-odd')).version, 3)
})

t.test('what makes good for a refusal is done before what was planned behind it', async (t) => {
  await using store = await openMemoryStore()
  const executed: string[] = []
  const planned: Process<number, never, string> = {
    ...counting,
    react: (input) => ((input as { type: string }).type === 'CommandRefused' ? ['repair'] : ['bad', 'after']),
  }
  const manager = processManager({
    name: 'planned',
    events: noteEvents,
    store,
    processOf: () => 'p',
    process: planned,
    execute: (command) => {
      executed.push(command)
      if (command === 'bad') throw new Error('no')
    },
    isRefusal: () => true,
  })
  await using running = await runReactor(store, manager)
  const { position } = await store.append('notes', notes(1))
  await running.whenProcessed(position)
  t.same(executed, ['bad', 'repair', 'after'])
})

t.test('[G6] a process that has come to know something meanwhile decides again', async (t) => {
  await using store = await openMemoryStore()
  const states: number[] = []
  const manager = processManager({
    name: 'careful',
    events: noteEvents,
    store,
    processOf: () => 'p',
    process: { ...counting, react: (_, count) => (states.push(count), ['x']) },
    // As a dead letter does that is made up beside it.
    execute: async () => {
      if (states.length === 1) await store.append('careful-p', [{ type: 'ProcessInput', data: { position: 0 } }])
    },
  })
  await using running = await runReactor(store, manager)
  const { position } = await store.append('notes', notes(1))
  await running.whenProcessed(position)
  t.same(states, [1, 2])
})

t.test('what processes may not do is an error with a name and a place', async (t) => {
  const failing = async (changes: object, message: RegExp): Promise<void> => {
    await using store = await openMemoryStore()
    const base = {
      name: 'wrong',
      events: noteEvents,
      store,
      processOf: () => 'p',
      process: { initialState: () => 0, evolve: () => 1, react: () => ['x'] },
      execute: () => undefined,
    }
    const running = await runReactor(store, processManager({ ...base, ...changes }), options)
    const { position } = await store.append('notes', notes(1))
    await t.rejects(running.whenProcessed(position), {
      code: 'ERR_REACTION',
      reactor: 'wrong',
      stream: 'notes',
      message,
    })
    t.equal((await store.streamInfo('wrong-p')).version, 0, 'nothing is noted')
    await running.stop()
  }
  const process = { initialState: () => 0, evolve: () => 1, react: () => ['x'] }
  const refuse = () => {
    throw new Error('no')
  }
  await failing({ processOf: () => 5 }, /processOf returned "5"/)
  await failing(
    { process: { ...process, evolve: () => undefined } },
    /offset 0 of stream "wrong-p": evolve returned undefined/,
  )
  await failing({ process: { ...process, react: () => undefined } }, /react returned no array/)
  await failing({ execute: refuse }, /: no$/)
  await failing({ execute: refuse, isRefusal: () => true }, /more than 1000 commands/)
  t.throws(() => processManager({ name: 'A' } as never), { code: 'ERR_INVALID_ARGUMENT' })
})

t.test('commands, effects and the note of the input are one commit', async (t) => {
  await using store = await openMemoryStore()
  const manager = processManager<SagaState, never, Step>({
    name: 'whole',
    events: noteEvents as never,
    store,
    processOf: () => 'p',
    process: { ...transferSaga, evolve: (state) => state, react: () => [{ type: 'Complete' }, { type: 'Complete' }] },
    execute: (_, { unit, effectId }) => {
      unit.append(copyEvents, {
        stream: effectId.startsWith('whole:0:') ? `copies-${Math.random()}` : 'x',
        events: [{ type: 'Copied', data: 1 }],
      })
    },
  })
  await using running = await runReactor(store, manager)
  const { position } = await store.append('notes', notes(1))
  await running.whenProcessed(position)
  const all = await collect(store.readAll({ fromPosition: 1, toPosition: 3 }))
  t.equal(new Set(all.map(({ commitId }) => commitId)).size, 1)
  t.same(
    all.map(({ type }) => type),
    ['Copied', 'Copied', 'ProcessInput'],
  )
})
