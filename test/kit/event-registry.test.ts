import t from 'tap'
import { openMemoryStore, type StoredEvent } from '../../engine/index.js'
import {
  combineEvents,
  defineEvents,
  event,
  EventValidationError,
  type StandardIssue,
  type StandardSchema,
  UnknownEventError,
} from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'

/** A schema of positive amounts, that answers at once or later. */
function positive(later: boolean): StandardSchema<{ readonly amount: number }> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        const { amount } = value as { amount: number }
        if (Number.isNaN(amount)) throw new Error('broken schema')
        const issues: StandardIssue[] =
          amount > 0 ? [] : [{ message: 'must be positive', path: ['lines', 0, { key: 'amount' }] }]
        const result = issues.length > 0 ? { issues } : { value: { amount: 99 } }
        return later ? Promise.resolve(result) : result
      },
    },
  }
}

t.test('[B3] every read path brings events to their newest version', async (t) => {
  await using store = await openMemoryStore()
  const events = defineEvents({
    Opened: event<{ name: string }>()
      .upcast(({ name }) => ({ owner: name }))
      .formerly('AccountOpened'),
    Closed: event(),
  })
  await store.append('account-1', [
    { type: 'AccountOpened', data: { name: 'Ada' }, metadata: { by: 'x' } },
    { type: 'Opened', data: { owner: 'Grace' }, schemaVersion: 2 },
    { type: 'Closed' },
  ])
  const expected = [
    { type: 'Opened', data: { owner: 'Ada' }, schemaVersion: 2, offset: 0, metadata: { by: 'x' }, stream: 'account-1' },
    { type: 'Opened', data: { owner: 'Grace' }, schemaVersion: 2, offset: 1 },
    { type: 'Closed', data: undefined, schemaVersion: 1, offset: 2 },
  ]
  for (const source of [
    store.readStream('account-1'),
    store.readAll({ types: events.types }),
    store.readCategory('account'),
  ]) {
    t.match(await collect(events.read(source)), expected)
  }
  const followed: StoredEvent[] = []
  await using subscription = store.subscribe({ category: 'account' })
  for await (const one of events.read(subscription)) if (followed.push(one) === 3) break
  t.match(followed, expected)
})

t.test(
  '[G7] unknown types throw, are skipped or pass raw, by choice; the error names stream, offset and type',
  async (t) => {
    await using store = await openMemoryStore()
    await store.append('account-1', [{ type: 'Known' }, { type: 'Strange', data: 1 }, { type: 'Known' }])
    const read = (): AsyncIterable<StoredEvent> => store.readStream('account-1')
    const strict = defineEvents({ Known: event() })
    const error = await collect(strict.read(read())).catch((error: unknown) => error)
    t.ok(error instanceof UnknownEventError)
    t.match(error, { code: 'ERR_UNKNOWN_EVENT', stream: 'account-1', offset: 1, type: 'Strange' })
    t.match(error, { message: 'Cannot read offset 1 of stream "account-1": event type "Strange" is not registered' })
    const lenient = defineEvents({ Known: event() }, { unknown: 'skip' })
    t.same(
      (await collect(lenient.read(read()))).map(({ offset }) => offset),
      [0, 2],
    )
    await t.rejects(collect(lenient.read(read(), { unknown: 'throw' })), { code: 'ERR_UNKNOWN_EVENT' })
    const raw = await collect(strict.read(read(), { unknown: 'raw' }))
    t.same(
      raw.map((one) => strict.isKnown(one)),
      [true, false, true],
    )
    t.same(raw[1]?.data, 1)
    t.throws(() => defineEvents({}, { unknown: 'raw' as 'skip' }), { code: 'ERR_INVALID_ARGUMENT' })
  },
)

t.test('[G7] a name is registered once', (t) => {
  const once = event<{ n: number }>()
  t.throws(() => defineEvents({ A: event(), B: event().formerly('A') }), { message: /"A" is registered twice/ })
  t.throws(() => defineEvents({ A: event().formerly('C'), B: event().formerly('C') }), {
    message: /"C" is registered twice/,
  })
  t.throws(() => combineEvents(defineEvents({ A: once }), defineEvents({ A: event() })), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /"A" is registered twice/,
  })
  t.throws(() => combineEvents(defineEvents({ A: once }), defineEvents({ B: once.formerly('A') })), /registered twice/)
  const both = combineEvents(defineEvents({ A: once }), defineEvents({ A: once, B: event() }))
  t.same(both.types, ['A', 'B'])
  t.throws(() => defineEvents({ A: Object.create(null) as typeof once }), { message: /"A" is not made by event\(\)/ })
  t.end()
})

