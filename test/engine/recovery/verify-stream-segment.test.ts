import t, { type Test } from 'tap'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { FRAME_KIND } from '../../../engine/format/frame.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { encodeSeal, encodeShape } from '../../../engine/format/shape-record.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { verify } from '../../../engine/recovery/verify.js'
import { Forge, type ForgedStore, forgedStore, resealed, STORE_ID, streamSegment } from '../../support/forge.js'
import { restore, STORE } from './verify-support.js'

/** Its escaped name does not fit into a file name: there it ends in a hash. */
const LONG = 'Ä'.repeat(100)
const SHAPE = { id: 1, keys: ['x'] }

const sound = (): ForgedStore =>
  forgedStore([[[['a', { data: { x: 1 } }], ['a'], ['b']]], [[['a'], [LONG], [LONG]]]], { shapes: [SHAPE] })

const A = sound().segment('a')
const [A0, A1, A2] = [0, 1, 3].map((position) => sound().records[position]!) as [Buffer, Buffer, Buffer]
const DEFINITION = encodeShape(SHAPE)

/** What is found in stream segments when the files of a sound store are changed. */
async function found(
  change: (files: Map<string, Buffer>, store: ForgedStore) => unknown,
  path = A,
): Promise<Finding[]> {
  const store = sound()
  change(store.files, store)
  const { findings } = await verify(restore(store.files), STORE, {})
  return findings.filter(({ file }) => file === path)
}

/** The same where nothing is settled: the log stands for all that is in stream segments. */
function unproven(files: Map<string, Buffer>, { checkpoint }: ForgedStore): void {
  files.set(`${STORE}/checkpoint`, encodeCheckpoint(STORE_ID, { ...checkpoint, settledPosition: 0 }))
}

function flip(files: Map<string, Buffer>, path: string, at: number): void {
  const bytes = Buffer.from(files.get(path)!)
  bytes[at]! ^= 1
  files.set(path, bytes)
}

t.test('[U3] a header says which store, stream, offset and segment before it is of', async (t) => {
  const body = [DEFINITION, A0, A1, A2]
  t.same(await found(() => undefined), [], 'as it was written')
  const later = Buffer.from(streamSegment('a', body))
  later.writeUInt16LE(2, 8)
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [streamSegment('a', body, { storeId: Buffer.alloc(16, 7) }), /belongs to another store/],
    [streamSegment('a', body, { name: Buffer.from('b') }), /belongs to another stream/],
    [streamSegment('a', body, { name: Buffer.of(0xff) }), /belongs to another stream/],
    [streamSegment('a', body, { name: Buffer.alloc(0) }), /belongs to another stream/],
    [streamSegment('a', body, { base: 2 }), /starts at offset 2, its name says 0/],
    [streamSegment('a', body, { previousBase: 9 }), /hangs on another one/],
    [later, /needs format version 2/],
    [streamSegment('a', body).fill(0, 0, 96), /is missing/],
    [streamSegment('a', body).fill(0x41, 0, 8), /is no stream segment/],
    [streamSegment('a', body).fill(9, 60, 64), /checksum is wrong/],
    [Buffer.alloc(0), /is missing/],
  ]
  for (const [bytes, message] of cases) {
    const finding = { invariant: 'I1', severity: 'damage', byte: 0, stream: 'a', offset: 0, message }
    t.match((await found((files) => files.set(A, bytes)))[0], finding, `${message}`)
    const derived = await found((files, store) => {
      unproven(files, store)
      files.set(A, bytes)
    })
    t.match(derived[0], { ...finding, severity: 'derived' }, `${message}, where the log stands for it`)
  }
})

