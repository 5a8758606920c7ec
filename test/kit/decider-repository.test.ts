import t from 'tap'
import fc from 'fast-check'
import { openMemoryStore } from '../../engine/index.js'
import { type Decider, deciderRepository } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'
import {
  AccountError,
  type AccountCommand,
  accountDecider,
  type AccountEvent,
  accountEvents,
  type AccountState,
  fill,
  watched,
} from './account-support.js'

const options = { category: 'account', events: accountEvents, decider: accountDecider }

t.test('[G1] [G8] a command is decided from the history, and what happens is appended', async (t) => {
  await using store = await openMemoryStore()
  const accounts = deciderRepository(store, options)
  await t.rejects(accounts.load(1), { code: 'ERR_AGGREGATE_NOT_FOUND', stream: 'account-1' })
  t.equal(await accounts.find(1), undefined)
  const opened = await accounts.execute(
    1,
    { type: 'Open', accountId: 1, owner: 'Ada', cents: 5 },
    { metadata: { by: 'u' } },
  )
  t.match(opened, { stream: 'account-1', version: 1, state: { status: 'active', cents: 5 }, appended: { position: 0 } })
  t.match(await accounts.execute(1, { type: 'Withdraw', cents: 2 }), {
    version: 2,
    events: [{ type: 'MoneyWithdrawn' }],
  })
  t.same(await accounts.load(1), {
    stream: 'account-1',
    version: 2,
    state: { status: 'active', owner: 'Ada', cents: 3 },
  })
  t.match(await collect(store.readStream('account-1')), [{ metadata: { by: 'u' }, schemaVersion: 1 }, { offset: 1 }])
})

t.test('[G2] what decide throws reaches the caller as it is, and nothing is appended', async (t) => {
  await using store = await openMemoryStore()
  const accounts = deciderRepository(store, options)
  const refused = async (id: number, command: AccountCommand, message: RegExp): Promise<void> => {
    const error = await accounts.execute(id, command).catch((error: unknown) => error)
    t.ok(error instanceof AccountError)
    t.match(error, { message })
  }
  await refused(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: -1 }, /negative/)
  await refused(1, { type: 'Deposit', cents: 1 }, /no such account/)
  await accounts.execute(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 5 })
  await refused(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 5 }, /already open/)
  await refused(1, { type: 'Deposit', cents: 0 }, /positive/)
  await refused(1, { type: 'Withdraw', cents: -1 }, /positive/)
  await refused(1, { type: 'Withdraw', cents: 6 }, /Insufficient/)
  await refused(1, { type: 'Close' }, /non-zero/)
  await accounts.execute(1, { type: 'Withdraw', cents: 5 })
  await accounts.execute(1, { type: 'Close' })
  await refused(1, { type: 'Close' }, /already closed/)
  await refused(1, { type: 'Deposit', cents: 1 }, /closed/)
  await refused(1, { type: 'Withdraw', cents: 1 }, /closed/)
  t.equal((await store.streamInfo('account-1')).version, 3)
})

t.test('deciders that answer nonsense append nothing', async (t) => {
  await using store = await openMemoryStore()
  const wrong = (changes: object): ReturnType<typeof deciderRepository<AccountState, AccountCommand, AccountEvent>> =>
    deciderRepository(store, { ...options, decider: { ...accountDecider, ...changes } })
  const open: AccountCommand = { type: 'Open', accountId: 1, owner: 'Ada', cents: 5 }
  const at = { stream: 'account-1', offset: 0, type: 'AccountOpened' }
  await t.rejects(wrong({ decide: async () => [] }).execute(1, open), {
    message: /returned no array of events, but a promise/,
  })
  await t.rejects(wrong({ decide: () => undefined }).execute(1, open), { code: 'ERR_INVALID_ARGUMENT' })
  await t.rejects(wrong({ evolve: () => undefined }).execute(1, open), { code: 'ERR_EVOLVE', ...at })
  await t.rejects(wrong({ evolve: async () => 1 }).execute(1, open), { code: 'ERR_EVOLVE', ...at })
  const cause = new Error('x')
  const thrower = () => {
    throw cause
  }
  await t.rejects(wrong({ evolve: thrower }).execute(1, open), { code: 'ERR_EVOLVE', ...at, cause })
  const unknown: Decider<unknown, unknown, AccountEvent>['decide'] = () => [
    { type: 'Strange' } as unknown as AccountEvent,
  ]
  await t.rejects(wrong({ decide: unknown, evolve: () => 1 }).execute(1, open), {
    code: 'ERR_UNKNOWN_EVENT',
    type: 'Strange',
  })
  t.match(await wrong({ decide: () => [] }).execute(1, open), { version: 0, events: [], appended: undefined })
  t.equal((await store.streamInfo('account-1')).version, 0)
})

