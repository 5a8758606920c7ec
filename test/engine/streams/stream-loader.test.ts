import t from 'tap'
import type { NewEvent } from '../../../engine/index.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { streamKey } from '../../../engine/format/names.js'
import { encodeSeal } from '../../../engine/format/shape-record.js'
import { encodeEntries, IndexBuilder } from '../../../engine/format/sparse-index.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { INDEXED_FROM_BYTES, scanInto, StreamLoader } from '../../../engine/streams/stream-loader.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { countUp, numbered, sized, TestMachine } from '../store/test-machine.js'

const KEY = streamKey('a')
const FIRST = `/store/streams/${KEY.path}@0000000000000000.seg`
const limits = { ...defaultLimits, indexIntervalBytes: 1024 }

interface Streams {
  readonly machine: TestMachine
  readonly files: FaultyFileSystem
  readonly directory: StreamDirectory
  /** A loader as a new session has it. */
  readonly loader: () => StreamLoader
}

/** A closed store, everything in it settled. */
async function streams(events: readonly NewEvent[], streamSegmentBytes?: number): Promise<Streams> {
  const machine = new TestMachine()
  const bytes = streamSegmentBytes ?? defaultLimits.streamSegmentBytes
  const store = await machine.open({
    durability: 'os',
    limits: { streamSegmentBytes: bytes, indexIntervalBytes: limits.indexIntervalBytes },
  })
  await store.append('a', [...events])
  await store.checkpoint()
  await store.close()
  const storeId = Buffer.from(machine.contents('/store/annals').subarray(20, 36))
  const files = new FaultyFileSystem(machine.environment.files)
  const directory = new StreamDirectory(files, '/store/streams', storeId, true)
  const loader = (): StreamLoader =>
    new StreamLoader(new StreamDirectory(files, '/store/streams', storeId, true), new ReadHandles(files, 8), limits)
  return { machine, files, directory, loader }
}

/** Where the records of a segment start. */
function records(bytes: Buffer): number[] {
  const starts: number[] = []
  for (let at = bytes.readUInt32LE(12); at < bytes.length; at += bytes.readUInt32LE(at)) starts.push(at)
  return starts
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 1
  return copy
}

t.test('[R2] a stream without files has version 0, and its shard is listed once', async (t) => {
  const { files, loader } = await streams(numbered(1))
  const one = loader()
  files.record()
  for (let i = 0; i < 5; i++) {
    t.match(one.load(streamKey('nobody')), { version: 0, nextOffset: 0, flushed: 0, last: undefined, bases: [] })
  }
  t.equal(files.trace!.filter(({ kind }) => kind === 'list').length, 0, 'there is no such shard')
  for (let i = 0, unknown = 0; unknown < 5; i++) {
    const key = streamKey(`stream-${i}`)
    if (key.path.slice(0, 2) !== KEY.path.slice(0, 2)) continue
    unknown++
    t.equal(one.load(key).version, 0)
  }
  t.equal(files.trace!.filter(({ kind }) => kind === 'list').length, 1)
  t.equal(files.trace!.filter(({ kind }) => kind === 'open').length, 0)
})

t.test('[N1] a small stream costs one open and the whole file, read once', async (t) => {
  const { machine, files, loader } = await streams(numbered(10))
  files.record()
  const state = loader().load(KEY)
  const size = machine.contents(FIRST).length
  t.match(state, { version: 10, nextOffset: 10, flushed: 10, bases: [0] })
  t.match(state.last, { base: 0, bytes: size, unfinished: false, index: undefined })
  const trace = files.trace!
  t.equal(trace.filter(({ kind }) => kind === 'open').length, 1)
  t.equal(files.bytesRead, size)
  t.equal(trace.filter(({ kind }) => kind === 'read').length, 1)
  t.equal(trace.filter(({ kind }) => kind === 'size').length, 1)
  t.equal(trace.filter(({ kind }) => kind === 'list').length, 0)
})

t.test('[N1] of a large segment only the end is read', async (t) => {
  for (const last of [10, 5_000, 40_000]) {
    const events = [...countUp(100).map(() => sized(1000)), sized(last)]
    const { machine, files, loader } = await streams(events)
    // The index is made already; whoever takes it up reads from its last entry on.
    const state = loader().load(KEY)
    t.equal(state.version, 101)
    t.equal(state.last!.bytes, machine.contents(FIRST).length)
    t.ok(files.bytesRead < 40_000 + 4 * last, `${files.bytesRead} bytes read`)
  }
})

