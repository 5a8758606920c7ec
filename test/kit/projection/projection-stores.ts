import t from 'tap'
import type { ProjectionHead, ProjectionStore, RowChange } from '../../../kit/index.js'
import { DEAD_LETTERS } from '../../../kit/projection/batches.js'

/** A store for projections that the suite runs against. */
export interface StoreUnderTest {
  readonly name: string
  /** Opens an empty one. */
  readonly open: () => ProjectionStore
  /** Opens another over the same data, as another process would. Undefined: what one keeps is its own. */
  readonly again?: ((store: ProjectionStore) => ProjectionStore) | undefined
}

export const description = { name: 'suite', tables: ['rows', 'other', DEAD_LETTERS], sql: {} }

export function headAt(position: number, generation = 1, more: Partial<ProjectionHead> = {}): ProjectionHead {
  return { generation, version: 1, shape: 's', position, effectsFrom: 0, ...more }
}

const set = (key: string, row: unknown, table = 'rows'): RowChange => ({ table, key, row })

/** What every store for projections must do. */
export function projectionStoreSuite({ name, open, again }: StoreUnderTest): void {
  t.test(`[P1] ${name}: rows and checkpoint are stored together, and come back as they were`, async (t) => {
    const store = open()
    const build = await store.open(description, 'live')
    t.same([build.head, build.get('rows', 'a'), [...build.entries('rows')]], [undefined, undefined, []])
    const row = {
      text: 'ä"\u0000',
      date: new Date(5),
      big: 2n ** 70n,
      bytes: new Uint8Array([0, 255]),
      map: new Map<unknown, unknown>([['k', new Set([1, [2]])]]),
      odd: [NaN, -0, Infinity, -Infinity, undefined, null],
      $date: 'mine',
      nested: { $: [{ $$map: 1 }] },
      ['__proto__']: 'plain',
    }
    const key = 'a/ ..\\"\'; DROP TABLE rows; -- ü'
    await build.commit({ expected: undefined, holder: undefined }, () => ({
      head: headAt(1),
      rows: [set(key, row), set('b', 0), set(key, null, 'other'), set('', 'empty')],
    }))
    const reopened = again?.(store) ?? store
    for (const one of [build, await reopened.open(description, 'live')]) {
      t.same(one.head, headAt(1))
      t.strictSame(one.get('rows', key), row)
      t.ok(Object.is((one.get('rows', key) as typeof row).odd[1], -0))
      t.strictSame([one.get('rows', 'b'), one.get('rows', ''), one.get('other', key)], [0, 'empty', null])
      t.strictSame(
        new Map(one.entries('rows')),
        new Map<string, unknown>([
          [key, row],
          ['b', 0],
          ['', 'empty'],
        ]),
      )
      const read = one.get('rows', key) as { text: string }
      read.text = 'changed'
      t.strictSame(one.get('rows', key), row, 'what is read belongs to the reader')
    }
    await build.commit({ expected: headAt(1), holder: undefined }, () => ({
      head: headAt(9, 1, { version: 2, effectsFrom: 7 }),
      rows: [set('b', undefined), set('nothing', undefined), set('c', 1)],
    }))
    t.same(build.head, headAt(9, 1, { version: 2, effectsFrom: 7 }))
    t.same([...build.entries('rows')].map(([key]) => key).sort(), ['', key, 'c'].sort())
  })

  t.test(`[B5] ${name}: whoever goes on with something else than what is stored is refused`, async (t) => {
    const store = open()
    const build = await store.open(description, 'live')
    const commit = async (expected: ProjectionHead | undefined, position: number, key: string) =>
      build.commit({ expected, holder: undefined }, () => ({ head: headAt(position), rows: [set(key, 1)] }))
    await t.rejects(commit(headAt(0), 1, 'a'), { code: 'ERR_PROJECTION_MOVED' })
    await commit(undefined, 1, 'a')
    for (const expected of [undefined, headAt(0), headAt(2), headAt(1, 2)]) {
      await t.rejects(commit(expected, 5, 'b'), { code: 'ERR_PROJECTION_MOVED', projection: 'suite' })
    }
    await t.rejects(
      build.commit({ expected: headAt(1), holder: undefined }, () => {
        throw new Error('no')
      }),
      { message: 'no' },
    )
    t.same([build.head, build.get('rows', 'b')], [headAt(1), undefined])
    if (again === undefined) return
    const other = await again(store).open(description, 'live')
    await commit(headAt(1), 2, 'c')
    await t.rejects(
      other.commit({ expected: headAt(1), holder: undefined }, () => ({ head: headAt(3), rows: [set('d', 1)] })),
      { code: 'ERR_PROJECTION_MOVED' },
    )
    t.same(other.head, headAt(1), 'it does not know')
    await other.refresh()
    t.same([other.head, other.get('rows', 'c'), other.get('rows', 'd')], [headAt(2), 1, undefined])
  })

  t.test(`[P1] ${name}: clear, drop, and the switch of builds`, async (t) => {
    const store = open()
    const live = await store.open(description, 'live')
    const next = await store.open(description, 'next')
    const free = { expected: undefined, holder: undefined }
    await live.commit(free, () => ({ head: headAt(5, 3), rows: [set('a', 'live'), set('b', 'live')] }))
    await next.commit(free, () => ({ head: headAt(4, 4, { version: 2 }), rows: [set('a', 'next')] }))
    t.same([live.get('rows', 'a'), next.get('rows', 'a')], ['live', 'next'])
    for (const [of, to] of [
      [headAt(5, 3), headAt(4, 4)],
      [headAt(4, 3), headAt(4, 4)],
      [headAt(5, 2), headAt(5, 4)],
    ] as const) {
      await t.rejects(store.promote(description, of, to), { code: 'ERR_PROJECTION_MOVED' })
    }
    await next.commit({ expected: headAt(4, 4), holder: undefined }, () => ({
      head: headAt(5, 4, { version: 2, effectsFrom: Number.MAX_SAFE_INTEGER }),
      rows: [],
    }))
    await store.promote(description, headAt(5, 3), headAt(5, 4))
    await t.rejects(
      live.commit({ expected: live.head, holder: undefined }, () => ({ head: headAt(6, 3), rows: [] })),
      { code: 'ERR_PROJECTION_MOVED' },
      'who was live is not any more',
    )
    await live.refresh()
    const promoted = headAt(5, 5, { version: 2, effectsFrom: 5 })
    t.same([live.head, Object.fromEntries(live.entries('rows'))], [promoted, { a: 'next' }])
    const later = await (again?.(store) ?? store).open(description, 'next')
    t.same([later.head, [...later.entries('rows')]], [undefined, []])
    // And once more: the place of the next build is free again.
    await later.commit(free, () => ({ head: headAt(5, 6), rows: [set('c', 1)] }))
    await store.promote(description, promoted, headAt(5, 6))
    await live.refresh()
    t.same(Object.fromEntries(live.entries('rows')), { c: 1 })
    await live.commit({ expected: live.head, holder: undefined, clear: true }, () => ({
      head: headAt(0, 9),
      rows: [set('d', 1)],
    }))
    t.same(Object.fromEntries(live.entries('rows')), { d: 1 })
    await live.drop()
    t.same([live.head, [...live.entries('rows')]], [undefined, []])
    await live.drop()
  })

  t.test(`${name}: leases are held by one at a time, and whoever has none stores nothing`, async (t) => {
    const store = open()
    const other = again?.(store) ?? store
    t.equal(await store.claim('suite', 'one', 100, 110), true)
    t.equal(await other.claim('suite', 'two', 109, 120), false)
    t.equal(await other.claim('suite next', 'two', 109, 120), true)
    t.equal(await store.claim('suite', 'one', 109, 120), true)
    const build = await store.open(description, 'live')
    const head = headAt(1)
    const stored = { head, rows: [] }
    await t.rejects(
      build.commit({ expected: undefined, holder: 'two' }, () => stored),
      { code: 'ERR_PROJECTION_MOVED' },
    )
    await build.commit({ expected: undefined, holder: 'one' }, () => stored)
    t.equal(await other.claim('suite', 'two', 120, 130), true, 'over')
    await t.rejects(
      build.commit({ expected: head, holder: 'one' }, () => stored),
      { code: 'ERR_PROJECTION_MOVED' },
    )
    await store.release('suite', 'one')
    t.equal(await store.claim('suite', 'one', 121, 130), false)
    await other.release('suite', 'two')
    t.equal(await store.claim('suite', 'one', 121, 130), true)
    await build.commit({ expected: head, holder: 'one' }, () => stored)
  })
}
