import type { Test } from 'tap'
import type { AppendResult, EventStore, NewEvent } from '../../engine/index.js'
import { assertUntouched, collect, type ContractContext, numbered } from './contract-support.js'

/** The result of a repeat: that of the first append, marked. */
function repeated(result: AppendResult): AppendResult {
  return { ...result, isRepeat: true }
}

/** Appends with a commit id: once, however often they are made. */
export function commitIdContract(t: Test, { open, capabilities }: ContractContext): void {
  const { reopen, settle } = capabilities

  t.test('[C2] a repeat of a commit returns the first result and writes nothing', async (t) => {
    await using store = await open()
    const options = { commitId: 'order-7' }
    const first = await store.append('a', numbered(3), options)
    t.notOk('isRepeat' in first)
    await store.append('a', numbered(2))
    await store.append('b', numbered(2))
    t.same(await store.append('a', numbered(3), options), repeated(first))
    t.same(await store.append('a', numbered(3), { ...options, expectedVersion: 'noStream' }), repeated(first))
    t.same(await store.append('a', numbered(3), { ...options, expectedVersion: 99 }), repeated(first))
    t.match(await store.streamInfo('a'), { stream: 'a', version: 5 })
    const events = await collect(store.readStream('a'))
    t.same(
      events.map(({ commitId }) => commitId),
      ['order-7', 'order-7', 'order-7', undefined, undefined],
    )
    t.equal((await collect(store.readAll())).length, 7)
  })

  t.test('[C2] a commit over several streams is repeated as a whole, entries without events included', async (t) => {
    await using store = await open()
    await store.append('b', numbered(2))
    await store.append('c', numbered(5))
    const appends = [
      { stream: 'c', events: [] },
      { stream: 'a', events: [] },
      { stream: 'a', events: numbered(2) },
      { stream: 'b', events: numbered(1), expectedVersion: 2 },
      { stream: 'a', events: numbered(1, 2), expectedVersion: 2 },
      { stream: 'b', events: [] },
      { stream: 'd', events: [] },
    ]
    const first = await store.appendMany(appends, { commitId: 'x' })
    t.same(
      first.map(({ version, position }) => [version, position]),
      [
        [5, -1],
        [0, -1],
        [2, 8],
        [3, 9],
        [3, 10],
        [3, -1],
        [0, -1],
      ],
    )
    for (const stream of ['a', 'b', 'c', 'd']) await store.append(stream, numbered(3))
    t.same(await store.appendMany(appends, { commitId: 'x' }), first.map(repeated))
  })

  t.test('[C2] repeats made while the first is on its way share its outcome', async (t) => {
    await using store = await open()
    const all = await Promise.all(
      Array.from({ length: 50 }, () => store.append('a', numbered(2), { commitId: 'same' })),
    )
    const first = all.find((result) => result.isRepeat === undefined)!
    t.equal(all.filter((result) => result.isRepeat === undefined).length, 1)
    for (const result of all) t.match(result, { firstOffset: 0, version: 2, position: first.position })
    t.equal((await collect(store.readAll())).length, 2)
  })

  t.test('[C2] the same id with other content is refused, and nothing is stored', async (t) => {
    await using store = await open()
    const event: NewEvent = {
      type: 'T',
      data: { a: 1, b: [new Date(1), 2n] },
      metadata: { user: 'u' },
      id: '0188d1b2-0001-7000-8000-00000000abcd',
      timestamp: 5,
      schemaVersion: 2,
      tags: ['x', 'y'],
    }
    const options = { commitId: 'once' }
    await store.append('a', [event, { type: 'Bare' }], options)
    const bare = { type: 'Bare' }
    const others: [string, readonly NewEvent[], string][] = [
      ['b', [event, bare], 'stream'],
      ['a', [event], 'more events'],
      ['a', [event, bare, bare], 'fewer events'],
      ['a', [{ ...event, type: 'U' }, bare], 'type'],
      ['a', [{ ...event, data: { a: 1, b: [new Date(1), 2] } }, bare], 'data'],
      ['a', [{ ...event, data: { a: 1, b: [new Date(1), 2n], c: undefined } }, bare], 'data'],
      ['a', [{ ...event, metadata: undefined }, bare], 'metadata'],
      ['a', [{ ...event, id: '0188d1b2-0001-7000-8000-00000000abce' }, bare], 'id'],
      ['a', [{ ...event, timestamp: 6 }, bare], 'timestamp'],
      ['a', [{ ...event, schemaVersion: 3 }, bare], 'schemaVersion'],
      ['a', [{ ...event, tags: ['x'] }, bare], 'tags'],
      ['a', [event, { ...bare, data: null }], 'events[1].data'],
    ]
    for (const [stream, events, reason] of others) {
      await t.rejects(
        store.append(stream, events, options),
        { name: 'CommitIdReusedError', code: 'ERR_COMMIT_ID_REUSED', commitId: 'once', position: 0, message: reason },
        reason,
      )
    }
    const swapped = [
      { stream: 'a', events: [bare] },
      { stream: 'a', events: [event] },
    ]
    await t.rejects(store.appendMany(swapped, options), { code: 'ERR_COMMIT_ID_REUSED' })
    await assertUntouched(t, store, 'b')
    await assertUntouched(t, store, 'a', 2)
    const again = { ...event, data: { b: [new Date(1), 2n], a: 1 }, id: undefined, timestamp: new Date(5) }
    t.match(
      await store.append('a', [again, bare], options),
      { isRepeat: true, version: 2 },
      'ids and key order may differ',
    )
  })

  t.test('[C2] ids are compared byte by byte, and told from tags and types', async (t) => {
    await using store = await open()
    const ids = ['é', 'e\u0301', 'x', 'X', 'x'.repeat(255), `${'x'.repeat(254)}y`, '__proto__', '\0', '😀']
    for (const commitId of ids) {
      const result = await store.append('a', [{ type: 'x', tags: ['x', 'é'] }], { commitId })
      t.notOk('isRepeat' in result, JSON.stringify(commitId))
    }
    for (const commitId of ids) {
      t.match(await store.append('a', [{ type: 'x', tags: ['x', 'é'] }], { commitId }), { isRepeat: true })
    }
  })

  t.test('[C2] commit ids that are none are refused before anything is written', async (t) => {
    await using store = await open()
    for (const commitId of ['', 1, null, {}, '\ud800']) {
      const options = { commitId: commitId as never }
      await t.rejects(store.append('a', numbered(1), options), { code: 'ERR_INVALID_ARGUMENT' })
      await t.rejects(store.appendMany([], options), { code: 'ERR_INVALID_ARGUMENT' })
    }
    await t.rejects(store.append('a', numbered(1), { commitId: 'é'.repeat(128) }), {
      code: 'ERR_TOO_LARGE',
      limit: 255,
      actual: 256,
    })
    await assertUntouched(t, store, 'a')
  })

  t.test('[C2] [A8] a commit without events is not remembered, and a refused one neither', async (t) => {
    await using store = await open()
    t.notOk('isRepeat' in (await store.append('a', [], { commitId: 'empty' })))
    t.same(await store.appendMany([], { commitId: 'empty' }), [])
    await t.rejects(store.append('a', numbered(1), { commitId: 'late', expectedVersion: 4 }), {
      code: 'ERR_VERSION_CONFLICT',
    })
    await t.rejects(store.append('a', [{ type: 'T', data: () => 1 }], { commitId: 'late' }), {
      code: 'ERR_INVALID_EVENT',
    })
    const [first, second] = await Promise.all([
      store.append('a', numbered(1), { commitId: 'empty' }),
      store.append('a', numbered(1), { commitId: 'late' }),
    ])
    t.notOk('isRepeat' in first)
    t.notOk('isRepeat' in second)
  })

  t.test('[C2] ids are known for ever: after restarts, over many log segments, for long commits', async (t) => {
    const limits = { logSegmentBytes: 4096, groupBytes: 4096, streamSegmentBytes: 8192 }
    let store: EventStore = await open({ limits })
    const results: AppendResult[] = []
    const events = (n: number): NewEvent[] => [
      ...numbered(n % 40 === 0 ? 60 : 1, n),
      { type: 'Text', data: 'x'.repeat(n % 300) },
    ]
    const appendAll = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) {
        results.push(await store.append(`s${n % 7}`, events(n), { commitId: `c${n}`, durability: 'os' }))
        if (n % 25 === 0) await store.append('plain', numbered(1), { durability: 'os' })
      }
    }
    const checkAll = async (): Promise<void> => {
      for (const [n, result] of results.entries()) {
        const again = await store.append(`s${n % 7}`, events(n), { commitId: `c${n}`, durability: 'os' })
        if (again.isRepeat !== true || again.position !== result.position) t.same(again, repeated(result), `c${n}`)
        const read = await collect(store.readAll({ commitId: `c${n}` }))
        const positions = read.map(({ position, commitId }) => commitId === `c${n}` && position)
        const expected = events(n).map((_, i, { length }) => result.position - length + 1 + i)
        if (positions.join() !== expected.join()) t.same(positions, expected, `the events of c${n}`)
      }
      t.same(await store.append('s3', events(3), { commitId: 'c3', durability: 'os' }), repeated(results[3]!))
    }
    await appendAll(0, 250)
    await checkAll()
    for (let session = 0; session < 3 && reopen !== undefined; session++) {
      await store.close()
      store = await reopen(store, { limits })
      if (session === 1) await appendAll(results.length, results.length + 100)
      if (settle !== undefined) await settle(store)
      await checkAll()
    }
    await store.close()
  })

  t.test('[C2] [F6] a repeat is as durable as it asks for', async (t) => {
    await using store = await open()
    const first = await store.append('a', numbered(1), { commitId: 'x', durability: 'os' })
    const again = await store.append('a', numbered(1), { commitId: 'x', durability: 'fsync' })
    t.same(again, { ...repeated(first), durability: 'fsync' })
  })
  t.test('[C2] [R11] the events of a commit are read by its id', async (t) => {
    await using store = await open()
    await store.append('b', numbered(1))
    const appends = [
      { stream: 'a-1', events: numbered(70) },
      { stream: 'b', events: [{ type: 'Other', data: 1, metadata: { correlationId: 'c' } }] },
      { stream: 'a-1', events: numbered(1, 70) },
    ]
    await store.appendMany(appends, { commitId: 'x' })
    await store.append('b', numbered(1), { commitId: 'y' })
    await store.append('b', numbered(1))
    const all = await collect(store.readAll({ fromPosition: 1, toPosition: 72 }))
    t.same(await collect(store.readAll({ commitId: 'x' })), all)
    t.same((await collect(store.readAll({ commitId: 'x' }).batches(50))).flat(), all)
    t.same(await collect(store.readCategory('a', { commitId: 'x', limit: 2 })), all.slice(0, 2))
    t.same(await collect(store.readAll({ commitId: 'x', fromPosition: 70, toPosition: 71 })), all.slice(69, 71))
    t.same(await collect(store.readAll({ commitId: 'x', types: ['Other'], correlationId: 'c' })), [all[70]])
    t.same(
      (await collect(store.readAll({ commitId: 'x' }).commits())).map((commit) => commit.length),
      [72],
    )
    t.match(await collect(store.readAll({ commitId: 'y' })), [{ position: 73, stream: 'b', commitId: 'y' }])
    for (const commitId of ['z', 'X', 'x'.repeat(255)]) t.same(await collect(store.readAll({ commitId })), [])
    for (const commitId of ['', 1, null, '\ud800'] as never[]) {
      t.throws(() => store.readAll({ commitId }), { code: 'ERR_INVALID_ARGUMENT' })
    }
    t.throws(() => store.readAll({ commitId: 'é'.repeat(128) }), { code: 'ERR_TOO_LARGE' })
    const both = { commitId: 'x', query: { items: [{ types: ['T'] }] } }
    t.throws(() => store.readAll(both), { code: 'ERR_INVALID_ARGUMENT' })
    const signal = AbortSignal.abort(new Error('enough'))
    await t.rejects(collect(store.readAll({ commitId: 'x', signal })), { message: 'enough' })
  })
}
