import { CorruptionError } from '../errors.js'
import {
  eachEventTag,
  eventCommitId,
  eventFits,
  eventFlags,
  eventOptionsStart,
  eventPosition,
  eventStreamBytes,
  EVENT_FIXED_BYTES,
  FLAG_COMMIT_ID,
  FLAG_FIRST,
  FLAG_TAGS,
} from '../format/event-record.js'
import { FRAME_EVENT, FRAME_KIND, type Window } from '../format/frame.js'
import { InternedStrings } from '../format/interned-strings.js'
import { KEY_COMMIT_ID, KEY_TAG, KEY_TYPE, type KeyHasher } from '../format/key-hash.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import { FrameReader } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { KeyTable } from './key-table.js'

const WINDOW_BYTES = 256 * 1024

/** Adds the commit id and the tags of an event record to a table. */
export function addKeys(hasher: KeyHasher, table: KeyTable, window: Window, at: number, byte: number): void {
  const flags = eventFlags(window, at)
  if ((flags & (FLAG_COMMIT_ID | FLAG_TAGS)) === 0) return
  const position = eventPosition(window, at)
  if ((flags & FLAG_COMMIT_ID) !== 0 && (flags & FLAG_FIRST) !== 0) {
    const { start, end } = eventCommitId(window, at)!
    hasher.hash(KEY_COMMIT_ID, window.bytes, start, end)
    table.add(hasher.high, hasher.low, position, byte)
  }
  eachEventTag(window, at, (start, end) => {
    hasher.hash(KEY_TAG, window.bytes, start, end)
    table.add(hasher.high, hasher.low, position, byte)
  })
}

/** Collects the keys of one log segment from its records, by the rule of key files. */
export class KeyCollector {
  readonly #hasher: KeyHasher
  readonly #table: KeyTable
  readonly #names = new InternedStrings()
  readonly #types = new Map<string, { position: number; byte: number }>()

  constructor(hasher: KeyHasher, table: KeyTable) {
    this.#hasher = hasher
    this.#table = table
  }

  add(window: Window, at: number, byte: number): void {
    addKeys(this.#hasher, this.#table, window, at, byte)
    const typeStart = at + EVENT_FIXED_BYTES + eventStreamBytes(window, at)
    const type = this.#names.get(window.bytes, typeStart, eventOptionsStart(window, at))
    const last = this.#types.get(type)
    if (last === undefined) this.#types.set(type, { position: eventPosition(window, at), byte })
    else {
      last.position = eventPosition(window, at)
      last.byte = byte
    }
  }

  /** To be called behind the last event. */
  finish(): void {
    for (const [type, { position, byte }] of this.#types) {
      this.#hasher.hashText(KEY_TYPE, type)
      this.#table.add(this.#hasher.high, this.#hasher.low, position, byte)
    }
  }
}

/** The events of a stretch of a log segment, in windows; between two of them others may have their turn. Throws CorruptionError. */
export function* eventsOf(
  handles: ReadHandles,
  path: string,
  from: number,
  end: number,
  visit: (window: Window, at: number, byte: number, length: number) => void,
): Generator<void> {
  for (let byte = from; byte < end;) {
    const reader = new FrameReader(handles, {
      ...{ path, from: byte, end },
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: WINDOW_BYTES,
      windowBytes: 0,
    })
    if (reader.advance() !== true) return
    const { window } = reader
    for (let at = reader.start; at < reader.end;) {
      const length = window.view.getUint32(at, true)
      if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) {
        if (!eventFits(window, at, length)) {
          throw new CorruptionError('the lengths of the event do not fit it', { file: path, byte: byte + at })
        }
        visit(window, at, byte + at, length)
      }
      at += length
    }
    byte += reader.end
    yield
  }
}
