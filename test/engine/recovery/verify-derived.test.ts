import t, { type Test } from 'tap'
import type { StoredEvent } from '../../../engine/index.js'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { parseLogFileName, streamKey } from '../../../engine/format/names.js'
import { encodeEntries, INDEX_ENTRY_BYTES, type IndexEntry } from '../../../engine/format/sparse-index.js'
import { StreamTable, StreamTableBuilder } from '../../../engine/format/stream-table.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { verify } from '../../../engine/recovery/verify.js'
import { openStore } from '../../../engine/store/open-store.js'
import { systemError } from '../../../engine/io/system-error.js'
import { Forge, forgedStore, logSegment, resealed, STORE_ID } from '../../support/forge.js'
import { buildStore, type Image, imageOf, restore, STORE, TINY } from './verify-support.js'

const { limits } = TINY
const CHECKPOINT = `${STORE}/checkpoint`
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** A killed store whose sealed log segments have stream tables, since nothing of it was settled; its events. */
async function unsettled(): Promise<{ image: Image; events: StoredEvent[]; storeId: Buffer }> {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, TINY)
  for (let i = 0; i < 60; i++) {
    await store.append(`s${i % 4}`, [{ type: 'T', data: { i, text: 'x'.repeat(200) } }])
  }
  for (let turn = 0; turn < 200 && store.stats().writeBehind.checkpoints < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const image = imageOf(environment.files)
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  await store.close()
  return { image, events, storeId: Buffer.from(image.get(`${STORE}/annals`)!.subarray(20, 36)) }
}

async function findingsOf(image: Image): Promise<readonly Finding[]> {
  return (await verify(restore(image), STORE, { limits })).findings.filter(({ severity }) => severity !== 'note')
}

/** Opens what was forged: nothing may be served that was not written. */
async function servesOnlyWhatWasWritten(t: Test, image: Image, events: readonly StoredEvent[], what: string) {
  const store = await openStore(restore(image), STORE, TINY)
  const all: StoredEvent[] = []
  for await (const event of store.readAll()) all.push(event)
  t.same(all, events, `${what}: the log is whole`)
  for (const stream of new Set(events.map((event) => event.stream))) {
    const own: StoredEvent[] = []
    for await (const event of store.readStream(stream)) own.push(event)
    t.same(
      own,
      events.filter((event) => event.stream === stream),
      `${what}: ${stream}`,
    )
  }
  t.equal((await store.append('s0', [{ type: 'After' }])).position, events.length)
  await store.close()
}

function table(storeId: Buffer, path: string, previousEnd: number, builder: StreamTableBuilder): Buffer {
  const { base, epoch } = parseLogFileName(nameOf(path))!
  return Buffer.concat([encodeHeader({ kind: 'T', storeId, base, epoch, previousEnd }), builder.encode()])
}

