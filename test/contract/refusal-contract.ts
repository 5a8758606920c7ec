import type { Test } from 'tap'
import type { AppendOptions, NewEvent, OpenOptions, ReadAllOptions, ReadStreamOptions } from '../../engine/index.js'
import { assertUntouched, BAD_NAMES, collect, type ContractContext, numbered } from './contract-support.js'

const event = { type: 'T', data: 1 }
const any = (value: unknown): never => value as never

class Money {
  readonly amount = 1
}

/** Events that cannot be stored, and the path the error names. */
function badEvents(): readonly (readonly [unknown, string | undefined])[] {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = { cycle }
  let deep: unknown = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  const getter = {
    get x(): number {
      throw new Error('not today')
    },
  }
  return [
    [undefined, undefined],
    [null, undefined],
    ['text', undefined],
    [1, undefined],
    [[], undefined],
    [{}, 'type'],
    [{ type: '' }, 'type'],
    [{ type: 1 }, 'type'],
    [{ type: '\ud800' }, 'type'],
    [{ ...event, extra: 1 }, 'extra'],
    [{ ...event, id: 'x' }, 'id'],
    [{ ...event, id: '0188D1B2-0001-7000-8000-00000000ABCD' }, 'id'],
    [{ ...event, id: 7 }, 'id'],
    [{ ...event, timestamp: 'now' }, 'timestamp'],
    [{ ...event, timestamp: NaN }, 'timestamp'],
    [{ ...event, timestamp: 1.5 }, 'timestamp'],
    [{ ...event, timestamp: new Date(NaN) }, 'timestamp'],
    [{ ...event, timestamp: 8.64e15 + 1 }, 'timestamp'],
    [{ ...event, schemaVersion: -1 }, 'schemaVersion'],
    [{ ...event, schemaVersion: 65_536 }, 'schemaVersion'],
    [{ ...event, schemaVersion: 1.5 }, 'schemaVersion'],
    [{ ...event, tags: 'a' }, 'tags'],
    [{ ...event, tags: ['a', 1] }, 'tags[1]'],
    [{ ...event, tags: [''] }, 'tags[0]'],
    [{ ...event, tags: ['\udc00'] }, 'tags[0]'],
    [{ ...event, tags: ['a', 'b', 'a'] }, 'tags[2]'],
    [{ ...event, tags: 'a,b,c,d,e,f,g,h,i,j,a'.split(',') }, 'tags[10]'],
    [{ ...event, metadata: 1 }, 'metadata'],
    [{ ...event, metadata: null }, 'metadata'],
    [{ ...event, metadata: [1] }, 'metadata'],
    [{ ...event, metadata: { f: () => 1 } }, 'metadata.f'],
    [{ type: 'T', data: () => 1 }, 'data'],
    [{ type: 'T', data: { a: [1, Symbol('x')] } }, 'data.a[1]'],
    [{ type: 'T', data: cycle }, undefined],
    [{ type: 'T', data: deep }, undefined],
    [{ type: 'T', data: new Money() }, 'data'],
    [{ type: 'T', data: { re: /x/ } }, 'data.re'],
    [{ type: 'T', data: new Error('x') }, 'data'],
    [{ type: 'T', data: new Float64Array(1) }, 'data'],
    // eslint-disable-next-line no-sparse-arrays
    [{ type: 'T', data: [1, , 2] }, undefined],
    [{ type: 'T', data: new Date(NaN) }, 'data'],
    [{ type: 'T', data: '\ud800' }, 'data'],
    [{ type: 'T', data: getter }, 'data.x'],
  ]
}

