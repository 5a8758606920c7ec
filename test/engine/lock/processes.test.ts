import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmdirSync, symlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { StoreLockedError } from '../../../engine/errors.js'
import { nodeEnvironment } from '../../../engine/io/node-environment.js'
import { acquireWriterLock, type WriterLockOptions } from '../../../engine/lock/acquire-writer-lock.js'
import { abandonOpening, DEAD } from './fixtures/abandoned-store.js'
import { WriterProcess } from './fixtures/writer-process.js'

const QUICK: WriterLockOptions = { staleMs: 2000, updateMs: 1000 }
const environment = nodeEnvironment()
const open = (directory: string, options = QUICK) =>
  acquireWriterLock(environment, directory, { storeId: new Uint8Array(16) }, options)
// Only where the system tells which process a pid is, a dead one can be known at once.
const knowsTheDead = environment.process.isAlive(DEAD.pid, DEAD.incarnation) === 'dead'

function start(t: Test, directory: string, options = QUICK): WriterProcess {
  const writer = new WriterProcess(directory, options)
  t.teardown(() => writer.kill())
  return writer
}

const KILLED = fileURLToPath(new URL('fixtures/killed-opener.js', import.meta.url))
const THREAD = new URL('fixtures/open-in-thread.js', import.meta.url)
type Answer = { epoch?: number; took?: number; code?: string; pid?: number; host?: string }

/** Opens in a thread that then ends, without releasing. */
function openInThread(directory: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(THREAD, { workerData: { directory }, execArgv: [] })
    let answer = {}
    worker.on('message', (message: object) => (answer = message)).on('error', reject)
    worker.on('exit', () => resolve(answer))
  })
}

t.jobs = 8

t.test('[fault 69] a second writer is refused: other process, same process, thread, through a link', async (t) => {
  const folder = t.testdir({ store: {}, link: t.fixture('symlink', 'store') })
  const directory = join(folder, 'store')
  const before = Date.now()
  const writer = start(t, directory)
  t.equal(await writer.answer(), 'epoch 1')
  const expected = { name: 'StoreLockedError', code: 'ERR_LOCKED', pid: writer.pid, host: hostname() }
  const begun = performance.now()
  const error = await t.rejects(open(directory), expected)
  t.ok(performance.now() - begun < 500, 'at once')
  t.ok((error as unknown as StoreLockedError).since! >= before)
  await t.rejects(open(join(folder, 'link')), expected)
  t.match(await openInThread(directory), { code: 'ERR_LOCKED', pid: writer.pid, host: hostname() })
  t.equal(await writer.ask('check'), 'ok')

  const own = join(folder, 'own')
  mkdirSync(own)
  const lock = await open(own)
  await t.rejects(open(own), { code: 'ERR_LOCKED', pid: process.pid, host: hostname() })
  t.match(await openInThread(own), { code: 'ERR_LOCKED', pid: process.pid, host: hostname() })
  lock.check()
  await lock.release()
  t.match(await openInThread(own), { epoch: 2 })
})

t.test('[fault 69] through a link to a folder above', async (t) => {
  const folder = t.testdir({ a: { store: {} } })
  symlinkSync(join(folder, 'a'), join(folder, 'b'))
  const lock = await open(join(folder, 'a', 'store'))
  await t.rejects(open(join(folder, 'b', 'store')), { code: 'ERR_LOCKED' })
  await lock.release()
})

t.test('[fault 70] a second copy of the package is refused', async (t) => {
  const directory = t.testdir()
  const lock = await open(directory)
  const address = new URL('../../../engine/lock/acquire-writer-lock.js?copy', import.meta.url).href
  const copy = (await import(address)) as { acquireWriterLock: typeof acquireWriterLock }
  t.not(copy.acquireWriterLock, acquireWriterLock)
  const other = copy.acquireWriterLock(nodeEnvironment(), directory, { storeId: new Uint8Array(16) })
  await t.rejects(other, { code: 'ERR_LOCKED', pid: process.pid })
  lock.check()
  await lock.release()
})