t.test('[fault 49] stream tables with right checksums that are wrong are found, and never lose an event', async (t) => {
  const { image, events, storeId } = await unsettled()
  t.same(await findingsOf(image), [], 'as it was left, all is well')
  const path = [...image.keys()].find((name) => name.endsWith('.tab'))!
  const bytes = image.get(path)!
  const right = StreamTable.parse(windowOf(bytes), HEADER_FIXED_BYTES, bytes.length)!
  const end = Number(bytes.readBigUInt64LE(68))
  const forge = (
    change: (builder: StreamTableBuilder) => void,
    only?: (name: string, i: number) => boolean,
  ): Buffer => {
    const builder = new StreamTableBuilder()
    for (const name of right.names()) {
      const { firstOffset, bytes: places } = right.lookup(streamKey(name))!
      for (const [i, byte] of places.entries()) {
        if (only?.(name, i) !== false) builder.add(name, undefined, firstOffset + i, byte)
      }
    }
    change(builder)
    return table(storeId, path, end, builder)
  }
  t.same(
    forge(() => {}),
    bytes,
  )
  const last = right.lookup(streamKey('s0'))!.bytes.length - 1
  const wrong: Record<string, [Buffer, RegExp]> = {
    'without a stream': [
      forge(
        () => {},
        (name) => name !== 's1',
      ),
      /lacks events/,
    ],
    'without the last event of a stream': [
      forge(
        () => {},
        (name, i) => name !== 's0' || i < last,
      ),
      /lacks events/,
    ],
    'without any': [table(storeId, path, end, new StreamTableBuilder()), /lacks events/],
    'with a stream that has none': [forge((builder) => builder.add('ghost', undefined, 0, 96)), /where the events are/],
    'with places that are none': [
      (() => {
        const builder = new StreamTableBuilder()
        for (const name of right.names()) {
          const { firstOffset, bytes: places } = right.lookup(streamKey(name))!
          for (const [i, byte] of places.entries()) builder.add(name, undefined, firstOffset + i, byte + 1)
        }
        return table(storeId, path, end, builder)
      })(),
      /where the events are/,
    ],
    'with other offsets': [
      (() => {
        const builder = new StreamTableBuilder()
        for (const name of right.names()) {
          const { firstOffset, bytes: places } = right.lookup(streamKey(name))!
          for (const [i, byte] of places.entries()) builder.add(name, undefined, firstOffset + i + 5, byte)
        }
        return table(storeId, path, end, builder)
      })(),
      /where the events are/,
    ],
    'up to another byte': [forge(() => {}).fill(0, 0, 0), /./],
  }
  const upTo = Buffer.concat([
    table(storeId, path, end - 100, new StreamTableBuilder()).subarray(0, HEADER_FIXED_BYTES),
    bytes.subarray(HEADER_FIXED_BYTES),
  ])
  wrong['up to another byte'] = [upTo, new RegExp(`up to byte ${end - 100}, its segment to ${end}`)]
  for (const [what, [contents, message]] of Object.entries(wrong)) {
    const forged = new Map(image).set(path, contents)
    t.match(await findingsOf(forged), [{ invariant: 'I12', severity: 'derived', file: path, message }], what)
    if (/lacks|byte/.test(message.source)) await servesOnlyWhatWasWritten(t, forged, events, what)
  }
})

t.test('[fault 49] indexes with right checksums that are wrong are found', async (t) => {
  const { image } = await buildStore(TINY, 40)
  t.same(await findingsOf(image), [])
  const paths = [...image.keys()].filter((name) => name.endsWith('.idx'))
  t.ok(paths.length > 2)
  for (const path of paths) {
    const bytes = image.get(path)!
    const header = bytes.subarray(0, bytes.readUInt32LE(12))
    const entries: IndexEntry[] = []
    for (let at = header.length; at < bytes.length; at += INDEX_ENTRY_BYTES) {
      entries.push({
        number: Number(bytes.readBigUInt64LE(at)),
        minTime: bytes.readDoubleLE(at + 8),
        maxTime: bytes.readDoubleLE(at + 16),
        byte: bytes.readUInt32LE(at + 24),
        end: bytes.readUInt32LE(at + 28),
      })
    }
    const encoded = (list: readonly IndexEntry[]): Buffer =>
      Buffer.concat([header, encodeEntries(list, 0, header.readUInt32LE(16))])
    t.same(encoded(entries), bytes)
    const first = entries[0]!
    const wrong: Record<string, readonly IndexEntry[]> = {
      'no entry': [],
      'another place': [{ ...first, byte: first.byte + 1 }, ...entries.slice(1)],
      'another number': [{ ...first, number: first.number + 1 }, ...entries.slice(1)],
      'another time': [{ ...first, maxTime: first.maxTime + 1 }, ...entries.slice(1)],
      'one more': [...entries, { ...entries.at(-1)!, number: 10 ** 6, byte: 10 ** 6 }],
    }
    if (entries.length > 2) {
      wrong['the first only'] = [first]
      wrong['one less in the middle'] = entries.filter((_, i) => i !== 1)
    }
    for (const [what, list] of Object.entries(wrong)) {
      const found = await findingsOf(new Map(image).set(path, encoded(list)))
      t.match(found, [{ invariant: 'I11', severity: 'derived', file: path }], `${path}: ${what}`)
    }
  }
})

