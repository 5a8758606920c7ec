import { isUtf8 } from 'node:buffer'
import {
  EVENT_FIXED_BYTES,
  eventFits,
  eventFlags,
  eventOffset,
  eventPosition,
  eventShapeCount,
  eventShapeId,
  eventTimestamp,
  FLAG_CAUSATION,
  FLAG_COMMIT_ID,
  FLAG_CORRELATION,
  FLAG_METADATA,
  FLAG_TAGS,
} from '../format/event-record.js'
import { optionsFill } from '../format/event-options.js'
import { FRAME_TRAILER_BYTES, type Window } from '../format/frame.js'
import { decodeShape } from '../format/shape-record.js'
import { type Shape, ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { asValueFault, MAX_DATE_MS } from '../format/value-format.js'
import type { Invariant } from './invariants.js'

/** What is wrong with a record whose checksum is right. */
export interface Wrong {
  readonly invariant: Invariant
  readonly message: string
}

/** The shapes of a store; remembers which were asked for, so that an event's list can be compared with what it uses. */
class UsedShapes extends ShapeTable {
  readonly used: number[] = []

  override get(id: number): Shape | undefined {
    if (!this.used.includes(id)) this.used.push(id)
    return super.get(id)
  }
}

/** Where the parts of an event record start. */
interface Parts {
  readonly type: number
  readonly options: number
  readonly metadata: number
  readonly data: number
  readonly dataEnd: number
}

/** Checks records one by one, each with what its file has defined so far. One for all files of a store. */
export class RecordCheck {
  readonly #decodes: boolean
  readonly #shapes = new UsedShapes()
  readonly #decoder = new ValueDecoder(this.#shapes)
  #defined = new Set<number>()
  /** Definitions may be lost: the file is damaged. */
  #lenient = false

  /** `decodes`: whether metadata and data are decoded. */
  constructor(decodes: boolean) {
    this.#decodes = decodes
  }

  get shapes(): ShapeTable {
    return this.#shapes
  }

  beginFile(): void {
    this.#defined = new Set()
    this.#lenient = false
  }

  /** From here on definitions may be missing from the file, which is no news. */
  noteDamage(): void {
    this.#lenient = true
  }

  shape(window: Window, at: number, length: number): Wrong | undefined {
    const shape = decodeShape(window, at, length)
    if (shape === undefined) return { invariant: 'I8', message: 'a shape definition is malformed' }
    try {
      this.#shapes.define(shape)
    } catch (error) {
      return { invariant: 'I8', message: asValueFault(error).message }
    }
    this.#defined.add(shape.id)
    return undefined
  }

  event(window: Window, at: number, length: number): Wrong | undefined {
    if (!eventFits(window, at, length)) return { invariant: 'I9', message: 'the lengths of the event do not fit it' }
    const parts = partsOf(window, at, length)
    return this.#envelope(window, at, parts) ?? this.#shapesUsed(window, at, length, parts)
  }

  #envelope({ bytes, view }: Window, at: number, parts: Parts): Wrong | undefined {
    const wrong = (message: string): Wrong => ({ invariant: 'I9', message })
    if (!isUtf8(bytes.subarray(at + EVENT_FIXED_BYTES, parts.type))) return wrong('the stream name is not UTF-8')
    if (!isUtf8(bytes.subarray(parts.type, parts.options))) return wrong('the event type is not UTF-8')
    if (Number.isNaN(eventPosition({ bytes, view }, at)) || Number.isNaN(eventOffset({ bytes, view }, at))) {
      return wrong('the position or offset is beyond all numbers')
    }
    const timestamp = eventTimestamp({ bytes, view }, at)
    if (!Number.isSafeInteger(timestamp) || Math.abs(timestamp) > MAX_DATE_MS) {
      return wrong('the timestamp is no whole number of milliseconds that a Date can have')
    }
    const flags = bytes[at + 9]!
    if (((flags & FLAG_METADATA) !== 0) !== parts.data > parts.metadata) {
      return wrong('the event says of its metadata both that it is there and that it is not')
    }
    const pointers = ((flags & FLAG_CORRELATION) !== 0 ? 3 : 0) + ((flags & FLAG_CAUSATION) !== 0 ? 3 : 0)
    return optionsFill(
      bytes,
      parts.options + pointers,
      parts.metadata,
      (flags & FLAG_COMMIT_ID) !== 0,
      (flags & FLAG_TAGS) !== 0,
    )
      ? undefined
      : wrong('the options of the event do not fit their length')
  }

  #shapesUsed(window: Window, at: number, length: number, parts: Parts): Wrong | undefined {
    const count = eventShapeCount(window, at)
    for (let n = 0; n < count && !this.#lenient; n++) {
      const id = eventShapeId(window, at, length, n)
      if (!this.#defined.has(id)) {
        return { invariant: 'I8', message: `the event uses shape ${id}, which its file has not defined before` }
      }
    }
    return this.#decodes ? this.#decode(window, at, length, parts) : undefined
  }

  #decode(window: Window, at: number, length: number, parts: Parts): Wrong | undefined {
    const { used } = this.#shapes
    used.length = 0
    try {
      const metadata =
        parts.data > parts.metadata ? this.#decoder.decode(window.bytes, parts.metadata, parts.data) : undefined
      this.#decoder.decode(window.bytes, parts.data, parts.dataEnd)
      const pointer = wrongPointer(window, at, parts, metadata)
      if (pointer !== undefined) return { invariant: 'I9', message: pointer }
    } catch (error) {
      const { message } = asValueFault(error)
      if (this.#lenient && used.some((id) => this.#shapes.get(id) === undefined)) return undefined
      return { invariant: 'I9', message }
    }
    const listed = eventShapeCount(window, at) === used.length
    if (listed && used.every((id, n) => id === eventShapeId(window, at, length, n))) return undefined
    return { invariant: 'I8', message: 'the shapes listed in the event are not those it uses' }
  }
}

