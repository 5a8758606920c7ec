import t, { type Test } from 'tap'
import { type Checkpoint, decodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { readFileSync } from '../../../engine/io/transfer.js'
import { Checkpointer } from '../../../engine/store/checkpointer.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const ID = Buffer.from('0123456789abcdef')
const state = (position: number): Checkpoint => ({
  epoch: 3,
  clean: false,
  redo: { base: 0, epoch: 3, byte: 96, sequence: 0, position: 0 },
  settledPosition: position,
  lastTimestamp: 0,
  shapes: [],
})

function setUp(fence: () => void = () => undefined): {
  files: FaultyFileSystem
  checkpointer: Checkpointer
  stands: () => number | undefined
} {
  const files = new FaultyFileSystem(new MemoryFileSystem())
  files.makeDirectories('/store')
  const stands = (): number | undefined => {
    const bytes = readFileSync(files, '/store/checkpoint', 10_000)
    const verdict = bytes && decodeCheckpoint(bytes, ID)
    return verdict?.kind === 'checkpoint' ? verdict.checkpoint.settledPosition : undefined
  }
  return { files, checkpointer: new Checkpointer(files, '/store', ID, 3, fence), stands }
}

t.test('[fault 10] writes are done one after another, each whole, synced before it has its name', async (t) => {
  const { files, checkpointer, stands } = setUp()
  files.record()
  const made: number[] = []
  const write = (n: number): Promise<void> =>
    checkpointer.write(() => {
      made.push(stands() ?? -1)
      return state(n)
    })
  await Promise.all([write(1), write(2), write(3)])
  t.same(made, [-1, 1, 2], 'each is made when the one before stands')
  t.equal(checkpointer.written, 3)
  const kinds = files.trace!.map(({ kind }) => kind).filter((kind) => /write|sync|rename|syncDirectory/.test(kind))
  const each = ['write', 'sync', 'rename', 'syncDirectory']
  t.same(kinds, [...each, ...each, ...each])
  t.same(files.list('/store'), ['checkpoint'])
})

t.test('[F4] [fault 71] a writer that has lost the store leaves the checkpoint of its successor alone', async (t) => {
  let lost = false
  const { files, checkpointer, stands } = setUp(() => {
    if (lost) throw new Error('lost')
  })
  await checkpointer.write(() => state(1))
  lost = true
  await t.rejects(
    checkpointer.tryWrite(() => state(2)),
    { message: 'lost' },
  )
  t.equal(stands(), 1)
  t.same(files.list('/store'), ['checkpoint'])
})

async function assertKept(t: Test, kind: string, code: string): Promise<void> {
  const { files, checkpointer, stands } = setUp()
  await checkpointer.write(() => state(1))
  files.setFaults({ failAt: 1, code, only: (operation) => operation.kind === kind })
  t.equal(await checkpointer.tryWrite(() => state(2)), false, kind)
  t.ok(checkpointer.owed)
  t.equal(checkpointer.written, 1)
  t.ok([1, 2].includes(stands()!), 'the old one, or the new one')
  if (kind !== 'syncDirectory') t.equal(stands(), 1)
  files.setFaults()
  t.equal(await checkpointer.tryWrite(() => state(3)), true)
  t.notOk(checkpointer.owed)
  t.equal(stands(), 3)
}

t.test('[fault 34] when the system refuses, the old checkpoint stays and the next write makes up for it', async (t) => {
  for (const kind of ['open', 'write', 'sync', 'rename', 'syncDirectory']) await assertKept(t, kind, 'EIO')
  await assertKept(t, 'write', 'ENOSPC')
  await assertKept(t, 'rename', 'EXDEV')
})

t.test('what is no refusal of the system is not swallowed, and stops no later write', async (t) => {
  const { checkpointer, stands } = setUp()
  const wrong = new Error('a mistake')
  const mistake = (): never => {
    throw wrong
  }
  await t.rejects(checkpointer.tryWrite(mistake), wrong)
  await t.rejects(checkpointer.write(mistake), wrong)
  await checkpointer.write(() => state(5))
  t.equal(stands(), 5)
})

t.test('[F4] what killed writers left is removed; the own file and foreign ones are not', async (t) => {
  const { files, checkpointer } = setUp()
  const names = ['checkpoint.1.tmp', 'checkpoint.2.tmp', 'checkpoint.3.tmp', 'checkpoint.x.tmp', 'checkpoint']
  for (const name of names) files.open(`/store/${name}`, 'create').close()
  files.setFaults({ failAt: 1, only: ({ kind }) => kind === 'remove' })
  checkpointer.removeLeftovers()
  t.equal(files.list('/store').length, 4, 'one could not be removed, and that is all')
  checkpointer.removeLeftovers()
  t.same(files.list('/store').sort(), ['checkpoint', 'checkpoint.3.tmp', 'checkpoint.x.tmp'])
})