/** What is refused, with which code, and that nothing is stored then. */
export function refusalContract(t: Test, { open }: ContractContext): void {
  t.test('[A2] [fault 65] empty, ill-formed and over-long names are refused everywhere', async (t) => {
    await using store = await open()
    const refused = { name: 'InvalidArgumentError', code: 'ERR_INVALID_NAME' }
    for (const name of BAD_NAMES) {
      await t.rejects(store.append(any(name), numbered(1)), refused)
      await t.rejects(store.append(any(name), []), refused)
      await t.rejects(
        store.appendMany([{ stream: 'a', events: numbered(1) }, any({ stream: name, events: [] })]),
        refused,
      )
      await t.rejects(store.streamInfo(any(name)), refused)
      t.throws(() => store.readStream(any(name)), refused)
    }
    await assertUntouched(t, store, 'a')
  })

  t.test(
    '[M3] [fault 61] one event that cannot be stored refuses the whole call, and the error says where',
    async (t) => {
      await using store = await open()
      for (const [bad, path] of badEvents()) {
        const refused = { code: 'ERR_INVALID_EVENT', ...(path === undefined ? {} : { path }) }
        await t.rejects(store.append('a', [any(bad)]), refused)
        const inBatch = { code: 'ERR_INVALID_EVENT', path: path === undefined ? /^events\[2\]/ : `events[2].${path}` }
        await t.rejects(store.append('a', [...numbered(2), any(bad), ...numbered(1)]), inBatch)
        await t.rejects(
          store.appendMany([
            { stream: 'a', events: numbered(2) },
            { stream: 'b', events: [any(bad)] },
          ]),
          { code: 'ERR_INVALID_EVENT' },
        )
      }
      await assertUntouched(t, store, 'a')
      await assertUntouched(t, store, 'b')
      t.equal((await collect(store.readAll())).length, 2)
    },
  )

  t.test('[C1] [fault 67] an expected version that is none is refused before anything is written', async (t) => {
    await using store = await open()
    for (const expectedVersion of [-1, NaN, 1.5, 2 ** 53, Infinity, '1', 'exists', null, {}, 1n]) {
      const refused = { code: 'ERR_INVALID_ARGUMENT' }
      await t.rejects(store.append('a', numbered(1), any({ expectedVersion })), refused)
      await t.rejects(store.appendMany([any({ stream: 'a', events: numbered(1), expectedVersion })]), refused)
    }
    await assertUntouched(t, store, 'a')
  })

  t.test('unknown options and values that are none are refused by name', async (t) => {
    await using store = await open()
    const code = 'ERR_INVALID_ARGUMENT'
    await t.rejects(store.append('a', numbered(1), any({ expectedversion: 1 })), { code, message: /expectedversion/ })
    await t.rejects(store.appendMany([], any({ expectedVersion: 1 })), { code, message: /expectedVersion/ })
    await t.rejects(store.appendMany([any({ stream: 'a', events: [], version: 1 })]), { code, message: /version/ })
    for (const bad of [null, 1, 'x', []]) {
      await t.rejects(store.append('a', numbered(1), any(bad)), { code })
      await t.rejects(store.appendMany([], any(bad)), { code })
      t.throws(() => store.readStream('a', any(bad)), { code })
      t.throws(() => store.readAll(any(bad)), { code })
    }
    for (const durability of ['none', 1, null] as unknown as AppendOptions['durability'][]) {
      await t.rejects(store.append('a', numbered(1), { durability }), { code })
      await t.rejects(store.appendMany([], { durability }), { code })
    }
    for (const events of [undefined, null, {}, 'x', new Set([event])]) {
      await t.rejects(store.append('a', any(events)), { code })
      await t.rejects(store.appendMany([any({ stream: 'a', events })]), { code })
    }
    for (const appends of [undefined, null, {}, 'x', [null], [1]]) {
      await t.rejects(store.appendMany(any(appends)), { code })
    }
    await assertUntouched(t, store, 'a')
  })

  t.test('[R11] [R12] filters that no event can meet by mistake are refused at the call', async (t) => {
    await using store = await open()
    await store.append('a', numbered(3))
    const code = 'ERR_INVALID_ARGUMENT'
    const bad: readonly object[] = [
      ...[[], 'T', {}, null, [''], [1], [undefined], ['T', '\ud800'], ['x'.repeat(1001)]].map((types) => ({ types })),
      { types: Array.from({ length: 1025 }, (_, i) => `T${i}`) },
      ...[1, null, {}, ['c'], '\udfff'].map((correlationId) => ({ correlationId })),
      ...[NaN, '2020-01-01', null, {}, 1n, new Date(NaN)].flatMap((time) => [{ fromTime: time }, { toTime: time }]),
    ]
    for (const options of bad) {
      t.throws(() => store.readStream('a', any(options)), { code })
      t.throws(() => store.readAll(any(options)), { code })
      t.throws(() => store.readCategory('a', any(options)), { code })
    }
    t.throws(() => store.readStream('a', any({ category: 'a' })), { code, message: /category/ })
    t.throws(() => store.readCategory('a', any({ category: 'a' })), { code, message: /category/ })
    t.throws(() => store.readAll(any({ type: 'T' })), { code, message: /"type"/ })
    const wrong = ['', 1, null, {}, '\ud800', 'x'.repeat(1000), 'é'.repeat(500)]
    for (const category of wrong) {
      t.throws(() => store.readAll(any({ category })), { code: 'ERR_INVALID_NAME' })
      t.throws(() => store.readCategory(any(category)), { code: 'ERR_INVALID_NAME' })
    }
    t.throws(() => store.readCategory(any(undefined)), { code: 'ERR_INVALID_NAME' })
    t.same(await collect(store.readCategory('x'.repeat(999))), [])
    t.same(await collect(store.readAll({ types: Array.from({ length: 1024 }, (_, i) => `T${i}`) })), [])
    t.equal((await collect(store.readAll({ types: undefined, category: undefined, fromTime: undefined }))).length, 3)
  })

  t.test('negative, fractional and unsafe offsets, limits and batch sizes are refused at the call', async (t) => {
    await using store = await open()
    await store.append('a', numbered(3))
    const refused = { code: 'ERR_INVALID_ARGUMENT' }
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53, '1', null, 1n]) {
      for (const name of ['fromOffset', 'toOffset', 'limit'] as const satisfies (keyof ReadStreamOptions)[]) {
        t.throws(() => store.readStream('a', any({ [name]: bad })), refused)
      }
      for (const name of ['fromPosition', 'toPosition', 'limit'] as const satisfies (keyof ReadAllOptions)[]) {
        t.throws(() => store.readAll(any({ [name]: bad })), refused)
      }
      t.throws(() => store.readStream('a').batches(any(bad)), refused)
    }
    t.throws(() => store.readStream('a').batches(0), refused)
    t.throws(() => store.readAll().batches(1_000_001), refused)
    t.throws(() => store.readStream('a', any({ direction: 'up' })), refused)
    t.throws(() => store.readStream('a', any({ signal: {} })), refused)
    t.throws(() => store.readAll(any({ direction: 'backward' })), refused, 'not an option of readAll')
    t.throws(() => store.readAll(any({ fromOffset: 1 })), refused)
    t.equal((await collect(store.readStream('a', { fromOffset: undefined, limit: undefined }))).length, 3)
  })

  t.test('[F7] options of opening are checked', async (t) => {
    const bad: unknown[] = [
      null,
      [],
      { unknown: 1 },
      { durability: 'sometimes' },
      { syncIntervalMs: 0 },
      { shapes: 'yes' },
      { limits: { events: 1 } },
      { limits: { eventBytes: 0 } },
      { limits: { eventBytes: 1.5 } },
      { limits: { cachedStreams: 1 } },
      { limits: { commitBytes: 2 ** 40 } },
      { limits: { eventBytes: 1000, commitBytes: 999 } },
    ]
    for (const options of bad) await t.rejects(open(options as OpenOptions), { code: 'ERR_INVALID_ARGUMENT' })
  })

  t.test('[F7] [M3] [fault 63] an event above the limit is refused, one at the limit is not', async (t) => {
    await using store = await open({ limits: { eventBytes: 1000 } })
    const sized = (bytes: number): NewEvent => ({ type: 'T', data: 'x'.repeat(bytes) })
    const tooLarge = { name: 'TooLargeError', code: 'ERR_TOO_LARGE', limit: 1000 }
    await t.rejects(store.append('a', [event, sized(1000), event]), tooLarge)
    await assertUntouched(t, store, 'a')
    let fits = 1000
    for (; ; fits--) {
      const stored = await store.append('a', [sized(fits)]).catch((error: unknown) => error)
      if (!(stored instanceof Error)) break
      t.match(stored, tooLarge)
    }
    t.ok(fits > 850, `${fits} of 1,000 bytes for data`)
    await t.rejects(store.append('a', [sized(fits + 1)]), { ...tooLarge, actual: 1001 })
    t.equal((await store.streamInfo('a')).version, 2)
    await t.rejects(store.append('a', [{ type: 'T'.repeat(1001) }]), { code: 'ERR_TOO_LARGE', limit: 1000 })
  })

  t.test('[F7] [M3] [fault 64] a batch above the limits of a commit is refused', async (t) => {
    await using store = await open({ limits: { commitEvents: 10, eventBytes: 50_000, commitBytes: 200_000 } })
    await t.rejects(store.append('a', numbered(11)), { code: 'ERR_TOO_LARGE', limit: 10, actual: 11 })
    await t.rejects(
      store.appendMany([
        { stream: 'a', events: numbered(6) },
        { stream: 'b', events: numbered(5) },
      ]),
      { code: 'ERR_TOO_LARGE', limit: 10, actual: 11 },
    )
    const large = Array.from({ length: 5 }, () => ({ type: 'T', data: 'x'.repeat(45_000) }))
    await t.rejects(store.append('a', large), { code: 'ERR_TOO_LARGE', limit: 200_000 })
    await assertUntouched(t, store, 'a')
    await store.append('a', large.slice(0, 4))
    await store.append('a', numbered(10))
    t.equal((await store.streamInfo('a')).version, 15)
  })

  t.test('[F7] a small limit of a commit is kept as well as a large one', async (t) => {
    await using store = await open({ limits: { eventBytes: 1000, commitBytes: 2000 } })
    const batch = Array.from({ length: 10 }, () => ({ type: 'T', data: 'x'.repeat(500) }))
    await t.rejects(store.append('a', batch), { code: 'ERR_TOO_LARGE', limit: 2000 })
    await assertUntouched(t, store, 'a')
  })

  t.test('[F7] [fault 64] 100,000 events in one batch, and not one more', async (t) => {
    await using store = await open({ durability: 'os' })
    const many = Array.from({ length: 100_001 }, () => ({ type: 'T' }))
    await t.rejects(store.append('a', many), { code: 'ERR_TOO_LARGE', limit: 100_000 })
    t.match(await store.append('a', many.slice(1)), { version: 100_000, position: 99_999 })
    let count = 0
    for await (const batch of store.readStream('a').batches(1000)) count += batch.length
    t.equal(count, 100_000)
  })

  t.test('[fault 61] a getter of an event cannot append or change the batch', async (t) => {
    await using store = await open()
    const inner: Promise<unknown>[] = []
    const events: NewEvent[] = [
      {
        type: 'T',
        get data() {
          inner.push(t.rejects(store.append('a', numbered(1)), { code: 'ERR_INVALID_ARGUMENT' }))
          return 1
        },
      },
    ]
    t.match(await store.append('a', events), { version: 1 })
    await Promise.all(inner)
    t.equal(inner.length, 1)

    const growing: NewEvent[] = [event]
    const grow = {
      type: 'T',
      get data() {
        growing.push(event)
        return 1
      },
    }
    growing.unshift(grow)
    const { version } = await store.append('a', growing)
    await store.append('a', numbered(1))
    t.same(
      (await collect(store.readStream('a'))).map(({ offset }) => offset),
      Array.from({ length: version + 1 }, (_, i) => i),
      'offsets are dense all the same',
    )
  })

  t.test('[fault 83] after close everything is refused with ERR_CLOSED, and closing again does nothing', async (t) => {
    const store = await open()
    await store.append('a', numbered(200))
    const reader = store.readStream('a')
    const iterator = reader[Symbol.asyncIterator]()
    await iterator.next()
    const appended = store.append('a', numbered(1))
    const closing = store.close()
    const refused = { code: 'ERR_CLOSED' }
    await t.rejects(store.append('a', numbered(1)), refused)
    t.match(await appended, { version: 201 }, 'an append under way is finished')
    await closing
    await store.close()
    await store[Symbol.asyncDispose]()
    await t.rejects(store.append('a', numbered(1)), refused)
    await t.rejects(store.append('a', []), refused)
    await t.rejects(store.appendMany([]), refused)
    await t.rejects(store.appendMany([{ stream: 'a', events: [] }]), refused)
    await t.rejects(store.streamInfo('a'), refused)
    t.throws(() => store.readStream('a'), refused)
    t.throws(() => store.readAll(), refused)
    await t.rejects(async () => collect(reader), refused, 'a reader from before')
    await t.rejects(async () => collect(reader.batches(2)), refused)
    await t.rejects(
      async () => {
        while ((await iterator.next()).done !== true);
      },
      refused,
      'an iteration under way does not end as if it were complete',
    )
  })
}
