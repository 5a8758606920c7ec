import {
  EVENT_FIXED_BYTES,
  type EventDecoder,
  eventFlags,
  eventTimestamp,
  FLAG_CORRELATION,
  FLAG_METADATA,
} from './event-record.js'
import type { Window } from './frame.js'
import type { TimeRange } from './time-runs.js'
import { uuidBytes } from './uuid.js'

/** Where the id stands in a record. */
const EVENT_ID = 40
/** Longer ids have no pointer in the envelope. */
const MAX_POINTED_UNITS = 255

/** What events are asked for; each that is given must be met. */
export interface EventCriteria {
  /** One of these types. */
  readonly types?: readonly string[] | undefined
  /** With this id: a UUID in canonical lower-case form. */
  readonly id?: string | undefined
  /** Of a stream whose name begins with the category and a dash. */
  readonly category?: string | undefined
  /** With this `correlationId` in their metadata. */
  readonly correlationId?: string | undefined
  readonly times?: TimeRange | undefined
}

/**
 * Tells from the envelope whether an event is asked for, by comparing bytes: nothing of what is passed over is decoded. Only where
 * the envelope does not say where the correlation id is, the metadata are.
 */
export class EventFilter {
  readonly times: TimeRange | undefined
  /** In UTF-8, by length. */
  readonly #types: ReadonlyMap<number, readonly Buffer[]> | undefined
  readonly #id: Buffer | undefined
  readonly #prefix: Buffer | undefined
  readonly #correlation: { readonly id: string; readonly bytes: Buffer; readonly hasPointer: boolean } | undefined
  readonly #decoder: EventDecoder

  constructor({ types, id, category, correlationId, times }: EventCriteria, decoder: EventDecoder) {
    this.times = times
    this.#types = types && byLength(types)
    this.#id = id === undefined ? undefined : uuidBytes(id)
    this.#prefix = category === undefined ? undefined : Buffer.from(categoryPrefix(category), 'utf8')
    this.#correlation = correlationId === undefined ? undefined : correlationOf(correlationId)
    this.#decoder = decoder
  }

  /** Tells whether the event at `start`, which must fit (`eventFits`), is asked for. Throws ValueFormatError for malformed metadata. */
  matches(window: Window, start: number): boolean {
    const { times } = this
    if (times !== undefined) {
      const timestamp = eventTimestamp(window, start)
      if (!(timestamp >= times.from && timestamp <= times.to)) return false
    }
    if (this.#id !== undefined && !stands(window.bytes, start + EVENT_ID, this.#id)) return false
    if (this.#prefix !== undefined && !this.#isOfCategory(window, start, this.#prefix)) return false
    if (this.#types !== undefined && !this.#isOfType(window, start, this.#types)) return false
    return this.#correlation === undefined || this.#isCorrelated(window, start)
  }

  #isOfCategory({ bytes, view }: Window, start: number, prefix: Buffer): boolean {
    return view.getUint16(start + 12, true) >= prefix.length && stands(bytes, start + EVENT_FIXED_BYTES, prefix)
  }

  #isOfType({ bytes, view }: Window, start: number, types: ReadonlyMap<number, readonly Buffer[]>): boolean {
    const candidates = types.get(view.getUint16(start + 14, true))
    if (candidates === undefined) return false
    const at = start + EVENT_FIXED_BYTES + view.getUint16(start + 12, true)
    for (const type of candidates) if (stands(bytes, at, type)) return true
    return false
  }

  #isCorrelated(window: Window, start: number): boolean {
    const { id, bytes: wanted, hasPointer } = this.#correlation!
    const flags = eventFlags(window, start)
    if ((flags & FLAG_METADATA) === 0) return false
    const pointed = (flags & FLAG_CORRELATION) !== 0
    if (pointed !== hasPointer) return false
    if (pointed) {
      const { bytes, view } = window
      const texts = view.getUint16(start + 12, true) + view.getUint16(start + 14, true)
      const pointer = start + EVENT_FIXED_BYTES + texts
      const length = bytes[pointer + 2]!
      const at = view.getUint16(pointer, true)
      if (length > 0 && at + length <= view.getUint32(start + 56, true)) {
        const metadata = pointer + view.getUint16(start + 62, true)
        return length === wanted.length && stands(bytes, metadata + at, wanted)
      }
    }
    const metadata = this.#decoder.metadata(window, start)
    return (
      typeof metadata === 'object' && metadata !== null && (metadata as Record<string, unknown>)['correlationId'] === id
    )
  }
}

/** What the names of the streams of a category begin with. */
export function categoryPrefix(category: string): string {
  return `${category}-`
}

function byLength(types: readonly string[]): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>()
  for (const type of new Set(types)) {
    const bytes = Buffer.from(type, 'utf8')
    const same = found.get(bytes.length)
    if (same === undefined) found.set(bytes.length, [bytes])
    else same.push(bytes)
  }
  return found
}

function correlationOf(id: string): { id: string; bytes: Buffer; hasPointer: boolean } {
  return { id, bytes: Buffer.from(id, 'utf8'), hasPointer: id.length > 0 && id.length <= MAX_POINTED_UNITS }
}

/** By hand: for names as they are, a call into native code costs more than the comparison. */
function stands(bytes: Buffer, at: number, wanted: Buffer): boolean {
  const { length } = wanted
  for (let i = 0; i < length; i++) if (bytes[at + i] !== wanted[i]) return false
  return true
}