t.test('[U3] whose segment it is that has a damaged header and a long name is told by its first event', async (t) => {
  const path = sound().segment(LONG)
  const [damaged] = await found((files) => flip(files, path, 60), path)
  t.match(damaged, { invariant: 'I1', stream: LONG, offset: 0 })
  const header = streamKey(LONG).byteLength + 96 + DEFINITION.length
  const [second] = await found((files) => {
    flip(files, path, 60)
    flip(files, path, header + 70)
  }, path)
  t.match(second, { invariant: 'I1', stream: LONG }, 'its second one, when the first is damaged too')
  const foreign = await found((files, { records }) => {
    // Events of others, one of no length that fits, and none of its own.
    const misfit = resealed(records[4]!, (record) => record.writeUInt16LE(9999, 12))
    files.set(path, Buffer.concat([Buffer.alloc(96, 1), records[0]!, DEFINITION, misfit]))
  }, path)
  const empty = await found((files) => files.set(path, Buffer.alloc(0)), path)
  for (const findings of [foreign, empty]) {
    t.match(findings, [
      { invariant: 'I1', severity: 'damage', stream: undefined, offset: 0 },
      { invariant: 'I10', stream: LONG, offset: 0, message: /in the log and was settled/ },
    ])
  }
})

t.test('[U3] records that do not belong where they stand', async (t) => {
  const forge = new Forge()
  const other = forge.event({ stream: 'b', offset: 1, position: 1 })
  const misfit = resealed(A1, (record) => record.writeUInt16LE(9999, 12))
  const undecodable = resealed(A1, (record) => (record[64] = 0xff))
  const beyond = resealed(A1, (record) => record.fill(0xff, 24, 32))
  const group = resealed(DEFINITION, (record) => (record[FRAME_KIND] = 1))
  const redefined = encodeShape({ id: 1, keys: ['y'] })
  const cases: readonly (readonly [string, readonly Buffer[], object])[] = [
    ['another stream', [A0, other, A2], { invariant: 'I7', offset: 1, message: /belongs to another stream/ }],
    ['lengths that do not fit', [A0, misfit, A2], { invariant: 'I9', offset: 1, message: /malformed/ }],
    ['a name that is no text', [A0, undecodable, A2], { invariant: 'I7', offset: 1 }],
    ['an offset beyond all numbers', [A0, beyond, A2], { invariant: 'I9', offset: 1 }],
    ['twice', [A0, A0, A1, A2], { invariant: 'I6', offset: 1, message: /offset 0 instead of 1/ }],
    ['left out', [A0, A2], { invariant: 'I6', offset: 1, message: /offset 2 instead of 1/ }],
    ['a group', [A0, group, A1, A2], { invariant: 'I3', offset: 1, message: /of a kind that does not belong here/ }],
    ['another definition', [A0, redefined, A1, A2], { invariant: 'I8', offset: 1, message: /defined twice/ }],
    ['a seal of another offset', [A0, A1, A2, encodeSeal(2)], { invariant: 'I6', message: /the seal names another/ }],
    ['a record behind the seal', [A0, A1, encodeSeal(2), A2], { invariant: 'I6', message: /follows the seal/ }],
  ]
  for (const [what, frames, finding] of cases) {
    const findings = await found((files) => files.set(A, streamSegment('a', [DEFINITION, ...frames])))
    t.match(findings[0], { severity: 'damage', file: A, stream: 'a', ...finding }, what)
  }
  const unsure = await found((files, store) => {
    unproven(files, store)
    files.set(A, streamSegment('a', [DEFINITION, A0, A0, A1, A2]))
  })
  t.match(unsure, [{ severity: 'derived', invariant: 'I6', offset: 1 }], 'where the log stands for them')
  const wrong = resealed(A1, (record) => record.writeDoubleLE(0.5, 32))
  const findings = await found((files) => files.set(A, streamSegment('a', [DEFINITION, A0, wrong, A2])))
  t.match(findings[0], { invariant: 'I9', stream: 'a', offset: 1, message: /no whole number of milliseconds/ })
})