t.test('[F1] streams of several segments are followed from seal to seal', async (t) => {
  const { machine, loader } = await streams(numbered(60), 1000)
  const segments = machine.find('.seg')
  t.ok(segments.length > 3)
  const bases = segments.map((path) => Number(path.slice(-20, -4)))
  t.match(loader().load(KEY), { version: 60, bases, last: { base: bases.at(-1) } })
  // The last one begins in a session that was killed: whatever is unproven, the chain is the same.
  for (const unproven of [0, 1, bases[1]!, bases[1]! - 1, bases.at(-1)!, 59, 60]) {
    t.match(loader().load(KEY, unproven), { version: 60, bases }, `unproven from ${unproven}`)
  }
})

t.test('[fault 47] a missing segment is an error that names it, never an empty or shorter stream', async (t) => {
  const { machine, loader } = await streams(numbered(60), 1000)
  const segments = machine.find('.seg')
  for (const which of [0, segments.length - 1]) {
    const path = segments[which]!
    const contents = machine.contents(path)
    machine.remove(path)
    const offset = Number(path.slice(-20, -4))
    t.throws(() => loader().load(KEY), {
      code: 'ERR_CORRUPT',
      reason: 'the segment is missing',
      file: path,
      stream: 'a',
      offset,
    })
    machine.write(path, contents)
  }
  t.equal(loader().load(KEY).version, 60, 'put back, all is well')
})

t.test('[fault 47] a first segment that is gone is noticed by its index, and by what the log stands for', async (t) => {
  const { machine, loader, directory } = await streams(countUp(200).map(() => sized(600)))
  t.ok(machine.contents(FIRST).length > INDEXED_FROM_BYTES)
  machine.remove(FIRST)
  t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT', reason: 'the segment is missing', file: FIRST, offset: 0 })
  machine.remove(directory.indexPath(KEY, 0))
  // Nothing in the folder tells of it any more.
  t.equal(loader().load(KEY).version, 0)
  t.throws(() => loader().load(KEY, 7), {
    code: 'ERR_CORRUPT',
    reason: 'the segment is missing',
    file: FIRST,
    offset: 0,
  })
  t.equal(loader().load(KEY, 0).version, 0, 'the log stands for all of it')
})

t.test('[fault 3] later segments whose first one never became durable do not count', async (t) => {
  const { machine, loader } = await streams(numbered(60), 1000)
  machine.remove(FIRST)
  t.match(loader().load(KEY, 0), { version: 0, last: undefined, bases: [] })
})

t.test('[fault 39] a settled end that is not right is damage, wherever the bit', async (t) => {
  for (const events of [numbered(3), countUp(40).map(() => sized(800))]) {
    const { machine, loader } = await streams(events)
    const sound = machine.contents(FIRST)
    const last = records(sound).at(-1)!
    for (let at = last; at < sound.length; at += 13) {
      machine.write(FIRST, flipped(sound, at))
      t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT', file: FIRST, stream: 'a' }, `byte ${at}`)
    }
    // Rubbish behind it, zeros too: what was settled ends with a record.
    machine.write(FIRST, Buffer.concat([sound, Buffer.alloc(100)]))
    t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT' })
    machine.write(FIRST, sound.subarray(0, last))
    // One record less is sound in itself: only the log knows better, and `verify` compares.
    t.equal(loader().load(KEY).version, events.length - 1)
  }
})

t.test('[fault 3] what nobody synced is read record by record and ends at the first that is not right', async (t) => {
  const { machine, loader } = await streams(countUp(60).map((i) => sized(500 + i)))
  const sound = machine.contents(FIRST)
  const starts = records(sound).slice(-60)
  for (const broken of [0, 1, 30, 59]) {
    machine.write(FIRST, flipped(sound, starts[broken]! + 40))
    for (const unproven of [0, 1, 30, 59]) {
      if (broken < unproven) {
        // Large segments are read from an entry of the index near what is unproven: damage before is found by who reads it.
        const entryBefore = starts[unproven]! - starts[broken]! < 1500
        if (entryBefore) t.throws(() => loader().load(KEY, unproven), { code: 'ERR_CORRUPT', stream: 'a' })
        continue
      }
      t.match(loader().load(KEY, unproven), {
        version: broken,
        flushed: broken,
        last: { bytes: starts[broken]!, unfinished: true },
      })
    }
  }
})