t.test('[fault 75] the lock of a killed process is taken over at once', { skip: !knowsTheDead }, async (t) => {
  const directory = t.testdir()
  for (let epoch = 1; epoch <= 3; epoch++) {
    const writer = start(t, directory, {})
    t.equal(await writer.answer(), `epoch ${epoch}`)
    await writer.kill()
    t.ok(existsSync(join(directory, 'lock')), 'the lock was left behind')
  }
  const begun = performance.now()
  const lock = await open(directory, {})
  t.ok(performance.now() - begun < 500, 'no waiting')
  t.match(lock, { epoch: 4, previousEpoch: 3 })
  lock.check()
  await lock.release()
})

const moments = ['makeDirectory', 'open', 'writeSync', 'removeDirectory', 'openAgain']
for (const moment of moments) {
  t.test(
    `[F4] [fault 75] a process is killed after ${moment}, in a store that a living one has closed`,
    { skip: !knowsTheDead },
    async (t) => {
      const directory = t.testdir()
      await (await open(directory, {})).release()
      const child = spawn(process.execPath, [KILLED, directory, moment], { stdio: 'inherit' })
      t.same(await once(child, 'exit'), [null, 'SIGKILL'])
      t.equal(existsSync(join(directory, 'lock')), moments.indexOf(moment) < 3)
      const begun = performance.now()
      const lock = await open(directory, {})
      t.ok(performance.now() - begun < 1000, 'no waiting')
      t.equal(lock.epoch, moment === 'makeDirectory' ? 2 : 3)
      lock.check()
      await lock.release()
    },
  )
}

t.test('[F4] [fault 75] nobody is named who has closed the store', async (t) => {
  const directory = join(t.testdir(), 'store')
  abandonOpening(directory)
  const begun = performance.now()
  const lock = await open(directory, {})
  t.ok(performance.now() - begun < 1000)
  t.equal(lock.epoch, 2)
  await lock.release()
})

t.test(
  '[F4] [fault 75] a thread that ended or was terminated keeps nobody waiting',
  { skip: !knowsTheDead },
  async (t) => {
    const directory = t.testdir()
    t.match(await openInThread(directory), { epoch: 1 })
    t.ok(existsSync(join(directory, 'lock')), 'the lock was left behind')
    const second = await openInThread(directory)
    t.equal(second.epoch, 2)
    t.ok(second.took! < 1000, 'no waiting')
    const begun = performance.now()
    await (await open(directory, {})).release()
    t.ok(performance.now() - begun < 1000, 'no waiting')

    const worker = new Worker(THREAD, { workerData: { directory, stay: true }, execArgv: [] })
    t.match(await once(worker, 'message'), [{ epoch: 4 }])
    await t.rejects(open(directory), { code: 'ERR_LOCKED', pid: process.pid }, 'it lives')
    const other = start(t, directory)
    t.equal(await other.answer(), `ERR_LOCKED ${process.pid}`)
    await worker.terminate()
    const next = start(t, directory, {})
    t.equal(await next.answer(), 'epoch 5', 'other processes see it too')
    await next.kill()
    const lock = await open(directory, {})
    lock.check()
    await lock.release()
  },
)

t.test('[fault 71] a stopped writer is fenced and leaves the lock of its successor alone', async (t) => {
  const directory = t.testdir()
  const writer = start(t, directory)
  t.equal(await writer.answer(), 'epoch 1')
  writer.signal('SIGSTOP')
  await t.rejects(open(directory), { code: 'ERR_LOCKED', pid: writer.pid }, 'not yet stale')
  await sleep(2800)
  const lock = await open(directory)
  t.equal(lock.epoch, 2)
  writer.tell('check') // the first thing it does when it wakes up
  writer.signal('SIGCONT')
  t.equal(await writer.answer(), 'ERR_LOCK_LOST')
  t.equal(await writer.ask('release'), 'done')
  lock.check()
  await t.rejects(open(directory), { code: 'ERR_LOCKED', pid: process.pid }, 'no third one gets in beside')
  t.equal(await writer.ask('exit'), 'ended')
  lock.check()
  await lock.release()
})

