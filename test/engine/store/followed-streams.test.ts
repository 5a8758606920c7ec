import t, { type Test } from 'tap'
import type { CorruptionError, NewEvent } from '../../../engine/index.js'
import type { LogSegment } from '../../../engine/commit-log/log-directory.js'
import { windowOf } from '../../../engine/format/frame.js'
import { streamKey } from '../../../engine/format/names.js'
import { StreamTableBuilder } from '../../../engine/format/stream-table.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { Slabs } from '../../../engine/segment/slabs.js'
import { FollowedStreams } from '../../../engine/store/followed-streams.js'
import type { LogFollower } from '../../../engine/store/log-follower.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { FaultyFileSystem, type Operation } from '../../support/faulty-file-system.js'
import { Forge } from '../../support/forge.js'
import { numbered, sized, TestMachine } from './test-machine.js'

const KEY = streamKey('a')
const FIRST = `/store/streams/${KEY.path}@0000000000000000.seg`
const isSegment = ({ kind, path }: Operation): boolean => kind === 'open' && path.endsWith('.seg')

/** The streams of a store that was closed with all its events in the files of stream a, beside a log that the test makes up. */
class Followed {
  /** How far the log was followed, and what stands behind that: offsets of events of stream a. */
  position: number
  ahead: readonly number[] = []
  readonly streams: FollowedStreams
  readonly files: FaultyFileSystem
  readonly #forge = new Forge()
  readonly #handles: ReadHandles

  readonly machine: TestMachine

  private constructor(machine: TestMachine, events: number) {
    this.machine = machine
    this.position = events
    this.files = new FaultyFileSystem(machine.environment.files)
    const storeId = Buffer.from(machine.contents('/store/annals').subarray(20, 36))
    const handles = new ReadHandles(this.files, 8)
    this.#handles = handles
    const streams = new StreamDirectory(this.files, '/store/streams', storeId, true)
    const follower = {
      eachAhead: (visit: Parameters<LogFollower['eachAhead']>[0]) => {
        for (const offset of this.ahead) {
          const record = this.#forge.event({ stream: 'a', offset, position: offset })
          visit(windowOf(record), 0, record.length, 0)
        }
      },
    } as unknown as LogFollower
    Object.defineProperty(follower, 'position', { get: () => this.position })
    this.streams = new FollowedStreams({
      ...{ streams, handles, limits: defaultLimits, unsettled: [] },
      slabs: new Slabs(1024, handles),
      follower: () => follower,
    })
  }

  static async of(
    events: readonly NewEvent[],
    streamSegmentBytes = defaultLimits.streamSegmentBytes,
  ): Promise<Followed> {
    const machine = new TestMachine()
    const store = await machine.open({ durability: 'os', limits: { streamSegmentBytes } })
    for (const event of events) {
      await store.append('a', [event])
      if (streamSegmentBytes < 4096) await store.flush()
    }
    await store.checkpoint()
    await store.close()
    return new Followed(machine, events.length)
  }

  /** A table of a log segment names these offsets of stream a. */
  name(base: number, from: number, count: number): void {
    const table = new StreamTableBuilder()
    for (let n = 0; n < count; n++) table.add('a', undefined, from + n, 100 + n)
    this.streams.collect(segment(base), table)
  }

  /** No file stays open. */
  forget(): void {
    this.#handles.close()
  }

  get loaded(): { version: number; flushed: number; tail: number; bases: readonly number[]; last: number | undefined } {
    const { version, nextOffset, flushed, tail, bases, last } = this.streams.load(KEY)
    if (nextOffset !== version) throw new Error(`next is ${nextOffset}, the version ${version}`)
    return { version, flushed, tail: tail.length, bases, last: last?.base }
  }

  fails(t: Test, expected: Partial<CorruptionError>): void {
    t.throws(() => this.streams.load(KEY), { code: 'ERR_CORRUPT', ...expected })
  }
}

const segment = (base: number): LogSegment => ({ base, epoch: 1, path: `/store/log/${base}.log` })

t.test('a stream that no table names is what its files hold', async (t) => {
  const at = await Followed.of(numbered(10))
  t.match(at.loaded, { version: 10, flushed: 10, tail: 0, last: 0 })
  t.match(at.streams.load(streamKey('b')), { version: 0 })
})

t.test('from the first event on that a table names the log is read, whatever the files hold', async (t) => {
  const at = await Followed.of(numbered(10))
  at.name(0, 6, 2)
  t.match(at.loaded, { version: 8, flushed: 6, tail: 2 })
  at.name(20, 8, 5)
  t.match(at.loaded, { version: 13, flushed: 6, tail: 7 })
})