t.test('[fault 3] a segment whose header was never synced holds nothing; a settled one is damaged', async (t) => {
  const { machine, loader } = await streams(numbered(60), 1000)
  const segments = machine.find('.seg')
  const path = segments.at(-1)!
  const base = Number(path.slice(-20, -4))
  for (const contents of [Buffer.alloc(0), Buffer.alloc(500), machine.contents(path).subarray(0, 50)]) {
    machine.write(path, contents)
    t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT', file: path })
    t.throws(() => loader().load(KEY, base + 1), { code: 'ERR_CORRUPT', file: path })
    t.match(loader().load(KEY, base), { version: base, flushed: base, last: { base, bytes: 0 } })
  }
  machine.write(path, machine.contents(segments[1]!))
  t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT', reason: /its name says/ })
})

t.test(
  '[fault 3] a segment that hangs on another one than the one before it holds nothing, unless it is settled',
  async (t) => {
    const { machine, loader } = await streams(numbered(60), 1000)
    const path = machine.find('.seg').at(-1)!
    const base = Number(path.slice(-20, -4))
    const bytes = machine.contents(path)
    bytes.writeBigUInt64LE(1n, 52)
    bytes.writeUInt32LE(crc32c(bytes, 20, bytes.readUInt32LE(12), crc32c(bytes, 0, 16)), 16)
    machine.write(path, bytes)
    for (const unproven of [0, 1, base]) {
      const expected = { version: base, flushed: base, last: { base, bytes: 0, unfinished: false } }
      t.match(loader().load(KEY, unproven), expected, `unproven from ${unproven}`)
    }
    t.match(loader().load(KEY), { version: 60, last: { base } }, 'verify says so')
  },
)

t.test('[F1] a seal that was not synced is no seal: the segment is gone on in', async (t) => {
  const { machine, loader } = await streams(numbered(60), 1000)
  const [first, second] = machine.find('.seg') as [string, string]
  const next = Number(second.slice(-20, -4))
  const sound = machine.contents(first)
  const sealAt = records(sound).at(-1)!
  machine.write(first, sound.subarray(0, sealAt))
  t.match(loader().load(KEY, next), { version: next, bases: [0], last: { base: 0, bytes: sealAt, unfinished: false } })
  machine.write(first, flipped(sound, sealAt + 10))
  t.match(loader().load(KEY, next), { version: next, bases: [0], last: { bytes: sealAt, unfinished: true } })
  machine.write(first, sound)
  const last = machine.find('.seg').at(-1)!
  machine.write(last, Buffer.concat([machine.contents(last), encodeSeal(65)]))
  t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT', reason: /names another offset/, file: last })
})

t.test(
  '[fault 3] the seal of another segment, which the block held before, is not followed past what is missing',
  async (t) => {
    const { machine, loader } = await streams(numbered(60), 1000)
    const [first, second, third] = machine.find('.seg') as [string, string, string]
    const next = Number(second.slice(-20, -4))
    const beyond = Number(third.slice(-20, -4))
    const sound = machine.contents(first)
    const sealAt = records(sound).at(-1)!
    machine.write(first, Buffer.concat([sound.subarray(0, sealAt), encodeSeal(beyond)]))
    machine.remove(second)
    for (const unproven of [0, 1, next]) {
      const state = loader().load(KEY, unproven)
      t.match(state, { version: next, flushed: next, bases: [0], last: { base: 0, bytes: sealAt, unfinished: true } })
    }
    t.throws(
      () => loader().load(KEY, next + 1),
      { code: 'ERR_CORRUPT', file: first },
      'where it is durable it is damage',
    )
  },
)

t.test('[fault 46] events of another stream or from before the base are not taken for the end', async (t) => {
  const { machine, loader, directory } = await streams(countUp(40).map(() => sized(800)))
  const sound = machine.contents(FIRST)
  const start = sound.readUInt32LE(12)
  const header = directory.segmentHeader(KEY, 0, 0)
  t.same(sound.subarray(0, start), header)
  const other = streamKey('b')
  const path = directory.segmentPath(other, 0)
  machine.environment.files.makeDirectories(path.slice(0, path.lastIndexOf('/')))
  machine.write(path, Buffer.concat([directory.segmentHeader(other, 0, 0), sound.subarray(start)]))
  t.throws(() => loader().load(other), { code: 'ERR_CORRUPT', reason: 'the event belongs to another stream' })
  machine.write(FIRST, Buffer.concat([sound.subarray(0, start), encodeSeal(100)]))
  machine.write(
    directory.segmentPath(KEY, 100),
    Buffer.concat([directory.segmentHeader(KEY, 100, 0), sound.subarray(start)]),
  )
  t.throws(() => loader().load(KEY), { code: 'ERR_CORRUPT' })
})