t.test('[fault 48] checkpoints with right checksums that are wrong are found, and lose no event', async (t) => {
  for (const [what, { image, events, storeId }] of [
    ['of a killed writer', await unsettled()],
    ['of a clean close', await closed()],
  ] as const) {
    const read = decodeCheckpoint(image.get(CHECKPOINT)!, storeId)
    const right = (read as { checkpoint: Checkpoint }).checkpoint
    const { redo } = right
    t.ok(redo.position > 0 && right.shapes.length > 0, what)
    t.same(await findingsOf(image), [], what)
    const wrong: Record<string, Checkpoint> = {
      byte: { ...right, redo: { ...redo, byte: redo.byte - 1 } },
      sequence: { ...right, redo: { ...redo, sequence: redo.sequence + 1 } },
      'earlier sequence': { ...right, redo: { ...redo, sequence: redo.sequence - 1 } },
      position: { ...right, redo: { ...redo, position: redo.position - 1 } },
      'first segment': { ...right, redo: { ...redo, base: 0, byte: redo.byte + 1 } },
      settled: { ...right, settledPosition: redo.position + 1 },
      'time before': { ...right, lastTimestamp: 1000 },
      'keys of a shape': { ...right, shapes: right.shapes.map(({ id, keys }) => ({ id, keys: [...keys, 'more'] })) },
      'no shapes': { ...right, shapes: [] },
    }
    for (const [field, checkpoint] of Object.entries(wrong)) {
      const forged = new Map(image).set(CHECKPOINT, encodeCheckpoint(storeId, checkpoint))
      const found = await findingsOf(forged)
      if (!found.some(({ file, invariant }) => file === CHECKPOINT && invariant === 'I12')) {
        t.match(found, [{ invariant: 'I12', file: CHECKPOINT }], `${what}: ${field}`)
      } else t.pass(`${what}: ${field}`)
      // Opening after a crash reads on from the place, so there it must be one; after a clean close nobody reads the log.
      if (!right.clean && ['byte', 'sequence', 'earlier sequence', 'position', 'first segment'].includes(field)) {
        await servesOnlyWhatWasWritten(t, forged, events, field)
      }
    }
    const other = encodeCheckpoint(storeId, right)
    encodeHeader({ kind: 'C', storeId, epoch: right.epoch + 1 }).copy(other)
    t.match(await findingsOf(new Map(image).set(CHECKPOINT, other)), [
      { invariant: 'I12', file: CHECKPOINT, message: /another writer/ },
    ])
  }
})

async function closed(): Promise<{ image: Image; events: readonly StoredEvent[]; storeId: Buffer }> {
  const { image, events } = await buildStore(TINY, 40)
  return { image, events, storeId: Buffer.from(image.get(`${STORE}/annals`)!.subarray(20, 36)) }
}

