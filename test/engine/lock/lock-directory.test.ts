import t from 'tap'
import type { Environment, FileSystem } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { assertReplaceable, LockDirectory, lookAtLock } from '../../../engine/lock/lock-directory.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const LOCK = '/store/lock'
const OPTIONS = { updateMs: 1000, staleMs: 2000 }

/** An environment whose files do something else behind a call: what another process does at that moment. */
function setUp(after: Partial<Record<keyof FileSystem, (files: FileSystem) => void>> = {}) {
  const base = memoryEnvironment()
  base.files.makeDirectories('/store')
  const files = new Proxy(base.files, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        try {
          return value.apply(target, args) as unknown
        } finally {
          if (args[0] === LOCK) after[name as keyof FileSystem]?.(target)
        }
      }
    },
  })
  const environment: Environment = { ...base, files }
  return { environment, files: base.files, after }
}

/** Waits for a renewal; its timer does not keep a process alive. */
async function awake<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 1000)
  return promise.finally(() => clearInterval(timer))
}

t.test('[F4] a lock that is removed while it is made is not ours', async (t) => {
  const { environment } = setUp({ makeDirectory: (files) => files.removeDirectory(LOCK) })
  await t.rejects(LockDirectory.take(environment, LOCK, OPTIONS), { code: 'ENOENT' })
})

t.test('[F4] a lock that is given up while we look is free', async (t) => {
  const { environment, files, after } = setUp()
  files.makeDirectory(LOCK)
  after.makeDirectory = () => {
    after.makeDirectory = () => undefined
    files.removeDirectory(LOCK)
  }
  const lock = await LockDirectory.take(environment, LOCK, OPTIONS)
  t.ok(lock?.isThere())
  await lock?.release()
  t.equal(files.stat(LOCK), undefined)
})

t.test(
  '[F4] a lock that was lost is not there any more, whatever stands in its place, and is not removed',
  async (t) => {
    const { environment, files } = setUp()
    const lock = (await LockDirectory.take(environment, LOCK, OPTIONS))!
    const lost = new Promise<Error>((resolve) => lock.guard(() => false, resolve))
    t.ok(lock.isThere())
    await awake(lost)
    t.notOk(lock.isThere())
    lock.abandon()
    t.ok(files.stat(LOCK), 'somebody else may have it')
    await lock.release()
  },
)

t.test(
  '[F4] a lock that was given up is removed by its release all the same, while it is certainly ours',
  async (t) => {
    const { environment, files } = setUp()
    const lock = (await LockDirectory.take(environment, LOCK, OPTIONS))!
    const lost = new Promise<Error>((resolve) => lock.guard(() => false, resolve))
    await awake(lost)
    await lock.release()
    t.equal(files.stat(LOCK), undefined)
    await lock.release()
  },
)

t.test('[F4] a renewed lock that is removed at that moment is lost at the next look', async (t) => {
  const { environment, files, after } = setUp()
  let renewed: () => void = () => undefined
  const done = new Promise<void>((resolve) => (renewed = resolve))
  const lock = (await LockDirectory.take(environment, LOCK, OPTIONS))!
  const times = files.stat(LOCK)!.modificationTime
  after.setTimes = () => {
    files.removeDirectory(LOCK)
    renewed()
  }
  await awake(done)
  t.notOk(lock.isThere())
  t.ok(times > 0)
  await lock.release()
})

t.test('[F4] [fault 74] a lock that may be replaced must be empty, and may be gone', async (t) => {
  const inner = memoryEnvironment().files
  inner.makeDirectories('/store')
  const files = new FaultyFileSystem(inner)
  assertReplaceable(files, LOCK)
  t.equal(lookAtLock(files, LOCK), undefined)
  inner.makeDirectory(LOCK)
  assertReplaceable(files, LOCK)
  files.setFaults({ only: ({ kind }) => kind === 'list', failAt: 1, code: 'EACCES' })
  t.throws(() => assertReplaceable(files, LOCK), { code: 'EACCES' })
  files.setFaults()
  inner.open(`${LOCK}/x`, 'create').close()
  t.throws(() => assertReplaceable(files, LOCK), { code: 'ERR_IO', message: /holds "x"/ })
})

t.test(
  '[F4] who was late with a renewal is not steady for a while, for it may be losing the lock just then',
  async (t) => {
    const { environment } = setUp()
    let now = 0
    const lock = (await LockDirectory.take({ ...environment, elapsed: () => now }, LOCK, OPTIONS))!
    let renewed = (): void => undefined
    lock.guard(
      () => (renewed(), true),
      (error) => t.fail(error.message),
    )
    /** proper-lockfile renews by a timer of its own. */
    const renewal = (): Promise<void> => awake(new Promise((resolve) => (renewed = () => setImmediate(resolve))))
    t.ok(lock.isSteady(now))
    now = OPTIONS.staleMs / 2 - 1
    t.ok(lock.isSteady(now))
    await renewal()
    now += OPTIONS.staleMs / 2 - 1
    t.ok(lock.isSteady(now), 'renewed in time')
    now += 1
    t.notOk(lock.isSteady(now), 'late')
    await renewal()
    t.notOk(lock.isSteady(now), 'renewed too late')
    now += OPTIONS.staleMs / 2 - 1
    await renewal()
    now += OPTIONS.staleMs / 2
    await renewal()
    now += OPTIONS.staleMs
    t.notOk(lock.isSteady(now))
    await lock.release()
  },
)
