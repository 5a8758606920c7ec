import t from 'tap'
import { windowOf } from '../../../engine/format/frame.js'
import { KEY_TAG, KEY_TYPE, KeyHasher } from '../../../engine/format/key-hash.js'
import { checkQuery, CompiledQuery, itemMatches } from '../../../engine/store/query.js'
import type { Query } from '../../../engine/types/query.js'
import { MAX_QUERY_PARTS, MAX_TAG_BYTES, MAX_TYPE_BYTES } from '../../../engine/limits.js'
import { Forge, STORE_ID } from '../../support/forge.js'

const forge = new Forge()
const hasher = new KeyHasher(STORE_ID)

const record = (type: string, tags: readonly string[] = [], stream = 's'): Buffer =>
  forge.event({ stream, offset: 0, position: 0 }, { type, tags })

const matches = (items: Query['items'], bytes: Buffer): boolean =>
  new CompiledQuery({ items }, hasher).matches(windowOf(bytes), 0)

t.test('[C2] an event matches an item by one of its types and all of its tags', (t) => {
  const event = record('Opened', ['order:1', 'käse', 'x'])
  for (const item of [
    { types: ['Opened'] },
    { types: ['Closed', 'Opened'] },
    { tags: ['käse'] },
    { tags: ['x', 'order:1'] },
    { types: ['Opened'], tags: ['x'] },
    { types: ['Opened'], tags: [] },
    { types: [], tags: ['x'] },
  ]) {
    t.ok(matches([item], event), JSON.stringify(item))
  }
  for (const item of [
    { types: ['Closed'] },
    { types: ['Opene'] },
    { types: ['Openedx'] },
    { types: ['x'] },
    { tags: ['order:2'] },
    { tags: ['order:'] },
    { tags: ['x', 'y'] },
    { tags: ['Opened'] },
    { types: ['Closed'], tags: ['x'] },
    { types: ['Opened'], tags: ['y'] },
  ]) {
    t.notOk(matches([item], event), JSON.stringify(item))
  }
  t.end()
})

t.test('[C2] an event matches a query by any of its items', (t) => {
  const items = [{ types: ['A'], tags: ['1'] }, { types: ['B'] }]
  t.ok(matches(items, record('A', ['1'])))
  t.ok(matches(items, record('B', ['9'])))
  t.notOk(matches(items, record('A', ['2'])))
  t.notOk(matches(items, record('C', ['1'])))
  t.notOk(matches([{ tags: ['1'] }], record('A')), 'an event without tags')
  t.end()
})

t.test('a name that looks like the type behind it does not count', (t) => {
  t.notOk(matches([{ types: ['sT'] }], record('T', [], 's')))
  t.ok(matches([{ types: ['T'] }], record('T', [], 'T')))
  t.notOk(matches([{ types: ['U'] }], record('T', [], 'U')))
  t.end()
})

t.test('an item is compared where the record starts in its window', (t) => {
  const [a, b] = [record('A', ['1'], 'long-name'), record('B', ['2'])]
  const window = windowOf(Buffer.concat([a, b]))
  const query = new CompiledQuery({ items: [{ types: ['B'], tags: ['2'] }] }, hasher)
  t.same([query.matches(window, 0), query.matches(window, a.length)], [false, true])
  t.ok(itemMatches(query.items[0]!, window, a.length))
  t.end()
})

t.test('a compiled query has the hashes that the index of keys has, and does not change with the query', (t) => {
  const items: { types: string[]; tags: string[] }[] = [{ types: ['Opened'], tags: ['Opened'] }]
  const { items: compiled } = new CompiledQuery({ items }, hasher)
  const [{ types, tags }] = compiled as [(typeof compiled)[number]]
  hasher.hashText(KEY_TYPE, 'Opened')
  t.match(types, [{ text: 'Opened', high: hasher.high, low: hasher.low, bytes: Buffer.from('Opened') }])
  hasher.hashText(KEY_TAG, 'Opened')
  t.match(tags, [{ text: 'Opened', high: hasher.high, low: hasher.low }])
  const query = new CompiledQuery({ items }, hasher)
  items[0]!.tags[0] = 'other'
  items.push({ types: ['T'], tags: [] })
  t.ok(query.matches(windowOf(record('Opened', ['Opened'])), 0))
  t.notOk(query.matches(windowOf(record('T')), 0))
  t.end()
})

t.test('[U2] what is no query is refused, with what is wrong about it', (t) => {
  const long = 'x'.repeat(MAX_TAG_BYTES + 1)
  const many = Array.from({ length: MAX_QUERY_PARTS + 1 }, (_, i) => `t${i}`)
  for (const [query, message] of [
    [undefined, /no object/],
    [[], /no object/],
    [{ item: [] }, /unknown option/],
    [{}, /q\.items is no array/],
    [{ items: 'x' }, /q\.items is no array/],
    [{ items: [] }, /q\.items is empty/],
    [{ items: many.map((tag) => ({ tags: [tag] })) }, /251 entries, the limit is 250/],
    [{ items: [null] }, /no object/],
    [{ items: [{ tag: ['x'] }] }, /unknown option "tag"/],
    [{ items: [{}] }, /q\.items\[0\] names neither types nor tags/],
    [{ items: [{ types: ['A'] }, { types: [], tags: [] }] }, /q\.items\[1\] names neither/],
    [{ items: [{ tags: 'x' }] }, /q\.items\[0\]\.tags is no array/],
    [{ items: [{ tags: many }] }, /q\.items\[0\]\.tags has 251 entries/],
    [{ items: [{ tags: ['a', ''] }] }, /q\.items\[0\]\.tags has an entry/],
    [{ items: [{ tags: [1] }] }, /tags has an entry/],
    [{ items: [{ tags: ['\ud800'] }] }, /tags has an entry/],
    [{ items: [{ tags: [long] }] }, /1 to 255 bytes/],
    [{ items: [{ tags: ['é'.repeat(128)] }] }, /1 to 255 bytes/],
    [{ items: [{ types: ['x'.repeat(MAX_TYPE_BYTES + 1)] }] }, /1 to 1000 bytes/],
    [{ items: [{ types: new Array(1) }] }, /types has an entry/],
  ] as const) {
    t.throws(() => checkQuery(query, 'q', 'do it'), { code: 'ERR_INVALID_ARGUMENT', message }, JSON.stringify(query))
    t.throws(() => checkQuery(query, 'q', 'do it'), { message: /^Cannot do it: / })
  }
  t.end()
})

t.test('queries at the limits are taken', (t) => {
  const tags = Array.from({ length: MAX_QUERY_PARTS }, (_, i) => `${i}`.padEnd(MAX_TAG_BYTES, 'x'))
  checkQuery({ items: [{ tags, types: ['x'.repeat(MAX_TYPE_BYTES)] }] }, 'q', 'do it')
  checkQuery({ items: tags.map((tag) => ({ tags: [tag] })) }, 'q', 'do it')
  checkQuery({ items: [{ tags: ['x'], types: undefined }] }, 'q', 'do it')
  t.ok(matches([{ tags: [tags[7]!] }], record('A', tags)))
  t.end()
})
