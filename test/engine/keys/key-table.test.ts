import t from 'tap'
import { KeyTable, type KeyPlace } from '../../../engine/keys/key-table.js'
import { SeededRandom } from '../../support/random.js'

type Entry = readonly [high: number, low: number, position: number, byte: number]

/** Few hashes, so that chains, halves and whole hashes meet. */
function entries(count: number): Entry[] {
  const random = new SeededRandom(7)
  const halves = [0, 1, 255, 256, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
  return Array.from({ length: count }, (_, i): Entry => {
    const position = 2 ** 33 + Math.floor(i / 2)
    return [random.pick(halves), random.pick(halves), position, i % 5 === 0 ? -1 : 2 ** 31 - i]
  })
}

function filled(list: readonly Entry[]): KeyTable {
  const table = new KeyTable()
  for (const entry of list) table.add(...entry)
  return table
}

t.test('a table finds what was added, the newest first, within positions and at most so many', (t) => {
  const list = entries(3000)
  const table = filled(list)
  t.equal(table.size, list.length)
  const first = list[0]![2]
  for (const [from, end, most] of [
    [0, Infinity, Infinity],
    [first + 100, first + 900, Infinity],
    [first + 100, first + 900, 3],
    [first + 100, first + 100, Infinity],
    [0, first, Infinity],
  ] as const) {
    for (const [high, low] of list.slice(0, 64)) {
      const expected = list
        .filter((entry) => entry[0] === high && entry[1] === low && entry[2] >= from && entry[2] < end)
        .map(([, , position, byte]): KeyPlace => ({ position, byte }))
        .reverse()
        .slice(0, most)
      t.same(table.find(high, low, from, end, most), expected)
    }
  }
  t.same(table.find(12345, 1, 0, Infinity), [], 'a hash that is not there')
  t.same(new KeyTable().find(0, 0, 0, Infinity), [], 'an empty table')
  t.end()
})

t.test('entries are sorted by hash, then position, though those of types come last', (t) => {
  const list = entries(5000)
  const late: Entry[] = [
    [list[0]![0], list[0]![1], 2 ** 33 + 17, 1],
    [list[0]![0], list[0]![1], 0, 2],
    [0xffffffff, 0xffffffff, 3, 3],
  ]
  const table = filled([...list, ...late])
  const sorted: Entry[] = []
  for (const entry of table.sorted()) table.visit(entry, (...fields) => sorted.push(fields))
  const expected = [...list, ...late]
    .map((entry, i) => ({ entry, i }))
    .sort(({ entry: a, i }, { entry: b, i: k }) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || i - k)
  t.same(
    sorted,
    expected.map(({ entry }) => entry),
  )
  t.same(new KeyTable().sorted(), new Uint32Array(0))
  t.end()
})
