import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Environment, FileHandle, FileSystem, ProcessIdentity } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { systemError } from '../../../engine/io/system-error.js'
import { acquireWriterLock, type WriterLockOptions } from '../../../engine/lock/acquire-writer-lock.js'
import { encodeEpochFile } from '../../../engine/lock/epoch-file.js'

const STORE = '/data/store'
const LOCK = '/data/store/lock'
const storeId = new Uint8Array(16).fill(9)
const epochPath = (epoch: number) => join(STORE, 'epoch', String(epoch).padStart(10, '0'))

/** A machine in memory: a clock of its own that only waiting moves, and processes that live or die as told. */
class Machine {
  readonly files: FileSystem = new MemoryFileSystem({ now: () => this.clock })
  readonly alive = new Map<number, 'alive' | 'dead' | 'unknown'>()
  readonly #base = memoryEnvironment()
  clock = 1_700_000_000_000
  waited = 0

  constructor() {
    this.files.makeDirectories(STORE)
  }

  process(pid: number, change: Partial<Environment> & { host?: string; incarnation?: string } = {}): Environment {
    const { host = 'here', incarnation = `start-${pid}`, ...rest } = change
    const identity: ProcessIdentity = { pid, host, incarnation, isAlive: (p, i) => this.#isAlive(p, i) }
    return {
      ...this.#base,
      files: this.files,
      now: () => this.clock,
      elapsed: () => this.waited,
      after: (delay, callback) => {
        this.clock += delay
        this.waited += delay
        const timer = setImmediate(callback)
        return { cancel: () => clearImmediate(timer) }
      },
      process: identity,
      ...rest,
    }
  }

  /** A pid belongs to the process that was started with it last. */
  #isAlive(pid: number, incarnation: string): 'alive' | 'dead' | 'unknown' {
    const life = this.alive.get(pid) ?? 'alive'
    return life === 'alive' && incarnation !== `start-${pid}` ? 'dead' : life
  }

  names(path: string): string[] {
    return this.files.list(path).sort()
  }

  write(path: string, bytes: Uint8Array): void {
    const handle = this.files.open(path, 'create')
    handle.writeSync(bytes, 0, bytes.length, 0)
    handle.close()
  }
}

const open = (environment: Environment, options?: WriterLockOptions) =>
  acquireWriterLock(environment, STORE, { storeId }, options)

t.test('[F4] epochs count up, and a released store is free', async (t) => {
  const machine = new Machine()
  for (let epoch = 1; epoch <= 3; epoch++) {
    const lock = await open(machine.process(epoch))
    t.match(lock, { epoch, previousEpoch: epoch - 1 })
    lock.check()
    t.same(machine.names(STORE), ['epoch', 'lock'])
    await lock.release()
    await lock.release()
    t.same(machine.names(STORE), ['epoch'])
    t.throws(() => lock.check(), { code: 'ERR_CLOSED' }, '[fault 83] use after close')
  }
})

t.test('[F4] two stores in memory under one path do not know each other', async (t) => {
  const [a, b] = [new Machine(), new Machine()]
  const first = await open(a.process(1))
  const second = await open(b.process(1))
  await second.release()
  first.check()
  await first.release()
  t.same(a.names(STORE), ['epoch'])
})

t.test('[F4] each of two stores in memory under one path renews its lock', async (t) => {
  const machines = [new Machine(), new Machine()]
  const locks = await Promise.all(
    machines.map((machine) => open(machine.process(1), { staleMs: 2000, updateMs: 1000 })),
  )
  await sleep(1500) // the first renewal finds its own lock in any case, the second by its name
  for (const machine of machines) machine.clock += 60_000
  await sleep(1100)
  for (const machine of machines) t.ok(machine.files.stat(LOCK)!.modificationTime > machine.clock - 2000)
  for (const lock of locks) {
    lock.check()
    await lock.release()
  }
})

