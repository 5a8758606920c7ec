import type { Test } from 'tap'
import type { EventStore, NewEvent, Query, StoredEvent } from '../../engine/index.js'
import { assertUntouched, collect, type ContractContext, numbered } from './contract-support.js'

const tagged = (type: string, ...tags: string[]): NewEvent => ({ type, data: { tags }, tags })

/** What a query means, in a few lines. */
function matches({ items }: Query, { type, tags }: StoredEvent): boolean {
  return items.some(
    (item) =>
      (item.types === undefined || item.types.length === 0 || item.types.includes(type)) &&
      (item.tags ?? []).every((tag) => tags.includes(tag)),
  )
}

const QUERIES: readonly Query[] = [
  { items: [{ tags: ['course:1'] }] },
  { items: [{ tags: ['course:1', 'student:2'] }] },
  { items: [{ types: ['Subscribed'], tags: ['course:1'] }] },
  { items: [{ types: ['Subscribed', 'Defined'], tags: ['student:3'] }, { tags: ['course:2', 'student:1'] }] },
  { items: [{ types: ['Defined'] }] },
  { items: [{ types: ['Defined'] }, { tags: ['course:1', 'student:2'] }] },
  { items: [{ types: ['Numbered', 'Rare'] }] },
  { items: [{ types: ['Rare'] }, { types: ['None'], tags: ['none'] }] },
  { items: [{ tags: ['none'] }] },
  { items: [{ types: ['None'] }] },
  { items: [{ types: [], tags: ['all'] }] },
  { items: [{ types: ['Rare'], tags: ['all'] }] },
]