function partsOf({ view }: Window, at: number, length: number): Parts {
  const type = at + EVENT_FIXED_BYTES + view.getUint16(at + 12, true)
  const options = type + view.getUint16(at + 14, true)
  const metadata = options + view.getUint16(at + 62, true)
  const data = metadata + view.getUint32(at + 56, true)
  return {
    type,
    options,
    metadata,
    data,
    dataEnd: at + length - FRAME_TRAILER_BYTES - 2 * view.getUint16(at + 60, true),
  }
}

/** UTF-16 units of the longest id that a flag stands for. */
const MAX_POINTED_LENGTH = 255

/** The ids a filter reads must be those of the metadata. A pointer of no bytes says: not found in the metadata's first 64 KiB. */
function wrongPointer(window: Window, at: number, parts: Parts, metadata: unknown): string | undefined {
  const { bytes, view } = window
  const flags = eventFlags(window, at)
  let pointer = parts.options
  for (const [flag, key] of [
    [FLAG_CORRELATION, 'correlationId'],
    [FLAG_CAUSATION, 'causationId'],
  ] as const) {
    const plain = typeof metadata === 'object' && metadata !== null && Object.hasOwn(metadata, key)
    const value = plain ? (metadata as Record<string, unknown>)[key] : undefined
    const pointed = typeof value === 'string' && value.length > 0 && value.length <= MAX_POINTED_LENGTH
    if (pointed !== ((flags & flag) !== 0)) return `the flag of the ${key} does not say what metadata has`
    if (!pointed) continue
    const length = bytes[pointer + 2]!
    const from = parts.metadata + view.getUint16(pointer, true)
    pointer += 3
    if (length === 0 && from === parts.metadata) continue
    if (from + length > parts.data || bytes.compare(Buffer.from(value), 0, undefined, from, from + length) !== 0) {
      return `the pointer to the ${key} points elsewhere`
    }
  }
  return undefined
}
