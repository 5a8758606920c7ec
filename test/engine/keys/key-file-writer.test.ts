import t from 'tap'
import { KEY_BLOCK_ENTRIES } from '../../../engine/format/key-file.js'
import { type Entry, keyDisk, opened, PATH, SUBJECT, writerOf, written } from './key-support.js'

const rising = (count: number): Entry[] => Array.from({ length: count }, (_, i): Entry => [i * 7, 0xffffffff - i, i, i])

t.test('a file has its name when it is whole and synced, and says what it is of', async (t) => {
  const files = keyDisk()
  const list = rising(3)
  const writer = writerOf(files, list.length)
  for (const entry of list) writer.add(...entry)
  t.same(files.list('/keys'), [`${PATH.slice(6)}.new`])
  files.record()
  await writer.finish()
  t.same(
    files.trace!.map(({ kind }) => kind),
    ['write', 'write', 'sync', 'close', 'rename'],
  )
  t.same(files.list('/keys'), [PATH.slice(6)])
  t.match(opened(files)!.head, SUBJECT)
  t.equal(files.openHandles, 1, 'the reader')
})

t.test('files of every number of blocks come back', async (t) => {
  for (const count of [
    0,
    1,
    KEY_BLOCK_ENTRIES,
    KEY_BLOCK_ENTRIES + 1,
    64 * KEY_BLOCK_ENTRIES,
    130 * KEY_BLOCK_ENTRIES + 3,
  ]) {
    const list = rising(count)
    const file = await written(keyDisk(), list)
    const seen: Entry[] = []
    for (let at = 0; at < count;) at = file.eachOfBlock(at, (...entry) => seen.push(entry))
    if (JSON.stringify(seen) !== JSON.stringify(list)) t.fail(`${count} entries`)
    t.equal(file.head.fences.length, Math.ceil(count / KEY_BLOCK_ENTRIES))
  }
})

t.test('what a writer that was killed has left is in nobody’s way', async (t) => {
  const files = keyDisk()
  const killed = writerOf(files, 100_000)
  for (const entry of rising(100_000)) killed.add(...entry)
  const list = rising(2)
  t.equal((await written(files, list)).head.entries, 2)
  t.same(files.list('/keys'), [PATH.slice(6)])
})

t.test('other entries than were said make no file', async (t) => {
  for (const said of [2, 4]) {
    const files = keyDisk()
    const writer = writerOf(files, said)
    for (const entry of rising(3)) writer.add(...entry)
    await t.rejects(writer.finish(), RangeError)
    t.same(files.list('/keys'), [])
    t.equal(files.openHandles, 0)
  }
})

for (const [fault, kind, code] of [
  ['[fault 21]', 'write', 'ENOSPC'],
  ['[fault 24]', 'sync', 'EIO'],
  ['[fault 34]', 'rename', 'EXDEV'],
] as const) {
  t.test(`${fault} when ${kind} fails nothing is left`, async (t) => {
    const files = keyDisk()
    const writer = writerOf(files, 3)
    for (const entry of rising(3)) writer.add(...entry)
    files.setFaults({ only: (operation) => operation.kind === kind, failAt: 1, code })
    await t.rejects(writer.finish(), { code })
    t.same(files.list('/keys'), [])
    t.equal(files.openHandles, 0)
  })
}

t.test('[fault 34] a writer that gives up and cannot remove what it wrote says nothing', (t) => {
  const files = keyDisk()
  const writer = writerOf(files, 3)
  files.setFaults({ only: ({ kind }) => kind === 'remove', failAt: 1, code: 'EBUSY' })
  writer.discard()
  t.equal(files.openHandles, 0)
  t.same(files.list('/keys'), [`${PATH.slice(6)}.new`])
  t.end()
})

t.test('[fault 71] [F4] a writer that has lost the store leaves the file that its successor makes alone', async (t) => {
  let isLost = false
  const fence = (): void => {
    if (isLost) throw new Error('lost')
  }
  const files = keyDisk()
  const temporary = `${PATH}.new`
  const list = rising(3)
  const writer = writerOf(files, list.length, 1e6, fence)
  for (const entry of list) writer.add(...entry)
  files.remove(temporary)
  writerOf(files, 1) // the successor, which has just begun
  const began = files.stat(temporary)!.inode
  isLost = true
  await t.rejects(writer.finish(), { message: 'lost' })
  t.equal(files.stat(PATH), undefined, 'not given the name')
  t.equal(files.stat(temporary)?.inode, began, 'nor removed')
  t.throws(() => writerOf(files, 1, 1e6, fence), { message: 'lost' })
  t.equal(files.stat(temporary)?.inode, began, 'nor replaced')
})