t.test('[F3] an index is taken up, or made again where it is missing, short, wrong or of another file', async (t) => {
  const { machine, loader, directory } = await streams(countUp(300).map((i) => sized(300 + (i % 7))))
  const path = directory.indexPath(KEY, 0)
  const right = machine.contents(path)
  const whole = loader().load(KEY).last!.index!
  t.equal(whole.written, whole.builder.entries.length)
  const header = right.subarray(0, right.readUInt32LE(12))
  const forged = whole.builder.entries.slice(0, 20).map((entry) => ({ ...entry, byte: entry.byte + 1 }))
  const wrong: Record<string, Buffer | undefined> = {
    missing: undefined,
    empty: Buffer.alloc(0),
    'cut in an entry': right.subarray(0, -5),
    'cut between entries': right.subarray(0, -64),
    'header only': header,
    flipped: flipped(right, header.length + 3),
    'of another stream': Buffer.concat([directory.indexHeader(streamKey('b'), 0), right.subarray(header.length)]),
    forged: Buffer.concat([header, encodeEntries(forged, 0, header.readUInt32LE(16))]),
  }
  for (const [what, contents] of Object.entries(wrong)) {
    if (contents === undefined) machine.remove(path)
    else machine.write(path, contents)
    const { last, version } = loader().load(KEY)
    t.equal(version, 300, what)
    t.same(last!.index!.builder.entries, whole.builder.entries, what)
    t.ok(last!.index!.written <= whole.written)
  }
})

t.test(
  '[F3] startBefore names a record at or before an offset, and the beginning where no index can tell',
  async (t) => {
    const { machine, loader, directory } = await streams(countUp(300).map(() => sized(300)))
    const starts = records(machine.contents(FIRST)).slice(-300)
    const byte = loader().startBefore(KEY, 0, 200)
    t.ok(starts.includes(byte) && byte <= starts[200]! && byte > starts[190]!)
    t.equal(loader().startBefore(KEY, 0, 0), 0)
    t.equal(loader().startBefore(KEY, 50, 20), 0, 'nothing of it is below')
    machine.remove(directory.indexPath(KEY, 0))
    t.equal(loader().startBefore(KEY, 0, 200), 0)
  },
)

t.test('[F3] scanInto indexes records longer than a piece, and refuses what is none', async (t) => {
  const { machine } = await streams([sized(10), sized(3_000_000), sized(10)])
  const bytes = machine.contents(FIRST)
  const starts = records(bytes).slice(-3)
  const scan = (contents: Buffer): unknown => {
    machine.write(FIRST, contents)
    const builder = new IndexBuilder(1)
    const handle = machine.environment.files.open(FIRST, 'read')
    try {
      scanInto(builder, handle, FIRST, { byte: bytes.readUInt32LE(12), number: 0 }, contents.length, KEY)
    } finally {
      handle.close()
    }
    builder.finish()
    return builder.entries.map((entry) => [entry.number, entry.byte])
  }
  t.same(
    scan(bytes),
    starts.map((byte, offset) => [offset, byte]),
  )
  t.throws(() => scan(flipped(bytes, starts[1]! + 100)), { code: 'ERR_CORRUPT', file: FIRST })
})

t.test('[fault 27] what the system reports is passed on, not taken for damage', async (t) => {
  const { files, loader } = await streams(numbered(10))
  for (const kind of ['stat', 'open', 'read'] as const) {
    files.setFaults({ failAt: 1, sticky: true, only: (op) => op.kind === kind })
    t.throws(() => loader().load(KEY), { code: 'EIO' }, kind)
    files.setFaults()
  }
  t.equal(loader().load(KEY).version, 10)
})

t.test('[fault 55] events that the log does not hold are not gone on from: small and large segments', async (t) => {
  for (const events of [numbered(5), countUp(40).map(() => sized(800))]) {
    const { files, directory } = await streams(events)
    const load = (logEnd: number): number =>
      new StreamLoader(directory, new ReadHandles(files, 8), limits, () => logEnd).load(KEY).version
    t.equal(load(events.length), events.length)
    t.throws(() => load(events.length - 1), {
      code: 'ERR_CORRUPT',
      reason: 'the log does not hold this event',
      file: FIRST,
      stream: 'a',
      offset: events.length - 1,
    })
  }
})
