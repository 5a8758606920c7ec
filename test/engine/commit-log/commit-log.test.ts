import t from 'tap'
import { CommitLog } from '../../../engine/commit-log/commit-log.js'
import { FRAME_EVENT, frameAround, windowOf } from '../../../engine/format/frame.js'
import { AnnalsError } from '../../../engine/index.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import type { Durability } from '../../../engine/types/durability.js'
import { Slabs } from '../../../engine/segment/slabs.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const PREVIOUS = { previousBase: 0, previousEpoch: 0, previousEnd: 0 }

/** A log of commits of one event each, and what becomes of them. */
function setUp() {
  const environment = memoryEnvironment()
  environment.files.makeDirectories('/log')
  const files = new FaultyFileSystem(environment.files)
  const published: number[] = []
  const heard: string[] = []
  const log = new CommitLog<string>(
    { ...environment, files, elapsed: () => 0 }, // a slow moment of the machine would send writes to another thread
    '/log',
    Buffer.from('0123456789abcdef'),
    defaultLimits,
    new Slabs(64 * 1024, new ReadHandles(files, 4)),
    false,
    { epoch: 3, sequence: 5, resume: undefined, previous: PREVIOUS },
    {
      created: () => undefined,
      rolled: () => undefined,
      shape: () => ({ id: 1, keys: ['a'] }),
      checkFence: () => undefined,
      explain: (error) => error,
      publish: (group) => published.push(group.sequence),
      failed: ({ code }) => heard.push(`log failed ${code}`),
    },
  )
  const waiter = (name: string) => ({
    commit: () => void heard.push(`${name} committed`),
    fail: (error: Error) => void heard.push(`${name} failed ${(error as { code?: string }).code ?? ''}`),
  })
  let position = 0
  const append = (name: string, durability: Durability = 'fsync', size = 80): void => {
    const bytes = Buffer.alloc(size)
    frameAround(windowOf(bytes).view, 0, bytes.length, FRAME_EVENT)
    const commit = {
      bytes,
      at: 0,
      length: size,
      count: 1,
      starts: [0],
      owners: ['s'],
      shapes: [],
      firstPosition: position++,
    }
    log.append(commit, durability, waiter(name))
  }
  const idle = (): Promise<void> => new Promise((resolve) => log.whenIdle(resolve))
  const sequences = (): number[] => [...log.pendingGroups()].map(({ sequence }) => sequence)
  return { log, files, append, waiter, idle, sequences, published, heard }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('[F5] the newest group that is not committed can be waited for, wherever it is', async (t) => {
  const { log, files, append, waiter, idle, sequences, published, heard } = setUp()
  t.notOk(log.waitForNewest(waiter('nobody')))
  t.same(sequences(), [])
  append('a')
  t.same(sequences(), [5])
  t.ok(log.waitForNewest(waiter('with a, collecting')))
  files.pause()
  await turn()
  t.same(sequences(), [5], 'on its way')
  t.ok(log.waitForNewest(waiter('with a, on its way')))
  append('b')
  t.same(sequences(), [5, 6])
  t.ok(log.waitForNewest(waiter('with b')))
  files.resume()
  await idle()
  t.same(published, [5, 6])
  t.same(heard, [
    ...['a', 'with a, collecting', 'with a, on its way', 'b', 'with b'].map((name) => `${name} committed`),
  ])
  t.same(sequences(), [])
})

t.test('[F5] a group that is ready to be written waits in the queue', async (t) => {
  const { log, append, waiter, idle, heard } = setUp()
  log.hold(true)
  append('a')
  await turn()
  for (let i = 0; i < 900; i++) append(`more ${i}`)
  t.ok([...log.pendingGroups()].length > 1, 'the slab of the first is full')
  t.ok(log.waitForNewest(waiter('last')))
  log.hold(false)
  await idle()
  t.equal(heard.at(-1), 'last committed')
})

t.test('[fault 25] what fails while a new segment is made durable ends there: nothing is written to it', async (t) => {
  const { log, files, append, idle, published, heard } = setUp()
  append('a')
  files.pause()
  await turn()
  files.record()
  log.fail(new AnnalsError('ERR_IO', 'gone'))
  files.resume()
  await idle()
  await turn()
  t.same(published, [])
  t.same(heard, ['log failed ERR_IO', 'a failed ERR_OUTCOME_UNKNOWN'])
  t.same(
    files.trace!.filter(({ kind }) => kind === 'write'),
    [],
  )
  t.match(log.failure, { code: 'ERR_IO' })
})

t.test(
  '[F6] small groups of relaxed appends are committed before the event loop turns, but it does turn',
  async (t) => {
    const { append, heard, idle } = setUp()
    let turns = 0
    setImmediate(() => turns++)
    append('first', 'os')
    t.same(heard, [], 'not while it is being appended')
    await Promise.resolve()
    await new Promise<void>((resolve) => process.nextTick(resolve))
    t.same([heard, turns], [['first committed'], 0])
    for (let i = 0; i < 200 && turns === 0; i++) {
      append(`more ${i}`, 'os')
      await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    t.equal(turns, 0, 'microtasks alone')
    t.ok(heard.length < 80, 'after 64 of them the next waits for another thread')
    await idle()
    t.equal(heard.length, 201)
    t.ok(turns > 0)
  },
)

t.test('[F6] durable appends, large ones and those that meet a sync are written by another thread', async (t) => {
  const { log, files, append, heard, idle } = setUp()
  const committedAtOnce = async (durability: Durability, size?: number): Promise<boolean> => {
    const before = heard.length
    append('x', durability, size)
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const was = heard.length > before
    files.resume()
    await idle()
    return was
  }
  for (let i = 0; i < 2; i++) {
    t.notOk(await committedAtOnce('fsync'))
    for (let turns = 0; turns < 10; turns++) await turn() // zeros are written ahead
  }
  t.ok(await committedAtOnce('interval'))
  t.notOk(await committedAtOnce('os', 20_000))
  files.pause()
  log.sync((error) => t.equal(error, null))
  t.notOk(await committedAtOnce('os'))
  await turn()
  t.ok(await committedAtOnce('os'))
})

for (const [code, expected] of [
  ['ENOSPC', 'ERR_NO_SPACE'],
  ['EIO', 'ERR_IO'],
] as const) {
  t.test(
    `[F6] [fault 19] [fault 21] a write on the main thread that fails (${code}) fails the writer, and leaves nothing`,
    async (t) => {
      const { log, files, append, heard, published } = setUp()
      append('a', 'os')
      await turn()
      const { end, path } = log.segment!
      files.setFaults({ only: ({ kind }) => kind === 'write', failAt: 1, effect: 'part', code })
      append('b', 'os')
      await turn()
      append('c', 'os')
      await turn()
      t.same(published, [5])
      t.same(heard, ['a committed', `b failed ${expected}`, `log failed ${expected}`])
      t.match(log.failure, { code: expected })
      t.equal(files.stat(path)!.size, end, 'cut off')
    },
  )
}