/** Tags, queries over them, and decisions that hold until they are stored. */
export function queryContract(t: Test, { open, capabilities }: ContractContext): void {
  const { reopen } = capabilities

  t.test('an append is refused when an event matches its query behind what it knows', async (t) => {
    await using store = await open()
    const query = { items: [{ tags: ['course:1'] }] }
    const first = await store.append('a', [tagged('Defined', 'course:1')], { failIfEventsMatch: query })
    await t.rejects(store.append('b', [tagged('Defined', 'course:1')], { failIfEventsMatch: query }), {
      name: 'QueryConflictError',
      code: 'ERR_QUERY_CONFLICT',
      position: 0,
      after: -1,
    })
    const known = { failIfEventsMatch: query, after: first.position }
    const second = await store.append('b', [tagged('Renamed', 'course:1')], known)
    t.equal(second.position, 1)
    await t.rejects(store.appendMany([{ stream: 'c', events: numbered(1) }], known), {
      code: 'ERR_QUERY_CONFLICT',
      position: 1,
      after: 0,
    })
    await t.rejects(store.append('c', [], known), { code: 'ERR_QUERY_CONFLICT' }, 'without events too')
    await store.append('c', [tagged('Defined', 'course:11')], { failIfEventsMatch: query, after: 1 })
    await store.append('c', [tagged('Defined', 'course:1')], { failIfEventsMatch: query, after: 1000 })
    await assertUntouched(t, store, 'd')
  })

  t.test('of decisions made at once, one that the others rest on wins', async (t) => {
    await using store = await open()
    for (const query of [{ items: [{ tags: ['seat:1'] }] }, { items: [{ types: ['Taken'] }] }]) {
      const after = (await store.append('other', numbered(1))).position
      const all = await Promise.allSettled(
        Array.from({ length: 30 }, (_, n) =>
          store.append(`s${n}`, [tagged('Taken', 'seat:1')], { failIfEventsMatch: query, after }),
        ),
      )
      t.same(
        all.map(({ status }) => status),
        all.map((_, n) => (n === 0 ? 'fulfilled' : 'rejected')),
      )
      for (const result of all.slice(1)) {
        t.match(result, { reason: { code: 'ERR_QUERY_CONFLICT', position: after + 1 } })
      }
    }
  })

  t.test('a plain append on its way counts too', async (t) => {
    await using store = await open()
    await store.append('a', numbered(1))
    const plain = store.append('a', [{ type: 'Closed' }])
    const late = store.append('b', numbered(1), { failIfEventsMatch: { items: [{ types: ['Closed'] }] } })
    await t.rejects(late, { code: 'ERR_QUERY_CONFLICT', position: 1 })
    await plain
    t.equal((await collect(store.readAll())).length, 2)
  })

  t.test('[C2] the repeat of a commit is not refused by what it has written itself', async (t) => {
    await using store = await open()
    const options = { commitId: 'x', failIfEventsMatch: { items: [{ tags: ['t'] }] } }
    const first = await store.append('a', [tagged('T', 't')], options)
    t.same(await store.append('a', [tagged('T', 't')], options), { ...first, isRepeat: true })
  })

  t.test(
    'queries read what matches in commit order, and decide by the newest of it, whatever the store went through',
    async (t) => {
      const limits = { logSegmentBytes: 4096, groupBytes: 4096, readWindowBytes: 4096 }
      let store: EventStore = await open({ limits })
      const append = async (from: number, to: number): Promise<void> => {
        for (let n = from; n < to; n++) {
          const course = `course:${n % 5}`
          await store.append(
            `s${n % 3}`,
            [
              ...(n % 9 === 0 ? numbered(1) : []),
              ...(n % 101 === 50 ? [{ type: 'Rare' }] : []),
              tagged(n % 7 === 0 ? 'Defined' : 'Subscribed', course, `student:${n % 4}`, 'all'),
            ],
            { durability: 'os' },
          )
        }
      }
      const check = async (): Promise<void> => {
        const all = await collect(store.readAll())
        for (const query of QUERIES) {
          const expected = all.filter((event) => matches(query, event))
          const name = JSON.stringify(query)
          t.same(await collect(store.readAll({ query })), expected, name)
          const from = all.length >> 1
          const part = expected.filter(({ position }) => position >= from && position <= from + 70)
          const range = { query, fromPosition: from, toPosition: from + 70 }
          t.same(await collect(store.readAll(range)), part, `${name} from the middle`)
          t.same(await collect(store.readAll({ query, limit: 3 })), expected.slice(0, 3), `${name} three`)
          t.same((await collect(store.readAll({ query }).batches(7))).flat(), expected, `${name} in batches`)
          const newest = expected.at(-1)?.position ?? -1
          for (const after of [-1, Math.max(-1, newest - 1), newest, all.length - 1]) {
            const append = store.append('decided', [], { failIfEventsMatch: query, after })
            if (after >= newest) await append
            else await t.rejects(append, { code: 'ERR_QUERY_CONFLICT', position: newest }, `${name} after ${after}`)
          }
        }
      }
      await store.append('s0', numbered(40)) // before the first tag
      await check()
      await append(0, 300)
      await check()
      if (reopen !== undefined) {
        await store.close()
        store = await reopen(store, { limits })
        await check()
        await append(300, 400)
        await check()
      }
      await store.close()
    },
  )

  t.test('what is no query is refused', async (t) => {
    await using store = await open()
    const bad: unknown[] = [
      null,
      'x',
      [],
      {},
      { items: [] },
      { items: {} },
      { items: [{}] },
      { items: [{ types: [], tags: [] }] },
      { items: [{ tags: 'a' }] },
      { items: [{ tags: [''] }] },
      { items: [{ tags: ['\ud800'] }] },
      { items: [{ tags: [1] }] },
      { items: [{ tags: ['x'.repeat(256)] }] },
      { items: [{ types: ['x'.repeat(1001)] }] },
      { items: [{ tag: ['a'] }] },
      { items: [null] },
      { items: [{ tags: ['a'] }], after: 1 },
      { items: Array.from({ length: 251 }, () => ({ tags: ['a'] })) },
      { items: [{ types: Array.from({ length: 251 }, (_, n) => `t${n}`) }] },
    ]
    const refused = { name: 'InvalidArgumentError', code: 'ERR_INVALID_ARGUMENT' }
    for (const query of bad as Query[]) {
      await t.rejects(store.append('a', numbered(1), { failIfEventsMatch: query }), refused, JSON.stringify(query))
      t.throws(() => store.readAll({ query }), refused)
    }
    const failIfEventsMatch = { items: [{ tags: ['a'] }] }
    for (const after of [-2, 1.5, NaN, '1', null]) {
      await t.rejects(store.append('a', numbered(1), { failIfEventsMatch, after: after as number }), refused)
    }
    await t.rejects(store.append('a', numbered(1), { after: 1 }), refused, 'after without a query')
    await assertUntouched(t, store, 'a')
  })
}
