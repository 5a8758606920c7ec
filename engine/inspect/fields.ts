import { readU64, type Window, windowOf } from '../format/frame.js'

/** What a field holds, for showing it: a length or count, a checksum, a mark or kind, a number, an id, text, an encoded value, fill bytes, or bytes that mean nothing. */
export type FieldRole = 'length' | 'crc' | 'mark' | 'number' | 'id' | 'text' | 'value' | 'fill' | 'unknown'

/** A field of a file: where it stands and what it says. */
export interface Field {
  /** Where it starts in the file. */
  readonly byte: number
  readonly size: number
  readonly role: FieldRole
  /** Name and value, for people: `length 84`. May hold anything that is stored, escape sequences too. */
  readonly text: string
}

/** Names the fields of some bytes, one after another. What does not fit into the bytes is named as far as it goes. */
export class FieldList {
  readonly fields: Field[] = []
  readonly window: Window
  readonly #base: number
  #at = 0

  /** `base`: byte of the file at which `bytes` start. */
  constructor(bytes: Buffer, base: number) {
    this.window = windowOf(bytes)
    this.#base = base
  }

  /** Bytes that have no name yet. */
  get left(): number {
    return this.window.bytes.length - this.#at
  }

  u8(role: FieldRole, say: (value: number) => string): number {
    return this.#number(role, 1, say, (at) => this.window.view.getUint8(at))
  }

  u16(role: FieldRole, say: (value: number) => string): number {
    return this.#number(role, 2, say, (at) => this.window.view.getUint16(at, true))
  }

  u32(role: FieldRole, say: (value: number) => string): number {
    return this.#number(role, 4, say, (at) => this.window.view.getUint32(at, true))
  }

  /** NaN: 2^53 or more, which no field of a file is. */
  u64(role: FieldRole, name: string): number {
    const say = (value: number): string => `${name} ${Number.isNaN(value) ? '(2^53 or more)' : value}`
    return this.#number(role, 8, say, (at) => readU64(this.window.view, at))
  }

  f64(role: FieldRole, say: (value: number) => string): number {
    return this.#number(role, 8, say, (at) => this.window.view.getFloat64(at, true))
  }

  /** Bytes as they are. */
  bytes(role: FieldRole, size: number, say: (bytes: Buffer) => string): Buffer {
    const taken = this.window.bytes.subarray(this.#at, this.#at + Math.max(0, size))
    if (taken.length > 0) this.#add(role, taken.length, taken.length < size ? `${say(taken)} (cut off)` : say(taken))
    return taken
  }

  /** Everything up to so many bytes before the end, whatever it is. */
  rest(keep: number, role: FieldRole, say: (bytes: Buffer) => string): Buffer {
    return this.bytes(role, Math.max(0, this.left - keep), say)
  }

  #number(role: FieldRole, size: number, say: (value: number) => string, read: (at: number) => number): number {
    if (this.left < size) {
      this.bytes('unknown', this.left, () => 'the file ends here')
      return NaN
    }
    const value = read(this.#at)
    this.#add(role, size, say(value))
    return value
  }

  #add(role: FieldRole, size: number, text: string): void {
    this.fields.push({ byte: this.#base + this.#at, size, role, text })
    this.#at += size
  }
}

export function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

/** `crc 96c0e59e`, and what it should be where that is otherwise. */
export function sayCrc(stored: number, right: number | undefined): string {
  return right === undefined || right === stored
    ? `crc ${hex32(stored)}`
    : `crc ${hex32(stored)}, of these bytes it is ${hex32(right)}`
}

/** A timestamp as people read it; the number where no Date has it. */
export function sayTime(milliseconds: number): string {
  const plain = Number.isFinite(milliseconds) && Math.abs(milliseconds) <= 8.64e15
  return plain ? new Date(milliseconds).toISOString() : `${milliseconds} (no date)`
}
