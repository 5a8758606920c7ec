import t from 'tap'
import { EventFilter } from '../../../engine/format/event-filter.js'
import { EventDecoder } from '../../../engine/format/event-record.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { encodeSeal } from '../../../engine/format/shape-record.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import type { TimeRange } from '../../../engine/format/time-runs.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { CorruptionError } from '../../../engine/errors.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { Slabs } from '../../../engine/segment/slabs.js'
import type { StreamReading } from '../../../engine/store/segment-cursor.js'
import { Selection } from '../../../engine/store/selection.js'
import { BackwardStreamSource, ForwardStreamSource } from '../../../engine/store/stream-source.js'
import { IndexCache } from '../../../engine/streams/index-cache.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { StreamLoader } from '../../../engine/streams/stream-loader.js'
import type { StreamState } from '../../../engine/streams/stream-state.js'
import type { EventSource } from '../../../engine/store/event-iterator.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { Forge, logSegment, STORE_ID, streamSegment } from '../../support/forge.js'
import { put } from '../recovery/verify-support.js'
import { untilError } from './log-reading.js'

const KEY = streamKey('a')
const LOG = '/store/log/0000000000000000-0000000001.log'
const limits = { ...defaultLimits, indexIntervalBytes: 512 }
const decoder = new EventDecoder(new ValueDecoder(new ShapeTable()))
const SEGMENT = 40

/** A stream of two sealed segments, a last one, and ten events that only the log has; event n has time n and position 2n. */
class Stream {
  readonly memory = memoryEnvironment().files
  readonly files = new FaultyFileSystem(this.memory)
  readonly handles = new ReadHandles(this.files, 8)
  readonly records: Buffer[]
  readonly reading: StreamReading
  readonly state: StreamState

  constructor(dataOf: (n: number) => unknown = (n) => n, inFiles = 100, count = inFiles + 10) {
    const forge = new Forge()
    this.records = Array.from({ length: count }, (_, n) =>
      forge.event({ stream: 'a', offset: n, position: 2 * n }, { data: dataOf(n), timestamp: n }),
    )
    for (let base = 0; base < inFiles; base += SEGMENT) {
      const own = this.records.slice(base, Math.min(base + SEGMENT, inFiles))
      const isSealed = base + SEGMENT < inFiles
      put(this.memory, this.path(base), streamSegment('a', isSealed ? [...own, encodeSeal(own.length)] : own, { base }))
    }
    const inLog = this.records.slice(inFiles)
    put(this.memory, LOG, logSegment([inLog]))
    const directory = new StreamDirectory(this.files, '/store/streams', STORE_ID, true)
    const slabs = new Slabs(2 ** 20, this.handles)
    this.reading = {
      directory,
      indexes: new IndexCache(directory, this.handles, limits),
      handles: this.handles,
      slabs,
      decoder,
      limits,
    }
    this.state = new StreamLoader(directory, this.handles, limits).load(KEY)
    let byte = logSegment([[]]).length // its header and the head of the group
    for (const record of inLog) {
      this.state.tail.push(slabs.adopt(LOG, byte))
      this.state.version++
      byte += record.length
    }
  }

  path(base: number): string {
    return `/store/streams/${streamFileName(KEY.path, base, '.seg')}`
  }

  forward(from: number, end: number, selection?: Selection): ForwardStreamSource {
    return new ForwardStreamSource(this.reading, this.state, from, end, selection)
  }

  backward(from: number, to: number, selection?: Selection): BackwardStreamSource {
    return new BackwardStreamSource(this.reading, this.state, from, to, selection)
  }

  /** A bit of a record in a segment is flipped. */
  damage(offset: number): string {
    const path = this.path(Math.floor(offset / SEGMENT) * SEGMENT)
    const handle = this.memory.open(path, 'write')
    const bytes = Buffer.alloc(handle.size())
    handle.readSync(bytes, 0, bytes.length, 0)
    const at = bytes.indexOf(this.records[offset]!) + 70
    handle.writeSync(Buffer.of(bytes[at]! ^ 1), 0, 1, at)
    handle.close()
    return path
  }

  selecting(criteria: { types?: string[]; times?: TimeRange }, pause = () => Promise.resolve()): Selection {
    return new Selection(new EventFilter(criteria, decoder), pause)
  }
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i)

/** Offsets of what a source hands out, so many at a time. */
async function offsets(source: EventSource, most: number): Promise<number[]> {
  const { positions, error } = await untilError(source, most)
  if (error !== undefined) throw error as Error
  return positions.map((position) => position / 2)
}

