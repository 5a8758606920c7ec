import t from 'tap'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import type { Checkpoint } from '../../../engine/format/checkpoint.js'
import { FLAG_ASSIGNED } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { streamKey } from '../../../engine/format/names.js'
import { encodeSeal } from '../../../engine/format/shape-record.js'
import { decodeEntries, type IndexEntry } from '../../../engine/format/sparse-index.js'
import { checkpointOfLog, logIndex, streamIndex, streamTable } from '../../../engine/recovery/derived-files.js'
import { contextOf } from '../../../engine/recovery/verify.js'
import type { VerifyContext } from '../../../engine/recovery/verify-context.js'
import { Forge, type ForgedEvent, forgedStore, logSegment, resealed, streamSegment } from '../../support/forge.js'
import { buildStore, restore, STORE, TINY } from './verify-support.js'

const limits = { indexIntervalBytes: 256 }

function contextWith(files: ReadonlyMap<string, Buffer>): { context: VerifyContext; log: LogDirectory } {
  const environment = restore(files)
  const context = contextOf(environment, STORE, { limits })
  return { context, log: LogDirectory.read(environment.files, context.logPath).directory }
}

const checkpoint = async (files: ReadonlyMap<string, Buffer>, closed = false): Promise<Checkpoint> => {
  const { context, log } = contextWith(files)
  return checkpointOfLog(context, log, 9, closed)
}

function entriesIn(bytes: Buffer): IndexEntry[] {
  return decodeEntries(windowOf(bytes), bytes.readUInt32LE(12), bytes.length, bytes.readUInt32LE(16))!
}

t.test(
  '[F3] the index and the stream table of a sealed log segment are those that the store has written',
  async (t) => {
    const { environment, image } = await buildStore(TINY, 30)
    const context = contextOf(environment, STORE, TINY)
    const { directory } = LogDirectory.read(environment.files, context.logPath)
    t.ok(directory.segments.length > 2)
    for (const segment of directory.segments.slice(0, -1)) {
      t.same(logIndex(context, segment), image.get(directory.beside(segment, '.idx')), 'index')
      const table = image.get(directory.beside(segment, '.tab'))
      if (table !== undefined) t.same(streamTable(context, directory, segment), table, 'table')
    }
  },
)

t.test('an index names events of its segment, one for each stretch, and nothing behind the end that counts', (t) => {
  const { files, logs, records } = forgedStore([
    [Array.from({ length: 9 }, (): ForgedEvent => ['a', { data: 'x'.repeat(200) }])],
  ])
  const { context, log } = contextWith(files)
  const [segment] = log.segments
  const bytes = files.get(logs[0]!)!
  const entries = entriesIn(logIndex(context, segment!))
  t.ok(entries.length > 3)
  for (const { number, byte } of entries) {
    t.ok(bytes.subarray(byte, byte + records[number]!.length).equals(records[number]!), `event ${number}`)
  }
  const behind = entries[2]!
  const cut = entriesIn(logIndex(context, segment!, behind.byte))
  t.same(cut.map(({ number }) => number), entries.slice(0, 2).map(({ number }) => number)) // prettier-ignore
  t.equal(cut.at(-1)!.end, behind.byte)
  t.end()
})

t.test('a stream table says up to where it speaks, and finds each stream where it stands', (t) => {
  const { files, logs } = forgedStore([[[['a'], ['b']]], [[['b'], ['a']]]])
  const { context, log } = contextWith(files)
  for (const end of [undefined, 200]) {
    const table = streamTable(context, log, log.segments[1]!, end)
    const verdict = parseHeader(windowOf(table), table.length, 'T')
    t.match(verdict, { kind: 'header', header: { base: 2, previousEnd: end ?? files.get(logs[1]!)!.length } })
  }
  t.end()
})

