import t from 'tap'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import { type Checkpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { type CheckpointReading, findCheckpoint, recover } from '../../../engine/recovery/recover.js'
import { type ForgedStore, forgedStore, STORE_ID } from '../../support/forge.js'
import { restore, STORE } from './verify-support.js'

const CHECKPOINT = `${STORE}/checkpoint`

/** Positions 0, 1 and 2; then 3 and 4. */
const sound = (): ForgedStore =>
  forgedStore([
    [[['a'], ['b']], [['a']]],
    [[['b']], [['a']]],
  ])

function found(files: ReadonlyMap<string, Buffer>): CheckpointReading {
  const environment = restore(files)
  const { directory } = LogDirectory.read(environment.files, `${STORE}/log`)
  return findCheckpoint(environment.files, STORE, STORE_ID, directory)
}

t.test('[fault 48] a checkpoint that names a place that is none is not believed', (t) => {
  const { files, checkpoint } = sound()
  const { redo } = checkpoint
  t.match(found(files), { checkpoint, lost: undefined, loss: undefined })
  const forged = (place: Partial<Checkpoint['redo']>, changed = files): CheckpointReading =>
    found(new Map(changed).set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...checkpoint, redo: { ...redo, ...place } })))
  const start = { byte: 96, position: 3, sequence: 2 }
  t.match(forged(start), { checkpoint: { redo: start } }, 'the start of a segment is one')
  const none = { checkpoint: undefined, lost: 'it names a place that is none' }
  for (const [what, place] of [
    ['within the header', { byte: 50 }],
    ['at the first byte', { byte: 0 }],
    ['the start of a segment, and another position', { ...start, position: 4 }],
    ['the start of a segment, and another sequence', { ...start, sequence: 3 }],
    ['a byte that ends no record', { byte: redo.byte - 1 }],
    ['behind the head of a group', { byte: 96 + 84, position: 3 }],
    ['another position', { position: 4 }],
  ] as const) {
    t.match(forged(place), none, what)
  }
  const last = `${STORE}/log/0000000000000003-0000000001.log`
  const damaged = Buffer.from(files.get(last)!)
  damaged[damaged.length - 10]! ^= 1
  t.match(forged({}, new Map(files).set(last, damaged)), none, 'a record before it that is damaged')
  t.match(forged({ base: 0, byte: 0, position: 0, sequence: 0 }), { checkpoint: { redo: { position: 0 } } })
  t.end()
})

t.test('[fault 47] what a checkpoint names was durable: where it is not there, somebody took it away', (t) => {
  const { files, checkpoint } = sound()
  const last = `${STORE}/log/0000000000000003-0000000001.log`
  const without = new Map(files)
  without.delete(last)
  t.match(found(without), {
    checkpoint: undefined,
    lost: 'it names a log segment that is not there',
    loss: { code: 'ERR_CORRUPT', file: last, byte: 0 },
  })
  const short = new Map(files).set(last, files.get(last)!.subarray(0, 120))
  t.match(found(short), {
    checkpoint,
    loss: { file: last, byte: 120, reason: 'the end of the log segment is missing' },
  })
  t.end()
})

t.test(
  '[fault 48] without a checkpoint, or with one that cannot be used, the log is read; a newer one is refused',
  (t) => {
    const { files } = sound()
    t.match(found(new Map([...files].filter(([path]) => path !== CHECKPOINT))), { lost: 'it is missing' })
    t.match(found(new Map()), { checkpoint: undefined, lost: undefined }, 'a new store needs none')
    t.match(found(new Map(files).set(CHECKPOINT, Buffer.alloc(200, 1))), { lost: 'it is no checkpoint' })
    const newer = Buffer.from(files.get(CHECKPOINT)!)
    newer.writeUInt16LE(2, 8)
    t.throws(() => found(new Map(files).set(CHECKPOINT, newer)), { code: 'ERR_FORMAT' })
    t.end()
  },
)

t.test('[D5] recover says where the log goes on, and what it hangs on', (t) => {
  const { files, checkpoint } = sound()
  const at = (changed: ReadonlyMap<string, Buffer>, epoch = 1) =>
    recover(restore(changed), STORE, 'log', STORE_ID, epoch)
  const end = {
    position: 5,
    sequence: 4,
    previous: { previousBase: 3, previousEpoch: 1, previousEnd: checkpoint.redo.byte },
  }
  t.match(at(files), { ...end, report: { clean: true, events: 0 }, settledPosition: 5, unsettled: [] })
  t.match(at(files, 2), { ...end, report: { clean: false, events: 0 } }, 'another writer came after the clean one')
  const lost = new Map(files)
  lost.delete(CHECKPOINT)
  t.match(at(lost), {
    ...end,
    report: { clean: false, checkpointLost: 'it is missing', events: 5 },
    settledPosition: 0,
  })

  // The header of the last segment is gone with all that stood in it: what comes hangs on the one before.
  const last = `${STORE}/log/0000000000000003-0000000001.log`
  const first = files.get(`${STORE}/log/0000000000000000-0000000001.log`)!
  const start = { ...checkpoint, clean: false, redo: { ...checkpoint.redo, byte: 96, position: 3, sequence: 2 } }
  const headless = new Map(files)
    .set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...start, settledPosition: 3 }))
    .set(last, Buffer.alloc(96))
  t.match(at(headless), {
    position: 3,
    sequence: 2,
    previous: { previousBase: 0, previousEpoch: 1, previousEnd: first.length },
    empty: [{ path: last }],
    report: { damage: undefined },
  })
  t.end()
})
