import { sameBytes } from './bytes.js'
import { Damage, must } from './damage.js'
import { type Header, readHeader } from './header.js'
import { sameKeys, type StoredRecord } from './log.js'
import { streamFile } from './names.js'
import { readEvent, readFrame, readSeal, readShape } from './records.js'

/** A stream segment as far as it is whole. */
export interface StreamSegment {
  readonly path: string
  readonly header: Header
  readonly records: readonly StoredRecord[]
  readonly shapes: ReadonlyMap<number, readonly string[]>
  /** The base of the next segment, or `undefined` without a seal. */
  readonly nextBase: number | undefined
  /** Why reading ended before the end of the file. */
  readonly stopped: string | undefined
}

/** Reads a stream segment up to its end or the first place that is not whole. `path` is without its ending. */
export function readStreamSegment(path: string, bytes: Uint8Array, storeId: Uint8Array): StreamSegment {
  const header = readHeader(bytes, 'S')
  must(sameBytes(header.storeId, storeId), `${path} belongs to another store`)
  must(streamFile(header.name, header.base) === path, `${path} is not what its header says`)
  const shapes = new Map<number, readonly string[]>()
  const records: StoredRecord[] = []
  let nextBase: number | undefined
  let stopped: string | undefined
  let next = header.base
  try {
    for (let at = header.length; at < bytes.length;) {
      must(nextBase === undefined, 'something stands behind the seal')
      const frame = readFrame(bytes, at)
      must(frame.kind !== 'group', 'a group in a stream segment')
      if (frame.kind === 'seal') {
        nextBase = readSeal(frame)
        must(nextBase === next, `a seal that names ${nextBase} where ${next} is next`)
      } else if (frame.kind === 'shape') {
        must(header.mayUseShapes, 'a shape in a segment without shapes')
        const shape = readShape(frame)
        const known = shapes.get(shape.id)
        must(known === undefined || sameKeys(known, shape.keys), `shape ${shape.id} stands for two lists of keys`)
        shapes.set(shape.id, shape.keys)
      } else {
        const event = readEvent(frame, shapes)
        must(event.stream === header.name, `an event of stream ${event.stream}`)
        must(event.offset === next, `offset ${event.offset} where ${next} is next`)
        next++
        records.push({ event, bytes: frame.bytes, at })
      }
      at = frame.end
    }
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    stopped = error.message
  }
  return { path, header, records, shapes, nextBase, stopped }
}
