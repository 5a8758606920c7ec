import t from 'tap'
import {
  deciderRepository,
  inlineProjections,
  memoryProjections,
  type NotProjectedError,
  projection,
  runProjection,
} from '../../../kit/index.js'
import { accountEvents, balances, storeWith, total } from './projection-support.js'

const deposited = { type: 'Deposited', data: { cents: 1 } }

t.test('[P1] an append resolves when the inline projections have it, of one stream or several', async (t) => {
  const store = await storeWith(3)
  t.teardown(() => store.close())
  const projections = memoryProjections()
  await using sum = await runProjection(store, total, { projections })
  await using accounts = await runProjection(store, balances, { projections })
  const inline = inlineProjections(store, [sum, accounts])
  for (let n = 4; n <= 20; n++) {
    await inline.append('account-1', [deposited])
    t.equal(sum.state().events, n)
  }
  await inline.appendMany([
    { stream: 'account-1', events: [deposited] },
    { stream: 'account-9', events: [deposited, deposited] },
  ])
  t.same([sum.state().events, accounts.table('accounts').get('account-9')?.events], [23, 2])
  await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      await inline.append(`account-${n}`, [deposited])
      t.ok((accounts.table('accounts').get(`account-${n}`)?.events ?? 0) > 0)
    }),
  )
  await inline.append('other', [{ type: 'Unwanted' }])
  t.equal((await inline.append('other', [])).position, -1)
  t.equal((await inline.streamInfo('account-1')).version, 20, 'everything else is as it was')

  const counter = deciderRepository(inline, {
    category: 'account',
    events: accountEvents,
    decider: { initialState: () => 0, decide: () => [deposited as never], evolve: (count) => count + 1 },
  })
  await counter.execute('new', 'deposit')
  t.equal(accounts.table('accounts').get('account-new')?.events, 1, 'repositories append through it')

  await sum.pause()
  await accounts.stop()
  await inline.append('account-1', [deposited])
  t.pass('nobody waits for what is paused or stopped')
})

t.test('[P1] an inline projection whose handler hangs: the append does not, and says so', async (t) => {
  const store = await storeWith(1)
  t.teardown(() => store.close())
  const hanging = projection({
    name: 'hanging',
    events: accountEvents,
    initialState: () => 0,
    handlers: { Closed: () => new Promise<number>(() => undefined) },
  })
  await using runner = await runProjection(store, hanging, {
    projections: memoryProjections(),
    retry: { attempts: 1 },
    timeoutMs: 5,
  })
  await t.rejects(inlineProjections(store, [runner]).append('account-0', [{ type: 'Closed' }]), {
    code: 'ERR_NOT_PROJECTED',
    cause: { code: 'ERR_PROJECTION_HANDLER', message: /did not end within 5 ms/, stream: 'account-0', type: 'Closed' },
  })
  t.equal((await store.streamInfo('account-0')).version, 2)
})

t.test('[P1] an inline projection that fails: the events are stored, and the append says so', async (t) => {
  const store = await storeWith(1)
  t.teardown(() => store.close())
  const failing = projection({
    name: 'failing',
    events: accountEvents,
    initialState: () => 0,
    handlers: {
      Closed: () => {
        throw new Error('never')
      },
    },
  })
  await using runner = await runProjection(store, failing, {
    projections: memoryProjections(),
    retry: { attempts: 1 },
  })
  const inline = inlineProjections(store, [runner])
  await inline.append('account-1', [deposited])
  await t.rejects(inline.append('account-0', [{ type: 'Closed' }]), {
    code: 'ERR_NOT_PROJECTED',
    projection: 'failing',
    results: [{ stream: 'account-0', version: 2 }],
    cause: { code: 'ERR_PROJECTION_HANDLER' },
  })
  t.equal((await store.streamInfo('account-0')).version, 2)
  const heard: NotProjectedError[] = []
  const quiet = inlineProjections(store, [runner], { onFailure: (error) => heard.push(error) })
  t.equal((await quiet.append('account-0', [{ type: 'Closed' }])).version, 3)
  t.match(heard, [{ code: 'ERR_NOT_PROJECTED' }])
  await t.rejects(inline.append('account-0', [deposited], { expectedVersion: 0 }), { code: 'ERR_VERSION_CONFLICT' })
})