t.test('a stream that is all in the log has its files not opened', async (t) => {
  const at = await Followed.of(numbered(10))
  at.name(0, 0, 3)
  at.files.setFaults({ only: isSegment, failAt: 1 })
  t.match(at.loaded, { version: 3, flushed: 0, tail: 3 })
  t.equal(at.files.failures, 0)
})

t.test('two tables of one segment name an event once', async (t) => {
  const at = await Followed.of(numbered(4))
  at.name(0, 2, 4)
  at.name(0, 3, 5)
  t.match(at.loaded, { version: 8, flushed: 2, tail: 6 })
})

t.test('events that neither files nor tables have are missed', async (t) => {
  const at = await Followed.of(numbered(10))
  at.name(12, 12, 3)
  at.fails(t, {
    message: /events before this one are missing/ as unknown as string,
    offset: 10,
    byte: 100,
    stream: 'a',
  })
})

t.test('of segments that were begun behind what is settled nothing is read', async (t) => {
  const at = await Followed.of(
    Array.from({ length: 6 }, () => sized(900)),
    1000,
  )
  const { bases } = at.loaded
  t.ok(bases.length >= 3, `${bases.length} segments`)
  const second = bases[1]!
  at.name(0, second, 1)
  t.same(at.loaded, { version: second + 1, flushed: second, tail: 1, bases: [0], last: undefined })
  const other = await Followed.of(
    Array.from({ length: 6 }, () => sized(900)),
    1000,
  )
  other.name(0, second + 1, 1)
  t.match(other.loaded, { version: second + 2, flushed: second + 1, bases: [0, second] })
})

t.test(
  'an end that looks wrong is one that is being written, if the log has it behind what was followed',
  async (t) => {
    const at = await Followed.of(numbered(10))
    const bytes = at.machine.contents(FIRST)
    bytes[bytes.length - 20]! ^= 1
    at.machine.write(FIRST, bytes)
    at.fails(t, { file: FIRST, offset: 9 })
    at.ahead = [9, 10]
    t.match(at.loaded, { version: 9, flushed: 9, tail: 0 })
  },
)

t.test('what a flush has written that was not followed yet is not shown', async (t) => {
  const at = await Followed.of(numbered(10))
  at.position = 7
  at.fails(t, { message: /the log does not hold this event/ as unknown as string, offset: 9 })
  at.ahead = [7, 8, 9]
  t.match(at.loaded, { version: 7, flushed: 7 })
})

t.test('a file that is replaced while it is opened is opened again, some times', async (t) => {
  const at = await Followed.of(numbered(3))
  for (const failures of [1, 3]) {
    let left = failures
    at.files.setFaults({
      only: (operation) => isSegment(operation) && left-- > 0,
      failAt: 1,
      sticky: true,
      code: 'ENOENT',
    })
    t.match(at.loaded, { version: 3 }, `${failures} times`)
    at.files.setFaults({})
    at.forget()
  }
  at.files.setFaults({ only: isSegment, failAt: 1, sticky: true, code: 'ENOENT' })
  t.throws(() => at.streams.load(KEY), { code: 'ENOENT' })
  t.equal(at.files.failures, 1 + 3 + 4)
  at.files.setFaults({ only: isSegment, failAt: 1, code: 'EIO' })
  t.throws(() => at.streams.load(KEY), { code: 'EIO' }, 'other failures are told at once')
})

t.test('tables of what is settled are forgotten, and the last one once everything is', async (t) => {
  const at = await Followed.of(numbered(10))
  at.position = 40
  for (const base of [0, 10, 10, 20]) at.name(base, 0, 1)
  const bases = (): number[] => at.streams.tables.map(({ segment }) => segment.base)
  t.equal(at.streams.settle(9), false)
  t.same(bases(), [0, 10, 10, 20])
  t.equal(at.streams.settle(10), true)
  t.same(bases(), [10, 10, 20])
  t.equal(at.streams.settle(19), false, 'both tables of a segment last as long as it does')
  t.equal(at.streams.settle(39), true)
  t.same(bases(), [20], 'which is still growing')
  t.equal(at.streams.settle(40), true)
  t.same(bases(), [])
  t.equal(at.streams.settle(41), false)
  t.match(at.loaded, { version: 10, tail: 0 }, 'and its files are believed')
})
