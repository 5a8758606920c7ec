import t from 'tap'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { repair } from '../../../engine/recovery/repair.js'
import { verify, type VerifyOptions } from '../../../engine/recovery/verify.js'
import { Forge, type ForgedStore, forgedStore, groupOf, logSegment, resealed, STORE_ID } from '../../support/forge.js'
import { imageOf, restore, STORE } from './verify-support.js'

const CHECKPOINT = `${STORE}/checkpoint`

/** Positions 0 and 1, 2; 3, 4; 5: three log segments, two groups each but the last. */
const sound = (): ForgedStore => forgedStore([[[['a'], ['b']], [['a']]], [[['b']], [['a']]], [[['b']]]])

/** What is found in the log when the files of a sound store are changed. */
async function found(
  change: (files: Map<string, Buffer>, store: ForgedStore) => unknown,
  options: VerifyOptions = {},
): Promise<Finding[]> {
  const store = sound()
  change(store.files, store)
  const { findings } = await verify(restore(store.files), STORE, options)
  return findings.filter(({ file, severity }) => file.includes('/log/') && severity !== 'derived')
}

function flip(files: Map<string, Buffer>, path: string, at: number): void {
  const bytes = Buffer.from(files.get(path)!)
  bytes[at]! ^= 1
  files.set(path, bytes)
}

/** A segment with other numbers in its header. */
function relinked(bytes: Buffer, fields: Partial<Parameters<typeof logSegment>[1]>): Buffer {
  const at = { base: 44, previousBase: 52, previousEpoch: 60, previousEnd: 68, sequence: 76, durable: 84 }
  const read = Object.fromEntries(Object.entries(at).map(([name, byte]) => [name, Number(bytes.readBigUInt64LE(byte))]))
  return Buffer.concat([logSegment([], { ...read, ...fields }), bytes.subarray(96)])
}

t.test('[U3] segments of the log must hang together', async (t) => {
  const { logs, files } = sound()
  const [first, second, third] = logs as [string, string, string]
  t.same(await found(() => undefined), [], 'as it was written')

  const sequence = relinked(files.get(third)!, { sequence: 9, durable: 4 })
  t.match(await found((changed) => changed.set(third, sequence)), [
    { invariant: 'I13', severity: 'damage', file: third, message: /starts with group 9, the one before ends before 4/ },
    {},
  ])

  const both = await found((changed) => {
    changed.delete(first)
    changed.delete(second)
  })
  t.match(both, [{ invariant: 'I13', file: second, position: 0, message: /held the events from position 0 to 4/ }])

  const none = await found((changed) => {
    changed.delete(first)
    changed.set(second, relinked(changed.get(second)!, { previousBase: 0, previousEpoch: 0, previousEnd: 0 }))
  })
  t.match(none[0], { invariant: 'I13', file: second, position: 0, message: /held the events from position 0 to 2/ })

  const astray = relinked(files.get(third)!, { previousBase: 1 })
  const elsewhere = await found((changed) => changed.set(third, astray))
  t.match(elsewhere, [
    { invariant: 'I2', file: second, position: 5 }, // nobody says any more how much of it counts
    { invariant: 'I13', file: third, position: 5, message: /hangs on another one than the one before/ },
  ])
})

t.test('[U3] behind the end that the next segment names nothing counts', async (t) => {
  const { logs } = sound()
  const notes = await found((files) => files.set(logs[0]!, Buffer.concat([files.get(logs[0]!)!, Buffer.alloc(50, 7)])))
  t.match(notes, [{ invariant: 'I13', severity: 'note', file: logs[0], message: /^50 bytes behind the end/ }])
})

t.test('[D4] where a group that was never durable is not right the log ends, whatever follows', async (t) => {
  const { logs, files, records } = sound()
  const [first, second, third] = logs as [string, string, string]
  const silent = relinked(files.get(second)!, { durable: 0 })
  const torn = await found((changed) => {
    changed.delete(CHECKPOINT)
    changed.set(second, silent)
    flip(changed, first, files.get(first)!.length - 20)
  })
  t.match(torn, [
    { severity: 'note', file: second, message: /the log ends before this segment/ },
    { severity: 'note', file: third, message: /the log ends before this segment/ },
    { invariant: 'I2', severity: 'damage', file: first, stream: 'a', offset: 1, position: 2 },
  ])

  // Only the last group, of which stream segments have nothing.
  const last = await found((changed, { segment }) => {
    changed.delete(CHECKPOINT)
    changed.delete(second)
    changed.delete(third)
    changed.delete(segment('a'))
    changed.delete(segment('b'))
    flip(changed, first, files.get(first)!.length - 20)
  })
  t.match(last, [{ invariant: 'I2', severity: 'note', file: first, message: /never acknowledged as durable/ }])

  // Their stream segments have its events: with them it is made again.
  const one = forgedStore([
    [
      [['a'], ['b']],
      [['a'], ['b']],
    ],
  ])
  const whole = one.files.get(one.logs[0]!)!
  one.files.delete(CHECKPOINT)
  flip(one.files, one.logs[0]!, whole.length - 20)
  const environment = restore(one.files)
  const report = await repair(environment, STORE)
  t.match(report, { ok: true, failures: [] })
  t.same(imageOf(environment.files).get(one.logs[0]!), whole)
  t.equal(records.length, 6)
})

