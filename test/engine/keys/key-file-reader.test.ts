import t from 'tap'
import { KEY_BLOCK_BYTES, KEY_BLOCK_ENTRIES } from '../../../engine/format/key-file.js'
import { BlockCache, type KeyFile, WrongKeyFile } from '../../../engine/keys/key-file-reader.js'
import { windowOf } from '../../../engine/format/frame.js'
import { SeededRandom } from '../../support/random.js'
import { type Entry, keyDisk, opened, PATH, written } from './key-support.js'

const before = (a: Entry, b: Entry): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]

/** Sorted entries, many of them of one hash, so that it goes over several blocks. */
function entries(): Entry[] {
  const random = new SeededRandom(3)
  const list = Array.from({ length: 1500 }, (_, i): Entry => [
    (random.below(40) << 26) >>> 0,
    random.below(3),
    10 * i,
    i,
  ])
  for (let i = 0; i < 900; i++) list.push([0x80000000, 7, 10 * i + 5, i])
  return list.sort(before)
}

/** The key file that a look blames. */
function wrongIn(look: () => unknown): KeyFile | undefined {
  try {
    look()
    return undefined
  } catch (error) {
    if (error instanceof WrongKeyFile) return error.file
    throw error
  }
}

t.test('a lookup gives the first entry that is not before a hash and a position, in every block', async (t) => {
  const files = keyDisk()
  const list = entries()
  const file = await written(files, list, { blocks: 2 })
  t.equal(file.head.entries, list.length)
  t.ok(file.head.fences.length > 10)
  const hashes = new Set(list.map(([high, low]) => `${high} ${low}`))
  const asked = [...hashes].map((text) => text.split(' ').map(Number) as [number, number])
  for (const [high, low] of [...asked, [0, 0], [1, 0], [0x80000000, 8], [0xffffffff, 0xffffffff]] as [
    number,
    number,
  ][]) {
    for (const position of [0, 5, 4_445, 4_446, 8_995, 1e12]) {
      const first = list.findIndex((entry) => before(entry, [high, low, position, 0]) >= 0)
      const expected = first < 0 ? list.length : first
      if (file.lowerBound(high, low, position) !== expected) t.fail(`${high} ${low} ${position}`)
      const entry = list[expected]
      const place = entry?.[0] === high && entry[1] === low ? { position: entry[2], byte: entry[3] } : undefined
      t.same(file.placeAt(expected, high, low), place)
    }
    if (hashes.has(`${high} ${low}`)) t.ok(file.mayHave(high, low), 'the filter has what is there')
  }
  t.equal(file.placeAt(-1, 0, 0), undefined)
  t.equal(file.placeAt(list.length, 0, 0), undefined)
})

t.test('the filter keeps most of what is not there away, and one that is too large is left out', async (t) => {
  const random = new SeededRandom(5)
  const list = Array.from({ length: 3000 }, (_, i): Entry => [
    random.below(2 ** 31) * 2,
    random.below(2 ** 31),
    i,
    i,
  ]).sort(before)
  const file = await written(keyDisk(), list)
  let passed = 0
  for (let i = 0; i < 3000; i++) if (file.mayHave(random.below(2 ** 31) * 2 + 1, random.below(2 ** 31))) passed++
  t.ok(passed < 90, `${passed} of 3000`)
  const without = await written(keyDisk(), list, { filterBytes: 100 })
  t.equal(without.head.filter.length, 0)
  t.ok(without.mayHave(1, 1))
})

t.test('all entries can be gone through, a block at a time', async (t) => {
  const list = entries()
  const file = await written(keyDisk(), list)
  const seen: Entry[] = []
  let rounds = 0
  for (let at = 0; at < list.length; rounds++) at = file.eachOfBlock(at, (...entry) => seen.push(entry))
  t.same(seen, list)
  t.equal(rounds, Math.ceil(list.length / KEY_BLOCK_ENTRIES))
  t.equal(
    file.eachOfBlock(list.length, () => t.fail('there is no more')),
    list.length,
  )
})

t.test('a file without entries has no key', async (t) => {
  const file = await written(keyDisk(), [])
  t.equal(file.lowerBound(1, 1, 0), 0)
  t.equal(file.placeAt(0, 1, 1), undefined)
})

t.test('[fault 49] a damaged block, or one that cannot be read, is noticed, whichever file is meant', async (t) => {
  const files = keyDisk()
  const list = entries()
  const file = await written(files, list, { blocks: 1 })
  const { blocksAt } = file.head
  const handle = files.open(PATH, 'write')
  handle.writeSync(Uint8Array.of(1), 0, 1, blocksAt + KEY_BLOCK_BYTES + 100)
  t.equal(
    file.eachOfBlock(0, () => undefined),
    KEY_BLOCK_ENTRIES,
    'the first block is sound',
  )
  for (const look of [
    () => file.eachOfBlock(KEY_BLOCK_ENTRIES, () => undefined),
    () => file.placeAt(KEY_BLOCK_ENTRIES, 0, 0),
    () => file.lowerBound(list[KEY_BLOCK_ENTRIES]![0], list[KEY_BLOCK_ENTRIES]![1], list[KEY_BLOCK_ENTRIES]![2]),
  ]) {
    t.equal(wrongIn(look), file)
  }
  handle.truncate(blocksAt + KEY_BLOCK_BYTES + 1)
  t.equal(
    wrongIn(() => file.placeAt(2 * KEY_BLOCK_ENTRIES, 0, 0)),
    file,
  )
  handle.close()
  files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, code: 'EIO' })
  t.equal(
    wrongIn(() => file.placeAt(KEY_BLOCK_ENTRIES, 0, 0)),
    file,
  )
})

t.test('[fault 49] what is no key file of this store is not opened', async (t) => {
  const files = keyDisk()
  t.equal(opened(files), undefined, 'missing')
  await written(files, entries())
  t.ok(opened(files))
  t.equal(opened(files, 1, Buffer.from('another store id')), undefined)
  files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, code: 'EIO' })
  t.equal(opened(files), undefined, 'cannot be read')
  const handle = files.open(PATH, 'write')
  handle.truncate(handle.size() - 1)
  t.equal(opened(files), undefined, 'cut')
  handle.close()
})

t.test('blocks in memory are so many, those of two files are told apart, and what is used stays', (t) => {
  const cache = new BlockCache(4)
  const first = cache.register()
  const second = cache.register()
  const blocks = Array.from({ length: 6 }, () => windowOf(Buffer.alloc(1)))
  cache.set(first, blocks[0]!)
  cache.set(second, blocks[1]!)
  t.equal(cache.get(first), blocks[0])
  t.equal(cache.get(second), blocks[1])
  for (const i of [2, 3, 4, 5]) {
    cache.set(first + i, blocks[i]!)
    cache.get(first)
  }
  t.equal(cache.get(first), blocks[0], 'it was used')
  t.equal(cache.get(second), undefined)
  t.equal([2, 3, 4, 5].filter((i) => cache.get(first + i) !== undefined).length, 3)
  t.end()
})
