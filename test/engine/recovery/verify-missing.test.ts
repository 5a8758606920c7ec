import t from 'tap'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { windowOf, writeU64 } from '../../../engine/format/frame.js'
import { encodeSeal } from '../../../engine/format/shape-record.js'
import type { Environment } from '../../../engine/io/file-system.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { verify } from '../../../engine/recovery/verify.js'
import { Forge, forgedStore, logSegment, resealed, STORE_ID, streamSegment } from '../../support/forge.js'
import { put, restore, STORE } from './verify-support.js'

const CHECKPOINT = `${STORE}/checkpoint`

async function damageOf(environment: Environment, options: object = {}): Promise<readonly Finding[]> {
  const { findings } = await verify(environment, STORE, options)
  return findings.filter(({ severity }) => severity === 'damage')
}

t.test(
  '[U3] of the settled events that no segment holds each stream names the first, and where it should be',
  async (t) => {
    const { files, records, segment } = forgedStore([[[['a'], ['b'], ['a'], ['b'], ['a']]]])
    const [a0, , a2] = records as [Buffer, Buffer, Buffer]
    files.delete(segment('b'))
    files.set(segment('a'), streamSegment('a', [a0]))
    t.match(await damageOf(restore(files)), [
      { invariant: 'I10', file: segment('b'), stream: 'b', offset: 0, position: 1 },
      { invariant: 'I10', file: segment('a'), stream: 'a', offset: 1, position: 2 },
    ])
    files.set(segment('a'), streamSegment('a', [a0, a2, encodeSeal(2)]))
    t.match((await damageOf(restore(files)))[1], {
      file: segment('a').replace(/0\.seg$/, '2.seg'),
      offset: 2,
      message: /no segment of its stream holds it/,
    })
  },
)

t.test('[U3] an event whose stream has no name that is one is told by its record', async (t) => {
  const { files, logs } = forgedStore([[[['a']]]])
  // Decoded, each of these bytes becomes three: more than a name may have.
  const nameless = resealed(new Forge().event({ stream: 'x'.repeat(500), offset: 0, position: 0 }), (record) =>
    record.fill(0xff, 64, 564),
  )
  files.set(logs[0]!, logSegment([[nameless]]))
  for (const path of [...files.keys()].filter((name) => name.endsWith('.seg'))) files.delete(path)
  files.set(
    CHECKPOINT,
    encodeCheckpoint(STORE_ID, {
      epoch: 1,
      clean: false,
      redo: { base: 0, epoch: 1, byte: files.get(logs[0]!)!.length, sequence: 1, position: 1 },
      settledPosition: 1,
      lastTimestamp: 0,
      keyedFrom: null,
      shapes: [],
    }),
  )
  t.match(await damageOf(restore(files)), [{ invariant: 'I9', position: 0, message: 'the stream name is not UTF-8' }])
})

t.test('[U3] events that the log lacks are damage, unless it has got them in the meantime', async (t) => {
  const { files, records, logs, segment } = forgedStore([
    [
      [['a'], ['b']],
      [['a'], ['b']],
    ],
  ])
  const whole = files.get(logs[0]!)!
  const short = logSegment([records.slice(0, 2)])
  files.set(logs[0]!, short).delete(CHECKPOINT)
  t.match(await damageOf(restore(files)), [
    { invariant: 'I10', file: segment('a'), stream: 'a', offset: 1, position: 2, message: /the log does not hold/ },
    { invariant: 'I10', file: segment('b'), stream: 'b', offset: 1, position: 3 },
  ])

  // The log grows when its end was read and before the stream segments are.
  const growing = restore(files)
  const list = growing.files.list.bind(growing.files)
  growing.files.list = (path) => {
    if (path === `${STORE}/streams`) put(growing.files, logs[0]!, whole)
    return list(path)
  }
  t.same(await damageOf(growing), [])

  const other = resealed(records[2]!, (record) => record.writeDoubleLE(5, 32))
  const changing = restore(files)
  const listed = changing.files.list.bind(changing.files)
  changing.files.list = (path) => {
    if (path === `${STORE}/streams`) {
      put(changing.files, logs[0]!, logSegment([records.slice(0, 2), [other, records[3]!]]))
    }
    return listed(path)
  }
  t.match(await damageOf(changing), [{ stream: 'a', offset: 1, position: 2 }], 'another one of that position')
})

t.test('[U3] a position that is none is none of the log', async (t) => {
  const { files, records, segment } = forgedStore([[[['a'], ['a']]]])
  const beyond = resealed(records[1]!, (record) => record.fill(0xff, 16, 24))
  files.set(segment('a'), streamSegment('a', [records[0]!, beyond]))
  const findings = await damageOf(restore(files))
  t.ok(findings.some(({ message }) => message === 'the position or offset is beyond all numbers'))
  t.ok(findings.some(({ message }) => message === 'the log does not hold this event'))
})

t.test(
  '[U3] what a torn group has lost and stream segments hold is damage; the writer of now may be writing it',
  async (t) => {
    const { files, logs, records } = forgedStore([[[['a']], [['a'], ['b']]]])
    const bytes = Buffer.from(files.get(logs[0]!)!)
    bytes[bytes.length - 20]! ^= 1
    files.set(logs[0]!, bytes).delete(CHECKPOINT)
    const byte = logSegment([[records[0]!]]).length
    const message = /stream segments hold events of this group/
    t.match((await damageOf(restore(files))).at(-1), {
      invariant: 'I2',
      file: logs[0],
      byte,
      stream: 'a',
      offset: 1,
      position: 1,
      message,
    })
    t.notOk((await damageOf(restore(files), { openSince: 1 })).some(({ invariant }) => invariant === 'I2'))

    // The first event of the group is in no stream segment, another is.
    const { files: part, segment } = forgedStore([[[['a']], [['a'], ['b']]]])
    part.set(logs[0]!, bytes).delete(CHECKPOINT)
    part.set(segment('a'), streamSegment('a', [records[0]!]))
    t.match((await damageOf(restore(part))).at(-1), {
      invariant: 'I2',
      stream: undefined,
      offset: undefined,
      position: 1,
    })
  },
)

t.test('[R8] what is kept of events of one copy only is bounded; the rest is counted', async (t) => {
  const { files, records, segment } = forgedStore([[[['a']]]])
  const next = (n: number): Buffer => {
    const record = Buffer.from(records[0]!)
    writeU64(windowOf(record).view, 16, n)
    writeU64(windowOf(record).view, 24, n)
    return resealed(record)
  }
  const strangers = Array.from({ length: 10_005 }, (_, n) => next(n + 1))
  files.set(segment('a'), streamSegment('a', [records[0]!, ...strangers]))
  const { ok, findings, truncated } = await verify(restore(files), STORE, {})
  t.equal(ok, false)
  t.match(
    findings.filter(({ severity }) => severity === 'damage'),
    [{ stream: 'a', offset: 1, position: 1 }],
  )
  t.equal(truncated, 5)
})