t.test('[U3] damage in what was durable is told record by record', async (t) => {
  const { logs, files } = sound()
  const [first] = logs as [string]
  const size = files.get(first)!.length
  t.match(await found((changed) => flip(changed, first, size - 20)), [
    { invariant: 'I3', severity: 'damage', stream: 'a', offset: 1, position: 2 },
  ])
  const kept = await found((changed) => flip(changed, first, size - 20), { maxFindings: 0 })
  t.same(kept, [], 'also where no finding is kept')

  t.same(await found((changed) => flip(changed, first, 96 + 30), { maxFindings: 0 }), [], 'nor of the head of a group')

  const shape = resealed(encodeShape({ id: 1, keys: ['x'] }), (record) => record.writeUInt16LE(0, 12))
  const forge = new Forge()
  const event = (position: number, marks: number): Buffer =>
    forge.event({ stream: 'a', offset: position, position, marks })
  const one = (groups: readonly (readonly Buffer[])[]) => (changed: Map<string, Buffer>, store: ForgedStore) => {
    changed.set(first, logSegment(groups))
    for (const path of [...store.logs.slice(1), CHECKPOINT]) changed.delete(path)
  }
  const [malformed] = await found(one([[shape, event(0, 3)], [event(1, 3)]]))
  t.match(malformed, { invariant: 'I8', severity: 'damage', byte: 96 + 84, message: 'a shape definition is malformed' })
  const halves = await found(one([[event(0, 1)], [event(1, 3)]]))
  t.match(halves[0], { invariant: 'I5', severity: 'damage', byte: 96, message: /commits of the group are not whole/ })
  const places = await found(one([[event(1, 3)], [event(1, 3)]]))
  t.match(places[0], { invariant: 'I4', severity: 'damage' })
  const misfit = resealed(event(1, 3), (record) => record.writeUInt16LE(9999, 12))
  const [odd] = await found((changed, store) => {
    const group = groupOf([event(0, 3), misfit], { byte: 96, sequence: 0, firstPosition: 0, events: 1 })
    const next = groupOf([event(1, 3)], { byte: 96 + group.length, sequence: 1, firstPosition: 1 })
    one([])(changed, store)
    changed.set(first, Buffer.concat([logSegment([]), group, next]))
  })
  t.match(odd, { invariant: 'I4', severity: 'damage', byte: 96, message: /a record of the group is out of place/ })
})

t.test('[U3] what is found behind a record whose end cannot be told must be able to stand there', async (t) => {
  const { logs, records } = sound()
  const [first] = logs as [string]
  const forge = new Forge()
  const late = forge.event({ stream: 'a', offset: 9, position: 99 })
  const lost = Buffer.from(records[0]!)
  lost.writeUInt32LE(0x7fffffff, 0)
  const definition = encodeShape({ id: 1, keys: ['x'] })
  const foreign = groupOf([], { byte: 7, sequence: 3, firstPosition: 0 }, Buffer.alloc(16, 5))
  const group = groupOf([lost, late, foreign, definition, records[1]!], { byte: 96, sequence: 0, firstPosition: 0 })
  const findings = await found((files) => {
    const next = groupOf([records[2]!], { byte: 96 + group.length, sequence: 1, firstPosition: 2 })
    const bytes = Buffer.concat([logSegment([]), group, next])
    for (const path of [...logs.slice(1), CHECKPOINT]) files.delete(path)
    files.set(first, bytes)
  })
  t.match(
    findings.filter(({ severity }) => severity === 'damage').map(({ invariant, position }) => [invariant, position]),
    [['I3', 0]],
  )
})

t.test('the checkpoint proves what was durable at the end of the log', async (t) => {
  const { logs, files, checkpoint } = sound()
  const last = logs.at(-1)!
  const at = files.get(last)!.length - 20
  const [proven] = await found((changed) => flip(changed, last, at))
  t.match(proven, { invariant: 'I3', severity: 'damage', stream: 'b', offset: 2, position: 5 })
  const before = { ...checkpoint, redo: { ...checkpoint.redo, byte: 96, position: 5, sequence: 4 }, settledPosition: 5 }
  const [unproven] = await found((changed, { segment }) => {
    changed.set(CHECKPOINT, encodeCheckpoint(STORE_ID, before))
    changed.delete(segment('b'))
    flip(changed, last, at)
  })
  t.match(unproven, { invariant: 'I2', severity: 'note' })
})