t.test('[F4] [fault 16] the epoch is durable before the lock is given', async (t) => {
  const machine = new Machine()
  const calls: string[] = []
  const noting = (target: object, path: string): never =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (['sync', 'syncDirectory', 'writeSync'].includes(String(name))) {
            calls.push(`${String(name)} ${name === 'syncDirectory' ? String(args[0]) : path}`)
          }
          const result: unknown = value.apply(object, args)
          return name === 'open' ? noting(result as object, String(args[0])) : result
        }
      },
    }) as never
  const lock = await open(machine.process(1, { files: noting(machine.files, '') }))
  t.same(calls.splice(0), [
    `writeSync ${epochPath(1)}`,
    `sync ${epochPath(1)}`,
    `syncDirectory ${STORE}/epoch`,
    `syncDirectory ${STORE}`,
  ])
  await lock.release()
  t.same(calls, [`writeSync ${epochPath(1)}`], 'and once more to say that it is over')
})

t.test('[F4] [fault 16] [fault 25] the lock is given, or refused, when the last of its syncs has ended', async (t) => {
  for (const failing of [undefined, `${STORE}/epoch`, STORE]) {
    const machine = new Machine()
    const waiting = new Map<string, () => void>()
    const files = new Proxy(machine.files, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object)
        if (typeof value !== 'function') return value
        if (name !== 'syncDirectory') return (...args: unknown[]): unknown => value.apply(object, args)
        return (path: string, done: (error: Error | null) => void) =>
          waiting.set(path, () => done(path === failing ? systemError('EIO', 'fsync') : null))
      },
    })
    let ended: unknown
    const opening = open(machine.process(1, { files })).then(
      (lock) => {
        ended = 'given'
        return lock.release()
      },
      (error: unknown) => {
        ended = error
      },
    )
    await sleep(1)
    t.same([...waiting.keys()], [`${STORE}/epoch`, STORE], 'all are under way at once')
    for (const [path, end] of waiting) {
      t.equal(ended, undefined, `it waits for ${path}`)
      end()
      await sleep(1)
    }
    await opening
    if (failing === undefined) t.equal(ended, 'given')
    else t.match(ended, { code: 'ERR_IO', cause: { code: 'EIO' } })
  }
})

t.test('[F4] old epoch files are removed, the newest sixteen stay', async (t) => {
  const machine = new Machine()
  for (let i = 0; i < 20; i++) await (await open(machine.process(1))).release()
  t.same(
    machine.names(`${STORE}/epoch`),
    Array.from({ length: 16 }, (_, i) => String(i + 5).padStart(10, '0')),
  )
  machine.write(`${STORE}/epoch/.DS_Store`, new Uint8Array(1))
  machine.write(`${STORE}/epoch/99999999999`, new Uint8Array(1))
  t.equal((await open(machine.process(1))).epoch, 21, '[fault 53] other names are ignored')
  t.ok(machine.names(`${STORE}/epoch`).includes('.DS_Store'))
})

t.test('[F4] a newer epoch fences, even if its file and ours are removed again', async (t) => {
  const machine = new Machine()
  const old = await open(machine.process(1))
  machine.write(epochPath(2), new Uint8Array())
  t.throws(() => old.check(), { code: 'ERR_LOCK_LOST' })
  machine.files.remove(epochPath(2))
  t.throws(() => old.check(), { code: 'ERR_LOCK_LOST' }, 'for good')
  await old.release()
  t.same(machine.names(STORE), ['epoch', 'lock'], 'a lost lock is not released')
})

t.test('[F4] a fenced writer that has not noticed releases nothing', async (t) => {
  const machine = new Machine()
  const old = await open(machine.process(1))
  machine.write(epochPath(2), new Uint8Array())
  await old.release()
  t.same(machine.names(STORE), ['epoch', 'lock'])
})

t.test('[F4] check looks at the next epoch before its own, as epochs are removed ascending', async (t) => {
  const machine = new Machine()
  let afterStat: () => void = () => undefined
  const files = new Proxy(machine.files, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const result: unknown = value.apply(target, args)
        if (name === 'stat') afterStat()
        return result
      }
    },
  })
  const old = await open(machine.process(1, { files }))
  machine.write(epochPath(2), new Uint8Array())
  machine.write(epochPath(3), new Uint8Array())
  afterStat = () => {
    afterStat = () => undefined
    machine.files.remove(epochPath(1))
    machine.files.remove(epochPath(2))
  }
  t.throws(() => old.check(), { code: 'ERR_LOCK_LOST' })
})

