import t from 'tap'
import { CorruptionError, type NewEvent } from '../../../engine/index.js'
import { streamKey } from '../../../engine/format/names.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { stateBeforeDamage } from '../../../engine/streams/before-damage.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import type { StreamState } from '../../../engine/streams/stream-state.js'
import { countUp, numbered, sized, TestMachine } from '../store/test-machine.js'

const KEY = streamKey('a')
const FIRST = `/store/streams/${KEY.path}@0000000000000000.seg`
const FOUND = 'as it was found'

interface Stored {
  readonly machine: TestMachine
  /** What is left of the stream when loading it has found damage there. */
  readonly before: (place: { file: string; byte?: number; offset?: number }, position?: number) => StreamState
}

/** A closed store of one stream, so that offsets are positions. */
async function stored(events: readonly NewEvent[], streamSegmentBytes = 1_000_000): Promise<Stored> {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os', limits: { streamSegmentBytes } })
  await store.append('a', [...events])
  await store.checkpoint()
  await store.close()
  const { files } = machine.environment
  const directory = new StreamDirectory(
    files,
    '/store/streams',
    Buffer.from(machine.contents('/store/annals').subarray(20, 36)),
    true,
  )
  const before: Stored['before'] = ({ file, byte = 7, offset }, position = Infinity) => {
    const damage = new CorruptionError(FOUND, { file, byte, stream: 'a', ...(offset === undefined ? {} : { offset }) })
    return stateBeforeDamage(directory, new ReadHandles(files, 8), KEY, damage, position)
  }
  return { machine, before }
}

/** Where the records of a segment start. */
function records(bytes: Buffer): number[] {
  const starts: number[] = []
  for (let at = bytes.readUInt32LE(12); at < bytes.length; at += bytes.readUInt32LE(at)) starts.push(at)
  return starts
}

function spoiled(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 1
  return copy
}

t.test('[fault 39] the events before a damaged record are there, and the damage names the record', async (t) => {
  for (const events of [numbered(10), countUp(60).map(() => sized(800))]) {
    const { machine, before } = await stored(events)
    const sound = machine.contents(FIRST)
    const starts = records(sound).slice(-events.length)
    for (const [offset, start] of starts.entries()) {
      machine.write(FIRST, spoiled(sound, start + 20))
      const state = before({ file: FIRST })
      t.match(state, { version: offset, nextOffset: offset, flushed: offset })
      t.match(state.damage, { code: 'ERR_CORRUPT', file: FIRST, byte: start, stream: 'a', offset })
      t.match((state.damage!.cause as Error).message, FOUND)
      if (offset > 0) t.match(state, { bases: [0], last: { base: 0, bytes: start, index: undefined } })
      else t.match(state, { bases: [], last: undefined })
    }
  }
})

t.test('[fault 39] what stands behind the last record is told where it stands', async (t) => {
  const { machine, before } = await stored(numbered(5))
  const sound = machine.contents(FIRST)
  machine.write(FIRST, Buffer.concat([sound, Buffer.alloc(100)]))
  const state = before({ file: FIRST })
  t.match(state, { version: 5, last: { bytes: sound.length } })
  t.match(state.damage, { file: FIRST, byte: sound.length, offset: 5 })
})

t.test('[fault 39] of a segment whose header is damaged nothing is there, of those before it all', async (t) => {
  const { machine, before } = await stored(numbered(60), 1000)
  const segments = machine.find('.seg')
  const bases = segments.map((path) => Number(path.slice(-20, -4)))
  t.ok(bases.length > 3)
  for (const at of [0, 1, bases.length - 1]) {
    const file = segments[at]!
    const sound = machine.contents(file)
    for (const contents of [spoiled(sound, 30), Buffer.alloc(0), sound.subarray(0, 20)]) {
      machine.write(file, contents)
      const state = before({ file })
      t.match(state, { version: bases[at], bases: bases.slice(0, at), last: undefined })
      t.match(state.damage, { file, offset: bases[at] })
    }
    machine.write(file, sound)
  }
})

t.test('[fault 39] damage in a later segment leaves those before it', async (t) => {
  const { machine, before } = await stored(numbered(60), 1000)
  const file = machine.find('.seg').at(-1)!
  const base = Number(file.slice(-20, -4))
  const sound = machine.contents(file)
  const starts = records(sound).slice(base - 60)
  machine.write(file, spoiled(sound, starts[1]! + 20))
  const state = before({ file })
  t.match(state, { version: base + 1, last: { base, bytes: starts[1]! } })
  t.equal(state.bases.at(-1), base)
  t.match(state.damage, { file, byte: starts[1]!, offset: base + 1 })
})

t.test('[fault 47] what stands before a missing segment is there', async (t) => {
  const { machine, before } = await stored(numbered(60), 1000)
  const segments = machine.find('.seg')
  const bases = segments.map((path) => Number(path.slice(-20, -4)))
  const last = segments.at(-1)!
  machine.remove(last)
  const state = before({ file: last, byte: 0, offset: bases.at(-1)! })
  t.match(state, { version: bases.at(-1), bases: bases.slice(0, -1) })
  t.match(state.damage, { reason: FOUND, file: last, byte: 0, offset: bases.at(-1) })
  machine.remove(FIRST)
  t.match(before({ file: FIRST, offset: 0 }), { version: 0, bases: [], last: undefined, damage: { offset: 0 } })
})

t.test('[fault 55] what the log does not hold, or what is lost behind an offset, is left out', async (t) => {
  const { machine, before } = await stored(numbered(20))
  const starts = records(machine.contents(FIRST)).slice(-20)
  for (const end of [0, 1, 13, 19]) {
    const notHeld = before({ file: FIRST, byte: starts[19]!, offset: 19 }, end)
    t.match(notHeld, { version: end, flushed: end, damage: { reason: FOUND, byte: starts[19]!, offset: end } })
    if (end > 0) t.equal(notHeld.last!.bytes, starts[end])
    const elsewhere = before({ file: '/store/log/other.log', byte: 7, offset: end })
    t.match(elsewhere, { version: end, damage: { reason: FOUND, file: '/store/log/other.log', byte: 7, offset: end } })
  }
  machine.write(FIRST, spoiled(machine.contents(FIRST), starts[15]! + 20))
  t.match(before({ file: FIRST }, 13), { version: 13, damage: { reason: FOUND, offset: 13 } }, 'damage behind that')
})
