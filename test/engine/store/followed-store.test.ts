import t from 'tap'
import type { FileEventStore, OpenOptions, StoredEvent } from '../../../engine/index.js'
import type { Environment } from '../../../engine/io/file-system.js'
import type { Limits } from '../../../engine/limits.js'
import { FollowedStore } from '../../../engine/store/followed-store.js'
import { settingsOf } from '../../../engine/store/options.js'
import { StoreReader } from '../../../engine/store/store-reader.js'
import { turn } from '../../../engine/store/write-behind.js'
import { FaultyFileSystem, type Operation } from '../../support/faulty-file-system.js'
import { countUp, datas, isLog, numbered, sized, TestMachine } from './test-machine.js'

/** Another process that follows the store of a machine: its time passes when the test says so. */
class Follower {
  readonly files: FaultyFileSystem
  store!: FollowedStore
  reader!: StoreReader
  #timers: { readonly delay: number; readonly callback: () => void }[] = []
  #tell: (() => void) | undefined

  constructor(machine: TestMachine) {
    this.files = new FaultyFileSystem(machine.environment.files)
    this.#machine = machine
  }
  readonly #machine: TestMachine

  static async of(machine: TestMachine, limits: Partial<Limits> = {}): Promise<Follower> {
    const follower = new Follower(machine)
    await follower.open(limits)
    return follower
  }