t.test('[fault 73] the lock directory was removed, or made by somebody else', async (t) => {
  const machine = new Machine()
  const lock = await open(machine.process(1))
  machine.files.removeDirectory(LOCK)
  machine.files.makeDirectory(LOCK)
  t.throws(() => lock.check(), { code: 'ERR_LOCK_LOST', message: /lock.* was removed/ })
  await lock.release()
  t.ok(machine.files.stat(LOCK), 'the other one is left alone')
})

t.test('[fault 74] a file or a full folder in the place of the lock', async (t) => {
  const machine = new Machine()
  machine.write(LOCK, new Uint8Array())
  await t.rejects(open(machine.process(1)), { code: 'ERR_IO', message: /"\/data\/store\/lock" is a file.*remove it/ })
  t.equal(machine.files.stat(LOCK)?.kind, 'file')
  machine.files.remove(LOCK)
  await open(machine.process(1))
  machine.write(`${LOCK}/x`, new Uint8Array())
  await t.rejects(open(machine.process(2)), { code: 'ERR_LOCKED', pid: 1 }, 'held is held')
  machine.alive.set(1, 'dead')
  await t.rejects(open(machine.process(2)), { code: 'ERR_IO', message: /must be empty and holds "x"; remove that/ })
  t.same(machine.names(LOCK), ['x'])
  t.same(machine.names(`${STORE}/epoch`), ['0000000001'], 'nothing was fenced')
})

t.test('[fault 86] a file in the place of the epoch folder', async (t) => {
  const machine = new Machine()
  machine.write(`${STORE}/epoch`, new Uint8Array())
  await t.rejects(open(machine.process(1)), { code: 'ERR_IO', message: /must be a folder/ })
})

t.test('[fault 75] a dead holder is replaced without waiting, also when its pid is somebody else now', async (t) => {
  const machine = new Machine()
  await open(machine.process(1, { incarnation: 'an earlier start' }))
  const lock = await open(machine.process(2))
  t.equal(lock.epoch, 2)
  t.equal(machine.waited, 0)
  lock.check()
})

t.test(
  '[fault 75] liveness unknown or another host: only after stale, and not while it gives signs of life',
  async (t) => {
    for (const host of ['here', 'there']) {
      const machine = new Machine()
      const old = await open(machine.process(1, { host }))
      machine.alive.set(1, host === 'here' ? 'unknown' : 'dead')
      await t.rejects(open(machine.process(2)), { code: 'ERR_LOCKED', pid: 1, host })
      t.ok(machine.waited < 100, 'at once')
      machine.clock += 9_000
      await t.rejects(open(machine.process(2)), { code: 'ERR_LOCKED', pid: 1, host })
      machine.clock += 1_002
      const renewing = machine.process(2, {
        after: (_delay, callback) => {
          machine.clock += 20
          machine.waited += 20
          machine.files.setTimes(LOCK, machine.clock, machine.clock)
          setImmediate(callback)
          return { cancel: () => undefined }
        },
      })
      await t.rejects(open(renewing), { code: 'ERR_LOCKED', pid: 1, host }, 'it was only late')
      old.check()
      machine.clock += 10_002
      const lock = await open(machine.process(2))
      t.equal(lock.epoch, 2)
      lock.check()
      t.throws(() => old.check(), { code: 'ERR_LOCK_LOST', message: /process 2 on "here" has opened it/ })
      await old.release()
      lock.check()
    }
  },
)

