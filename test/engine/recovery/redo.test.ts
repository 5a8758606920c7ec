import t from 'tap'
import { CorruptionError, type StoredEvent } from '../../../engine/index.js'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { FRAME_SHAPE } from '../../../engine/format/frame.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { openStore } from '../../../engine/store/open-store.js'
import { framesOf, withRightChecksums } from '../../support/crafted-files.js'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { streamKey } from '../../../engine/format/names.js'
import { type Redo, RedoReader, type RedoneSegment, rewriteUnsynced } from '../../../engine/recovery/redo.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { Forge, type ForgedStore, forgedStore, groupOf, logSegment, resealed, STORE_ID } from '../../support/forge.js'
import { type Image, imageOf, restore, STORE, TINY } from './verify-support.js'

/** A killed store with several log segments, each of which defines the one shape. */
async function killed(): Promise<{ image: Image; events: StoredEvent[] }> {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, TINY)
  for (let i = 0; i < 60; i++) await store.append(`s${i % 4}`, [{ type: 'T', data: { i, text: 'x'.repeat(200) } }])
  for (let turn = 0; turn < 200 && store.stats().writeBehind.checkpoints < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const image = imageOf(environment.files)
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  await store.close()
  return { image, events }
}

t.test('[fault 48] a checkpoint whose shapes contradict the log is made again from the log', async (t) => {
  const { image, events } = await killed()
  const storeId = Buffer.from(image.get(`${STORE}/annals`)!.subarray(20, 36))
  const read = decodeCheckpoint(image.get(`${STORE}/checkpoint`)!, storeId)
  const { checkpoint } = read as { checkpoint: Checkpoint }
  t.equal(checkpoint.shapes.length, 1)
  const shapes = checkpoint.shapes.map(({ id, keys }) => ({ id, keys: keys.toReversed() }))
  const forged = new Map(image).set(`${STORE}/checkpoint`, encodeCheckpoint(storeId, { ...checkpoint, shapes }))
  const store = await openStore(restore(forged), STORE, TINY)
  t.match(store.recovery, { checkpointLost: 'its shapes are not those of the log', damage: undefined })
  const all: StoredEvent[] = []
  for await (const event of store.readAll()) all.push(event)
  t.same(all, events)
  t.same((await store.append('s0', [{ type: 'After' }])).position, events.length)
  await store.close()
})

t.test(
  '[fault 51] a log that gives a shape to two lists of keys is damaged, and none of them is believed',
  async (t) => {
    const { image, events } = await killed()
    const path = [...image.keys()]
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!
    const bytes = Buffer.from(image.get(path)!)
    const { start } = framesOf(bytes).find(({ kind }) => kind === FRAME_SHAPE)!
    // The keys have one and four letters: now the first is another.
    bytes.write('j', bytes.indexOf('i', start + 16, 'latin1'), 'latin1')
    const forged = new Map(image).set(path, withRightChecksums(bytes))
    forged.delete(`${STORE}/checkpoint`)
    const store = await openStore(restore(forged), STORE, TINY)
    t.match(store.recovery.damage, { file: path, byte: start, reason: /defined twice/ })
    await t.rejects(store.append('s0', [{ type: 'After' }]), { code: 'ERR_CORRUPT' })
    const served: StoredEvent[] = []
    await t.rejects(async () => {
      for await (const event of store.readAll()) served.push(event)
    }, CorruptionError)
    t.ok(served.length < 10, 'only those before the first of that shape')
    t.same(served, events.slice(0, served.length))
    await store.close()
  },
)

/** Reads the whole log of these files, or makes the stream table of one of its segments. */
function reader(files: Image): {
  readonly read: () => Redo
  readonly one: (n: number) => readonly (number | undefined)[]
} {
  const environment = restore(files)
  const { directory } = LogDirectory.read(environment.files, `${STORE}/log`)
  const redo = (): RedoReader => new RedoReader(environment.files, directory, STORE_ID, new ShapeTable(), 0)
  return {
    read: () => redo().read(undefined),
    one: (n) => {
      const table = redo().readOne(directory.segments[n]!)
      return ['a', 'b'].map((stream) => table.lookup(streamKey(stream))?.bytes.length)
    },
  }
}

const sound = (): ForgedStore => forgedStore([[[['a'], ['b']], [['a']], [['b']]], [[['a']]]])

function flipped(bytes: Buffer, ...places: readonly number[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const at of places) copy[at]! ^= 1
  return copy
}