t.test('[G6] [G8] conflicts are decided again, at most so often; a signal ends it between attempts', async (t) => {
  const watch = await watched()
  const accounts = deciderRepository(watch.store, options)
  await fill(watch.store, 0)
  let calls = 0
  const other = deciderRepository(watch.store, options)
  const interfere = (times: number): void => {
    calls = 0
    watch.beforeAppend = async () => {
      if (calls++ >= times) return
      const self = watch.beforeAppend
      watch.beforeAppend = undefined
      await other.execute(1, { type: 'Deposit', cents: 100 })
      watch.beforeAppend = self
    }
  }
  interfere(4)
  t.match(await accounts.execute(1, { type: 'Deposit', cents: 1 }), { state: { cents: 401 } })
  interfere(2)
  await t.rejects(accounts.execute(1, { type: 'Deposit', cents: 1 }, { attempts: 2 }), { code: 'ERR_VERSION_CONFLICT' })
  const controller = new AbortController()
  interfere(1)
  const before = watch.beforeAppend
  watch.beforeAppend = async () => {
    await before?.()
    controller.abort(new Error('enough'))
  }
  await t.rejects(accounts.execute(1, { type: 'Deposit', cents: 1 }, { signal: controller.signal }), {
    message: 'enough',
  })
  t.match(await accounts.load(1), { state: { cents: 701 } })
  for (const attempts of [0, 1.5, NaN]) {
    await t.rejects(accounts.execute(1, { type: 'Close' }, { attempts }), { code: 'ERR_INVALID_ARGUMENT' })
  }
})

const command: fc.Arbitrary<AccountCommand> = fc.oneof(
  fc.record({ type: fc.constant('Deposit' as const), cents: fc.integer({ min: -1, max: 9 }) }),
  fc.record({ type: fc.constant('Withdraw' as const), cents: fc.integer({ min: -1, max: 9 }) }),
  fc.record({ type: fc.constant('Close' as const) }),
)
const seed = Number(process.env['ANNALS_PROPERTY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

t.test(
  '[G6] commands at the same time leave what some order of them one by one leaves, that of the events',
  async (t) => {
    t.comment(`seed ${seed}`)
    let conflicts = 0
    let contended = 0
    const property = fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2 }), command), { maxLength: 12 }),
      async (commands) => {
        await using store = await openMemoryStore()
        const accounts = deciderRepository(store, options)
        for (const id of [1, 2]) await accounts.execute(id, { type: 'Open', accountId: id, owner: 'x', cents: 5 })
        let attempts = 0
        const counting = deciderRepository(store, {
          ...options,
          decider: {
            ...accountDecider,
            decide: (one: AccountCommand, state: AccountState) => (attempts++, accountDecider.decide(one, state)),
          },
        })
        const outcomes = await Promise.allSettled(
          commands.map(async ([id, one]) => counting.execute(id, one, { attempts: 20 })),
        )
        conflicts += attempts - commands.length
        for (const id of [1, 2]) {
          const events = (await collect(accountEvents.read(store.readStream(`account-${id}`)))) as AccountEvent[]
          let state = accountDecider.initialState()
          let accepted = 0
          for (const [i, event] of events.entries()) {
            // Each event was allowed by the state before it: nobody decided from old facts.
            if (i > 0) accountDecider.decide(commandOf(event), state)
            if (i > 0) accepted++
            state = accountDecider.evolve(state, event)
          }
          const fulfilled = outcomes.filter(({ status }, i) => status === 'fulfilled' && commands[i]![0] === id)
          contended += Math.max(0, accepted - 1)
          if (fulfilled.length !== accepted) throw new Error(`${fulfilled.length} accepted, ${accepted} stored`)
          const loaded = await accounts.load(id)
          if (JSON.stringify(loaded.state) !== JSON.stringify(state)) throw new Error('loaded another state')
        }
        for (const one of outcomes) {
          if (one.status === 'rejected' && !(one.reason instanceof AccountError)) throw one.reason as Error
        }
      },
    )
    await fc.assert(property, { numRuns: Number(process.env['ANNALS_PROPERTY_RUNS'] ?? 100), seed })
    // They all load before the first of them appends: of those accepted by one stream, each but the first was in conflict.
    t.ok(contended > 0 && conflicts >= contended, `${conflicts} conflicts, ${contended} at least`)
  },
)

function commandOf({ type, data }: AccountEvent): AccountCommand {
  if (type === 'MoneyDeposited') return { type: 'Deposit', cents: data.cents }
  if (type === 'MoneyWithdrawn') return { type: 'Withdraw', cents: data.cents }
  return { type: 'Close' }
}