t.test('[M1] a commit that is not whole is reported as such, and a position out of place too', async (t) => {
  const { image } = await buildStore()
  const path = [...image.keys()].find((name) => name.endsWith('.log'))!
  const sound = image.get(path)!
  for (const [invariant, at, change] of [
    ['I5', 9, (flags: number) => flags ^ 1],
    ['I5', 9, (flags: number) => flags ^ 2],
    ['I4', 16, (position: number) => position + 1],
  ] as const) {
    const bytes = Buffer.from(sound)
    // The first group: its events behind the head, and behind shapes.
    const end = HEADER_FIXED_BYTES + 84 + bytes.readUInt32LE(HEADER_FIXED_BYTES + 72)
    const crcs: Buffer[] = []
    for (let frame = HEADER_FIXED_BYTES + 84; frame < end;) {
      const length = bytes.readUInt32LE(frame)
      if (bytes[frame + 8] === 2) bytes[frame + at] = change(bytes[frame + at]!)
      bytes.writeUInt32LE(crc32c(bytes, frame + 8, frame + length), frame + 4)
      crcs.push(bytes.subarray(frame + 4, frame + 8))
      frame += length
    }
    const digest = Buffer.concat(crcs)
    bytes.writeUInt32LE(crc32c(digest, 0, digest.length), HEADER_FIXED_BYTES + 76)
    bytes.writeUInt32LE(crc32c(bytes, HEADER_FIXED_BYTES + 8, HEADER_FIXED_BYTES + 84), HEADER_FIXED_BYTES + 4)
    const found = await findingsOf(new Map(image).set(path, bytes))
    t.ok(
      found.some(
        (finding) => finding.invariant === invariant && finding.file === path && finding.severity === 'damage',
      ),
      `${invariant}: ${found.map((finding) => `${finding.invariant} ${finding.message}`).join('; ')}`,
    )
  }
})

t.test('[fault 48] a checkpoint must know of the first commit id or tag before its place', async (t) => {
  const { files, checkpoint } = forgedStore([[[['a'], ['a', { tags: ['x'] }]]], [[['a']]]])
  const found = async (changes: Partial<Checkpoint>): Promise<(string | undefined)[]> => {
    const forged = new Map(files).set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...checkpoint, ...changes }))
    return (await findingsOf(forged)).filter(({ file }) => file === CHECKPOINT).map(({ message }) => message)
  }
  t.same(await found({ keyedFrom: 1 }), [])
  t.same(await found({ keyedFrom: 0 }), [], 'one before it is as good')
  const lacks = ['the checkpoint does not know of the commit id or tags at position 1']
  for (const keyedFrom of [null, undefined, 2]) {
    const { keyedFrom: _, ...without } = { ...checkpoint, keyedFrom: 0 }
    const forged = keyedFrom === undefined ? without : { ...checkpoint, keyedFrom }
    const image = new Map(files).set(CHECKPOINT, encodeCheckpoint(STORE_ID, forged))
    const findings = (await findingsOf(image)).filter(({ file }) => file === CHECKPOINT)
    t.same(
      findings.map(({ message }) => message),
      lacks,
    )
  }
})

t.test('[fault 48] the place of a checkpoint may be a segment that was empty, and is gone', async (t) => {
  const { files, logs, checkpoint } = forgedStore([[[['a'], ['b']]]])
  const link = { previousBase: 0, previousEpoch: 1, previousEnd: files.get(logs[0]!)!.length }
  const renewed = `${STORE}/log/0000000000000002-0000000002.log` // by the recovery after
  files.set(renewed, logSegment([], { base: 2, epoch: 2, sequence: 1, durable: 1, ...link }))
  const at = { base: 2, epoch: 1, byte: 96, sequence: 1, position: 2 }
  const found = async (redo: Partial<Checkpoint['redo']>): Promise<string[]> => {
    const forged = encodeCheckpoint(STORE_ID, {
      ...checkpoint,
      clean: false,
      redo: { ...at, ...redo },
      settledPosition: 2,
    })
    const findings = await findingsOf(new Map(files).set(CHECKPOINT, forged))
    return findings.filter(({ file }) => file === CHECKPOINT).map(({ message }) => message)
  }
  const none = ['the checkpoint names a place that is not in the log']
  t.same(await found({}), [])
  t.same(await found({ base: 1 }), none, 'it begins at another position')
  t.same(await found({ base: 1, position: 1 }), none, 'that is not the end')
  t.same(await found({ sequence: 7 }), none, 'another sequence')
  t.same(await found({ base: 0, byte: 5, position: 2 }), none, 'a segment that is there')
})

