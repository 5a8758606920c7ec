import t from 'tap'
import {
  frameAround,
  FRAME_EVENT,
  type FrameKind,
  FRAME_SHAPE,
  sealFrame,
  windowOf,
} from '../../../engine/format/frame.js'
import type { FileHandle } from '../../../engine/io/file-system.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { FrameWalk } from '../../../engine/recovery/verify-frames.js'

function frame(length: number, fill: number, kind: FrameKind = FRAME_EVENT): Buffer {
  const window = windowOf(Buffer.alloc(length, fill))
  frameAround(window.view, 0, length, kind)
  sealFrame(window, 0, length)
  return window.bytes
}

function fileOf(bytes: Buffer): FileHandle {
  const files = new MemoryFileSystem()
  const handle = files.open('/file', 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  return handle
}

const FRAMES = [frame(50, 1), frame(16, 0), frame(200, 2, FRAME_SHAPE), frame(99, 3)]
const SOUND = Buffer.concat(FRAMES)

/** `frame 0 50` and `fault 50 66 crc`: where each begins and how long it is, or where it ends and why. */
function walk(bytes: Buffer, from = 0, end = bytes.length, accept: () => boolean = () => true): string[] {
  const steps: string[] = []
  const frames = new FrameWalk(fileOf(bytes), from, end, accept)
  for (let step = frames.next(); step !== 'end'; step = frames.next()) {
    if (step === 'fault') steps.push(`fault ${frames.byte} ${frames.faultEnd} ${frames.fault}`)
    else {
      steps.push(`frame ${frames.byte} ${frames.length}`)
      t.same(
        frames.window.bytes.subarray(frames.at, frames.at + frames.length),
        bytes.subarray(frames.byte, frames.byte + frames.length),
      )
    }
  }
  return steps
}

t.test('sound frames are visited one after another, within the stretch', (t) => {
  t.same(walk(SOUND), ['frame 0 50', 'frame 50 16', 'frame 66 200', 'frame 266 99'])
  t.same(walk(SOUND, 50, 266), ['frame 50 16', 'frame 66 200'])
  t.same(walk(SOUND, 365), [])
  t.same(walk(SOUND, 266, 300), ['fault 266 300 short'], 'a frame that goes beyond the end is none')
  t.end()
})

t.test('[fault 39] a bad frame whose two lengths agree ends there, whatever is in it', (t) => {
  const bytes = Buffer.from(SOUND)
  frame(40, 9).copy(bytes, 100) // looks like a frame, within the payload of another
  bytes[80]! ^= 1
  t.same(walk(bytes), ['frame 0 50', 'frame 50 16', 'fault 66 266 crc', 'frame 266 99'])
  t.end()
})

t.test(
  '[fault 39] where the lengths differ the next sound frame is searched, and taken only if it may be there',
  (t) => {
    const bytes = Buffer.from(SOUND)
    bytes[66]! ^= 1
    t.same(walk(bytes), ['frame 0 50', 'frame 50 16', 'fault 66 266 trailer', 'frame 266 99'])
    bytes.writeUInt32LE(0xffffffff, 66)
    t.same(walk(bytes), ['frame 0 50', 'frame 50 16', 'fault 66 266 length', 'frame 266 99'])
    t.same(
      walk(bytes, 0, bytes.length, () => false),
      ['frame 0 50', 'frame 50 16', 'fault 66 365 length'],
      'a copy within a payload is not accepted',
    )
    t.end()
  },
)

t.test('[fault 41] zeros are told from a record that is cut short', (t) => {
  t.same(walk(Buffer.concat([SOUND, Buffer.alloc(5)])).at(-1), 'fault 365 370 zeros')
  t.same(walk(Buffer.concat([SOUND, Buffer.alloc(500)])).at(-1), 'fault 365 865 zeros')
  t.same(walk(Buffer.concat([FRAMES[0]!, Buffer.alloc(100), FRAMES[3]!])), [
    'frame 0 50',
    'fault 50 150 zeros',
    'frame 150 99',
  ])
  t.same(walk(Buffer.concat([SOUND, Buffer.from([99, 0, 0])])).at(-1), 'fault 365 368 short')
  t.end()
})

t.test('frames longer than a window, and on its border, are whole in it', (t) => {
  const long = [frame(1_000_000, 5), frame(48_570, 6), frame(3_000_000, 7), frame(60, 8)]
  t.same(walk(Buffer.concat(long)), [
    'frame 0 1000000',
    'frame 1000000 48570',
    'frame 1048570 3000000',
    'frame 4048570 60',
  ])
  const bytes = Buffer.concat(long)
  bytes[2_000_000]! ^= 1
  t.same(walk(bytes).slice(2), ['fault 1048570 4048570 crc', 'frame 4048570 60'])
  t.end()
})

t.test('a file that is shorter than was asked for ends in a record that is cut short', (t) => {
  t.same(walk(SOUND, 0, SOUND.length + 500).slice(3), ['frame 266 99', 'fault 365 865 short'])
  t.same(walk(SOUND.subarray(0, 350), 0, SOUND.length), [
    'frame 0 50',
    'frame 50 16',
    'frame 66 200',
    'fault 266 365 trailer',
  ])
  t.end()
})

t.test('a sound record of a kind that there is none of is a fault', (t) => {
  const other = Buffer.concat([FRAMES[0]!, frame(60, 4, 9 as FrameKind), FRAMES[3]!])
  t.same(walk(other), ['frame 0 50', 'fault 50 110 kind', 'frame 110 99'])
  t.end()
})