t.test('[D5] a header that was durable and is damaged is damage; one that never was is the end of the log', (t) => {
  const { files, logs, records } = sound()
  const [first, second] = logs as [string, string]
  t.match(reader(files).read(), { damage: undefined, events: 5, next: { position: 5, sequence: 4 } })
  const damage = { file: first, byte: 0, reason: 'the header of the log segment is damaged' }
  // The next segment says that it was durable, a group of its own does, or its first group stands.
  const group = 96 + 84 + records[0]!.length + records[1]!.length
  const without = new Map(files)
  without.delete(second)
  for (const [what, image, at] of [
    ['by the next segment', files, [60]],
    ['by its first group', without, [60]],
    ['by a later group', without, [60, 200]],
  ] as const) {
    const broken = new Map(image).set(first, flipped(files.get(first)!, ...at))
    t.match(reader(broken).read().damage, damage, what)
  }
  const alone = new Map(without).set(first, flipped(files.get(first)!.subarray(0, group), 60, 200))
  t.match(reader(alone).read(), { damage: undefined, events: 0, tornBytes: group - 96 }, 'nobody says so')
  t.end()
})

t.test('[D5] of damage in what was durable what is right is taken, records of events that go back are not', (t) => {
  const { files, logs, records } = sound()
  const first = logs[0]!
  const second = 96 + 84 + records[0]!.length + records[1]!.length
  const { damage, events, next } = reader(
    new Map(files).set(first, flipped(files.get(first)!, second + 84 + 70)),
  ).read()
  t.match(damage, { file: first, byte: second })
  t.match({ events, next }, { events: 4, next: { position: 5 } })
  // Of the damaged group one record stands, and the head of the group before it.
  const forge = new Forge()
  const event = (position: number, offset: number): Buffer => forge.event({ stream: 'a', offset, position })
  const broken = groupOf([event(0, 0), event(1, 1), event(0, 0), event(2, 2)], {
    byte: 96,
    sequence: 0,
    firstPosition: 0,
  })
  const last = groupOf([event(3, 3)], { byte: 96 + broken.length, sequence: 1, firstPosition: 3 })
  const forged = new Map([[first, Buffer.concat([logSegment([]), broken, last])]])
  t.match(reader(forged).read(), { events: 4, next: { position: 4, sequence: 2 }, damage: { byte: 96 } })
  t.end()
})

t.test('[fault 59] a definition that is none defines nothing', (t) => {
  const malformed = resealed(encodeShape({ id: 1, keys: ['x'] }), (record) => record.writeUInt16LE(0, 12))
  const { files, logs, records } = forgedStore([[[['a']]]])
  const forged = new Map(files).set(logs[0]!, logSegment([[malformed, records[0]!]]))
  t.match(reader(forged).read(), { events: 1, damage: undefined, shapesDisputed: false, next: { position: 1 } })
  t.end()
})

t.test('readOne makes the table of one segment, whatever its header says, and throws what is damaged', (t) => {
  const { files, logs } = sound()
  t.same(reader(files).one(0), [2, 2])
  t.same(reader(files).one(1), [1, undefined])
  const headless = new Map(files).set(logs[0]!, flipped(files.get(logs[0]!)!, 60))
  t.throws(() => reader(headless).one(0), { code: 'ERR_CORRUPT', file: logs[0], byte: 0 })
  t.end()
})

t.test('[fault 27] rewriteUnsynced writes what there is, and tells what the disk refuses', async (t) => {
  const { files, logs } = sound()
  const path = logs[0]!
  const bytes = files.get(path)!
  const disk = new FaultyFileSystem(restore(files).files)
  const segment = { segment: { base: 0, epoch: 1, path }, end: bytes.length, unsyncedFrom: 96 } as RedoneSegment
  const rewrite = (changes: Partial<RedoneSegment>): Promise<NodeJS.ErrnoException | null> =>
    new Promise((resolve) => rewriteUnsynced(disk, { ...segment, ...changes }, resolve))
  t.equal(await rewrite({ unsyncedFrom: bytes.length }), null)
  t.equal(disk.counts.sync, undefined, 'where all is synced nothing is done')
  t.equal(await rewrite({}), null)
  t.match(disk.counts, { sync: 1 })
  t.equal(disk.bytesWritten, bytes.length - 96)
  t.equal(await rewrite({ end: bytes.length + 50 }), null, 'a file that is shorter by now')
  t.same(imageOf(disk).get(path), bytes, 'and stays so')
  disk.setFaults({ failAt: 1, only: ({ kind }) => kind === 'read' })
  t.match(await rewrite({}), { code: 'EIO' })
  disk.setFaults({ failAt: 1, only: ({ kind }) => kind === 'sync' })
  t.match(await rewrite({}), { code: 'EIO' })
  t.equal(disk.openHandles, 0)
})