t.test(
  '[fault 78] clock back and forward, 1970 and 2106: a living holder keeps its lock, a silent one does not',
  async (t) => {
    for (const jump of [-3_600_000, 86_400_000, -1_700_000_000_000, 2_592_000_000_000]) {
      const machine = new Machine()
      const old = await open(machine.process(1))
      const start = machine.clock
      machine.clock += jump
      old.check()
      let renewals = 0
      const renewing = machine.process(2, {
        after: (delay, callback) => {
          machine.waited += delay
          if (++renewals === 10) machine.files.setTimes(LOCK, machine.clock, machine.clock)
          setImmediate(callback)
          return { cancel: () => undefined }
        },
      })
      await t.rejects(open(renewing), { code: 'ERR_LOCKED', pid: 1 })
      old.check()
      machine.files.setTimes(LOCK, start, start)
      const lock = await open(machine.process(2))
      t.ok(machine.waited < 10_000, 'it is not waited for the clock to come round')
      lock.check()
      t.throws(() => old.check(), { code: 'ERR_LOCK_LOST' })
    }
  },
)

t.test(
  '[fault 7] [fault 38] a crash left an empty or damaged epoch file: it counts, and its maker is unknown',
  async (t) => {
    const whole = encodeEpochFile({ pid: 1, host: 'here', incarnation: 'x', since: 0, epoch: 5 }, storeId)
    const altered = Buffer.from(whole)
    altered[40]! ^= 1
    const cases: [Uint8Array, number][] = [
      [new Uint8Array(), 250],
      [whole.subarray(0, 30), 250],
      [Buffer.alloc(whole.length), 250],
      [whole, 4_500], // of another number
      [altered, 4_500],
      [Buffer.alloc(9999), 4_500],
    ]
    for (const [bytes, watched] of cases) {
      const machine = new Machine()
      machine.files.makeDirectories(`${STORE}/epoch`)
      machine.write(epochPath(4), bytes)
      const first = await open(machine.process(2))
      t.equal(first.epoch, 5, 'no lock: free')
      t.equal(machine.waited, 0)
      await first.release()

      machine.files.remove(epochPath(5))
      machine.files.makeDirectory(LOCK)
      t.equal((await open(machine.process(2))).epoch, 5, 'lock: watched, then taken')
      t.ok(machine.waited >= watched && machine.waited < watched + 500, `${machine.waited} ms`)
    }
  },
)

t.test('[F4] [fault 75] a lock of an opener that made no epoch is taken over in a moment', async (t) => {
  for (const kind of ['a new store', 'a store that a living process has closed', 'one that lost its lock']) {
    const machine = new Machine()
    const before = kind === 'a new store' ? undefined : await open(machine.process(1))
    if (kind === 'one that lost its lock') {
      machine.files.removeDirectory(LOCK)
      t.throws(() => before!.check(), { code: 'ERR_LOCK_LOST' })
    }
    await before?.release()
    machine.files.makeDirectory(LOCK)
    const next = await open(machine.process(2))
    t.ok(machine.waited >= 250 && machine.waited < 500, `${kind}: ${machine.waited} ms`)
    next.check()
    await t.rejects(open(machine.process(3)), { code: 'ERR_LOCKED', pid: 2 })
  }
})

t.test('[F4] [fault 75] an opener that does make its epoch in time keeps its lock, and is named', async (t) => {
  const machine = new Machine()
  await (await open(machine.process(1))).release()
  machine.files.makeDirectory(LOCK)
  let polls = 0
  const watching = machine.process(3, {
    after: (delay, callback) => {
      machine.waited += delay
      const holder = { pid: 2, host: 'here', incarnation: 'start-2', since: machine.clock, epoch: 2 }
      if (++polls === 5) machine.write(epochPath(2), encodeEpochFile(holder, storeId))
      setImmediate(callback)
      return { cancel: () => undefined }
    },
  })
  await t.rejects(open(watching), { code: 'ERR_LOCKED', pid: 2 })
  t.equal(polls, 5)
})

t.test('[F4] nobody is named when the one who holds the lock is not known', async (t) => {
  const machine = new Machine()
  await (await open(machine.process(1))).release()
  let time = machine.clock
  const watching = machine.process(3, {
    after: (delay, callback) => {
      machine.waited += delay
      machine.files.setTimes(LOCK, ++time, time) // one opener after the other
      setImmediate(callback)
      return { cancel: () => undefined }
    },
  })
  machine.files.makeDirectory(LOCK)
  await t.rejects(open(watching), { code: 'ERR_LOCKED', pid: undefined, message: /another process has it open/ })
})

