import t from 'tap'
import { CommitLog } from '../../../engine/commit-log/commit-log.js'
import { FRAME_EVENT, frameAround, windowOf } from '../../../engine/format/frame.js'
import { AnnalsError } from '../../../engine/index.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
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
    { ...environment, files },
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
  const append = (name: string): void => {
    const bytes = Buffer.alloc(80)
    frameAround(windowOf(bytes).view, 0, bytes.length, FRAME_EVENT)
    const commit = {
      bytes,
      at: 0,
      length: 80,
      count: 1,
      starts: [0],
      owners: ['s'],
      shapes: [],
      firstPosition: position++,
    }
    log.append(commit, 'fsync', waiter(name))
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
