import { join } from 'node:path'
import { eventFits } from '../format/event-record.js'
import { FRAME_EVENT, FRAME_KIND, FRAME_SHAPE, type Window } from '../format/frame.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { parseStreamFileName } from '../format/names.js'
import { decodeShape } from '../format/shape-record.js'
import type { FileHandle } from '../io/file-system.js'
import type { VerifyContext } from './verify-context.js'
import { FrameWalk } from './verify-frames.js'
import { listOf } from './verify-streams.js'

/** Visits the sound events of a stretch of a file. */
export function eachSoundEvent(
  handle: FileHandle,
  from: number,
  to: number,
  visit: (window: Window, at: number, length: number, byte: number) => void,
  shape?: (window: Window, at: number, length: number, byte: number) => void,
): void {
  const fits = (window: Window, at: number, length: number): boolean => {
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_EVENT) return eventFits(window, at, length)
    return kind === FRAME_SHAPE && decodeShape(window, at, length) !== undefined
  }
  const walk = new FrameWalk(handle, from, to, fits)
  for (let step = walk.next(); step !== 'end'; step = walk.next()) {
    if (step === 'fault' || !fits(walk.window, walk.at, walk.length)) continue
    const { window, at, length, byte } = walk
    if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) visit(window, at, length, byte)
    else shape?.(window, at, length, byte)
  }
}

/** Visits the sound events of all stream segments, also of damaged ones. */
export async function eachStreamEvent(
  context: VerifyContext,
  visit: (window: Window, at: number, length: number) => void,
  shape: (window: Window, at: number, length: number) => void,
): Promise<void> {
  const { environment, streamsPath, pace } = context
  for (const shard of listOf(environment.files, streamsPath)) {
    const folder = join(streamsPath, shard)
    if (environment.files.stat(folder)?.kind !== 'directory') continue
    for (const name of environment.files.list(folder)) {
      if (parseStreamFileName(name)?.suffix !== '.seg') continue
      const handle = environment.files.open(join(folder, name), 'read')
      try {
        const size = handle.size()
        const head = Buffer.alloc(16)
        handle.readSync(head, 0, 16, 0)
        const length = head.readUInt32LE(12)
        const start = length >= HEADER_FIXED_BYTES && length <= HEADER_FIXED_BYTES + 1000 ? length : HEADER_FIXED_BYTES
        eachSoundEvent(handle, start, size, visit, shape)
        await pace.spend(size)
      } finally {
        handle.close()
      }
    }
  }
}