t.test('a stream is read forward and backward, from its segments and from the log, without a seam', async (t) => {
  const stream = new Stream()
  t.match(stream.state, { version: 110, flushed: 100, bases: [0, 40, 80] })
  for (const [from, end] of [
    [0, 110],
    [0, 1],
    [39, 41],
    [40, 80],
    [79, 105],
    [100, 110],
    [109, 110],
    [50, 50],
    [90, 1000],
  ] as const) {
    for (const most of [1, 7, 1000]) {
      const wanted = upTo(Math.min(end, 110), from)
      t.same(await offsets(stream.forward(from, end), most), wanted, `${from} to ${end}, ${most} at a time`)
      t.same(await offsets(stream.backward(end - 1, from), most), wanted.toReversed(), 'backward')
    }
  }
  const [event] = (await stream.forward(57, 58).next(9)) as unknown[]
  t.match(event, { stream: 'a', offset: 57, position: 114, data: 57, timestamp: 57 })
})

t.test('events longer than what is read at a time come whole', async (t) => {
  const stream = new Stream((n) => (n % 30 === 7 ? 'x'.repeat(400_000) : n))
  t.same(await offsets(stream.forward(3, 110), 100), upTo(110, 3))
  t.same(await offsets(stream.backward(109, 3), 100), upTo(110, 3).toReversed())
})

t.test('a flush while a stream is read is not seen', async (t) => {
  const stream = new Stream(undefined, 40, 60)
  const source = stream.forward(0, 60)
  const first = (await source.next(50)) as unknown[]
  const flushed = new Stream(undefined, 60, 60)
  for (const base of [0, 40]) put(stream.memory, stream.path(base), contents(flushed, base))
  stream.handles.close()
  Object.assign(stream.state, { flushed: 60, bases: [0, 40], tail: [], last: flushed.state.last })
  t.equal(first.length + (await offsets(source, 7)).length, 60)
})

function contents(stream: Stream, base: number): Buffer {
  const handle = stream.memory.open(stream.path(base), 'read')
  const bytes = Buffer.alloc(handle.size())
  handle.readSync(bytes, 0, bytes.length, 0)
  handle.close()
  return bytes
}

t.test('[U3] events before damage are handed out, then comes the error', async (t) => {
  const stream = new Stream()
  const path = stream.damage(50)
  const { positions, error } = await untilError(stream.forward(30, 110), 6)
  t.same(positions, upTo(50, 30).map((n) => 2 * n)) // prettier-ignore
  t.match(error, { code: 'ERR_CORRUPT', file: path, stream: 'a', offset: 50 })
  t.match((await untilError(stream.backward(60, 0), 6)).error, { code: 'ERR_CORRUPT', file: path })
  t.same(await offsets(stream.forward(80, 110), 100), upTo(110, 80), 'other segments can be read')
})

t.test('[U3] a read that asks for all ends with the damage behind the last event that is there', async (t) => {
  const stream = new Stream()
  const damage = new CorruptionError('the log is damaged', { file: LOG, byte: 7 })
  stream.state.damage = damage
  const { positions, error } = await untilError(stream.forward(100, Infinity))
  t.same(positions.length, 10)
  t.equal(error, damage)
  t.same(await offsets(stream.forward(100, 105), 9), upTo(105, 100), 'who asks for less does not meet it')
  t.throws(() => stream.backward(Infinity, 0), { code: 'ERR_CORRUPT' })
  t.same(await offsets(stream.backward(104, 100), 9), upTo(105, 100).toReversed())
})

t.test('[R11] of a time only the stretches that have it are read, forward and backward', async (t) => {
  const stream = new Stream()
  for (const [from, to] of [
    [50, 52],
    [38, 41],
    [98, 103],
    [500, 600],
  ] as const) {
    const wanted = upTo(110).filter((n) => n >= from && n <= to)
    t.same(await offsets(stream.forward(0, 110, stream.selecting({ times: { from, to } })), 2), wanted)
    t.same(await offsets(stream.backward(109, 0, stream.selecting({ times: { from, to } })), 2), wanted.toReversed())
  }
})

t.test('[R10] others have their turn while events are passed over', async (t) => {
  const stream = new Stream()
  let pauses = 0
  const pausing = stream.selecting({ types: ['Never'] }, () => {
    pauses++
    return Promise.resolve()
  })
  pausing.spend(1_000_000)
  t.same(await offsets(stream.forward(0, 110, pausing), 10), [])
  t.ok(pauses >= 1)
  const enough = new Error('enough')
  const ended = stream.selecting({ types: ['Never'] }, () => Promise.reject(enough))
  ended.spend(1_000_000)
  await t.rejects(async () => stream.forward(0, 110, ended).next(5), enough)
})

t.test('[fault 27] what the disk refuses is told', async (t) => {
  const stream = new Stream()
  stream.handles.close()
  stream.files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, sticky: true, code: 'EIO' })
  t.match((await untilError(stream.forward(0, 110))).error, { code: 'EIO' })
})