  async open(limits: Partial<Limits> = {}): Promise<void> {
    const { files } = this
    const environment: Environment = {
      ...this.#machine.environment,
      files: Object.assign(files, {
        watch: (_path: string, changed: () => void) => {
          this.#tell = changed
          return { close: () => (this.#tell = undefined) }
        },
      }),
      after: (delay, callback) => {
        const timer = { delay, callback }
        this.#timers.push(timer)
        return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
      },
    }
    const storeId = Buffer.from(this.#machine.contents('/store/annals').subarray(20, 36))
    this.store = await FollowedStore.open(environment, settingsOf({ limits }), '/store', storeId, () => undefined)
    this.reader = new StoreReader(this.store.reading)
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Time for a look has come. */
  fire(): void {
    for (const { callback } of this.#timers.splice(0)) callback()
  }

  /** The system tells that the watermark was written to. */
  async tell(): Promise<void> {
    this.#tell?.()
    for (let n = 0; n < 5; n++) {
      await turn()
      for (const { callback } of this.#timers.filter(({ delay }) => delay < 10)) callback()
      this.#timers = this.#timers.filter(({ delay }) => delay >= 10)
    }
  }

  /** What reads by themselves find. */
  all(): Promise<unknown[]> {
    return datas(this.reader.readAll())
  }
}

const isRead = (operation: Operation): boolean => isLog(operation) && operation.kind !== 'close'
const SMALL: OpenOptions = { limits: { logSegmentBytes: 4096 } }

/** Appends one event at a time; the writer tells of a commit in the turn after it. */
async function append(store: FileEventStore, stream: string, count: number, first = 0): Promise<void> {
  for (let n = 0; n < count; n++) await store.append(stream, numbered(1, first + n))
  await turn()
}

/** A store with so many events in the stream `a`, its writer, and who follows it. */
async function followed(
  count: number,
  options?: OpenOptions,
): Promise<{ readonly machine: TestMachine; readonly writer: FileEventStore; readonly at: Follower }> {
  const machine = new TestMachine()
  const writer = await machine.open(options)
  await append(writer, 'a', count)
  return { machine, writer, at: await Follower.of(machine) }
}

t.test('[R13] what is appended is read by the next read, in streams that were there and that were not', async (t) => {
  const { writer, at } = await followed(3)
  t.equal(at.store.position, 3, 'an opening goes on to what is committed')
  t.same(await datas(at.reader.readStream('a')), [0, 1, 2])
  await append(writer, 'a', 2, 3)
  await append(writer, 'b', 1, 5)
  t.equal(at.store.position, 3, 'nobody has looked')
  t.same(await at.all(), [0, 1, 2, 3, 4, 5])
  t.same(await datas(at.reader.readStream('a')), [0, 1, 2, 3, 4], 'a stream that is in memory grows')
  t.match(await at.reader.streamInfo('b'), { version: 1 })
  at.store.close()
  await writer.close()
})

t.test('without a read it looks when the system tells of a write, and now and then', async (t) => {
  const { writer, at } = await followed(1)
  await append(writer, 'a', 1, 1)
  await at.tell()
  t.equal(at.store.position, 2)
  await append(writer, 'a', 1, 2)
  at.fire()
  t.equal(at.store.position, 3)
  t.equal(at.timers, 1, 'and will look again')
  at.store.close()
  t.equal(at.timers, 0)
  await writer.close()
})

t.test('[D10] it follows from segment to segment, and forgets what a checkpoint says to be settled', async (t) => {
  const { writer, at } = await followed(1, SMALL)
  for (let n = 1; n < 20; n++) await writer.append(`s${n % 3}`, [sized(1000)])
  await turn()
  await at.store.refresh()
  t.equal(at.store.position, 20)
  const before = at.store.reading.unsettled().length
  t.ok(before >= 4, `${before} segments`)
  t.equal(at.store.settledPosition, 0)
  t.equal((await datas(at.reader.readStream('s1'))).length, 7)
  t.equal(at.store.reading.catalog.get('s1').tail.length, 7, 'from the log')
  await writer.checkpoint()
  await at.store.refresh()
  t.equal(at.store.reading.unsettled().length, 1, 'the one that grows')
  t.equal((await at.all()).length, 20)
  t.equal((await datas(at.reader.readStream('s1'))).length, 7)
  t.equal(at.store.reading.catalog.get('s1').tail.length, 0, 'from its files')
  await append(writer, 's1', 1)
  t.equal((await datas(at.reader.readStream('s1'))).length, 8)
  t.equal(at.store.reading.catalog.get('s1').tail.length, 1, 'and what is new from the log')
  at.store.close()
  await writer.close()
})

t.test('a read that is under way when files are forgotten goes on', async (t) => {
  const machine = new TestMachine()
  const writer = await machine.open(SMALL)
  for (let n = 0; n < 200; n++) await writer.append('a', numbered(1, n))
  await turn()
  const at = await Follower.of(machine)
  const seen: unknown[] = []
  for await (const { data } of at.reader.readStream('a')) {
    if (seen.push(data) !== 10) continue
    await writer.checkpoint()
    await at.store.refresh()
  }
  t.same(seen, countUp(200))
  at.store.close()
  await writer.close()
})

t.test('[M4] a group that is half written is not shown; the next writer decides what becomes of it', async (t) => {
  const machine = new TestMachine()
  const first = await machine.open()
  await append(first, 'a', 3)
  const [log] = machine.find('.log') as [string]
  const watermark = machine.contents('/store/watermark')
  await first.append('a', numbered(4, 3))
  const whole = machine.contents(log)
  machine.kill()
  machine.write('/store/watermark', watermark)
  const end = whole.subarray(0, whole.length).findLastIndex((byte) => byte !== 0) + 1
  machine.write(log, whole.subarray(0, end - 30))
  const at = await Follower.of(machine)
  t.same(await at.all(), [0, 1, 2])
  t.equal(at.store.damage, undefined)
  const second = await machine.open()
  await append(second, 'a', 1, 10)
  t.same(await at.all(), [0, 1, 2, 10])
  t.match(await at.reader.streamInfo('a'), { version: 4 })
  at.store.close()
  await second.close()
})

t.test('[F4] when its writer is gone it shows what it has, and goes on with the next', async (t) => {
  const { machine, at } = await followed(3)
  machine.kill()
  at.fire()
  t.same(await at.all(), [0, 1, 2])
  for (let n = 0; n < 3; n++) {
    const next = await machine.open()
    await append(next, 'a', 1, 3 + n)
    t.same(await datas(at.reader.readStream('a')), countUp(4 + n))
    if (n === 1) machine.kill()
    else await next.close()
  }
  at.store.close()
})

t.test('[U3] damage behind what was followed is told, and what is before it can still be read', async (t) => {
  const { machine, writer, at } = await followed(3)
  await datas(at.reader.readStream('a'))
  const [log] = machine.find('.log') as [string]
  const { length } = machine.contents(log).subarray(0, machine.contents(log).findLastIndex((byte) => byte !== 0) + 1)
  await append(writer, 'a', 2, 3)
  const bytes = machine.contents(log)
  bytes[length + 80]! ^= 1
  machine.write(log, bytes)
  await at.store.refresh()
  t.match(at.store.damage, { code: 'ERR_CORRUPT', file: log })
  t.equal(at.store.position, 5, 'no read ends in silence before it')
  const seen: unknown[] = []
  const reading = (async () => {
    for await (const { data } of at.reader.readStream('a')) seen.push(data)
  })()
  await t.rejects(reading, { code: 'ERR_CORRUPT', stream: 'a', offset: 3 })
  t.same(seen, [0, 1, 2])
  await t.rejects(at.reader.streamInfo('a'), { code: 'ERR_CORRUPT' })
  await t.rejects(at.reader.streamInfo('other'), { code: 'ERR_CORRUPT' }, 'it may have had events there')
  at.store.close()
})

t.test('who waits is woken by damage', async (t) => {
  const { machine, writer, at } = await followed(3)
  const [log] = machine.find('.log') as [string]
  const length = machine.contents(log).findLastIndex((byte) => byte !== 0) + 1
  const next = at.reader.subscribe({ fromPosition: 'end' }).next()
  await append(writer, 'a', 2, 3)
  const bytes = machine.contents(log)
  bytes[length + 80]! ^= 1
  machine.write(log, bytes)
  await turn()
  at.fire()
  await t.rejects(next, { code: 'ERR_CORRUPT' })
  at.store.close()
})

t.test('what the disk refuses is told, and tried again', async (t) => {
  const { writer, at } = await followed(3)
  await append(writer, 'a', 1, 3)
  at.store.handles.close()
  at.files.setFaults({ only: isRead, failAt: 1, sticky: true, code: 'EIO' })
  await t.rejects(at.store.refresh(), { code: 'ERR_IO' })
  t.throws(() => at.store.reading.refresh!(), { code: 'ERR_IO' })
  at.files.setFaults({})
  t.same(await at.all(), [0, 1, 2, 3])
  at.files.setFaults({ only: isRead, failAt: 1, sticky: true, code: 'ENOENT' })
  await append(writer, 'a', 1, 4)
  at.store.handles.close()
  await at.store.refresh()
  at.files.setFaults({})
  t.same(await at.all(), [0, 1, 2, 3, 4], 'a file that is gone is looked for again')
  at.store.close()
  await writer.close()
})

t.test('a checkpoint that is replaced while it is read is read again, some times', async (t) => {
  const machine = new TestMachine()
  const writer = await machine.open()
  await append(writer, 'a', 3)
  await writer.close()
  const [log] = machine.find('.log') as [string]
  const bytes = machine.contents(log)
  const isCheckpoint = ({ kind, path }: Operation): boolean => kind === 'open' && path.endsWith('/checkpoint')
  for (const [missing, found] of [
    [3, true],
    [4, false],
  ] as const) {
    machine.remove(log)
    let opened = 0
    const at = new Follower(machine)
    at.files.setFaults({
      only: (operation) => {
        // What it names appears when it was read so many times.
        if (isCheckpoint(operation) && opened++ === missing) machine.write(log, bytes)
        if (operation.kind === 'list' && opened === missing && machine.find('.log').length === 0) {
          machine.write(log, bytes)
        }
        return false
      },
      failAt: 1,
    })
    if (found) {
      await at.open()
      t.same(await at.all(), [0, 1, 2])
      at.store.close()
    } else await t.rejects(at.open(), { code: 'ERR_CORRUPT' })
    if (machine.find('.log').length === 0) machine.write(log, bytes)
  }
})

t.test('[D10] streams in memory are no more than the limit, and those forgotten are found again', async (t) => {
  const machine = new TestMachine()
  const writer = await machine.open()
  for (let n = 0; n < 50; n++) await writer.append(`s${n}`, numbered(1, n))
  await turn()
  const at = await Follower.of(machine, { cachedStreams: 16 })
  for (let n = 0; n < 50; n++) t.same(await datas(at.reader.readStream(`s${n}`)), [n])
  t.ok(at.store.reading.catalog.size <= 16, `${at.store.reading.catalog.size} in memory`)
  t.same(await datas(at.reader.readStream('s0')), [0])
  at.store.close()
  await writer.close()
})

t.test('closed, it has no file open, ends reads under way, and looks at nothing more', async (t) => {
  const machine = new TestMachine()
  const writer = await machine.open()
  for (let n = 0; n < 200; n++) await writer.append('a', numbered(1, n))
  await turn()
  const at = await Follower.of(machine)
  const reading = at.reader.readAll()[Symbol.asyncIterator]()
  await reading.next()
  const live: AsyncIterator<StoredEvent, undefined> = at.reader.subscribe({ fromPosition: 'end' })
  const waiting = live.next()
  at.store.close()
  t.same(at.files.openFiles, [])
  t.same(await waiting, { value: undefined, done: true })
  await t.rejects(
    (async () => {
      while ((await reading.next()).done !== true);
    })(),
    { code: 'ERR_CLOSED' },
  )
  await append(writer, 'a', 1)
  at.store.reading.refresh!()
  await at.store.refresh()
  await at.tell()
  t.equal(at.store.position, 200)
  t.same(at.files.openFiles, [])
  await writer.close()
})
