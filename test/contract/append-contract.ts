import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Test } from 'tap'
import type { EventStore, ExpectedVersion, NewEvent } from '../../engine/index.js'
import {
  assertUntouched,
  collect,
  type ContractContext,
  HOSTILE_NAMES,
  numbered,
  offsets,
  said,
} from './contract-support.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** What appending promises. */
export function appendContract(t: Test, { open, capabilities }: ContractContext): void {
  const { openWithClock, reopen, settle } = capabilities

  t.test('[A1] the first append creates the stream', async (t) => {
    await using store = await open()
    t.equal((await store.streamInfo('a')).version, 0)
    await store.append('a', numbered(1))
    t.match(await store.streamInfo('a'), { stream: 'a', version: 1 })
    t.equal((await store.streamInfo('b')).version, 0)
  })

  t.test('[A2] [fault 65] every non-empty name of up to 1,000 bytes is a stream of its own', async (t) => {
    let store = await open()
    for (const [i, name] of HOSTILE_NAMES.entries()) {
      const result = await store.append(name, [{ type: 'Named', data: i }], { expectedVersion: 'noStream' })
      t.equal(result.stream, name)
    }
    await settle?.(store)
    const check = async (): Promise<void> => {
      for (const [i, name] of HOSTILE_NAMES.entries()) {
        const events = await collect(store.readStream(name))
        t.match(events, [{ stream: name, data: i, offset: 0 }], JSON.stringify(name.slice(0, 20)))
        t.equal(events.length, 1)
      }
      t.same(
        (await collect(store.readAll())).map(({ stream }) => stream),
        HOSTILE_NAMES,
      )
    }
    await check()
    if (reopen !== undefined) {
      await store.close()
      store = await reopen(store)
      await check()
    }
    await store.close()
  })

  t.test('[A3] [K5] an event comes back with everything it was given and everything it was assigned', async (t) => {
    await using store = await open()
    const before = Date.now()
    const id = '0188d1b2-0001-7000-8000-00000000abcd'
    await store.append('a', [
      {
        type: 'Full',
        data: { x: 1 },
        metadata: { user: 'u' },
        id,
        timestamp: 1234,
        schemaVersion: 7,
        tags: ['a:1', 'é'],
      },
      { type: 'Dated', data: 'y', timestamp: new Date(99) },
      { type: 'Bare' },
    ])
    const [full, dated, bare] = await collect(store.readStream('a'))
    const common = { stream: 'a', schemaVersion: 1, metadata: undefined, tags: [] }
    assert.deepStrictEqual(full, {
      stream: 'a',
      offset: 0,
      position: 0,
      id,
      type: 'Full',
      timestamp: 1234,
      schemaVersion: 7,
      tags: ['a:1', 'é'],
      data: { x: 1 },
      metadata: { user: 'u' },
    })
    t.match(dated, { ...common, offset: 1, position: 1, type: 'Dated', timestamp: 99, data: 'y' })
    t.match(bare, { ...common, offset: 2, position: 2, type: 'Bare', data: undefined })
    t.match(bare!.id, UUID)
    t.ok(Object.isFrozen(bare!.tags), 'what events without tags share cannot be changed')
    t.ok(bare!.timestamp >= before && bare!.timestamp <= Date.now())
  })

  t.test('[A4] [fault 58] values come back as they were, hostile keys as plain data', async (t) => {
    await using store = await open()
    const data = {
      date: new Date(5),
      big: [2n ** 63n - 1n, -(2n ** 70n)],
      bytes: new Uint8Array([1, 2, 3]),
      map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1, 'x'])]]),
      numbers: [-0, NaN, Infinity, -Infinity, 0.1, Number.MAX_SAFE_INTEGER, 2 ** 60],
      nothing: undefined,
      hostile: JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"then":3,"toString":4}') as unknown,
    }
    await store.append('a', [{ type: 'Values', data, metadata: data }])
    await settle?.(store)
    const [event] = await collect(store.readStream('a'))
    assert.deepStrictEqual(event!.data, data)
    assert.deepStrictEqual(event!.metadata, data)
    t.equal(({} as { polluted?: number }).polluted, undefined)
  })

  t.test('[A5] append resolves to what it wrote', async (t) => {
    await using store = await open()
    t.match(await store.append('a', numbered(3)), {
      stream: 'a',
      firstOffset: 0,
      lastOffset: 2,
      version: 3,
      position: 2,
      durability: 'fsync',
    })
    const second = await store.append('b', [{ type: 'T' }])
    t.match(second, { stream: 'b', firstOffset: 0, lastOffset: 0, version: 1, position: 3 })
    t.match(await store.append('a', numbered(2)), { firstOffset: 3, lastOffset: 4, version: 5, position: 5 })
    const [event] = await collect(store.readStream('b'))
    t.equal(event!.timestamp, second.timestamp)
  })

  t.test('[A5] [M5] appendMany is one commit and resolves to a result for each entry, in order', async (t) => {
    await using store = await open()
    await store.append('b', numbered(1))
    const results = await store.appendMany([
      { stream: 'a', events: numbered(2) },
      { stream: 'b', events: numbered(1), expectedVersion: 1 },
      { stream: 'c', events: [] },
      { stream: 'a', events: numbered(1), expectedVersion: 2 },
    ])
    t.match(results, [
      { stream: 'a', firstOffset: 0, lastOffset: 1, version: 2, position: 2 },
      { stream: 'b', firstOffset: 1, lastOffset: 1, version: 2, position: 3 },
      { stream: 'c', firstOffset: 0, lastOffset: -1, version: 0, position: -1 },
      { stream: 'a', firstOffset: 2, lastOffset: 2, version: 3, position: 4 },
    ])
    t.same(
      (await collect(store.readAll())).map(({ stream, offset }) => `${stream}${offset}`),
      ['b0', 'a0', 'a1', 'b1', 'a2'],
    )
    t.equal((await store.streamInfo('c')).version, 0, 'no events, no stream')
  })

  t.test('[A6] concurrent appends without expected versions all succeed, in call order', async (t) => {
    await using store = await open()
    const count = 500
    const results = await Promise.all(
      Array.from({ length: count }, (_, i) => store.append(i % 3 === 0 ? 'a' : 'b', [{ type: 'T', data: i }])),
    )
    t.same(
      results.map(({ position }) => position),
      Array.from({ length: count }, (_, i) => i),
    )
    t.same(
      (await collect(store.readAll())).map(({ data }) => data),
      Array.from({ length: count }, (_, i) => i),
    )
    const a = await collect(store.readStream('a'))
    t.same(
      a.map(({ data }) => data),
      Array.from({ length: Math.ceil(count / 3) }, (_, i) => 3 * i),
    )
  })

  t.test('[A7] missing ids are random UUIDs, all different', async (t) => {
    await using store = await open()
    await store.append('a', numbered(1000))
    const ids = (await collect(store.readStream('a'))).map(({ id }) => id)
    t.equal(new Set(ids).size, 1000)
    t.ok(ids.every((id) => UUID.test(id)))
  })

  if (openWithClock !== undefined) {
    t.test('[A7] [fault 78] assigned timestamps never decrease, given ones are kept', async (t) => {
      let now = 5000
      await using store = await openWithClock(() => now)
      const stamp = async (stream: string): Promise<number> => (await store.append(stream, numbered(1))).timestamp
      t.equal(await stamp('a'), 5000)
      now = 1000
      t.equal(await stamp('b'), 5000, 'the clock stepped back')
      await store.append('a', [{ type: 'Old', timestamp: -7 }])
      await store.append('a', [{ type: 'Late', timestamp: 9_000_000 }])
      t.equal(await stamp('a'), 5000, 'given timestamps move nothing')
      now = 6000
      t.equal(await stamp('a'), 6000)
      const times = (await collect(store.readAll())).map(({ timestamp }) => timestamp)
      t.same(times, [5000, 5000, -7, 9_000_000, 5000, 6000])
    })
  }

  t.test('[A8] no events: nothing is written, nothing is created', async (t) => {
    await using store = await open()
    t.match(await store.append('a', []), { stream: 'a', firstOffset: 0, lastOffset: -1, version: 0, position: -1 })
    t.equal((await store.streamInfo('a')).version, 0)
    await store.append('a', numbered(2))
    t.match(await store.append('a', []), { firstOffset: 2, lastOffset: 1, version: 2, position: -1 })
    t.same(await store.appendMany([]), [])
    t.match(await store.appendMany([{ stream: 'b', events: [] }]), [{ version: 0, position: -1 }])
    await t.rejects(store.append('b', [], { expectedVersion: 'streamExists' }), { code: 'ERR_VERSION_CONFLICT' })
    t.equal((await collect(store.readAll())).length, 2)
  })

  t.test('[C1] all four kinds of expected versions are enforced', async (t) => {
    await using store = await open()
    const refused = async (stream: string, expectedVersion: ExpectedVersion, actual: number): Promise<void> => {
      await t.rejects(
        store.append(stream, numbered(1), { expectedVersion }),
        { name: 'VersionConflictError', code: 'ERR_VERSION_CONFLICT', stream, expected: expectedVersion, actual },
        `${stream}: ${expectedVersion}`,
      )
    }
    await refused('a', 'streamExists', 0)
    await refused('a', 1, 0)
    await store.append('a', numbered(1), { expectedVersion: 0 })
    await refused('a', 'noStream', 1)
    await refused('a', 0, 1)
    await refused('a', 2, 1)
    await store.append('a', numbered(1), { expectedVersion: 'streamExists' })
    await store.append('a', numbered(1), { expectedVersion: 2 })
    await store.append('a', numbered(1), { expectedVersion: 'any' })
    await store.append('b', numbered(1), { expectedVersion: 'noStream' })
    t.same(await offsets(store.readStream('a')), [0, 1, 2, 3])
  })

  t.test('[C1] of concurrent appends that expect the same version exactly one wins', async (t) => {
    await using store = await open()
    for (const expectedVersion of ['noStream', 1, 2] as const) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.append('a', [{ type: 'T', data: i }], { expectedVersion })),
      )
      t.same(
        outcomes.map(({ status }) => status),
        ['fulfilled', ...Array.from({ length: 19 }, () => 'rejected')],
      )
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'ERR_VERSION_CONFLICT' })
      }
    }
    t.equal((await store.streamInfo('a')).version, 3)
  })

  t.test('[M3] [M5] [C1] one wrong version refuses the whole commit over several streams', async (t) => {
    await using store = await open()
    await store.append('b', numbered(1))
    await t.rejects(
      store.appendMany([
        { stream: 'a', events: numbered(2) },
        { stream: 'b', events: numbered(2), expectedVersion: 'noStream' },
      ]),
      { code: 'ERR_VERSION_CONFLICT', stream: 'b', actual: 1 },
    )
    await t.rejects(
      store.appendMany([
        { stream: 'a', events: numbered(2) },
        { stream: 'a', events: numbered(2), expectedVersion: 0 },
      ]),
      { code: 'ERR_VERSION_CONFLICT', stream: 'a', actual: 2 },
      'an entry counts those before it',
    )
    await assertUntouched(t, store, 'a')
    await assertUntouched(t, store, 'b', 1)
    t.same(
      (await collect(store.readAll())).map(({ position }) => position),
      [0, 1, 2],
    )
  })

  t.test('[M2] a batch mixes types and keeps its order', async (t) => {
    await using store = await open()
    const events: NewEvent[] = Array.from({ length: 300 }, (_, i) => ({ type: `T${i % 7}`, data: i }))
    await store.append('a', events)
    t.same((await collect(store.readStream('a'))).map(said), events)
  })

  t.test('[M1] [M4] no reader sees part of a commit', async (t) => {
    await using store = await open()
    const writing = (async () => {
      for (let i = 0; i < 60; i++) {
        await store.appendMany([
          { stream: 'a', events: numbered(3) },
          { stream: 'b', events: numbered(2) },
        ])
      }
    })()
    const state = { done: false }
    const finished = writing.then(() => (state.done = true))
    let looks = 0
    while (!state.done) {
      const all = await collect(store.readAll())
      const a = (await store.streamInfo('a')).version
      if (all.length % 5 !== 0 || a % 3 !== 0) t.fail(`saw ${all.length} events, ${a} of stream a`)
      looks++
      await nextTurn() // reading what is in memory lets no write go on
    }
    await finished
    t.ok(looks > 1)
    t.equal((await collect(store.readAll())).length, 300)
  })

  t.test('[K1] what a caller does to a returned event changes no later read', async (t) => {
    await using store = await open()
    await store.append('a', [{ type: 'T', data: { list: [1], bytes: new Uint8Array([1]) }, metadata: { m: 1 } }])
    for (const cold of [false, true]) {
      if (cold) await settle?.(store)
      const read = async (): Promise<{ data: { list: number[]; bytes: Uint8Array }; metadata: { m: number } }> =>
        (await collect(store.readStream('a')))[0] as never
      const event = await read()
      event.data.list.push(2)
      event.data.bytes[0] = 9
      event.metadata.m = 2
      Object.assign(event, { type: 'Changed', offset: 5 })
      t.match(await read(), { type: 'T', offset: 0, data: { list: [1] }, metadata: { m: 1 } })
      t.equal((await read()).data.bytes[0], 1)
      t.equal((await read()).data.list.length, 1)
    }
  })

  t.test('[fault 62] what is done to events after the call has no effect', async (t) => {
    await using store = await open()
    const bytes = new Uint8Array([1, 2])
    const event = { type: 'T', data: { list: [1], bytes } }
    const events: NewEvent[] = [event]
    const appended = store.append('a', events)
    event.type = 'Changed'
    event.data.list.push(2)
    bytes[0] = 9
    events.push({ type: 'More' })
    t.match(await appended, { version: 1 })
    const stored = await collect(store.readStream('a'))
    assert.deepStrictEqual(stored.map(said), [{ type: 'T', data: { list: [1], bytes: new Uint8Array([1, 2]) } }])
  })

  t.test('[K2] offsets and positions are dense, also after refused appends', async (t) => {
    await using store = await open()
    const rejections: Promise<unknown>[] = []
    for (let i = 0; i < 50; i++) {
      await store.append(`s${i % 3}`, numbered(1 + (i % 4)))
      rejections.push(
        t.rejects(store.append(`s${i % 3}`, [...numbered(2), { type: 'Bad', data: () => i }])),
        t.rejects(store.append(`s${i % 3}`, numbered(1), { expectedVersion: 1_000_000 })),
      )
    }
    await Promise.all(rejections)
    await assertDense(t, store)
  })

  if (reopen !== undefined) {
    t.test('[K2] [K3] everything is there after a restart, and offsets and positions go on', async (t) => {
      let store = await open()
      const expected: unknown[] = []
      for (let session = 0; session < 4; session++) {
        for (let i = 0; i < 10; i++) {
          await store.append(`s${i % 3}`, [{ type: 'T', data: { session, i } }])
          expected.push({ session, i })
        }
        await store.close()
        store = await reopen(store)
        t.same(
          (await collect(store.readAll())).map(({ data }) => data),
          expected,
        )
      }
      await assertDense(t, store)
      await store.close()
    })
  }

  t.test('[F6] the durability of the store is the default of its appends, and named in the result', async (t) => {
    for (const durability of ['fsync', 'interval', 'os'] as const) {
      await using store = await open({ durability })
      t.equal((await store.append('a', numbered(1))).durability, durability)
      for (const own of ['fsync', 'interval', 'os'] as const) {
        t.equal((await store.append('a', numbered(1), { durability: own })).durability, own)
        const [result] = await store.appendMany([{ stream: 'a', events: numbered(1) }], { durability: own })
        t.equal(result!.durability, own)
      }
      t.equal((await collect(store.readStream('a'))).length, 7)
    }
  })
}

async function assertDense(t: Test, store: EventStore): Promise<void> {
  const next = new Map<string, number>()
  let position = 0
  for await (const event of store.readAll()) {
    const offset = next.get(event.stream) ?? 0
    if (event.position !== position || event.offset !== offset) t.match(event, { position, offset })
    position++
    next.set(event.stream, offset + 1)
  }
  for (const [stream, version] of next) {
    t.equal((await store.streamInfo(stream)).version, version)
    t.same(
      await offsets(store.readStream(stream)),
      Array.from({ length: version }, (_, i) => i),
    )
  }
}