t.test('[fault 71] a stopped writer whose timer speaks first is fenced as well', async (t) => {
  const directory = t.testdir()
  const writer = start(t, directory)
  await writer.answer()
  writer.signal('SIGSTOP')
  await sleep(3000)
  const lock = await open(directory)
  writer.signal('SIGCONT')
  await sleep(1500)
  lock.check()
  t.equal(await writer.ask('check'), 'ERR_LOCK_LOST')
  await lock.release()
  t.notOk(existsSync(join(directory, 'lock')))
  t.equal(await writer.ask('check'), 'ERR_LOCK_LOST', 'for good')
  t.match(await open(directory).then((next) => next.release().then(() => next)), { epoch: 3 })
})

t.test('[fault 77] a blocked writer that nobody replaced goes on, one that was replaced is told', async (t) => {
  const directory = t.testdir()
  const writer = start(t, directory)
  await writer.answer()
  t.equal(await writer.ask('block 3500'), 'done')
  await sleep(200)
  t.equal(await writer.ask('check'), 'ok')
  writer.tell('block 5000')
  await sleep(3000)
  const lock = await open(directory)
  t.equal(await writer.answer(), 'done')
  await sleep(1200) // its timers have spoken, and it lives
  t.equal(await writer.ask('check'), 'ERR_LOCK_LOST')
  t.equal(await writer.ask('exit'), 'ended')
  t.equal((await writer.ended).code, 3)
  lock.check()
  await lock.release()
})

t.test('[F4] a living writer keeps its lock however long', async (t) => {
  const directory = t.testdir()
  const writer = start(t, directory)
  await writer.answer()
  for (let i = 0; i < 5; i++) {
    await sleep(900)
    await t.rejects(open(directory), { code: 'ERR_LOCKED', pid: writer.pid })
  }
  t.equal(await writer.ask('check'), 'ok')
})

t.test('[fault 73] a lock removed by hand is noticed at the next check', async (t) => {
  const directory = t.testdir()
  const writer = start(t, directory)
  await writer.answer()
  rmdirSync(join(directory, 'lock'))
  t.equal(await writer.ask('check'), 'ERR_LOCK_LOST')
  const lock = await open(directory)
  t.equal(await writer.ask('release'), 'done')
  lock.check()
  await lock.release()
})

const ends: readonly [string, (writer: WriterProcess) => void][] = [
  ['SIGTERM', (writer) => writer.signal('SIGTERM')],
  ['SIGINT', (writer) => writer.signal('SIGINT')],
  ['process.exit', (writer) => writer.tell('exit')],
  ['an uncaught error', (writer) => writer.tell('throw')],
]
for (const [name, end] of ends) {
  t.test(`[fault 76] after ${name} the next writer is not kept waiting`, { skip: !knowsTheDead }, async (t) => {
    const directory = t.testdir()
    const writer = start(t, directory, {})
    await writer.answer()
    end(writer)
    const { code, signal } = await writer.ended
    t.ok(signal === name || code !== 0, 'it ended as anything ends')
    const begun = performance.now()
    const lock = await open(directory, {})
    t.ok(performance.now() - begun < 500)
    t.equal(lock.epoch, 2)
    await lock.release()
  })
}

t.test('[F4] the renewing timer does not keep a process alive', async (t) => {
  const directory = t.testdir()
  t.match(await openInThread(directory), { epoch: 1 }, 'the thread ended though its lock was held')
  t.same(readdirSync(join(directory, 'epoch')), ['0000000001'])
})