t.test(
  '[F3] [fault 49] a stream table that is damaged, names a stream that is none, or lacks one that is',
  async (t) => {
    // Decoded, each of these bytes becomes three: more than a name may have.
    const nameless = resealed(new Forge().event({ stream: 'x'.repeat(500), offset: 0, position: 1 }), (record) =>
      record.fill(0xff, 64, 564),
    )
    const { files, logs, records, checkpoint } = forgedStore([[[['a']]], [[['a']]], [[['b']]]])
    const log = logs[0]!
    const path = log.replace(/log$/, 'tab')
    const bytes = logSegment([[records[0]!], [nameless], [records[2]!]])
    files.set(log, bytes).delete(logs[1]!)
    files.delete(logs[2]!)
    const last = bytes.length - records[2]!.length
    const redo = { ...checkpoint.redo, base: 0, byte: bytes.length, sequence: 3, position: 3 }
    files.set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...checkpoint, redo, settledPosition: 0 }))
    const messages = async (contents: Buffer | undefined): Promise<string[]> => {
      const forged = new Map(files)
      if (contents !== undefined) forged.set(path, contents)
      return (await findingsOf(forged)).filter(({ file }) => file === path).map(({ message }) => message)
    }
    t.same(await messages(undefined), ['the stream table is missing'])
    t.same(await messages(Buffer.alloc(120, 1)), ['the stream table is damaged'])
    const right = new StreamTableBuilder()
    right.add('a', undefined, 0, HEADER_FIXED_BYTES + 84)
    t.same(await messages(table(STORE_ID, path, bytes.length, right)), ['the stream table lacks events'])
    right.add('b', undefined, 0, last)
    t.same(await messages(table(STORE_ID, path, bytes.length, right)), [], 'the stream without a name cannot be in it')
    const wrong = new StreamTableBuilder()
    wrong.add('a', undefined, 0, HEADER_FIXED_BYTES + 84)
    wrong.add('\u{fffd}'.repeat(400), undefined, 0, 200)
    t.same(await messages(table(STORE_ID, path, bytes.length, wrong)), [
      'the stream table does not say where the events are',
    ])
    files.set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...checkpoint, redo, settledPosition: 3 }))
    t.same(await messages(Buffer.alloc(120, 1)), ['the stream table is damaged'], 'also where it is not needed')
    const environment = restore(new Map(files).set(path, Buffer.alloc(120)))
    const open = environment.files.open.bind(environment.files)
    environment.files.open = (name, mode) => {
      if (name === path) environment.files.remove(path)
      return open(name, mode)
    }
    const { findings } = await verify(environment, STORE, {})
    t.same(
      findings.filter(({ file }) => file === path),
      [],
      'one that is removed meanwhile is not missed',
    )
  },
)

t.test('[fault 27] a derived file that cannot be read is wrong, and no more than that', async (t) => {
  const { files, logs } = forgedStore([[[['a']]], [[['b']]]])
  const index = logs[0]!.replace(/log$/, 'idx')
  const environment = restore(new Map(files).set(index, Buffer.alloc(120)))
  const open = environment.files.open.bind(environment.files)
  environment.files.open = (path, mode) => {
    if (path === index) throw systemError('EACCES', 'open', path)
    return open(path, mode)
  }
  const { ok, findings } = await verify(environment, STORE, {})
  t.ok(ok)
  t.match(findings, [{ invariant: 'I11', severity: 'derived', file: index, message: /header of the index is damaged/ }])
})

t.test('[fault 48] a checkpoint is missed where a log segment was sealed, not in a store that is young', async (t) => {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, {})
  await store.append('a', [{ type: 'T' }])
  t.notOk(environment.files.stat(CHECKPOINT), 'there is none yet')
  t.same((await store.verify()).findings, [])
  await store.close()
  t.ok(environment.files.stat(CHECKPOINT))

  const { image } = await unsettled()
  t.same(await findingsOf(image), [])
  const without = new Map([...image].filter(([path]) => path !== CHECKPOINT))
  t.match(await findingsOf(without), [{ invariant: 'I12', severity: 'derived', message: 'the checkpoint is missing' }])
})