t.test('[U3] behind damage offsets may be missing, and the end is where the seal says', async (t) => {
  const damaged = Buffer.from(A1)
  damaged[70]! ^= 1
  const first = { invariant: 'I3', severity: 'damage', stream: 'a', offset: 1 }
  for (const [what, frames] of [
    ['the next event follows', [A0, damaged, A2]],
    ['the next event follows, and the seal', [A0, damaged, A2, encodeSeal(3)]],
    ['only the seal follows', [A0, damaged, encodeSeal(3)]],
    ['nothing follows', [A0, damaged]],
  ] as const) {
    t.match(await found((files) => files.set(A, streamSegment('a', [DEFINITION, ...frames]))), [first], what)
  }
  const twice = await found((files) => files.set(A, streamSegment('a', [DEFINITION, A0, damaged, A0, A2])))
  t.match(twice, [first], 'one that was there before is none that was searched')
  const early = await found((files) => files.set(A, streamSegment('a', [DEFINITION, A0, damaged, encodeSeal(0)])))
  t.match(early, [first, { invariant: 'I6', message: /the seal names another offset/ }])
  const endless = Buffer.from(A1)
  endless.writeUInt32LE(0x7fffffff, 0)
  const misfit = resealed(A1, (record) => record.writeUInt16LE(9999, 12))
  const searched = [DEFINITION, A0, endless, misfit, A0, encodeSeal(9).fill(1, 4, 8), A2]
  t.match(await found((files) => files.set(A, streamSegment('a', searched))), [first], 'what is searched must fit')
  const unsure = await found((files, store) => {
    unproven(files, store)
    files.set(A, streamSegment('a', [DEFINITION, A0, damaged, A0, A2]))
  })
  t.match(unsure, [{ ...first, severity: 'derived', message: /the log stands for the events from here on/ }])
})

t.test('[U3] a stream goes on from segment to segment', async (t) => {
  const second = `${STORE}/streams/${streamFileName(streamKey('a').path, 2, '.seg')}`
  const split = (files: Map<string, Buffer>, seal: readonly Buffer[], tail = streamSegment('a', [A2], { base: 2 })) => {
    files.set(A, streamSegment('a', [DEFINITION, A0, A1, ...seal]))
    files.set(second, tail)
  }
  t.same(await found((files) => split(files, [encodeSeal(2)])), [])
  const unsealed = { invariant: 'I6', severity: 'damage', stream: 'a', offset: 2, message: /is not sealed and yet/ }
  t.match(await found((files) => split(files, [])), [unsealed])
  t.same(
    await found((files, store) => {
      unproven(files, store)
      split(files, [])
    }),
    [],
    'the log stands for the seal too',
  )
  const gap = await found((files) => {
    files.delete(A)
    files.set(second, streamSegment('a', [A2], { base: 2 }))
  })
  t.match(gap, [{ invariant: 'I6', severity: 'damage', message: /is missing: it held the events from offset 0 to 1/ }])
  const lost = await found((files, store) => {
    unproven(files, store)
    files.delete(A)
    files.set(second, streamSegment('a', [A2], { base: 2 }))
  })
  t.match(lost, [{ invariant: 'I6', severity: 'derived' }])
  const overlap = await found((files) => {
    split(files, [A2, encodeSeal(3)])
  }, second)
  t.match(overlap[0], { invariant: 'I6', severity: 'damage', message: /starts before the end of the one before/ })
})

t.test('[F3] of a large segment the index must be there, and be its own', async (t: Test) => {
  const index = A.replace(/seg$/, 'idx')
  const large = forgedStore([[[['a', { data: 'x'.repeat(600_000) }]]]])
  const missing = (await verify(restore(large.files), STORE, {})).findings.filter(({ file }) => file === index)
  t.match(missing, [{ invariant: 'I11', severity: 'derived', stream: 'a', message: 'the index is missing' }])
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(200, 1)]) {
    const findings = await found((files) => files.set(index, bytes), index)
    t.match(findings, [{ invariant: 'I11', severity: 'derived', stream: 'a' }])
  }
  const alone = await found((files) => {
    files.delete(A)
    files.set(index, Buffer.alloc(0))
  }, index)
  t.match(alone, [{ invariant: 'I11', severity: 'derived', stream: 'a', message: 'the index has no segment' }])
})