t.test(
  '[F4] a note that the lock was released that cannot be written, or is torn, only makes others wait',
  async (t) => {
    for (const bytes of [0, 3]) {
      const machine = new Machine()
      const failing = (handle: FileHandle): FileHandle =>
        new Proxy(handle, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target)
            if (typeof value !== 'function') return value
            if (name !== 'writeSync') return value.bind(target) as unknown
            return (source: Uint8Array, offset: number, _length: number, position: number) => {
              if (position !== 56) throw systemError('EIO', 'write')
              return target.writeSync(source, offset, bytes, position)
            }
          },
        })
      const files = new Proxy(machine.files, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          return (...args: unknown[]) => {
            const result: unknown = value.apply(target, args)
            return name === 'open' && args[1] === 'write' ? failing(result as FileHandle) : result
          }
        },
      })
      await (await open(machine.process(1, { files }))).release()
      t.same(machine.names(STORE), ['epoch'])
      machine.files.makeDirectory(LOCK)
      await t.rejects(open(machine.process(2)), { code: 'ERR_LOCKED', pid: 1 })
      machine.alive.set(1, 'dead')
      t.equal((await open(machine.process(2))).epoch, 2)
    }
  },
)

t.test('[F4] [fault 75] an opener that gives up after it made its epoch is not taken for the holder', async (t) => {
  const machine = new Machine()
  await open(machine.process(1))
  machine.alive.set(1, 'dead')
  let time = machine.clock
  const touch = () => machine.files.setTimes(LOCK, ++time, time) // somebody else's, again and again
  const files = new Proxy(machine.files, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (name === 'open' && args[1] === 'create') touch()
        return value.apply(target, args) as unknown
      }
    },
  })
  const unlucky = machine.process(2, {
    files,
    after: (delay, callback) => {
      machine.waited += delay
      touch()
      setImmediate(callback)
      return { cancel: () => undefined }
    },
  })
  await t.rejects(open(unlucky), { code: 'ERR_LOCKED', pid: undefined })
  t.same(machine.names(`${STORE}/epoch`), ['0000000001', '0000000002'])
  machine.waited = 0
  t.equal((await open(machine.process(3))).epoch, 3)
  t.ok(machine.waited < 500)
})

t.test('[fault 84] the folder is removed, moved away, or replaced by a copy', async (t) => {
  const machine = new Machine()
  const first = await open(machine.process(1))
  machine.files.rename(STORE, '/data/moved')
  t.throws(() => first.check(), { code: 'ERR_IO', message: /its folder is gone/ })
  machine.files.makeDirectories(`${STORE}/epoch`)
  machine.files.makeDirectory(LOCK)
  machine.write(epochPath(1), new Uint8Array())
  t.throws(() => first.check(), { code: 'ERR_IO' }, 'for good')
  await first.release()
  t.ok(machine.files.stat(LOCK))
  await t.rejects(acquireWriterLock(machine.process(1), '/nowhere', { storeId }), { code: 'ERR_IO', message: /ENOENT/ })

  const other = new Machine()
  const second = await open(other.process(1))
  other.files.rename(STORE, '/data/moved')
  other.files.makeDirectories(`${STORE}/epoch`)
  other.files.makeDirectory(LOCK)
  other.write(epochPath(1), new Uint8Array())
  t.throws(() => second.check(), { code: 'ERR_LOCK_LOST', message: /replaced/ })
})

