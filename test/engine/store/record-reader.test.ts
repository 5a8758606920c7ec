import t from 'tap'
import { eventPosition } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { GROUP_BYTES } from '../../../engine/format/group.js'
import { WrongKeyFile } from '../../../engine/keys/key-file-reader.js'
import { defaultLimits } from '../../../engine/limits.js'
import type { RecordReader } from '../../../engine/store/record-reader.js'
import { KeyedLog } from '../../support/keyed-log.js'
import { recordsOf } from './log-reading.js'

/** Three segments of twenty events of some 150 bytes. */
const events = (count = 60): KeyedLog =>
  new KeyedLog(
    Array.from({ length: count / 20 }, (_, n) =>
      Array.from({ length: 20 }, (_, i) => ({ data: 20 * n + i, tags: ['x'.repeat(60)] })),
    ),
  )

const FIRST = HEADER_FIXED_BYTES + GROUP_BYTES

function positionIn(records: RecordReader): number {
  return eventPosition(records.window, records.at)
}

/** Bytes read from files while something is done. */
function bytesOf(log: KeyedLog, work: () => unknown): number {
  const before = log.files.bytesRead
  work()
  return log.files.bytesRead - before
}

t.test('[C2] a record is found by its position alone, in any order', (t) => {
  const log = events()
  const records = recordsOf(log)
  for (const position of [0, 59, 20, 19, 40, 39, 7, 33, 58, 1]) {
    t.ok(records.read(position, -1))
    const { window, at, length, path, byte } = records
    t.equal(positionIn(records), position)
    t.equal(path, log.segments[Math.floor(position / 20)]!.path)
    const expected = log.contents(path).subarray(byte, byte + length)
    t.ok(window.bytes.subarray(at, at + length).equals(expected), 'file and byte are where it stands')
  }
  t.end()
})

t.test('records one after another cost few reads, and no index', (t) => {
  const log = new KeyedLog([Array.from({ length: 1000 }, (_, data) => ({ data, tags: ['x'.repeat(60)] }))])
  const limits = { ...defaultLimits, indexIntervalBytes: 2 ** 20 } // one entry for all of them
  const records = recordsOf(log, { limits })
  records.read(0, -1)
  log.files.record()
  for (let position = 1; position < 1000; position++) records.read(position, -1)
  t.equal(positionIn(records), 999)
  const reads = log.files.trace!.filter(({ kind }) => kind === 'read')
  t.ok(reads.length <= 5, `${reads.length} reads for 999 records`)
  t.equal(
    bytesOf(log, () => records.read(999, records.byte)),
    0,
    'what is in memory is not read again',
  )
  t.end()
})

t.test('a byte that an index names is looked at, and believed only if the record stands there', (t) => {
  const log = events()
  const records = recordsOf(log)
  records.read(3, -1)
  const { byte, length } = records
  t.ok(recordsOf(log).read(3, byte))
  const size = log.contents(log.segments[0]!.path).length
  for (const wrong of [byte + length, byte + 1, FIRST, HEADER_FIXED_BYTES, 0, size - 4, size, size + 1000]) {
    t.notOk(recordsOf(log).read(3, wrong), `byte ${wrong}`)
  }
  t.ok(records.read(3, byte), 'the reader goes on')
  t.end()
})

t.test('an index that leads astray costs a walk, and no record', (t) => {
  const log = events(20)
  const records = recordsOf(log)
  records.read(15, -1)
  const { byte } = records
  const end = log.contents(log.segments[0]!.path).length
  const entry = { number: 2, byte, end: byte + 100, minTime: 0, maxTime: 0 }
  const active = { path: log.segments[0]!.path, end, entries: [entry] }
  const misled = recordsOf(log, { active: () => active })
  t.ok(misled.read(4, -1))
  t.equal(positionIn(misled), 4)
  active.entries[0] = { ...entry, byte: byte + 3 }
  t.ok(recordsOf(log, { active: () => active }).read(4, -1), 'where no record starts')
  t.end()
})

t.test('of a segment only what counts is read', (t) => {
  const log = events()
  const [first, , third] = log.segments
  const records = recordsOf(log)
  records.read(50, -1)
  const end = records.byte
  const growing = recordsOf(log, { active: () => ({ path: third!.path, end, entries: [] }) })
  t.ok(growing.read(49, -1))
  t.throws(() => growing.read(50, -1), { code: 'ERR_CORRUPT', message: /position 50 is missing/ })
  t.notOk(growing.read(50, end), 'though its bytes are there')
  t.ok(growing.read(19, -1), 'other segments count whole')
  records.read(5, -1)
  const last = records.byte
  const opened = recordsOf(log, { lastEnd: (path) => (path === first!.path ? last : undefined) })
  t.ok(opened.read(4, -1))
  t.throws(() => opened.read(5, -1), { code: 'ERR_CORRUPT', file: first!.path })
  t.end()
})

