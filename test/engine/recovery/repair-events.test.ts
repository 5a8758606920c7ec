import t from 'tap'
import { eventOffset } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import { eachStreamEvent } from '../../../engine/recovery/repair-events.js'
import { contextOf } from '../../../engine/recovery/verify.js'
import { Forge, forgedStore, streamSegment } from '../../support/forge.js'
import { put, restore, STORE } from './verify-support.js'

const forge = new Forge()
const event = (offset: number): Buffer => forge.event({ stream: 'a', offset, position: offset })

/** Offsets of the events that are found in the segment of `a`, with `s` for a definition. */
async function found(bytes: Buffer): Promise<(number | string)[]> {
  const { files, segment } = forgedStore([[[['a']]]])
  const environment = restore(files)
  put(environment.files, segment('a'), bytes)
  for (const name of ['notes.txt', '4d/notes.txt']) put(environment.files, `${STORE}/streams/${name}`, event(99))
  const seen: (number | string)[] = []
  await eachStreamEvent(
    contextOf(environment, STORE, {}),
    (window, at) => seen.push(eventOffset(window, at)),
    () => seen.push('s'),
  )
  return seen
}

t.test('the sound events of a stream segment are found, whatever else is in it', async (t) => {
  const shape = encodeShape({ id: 1, keys: ['x'] })
  t.same(await found(streamSegment('a', [shape, event(0), event(1)])), ['s', 0, 1])
  t.same(await found(streamSegment('a', [event(0), Buffer.alloc(50, 7), shape, event(2)])), [0, 's', 2])
  const headless = streamSegment('a', [event(0), event(1)])
  for (const length of [0, 95, 5000, 0xffffffff]) {
    headless.writeUInt32LE(length, 12)
    t.same(await found(headless), [0, 1], `a header that says ${length} bytes`)
  }
  t.same(await found(Buffer.alloc(0)), [])
})

t.test('a name is no place for an event', async (t) => {
  const named = streamSegment('a', [event(1)], { name: event(0) })
  t.equal(named.readUInt32LE(12), HEADER_FIXED_BYTES + event(0).length)
  t.same(await found(named), [1])
})