t.test('[G7] names that objects have by themselves are no event types', async (t) => {
  const events = defineEvents({ A: event() })
  for (const type of ['constructor', 'toString', '__proto__']) {
    await t.rejects(events.encode('s', [{ type } as never]), { code: 'ERR_UNKNOWN_EVENT', type, offset: undefined })
  }
})

t.test('the fingerprint changes with types, names and versions, and not with their order', (t) => {
  const print = (...args: Parameters<typeof defineEvents>): string => defineEvents(...args).fingerprint
  const one = print({ A: event(), B: event() })
  t.equal(print({ B: event(), A: event() }), one)
  const others = [
    print({ A: event() }),
    print({ A: event(), B: event().upcast(() => 1) }),
    print({ A: event(), B: event().formerly('C') }),
  ]
  t.equal(new Set([one, ...others]).size, 4)
  t.end()
})

t.test('[B3] [B4] events are encoded with their schema version, and metadata below their own', async (t) => {
  const events = defineEvents({ A: event<number>().upcast((n) => n), B: event() })
  const id = '00000000-0000-4000-8000-000000000001'
  t.same(
    await events.encode('s', [{ type: 'A', data: 1, id, metadata: { correlationId: 'own' } }, { type: 'B' }], {
      correlationId: 'c',
      user: 'u',
    }),
    [
      { type: 'A', data: 1, id, metadata: { correlationId: 'own', user: 'u' }, schemaVersion: 2 },
      { type: 'B', metadata: { correlationId: 'c', user: 'u' }, schemaVersion: 1 },
    ],
  )
})

t.test('[B3] an event that names a schema version itself is encoded with that of its definition', async (t) => {
  const events = defineEvents({ A: event<number>().upcast((n) => n) })
  const stored = { type: 'A' as const, data: 1, schemaVersion: 1 }
  t.same(await events.encode('s', [stored]), [{ type: 'A', data: 1, schemaVersion: 2 }])
  t.same(await events.encode('s', [stored], { user: 'u' }), [
    { type: 'A', data: 1, schemaVersion: 2, metadata: { user: 'u' } },
  ])
})

for (const later of [false, true]) {
  t.test(`[D4] a schema that answers ${later ? 'later' : 'at once'} has its say`, async (t) => {
    const events = defineEvents({
      Paid: event(positive(later)),
      Old: event<number>()
        .upcast((amount) => ({ amount }))
        .validate(positive(later)),
    })
    t.same(
      await events.encode('s', [{ type: 'Paid', data: { amount: 1 } }]),
      [{ type: 'Paid', data: { amount: 1 }, schemaVersion: 1 }],
      'the data stay as they were applied',
    )
    const refused = await events
      .encode('account-1', [
        { type: 'Paid', data: { amount: 1 } },
        { type: 'Paid', data: { amount: -1 } },
      ])
      .catch((error: unknown) => error)
    t.ok(refused instanceof EventValidationError)
    t.match(refused, {
      code: 'ERR_INVALID_EVENT',
      path: 'events[1].data.lines[0].amount',
      stream: 'account-1',
      type: 'Paid',
      reason: /must be positive/,
      issues: [{ message: 'must be positive' }],
    })
    await t.rejects(events.encode('s', [{ type: 'Paid', data: { amount: NaN } }]), {
      code: 'ERR_INVALID_EVENT',
      reason: /it failed: broken schema/,
      cause: { message: 'broken schema' },
    })

    await using store = await openMemoryStore()
    await store.append('s', [{ type: 'Old', data: 1 }])
    t.match(await collect(events.read(store.readStream('s'))), [{ data: { amount: 1 }, schemaVersion: 2 }])
    await store.append('s', [{ type: 'Old', data: { amount: -1 }, schemaVersion: 2 }])
    t.equal((await collect(events.read(store.readStream('s')))).length, 2, 'what was stored as it is was checked then')
    await store.append('bad', [{ type: 'Old', data: -1 }])
    await t.rejects(collect(events.read(store.readStream('bad'))), {
      code: 'ERR_UPCAST',
      stream: 'bad',
      offset: 0,
      message: /refuses data\.lines\[0\]\.amount of what the upcasters made: must be positive/,
    })
    await store.append('worse', [{ type: 'Old', data: NaN }])
    await t.rejects(collect(events.read(store.readStream('worse'))), {
      code: 'ERR_UPCAST',
      message: /the schema failed/,
    })
  })
}