t.test(
  '[fault 38] [fault 22] any call that fails while opening: a clear error, and the next opening works',
  async (t) => {
    for (const code of ['EIO', 'ENOSPC', 'EROFS']) {
      let failures = 0
      for (let n = 1; n < 100; n++) {
        const machine = new Machine()
        let calls = 0
        const guarded = (target: object): never =>
          new Proxy(target, {
            get(object, name) {
              const value: unknown = Reflect.get(object, name, object)
              if (typeof value !== 'function') return value
              return (...args: unknown[]) => {
                if (name !== 'close' && ++calls === n) {
                  const done = args.at(-1)
                  if (typeof done !== 'function') throw systemError(code, String(name))
                  return void setImmediate(done as (error: unknown) => void, systemError(code, String(name)))
                }
                const result: unknown = value.apply(object, args)
                return name === 'open' ? guarded(result as object) : result
              }
            },
          }) as never
        const environment = machine.process(1, { files: guarded(machine.files) })
        try {
          const lock = await open(environment)
          lock.check()
          await lock.release()
          if (calls < n) return void t.ok(failures > 10, `${failures} of ${calls} calls stop the opening`)
        } catch (error) {
          failures++
          const expected = code === 'ENOSPC' ? 'ERR_NO_SPACE' : 'ERR_IO'
          t.match(error, { code: expected, message: new RegExp(code) }, `call ${n}`)
        }
        machine.alive.set(1, 'dead')
        const next = await open(machine.process(2))
        next.check()
        await next.release()
      }
      t.fail('it never came through')
    }
  },
)

t.test('[F4] a lock that is lost twice is lost once, with the first reason', async (t) => {
  const machine = new Machine()
  const lock = await open(machine.process(1), { staleMs: 2000, updateMs: 1000 })
  machine.write(epochPath(2), new Uint8Array())
  t.throws(() => lock.check(), { code: 'ERR_LOCK_LOST', message: /another process/ })
  machine.files.removeDirectory(LOCK)
  t.throws(() => lock.check(), { code: 'ERR_LOCK_LOST', message: /another process/ })
  await lock.release()
})

for (const refused of [['setTimes'], ['setTimes', 'stat']]) {
  t.test(
    `[F4] a lock that cannot be renewed any more is lost, and nothing else is said of it: no ${refused.join(', no ')}`,
    async (t) => {
      const machine = new Machine()
      let fails = false
      const files = new Proxy(machine.files, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          return (...args: unknown[]) => {
            if (fails && refused.includes(String(name)) && (name !== 'stat' || args[0] === STORE)) {
              throw systemError('EROFS', String(name), LOCK)
            }
            return value.apply(target, args) as unknown
          }
        },
      })
      const lock = await open(machine.process(1, { files }), { staleMs: 2000, updateMs: 1000 })
      fails = true
      const isLost = (): boolean => {
        try {
          lock.check()
          return false
        } catch {
          return true
        }
      }
      for (let wait = 0; wait < 100 && !isLost(); wait++) await sleep(100)
      t.throws(() => lock.check(), { code: 'ERR_LOCK_LOST', message: /its lock could not be renewed/ })
      await lock.release()
      t.ok(machine.files.stat(LOCK), 'left alone')
    },
  )
}

t.test('[F4] [fault 78] a lock of odd time that moves while it is watched is held', async (t) => {
  const machine = new Machine()
  const holder = await open(machine.process(1, { host: 'there' }))
  const odd = machine.clock + 10 ** 9
  machine.files.setTimes(LOCK, odd, odd)
  machine.files.setTimes(epochPath(1), odd, odd)
  let waits = 0
  const opener = machine.process(2)
  const after: Environment['after'] = (delay, callback) => {
    if (++waits === 2) machine.files.setTimes(LOCK, odd + 5, odd + 5)
    return opener.after(delay, callback)
  }
  await t.rejects(open({ ...opener, after }), { code: 'ERR_LOCKED' })
  t.ok(waits < 20, 'watched once only')
  holder.check()
  await holder.release()
})

t.test(
  '[F4] a lock that comes in the way of who takes over gets a moment to say whose it is, and no more',
  async (t) => {
    const machine = new Machine()
    await open(machine.process(1))
    machine.alive.set(1, 'dead')
    const files = new Proxy(machine.files, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (name === 'open' && args[0] === epochPath(2) && args[1] === 'create') {
            machine.files.removeDirectory(LOCK)
            machine.clock += 1
            machine.files.makeDirectory(LOCK)
          }
          return value.apply(target, args) as unknown
        }
      },
    })
    const before = machine.waited
    const lock = await open(machine.process(2, { files }))
    t.equal(lock.epoch, 2)
    t.ok(machine.waited > before, 'it had a moment')
    lock.check()
    await lock.release()
  },
)