t.test('what is not committed yet is read from memory', (t) => {
  const log = events(20)
  const around = Buffer.concat([Buffer.alloc(7), log.record({ data: 'pending' }, 20)])
  const records = recordsOf(log, {
    pending: (position) => (position === 20 ? { window: windowOf(around), at: 7 } : undefined),
  })
  t.ok(records.read(20, -1))
  t.match(records, { at: 7, length: around.length - 7, path: 'memory', byte: 0 })
  t.equal(positionIn(records), 20)
  t.notOk(records.read(21, -1), 'nor is what is not there')
  t.notOk(records.readPlace({ position: 21, byte: -1 }, undefined))
  t.ok(records.read(19, -1))
  t.end()
})

t.test('[U3] damage is an error with its place, and no answer', (t) => {
  const log = events()
  const records = recordsOf(log)
  records.read(30, -1)
  const { path, byte } = records
  const bytes = log.contents(path)
  bytes[byte + 80]! ^= 1
  log.write(path, bytes)
  const damaged = recordsOf(log)
  t.throws(() => damaged.read(30, -1), { code: 'ERR_CORRUPT', file: path, message: /position 30 is missing/ })
  t.notOk(damaged.read(30, byte))
  t.ok(damaged.read(29, -1))
  t.throws(() => damaged.read(35, -1), { code: 'ERR_CORRUPT', file: path }, 'nor what is behind it in its stretch')
  for (const length of [0, 15, 0x7fffffff]) {
    bytes.writeUInt32LE(length, byte)
    log.write(path, bytes)
    t.throws(() => recordsOf(log).read(30, -1), { message: /position 30 is missing/ }, `length ${length}`)
  }
  t.end()
})

t.test('[U3] [fault 47] a segment that is missing, or shorter than it was, is an error', (t) => {
  const log = events(20)
  const { path } = log.segments[0]!
  const bytes = log.contents(path)
  const records = recordsOf(log, { active: () => ({ path, end: bytes.length, entries: [] }) })
  log.write(path, bytes.subarray(0, -50))
  t.throws(() => records.read(19, -1), { code: 'ERR_CORRUPT', message: /ends inside a record/, file: path })
  log.directory.clear()
  t.throws(() => recordsOf(log).read(3, -1), { code: 'ERR_CORRUPT', message: /the first log segment is missing/ })
  t.end()
})

t.test('[fault 27] what the disk refuses is told', (t) => {
  const log = events(20)
  log.files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, sticky: true, code: 'EIO' })
  t.throws(() => recordsOf(log).read(3, -1), { code: 'EIO' })
  t.end()
})

t.test(
  'a place that a key file names wrongly is the fault of that file, one in memory is damage of the log',
  async (t) => {
    const log = new KeyedLog([[{ tags: ['a'] }, {}, {}]])
    const index = log.index()
    await log.make(index)
    const { file } = index.withFiles()[0]!
    const records = recordsOf(log, { committed: 2 })
    t.ok(records.readPlace({ position: 0, byte: FIRST }, file))
    let error: unknown
    try {
      records.readPlace({ position: 1, byte: FIRST }, file)
    } catch (thrown) {
      error = thrown
    }
    t.ok(error instanceof WrongKeyFile && error.file === file)
    t.throws(() => records.readPlace({ position: 1, byte: FIRST }, undefined), {
      code: 'ERR_CORRUPT',
      file: log.segments[0]!.path,
      byte: FIRST,
    })
    t.notOk(records.readPlace({ position: 2, byte: FIRST }, undefined), 'what was not committed is not there')
  },
)

t.test('a large record does not stay in memory', (t) => {
  const log = new KeyedLog([[{ data: 'x'.repeat(200_000) }, { data: 'small' }]])
  const records = recordsOf(log)
  records.read(0, -1)
  const { byte } = records
  t.equal(bytesOf(log, () => records.read(0, byte)), 0) // prettier-ignore
  records.trim()
  t.equal(records.window.bytes.length, 0)
  t.ok(bytesOf(log, () => records.read(0, byte)) >= 200_000)
  const few = recordsOf(log)
  few.read(1, -1)
  few.clear()
  few.read(1, records.byte + records.length)
  few.trim()
  t.not(few.window.bytes.length, 0, 'a small one does')
  t.end()
})