t.test(
  'a stream segment has an index of its own name and base; its last stretch has an entry once it is sealed',
  (t) => {
    const forge = new Forge()
    const events = Array.from({ length: 4 }, (_, offset) =>
      forge.event({ stream: 'a', offset, position: offset }, { data: 'x'.repeat(200) }),
    )
    const { files, segment } = forgedStore([[events.map((): ForgedEvent => ['a', { data: 'x'.repeat(200) }])]])
    const key = streamKey('a')
    const open = streamIndex(contextWith(files).context, key, 0)!
    files.set(segment('a'), streamSegment('a', [...events, encodeSeal(4)]))
    const sealed = streamIndex(contextWith(files).context, key, 0)!
    t.equal(entriesIn(sealed).length, entriesIn(open).length + 1)
    t.match(parseHeader(windowOf(sealed), sealed.length, 'I'), { header: { base: 0, name: Buffer.from('a') } })
    const { context } = contextWith(files)
    t.equal(streamIndex(context, key, 7), undefined, 'there is no such segment')
    t.equal(streamIndex(context, streamKey('b'), 0), undefined)
    files.set(segment('a'), files.get(segment('a'))!.subarray(0, HEADER_FIXED_BYTES + 1))
    t.same(entriesIn(streamIndex(contextWith(files).context, key, 0)!), [], 'of no events')
    t.end()
  },
)

t.test(
  '[fault 48] the checkpoint that the log gives begins at the last segment, or behind the last event',
  async (t) => {
    const shapes = [{ id: 300, keys: ['k'] }]
    const { files, logs } = forgedStore(
      [
        [[['a', { data: { k: 1 } }]], [['b']]],
        [[['a']], [['a', { data: { k: 2 } }]]],
      ],
      { shapes },
    )
    const bytes = files.get(logs[1]!)!.length
    const place = { base: 2, epoch: 1 }
    t.same(await checkpoint(files), {
      ...{ epoch: 9, clean: false, settledPosition: 0, lastTimestamp: 0, keyedFrom: null, shapes },
      redo: { ...place, byte: HEADER_FIXED_BYTES, sequence: 2, position: 2 },
    })
    t.match(await checkpoint(files, true), {
      clean: true,
      redo: { ...place, byte: bytes, sequence: 4, position: 4 },
      shapes,
    })
    files.clear()
    for (const [path, contents] of forgedStore([]).files) files.set(path, contents)
    const nothing = { base: 0, epoch: 0, byte: 0, sequence: 0, position: 0 }
    t.match(await checkpoint(files, true), { redo: nothing, shapes: [] }, 'of a store without a log')
  },
)

t.test('it says from where on events have keys, and the last time that a store has given one', async (t) => {
  const keyed = forgedStore([[[['a']], [['a', { tags: ['x'] }]], [['a', { tags: ['y'] }]]]]).files
  t.equal((await checkpoint(keyed)).keyedFrom, 1)

  const { files, logs } = forgedStore([[[['a']]]])
  const forge = new Forge()
  const events = [
    [50, true],
    [40, true],
    [90, false],
  ] as const
  const groups = events.map(([timestamp, assigned], position) => [
    resealed(
      forge.event({ stream: 'a', offset: position, position, commitId: `c${position}` }, { timestamp }),
      (record) => {
        if (assigned) record[9]! |= FLAG_ASSIGNED
      },
    ),
  ])
  files.set(logs[0]!, logSegment(groups))
  t.match(await checkpoint(files), { lastTimestamp: 50, keyedFrom: 0 }, 'a time that its caller gave says nothing')
})

t.test('[fault 47] a log that has lost events gives the place of its last segment all the same', async (t) => {
  const { files, logs } = forgedStore([[[['a']]], [[['a', { tags: ['x'] }]]], [[['a']], [['a']]]])
  files.delete(logs[1]!)
  t.match(await checkpoint(files), { redo: { base: 2, position: 2, sequence: 2 }, keyedFrom: null })
  t.match(await checkpoint(files, true), { redo: { base: 2, position: 4, sequence: 4 } })
  files.set(logs[2]!, Buffer.alloc(0))
  t.match(await checkpoint(files, true), { redo: { base: 2, byte: HEADER_FIXED_BYTES } }, 'also of one that is empty')
})
