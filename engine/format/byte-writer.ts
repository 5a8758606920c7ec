/**
 * A write cursor over a buffer that somebody else owns. The commit log encodes straight into the slab of the group, so
 * that an event is never copied; when the slab is full, only the unfinished unit moves to the next one.
 *
 * Positions of finished bytes change when the unit moves: keep them relative to `mark`.
 */
export class ByteWriter {
  /** The buffer that is written to. Changes at overflow. */
  bytes: Buffer
  /** The same memory as `bytes`. */
  view: DataView
  /** Index of the next byte to write. Lower it to take bytes back. */
  length: number
  /** Start of the unfinished unit: at overflow `[mark, length)` moves to the start of the next buffer. */
  mark = 0
  /** `bytes.length`, kept because reading it is slower. */
  capacity: number
  /** What `overflow` threw last, so that an encoder can tell it from what a getter of the value threw; at first itself. */
  failure: unknown = this
  readonly #overflow: (minimumBytes: number) => Buffer

  /**
   * @param bytes where to write, from index 0
   * @param overflow called when the buffer is full; returns the next one, at least `minimumBytes` long (the unfinished
   *   unit and what is to be added), or throws, which leaves the writer as it was
   */
  constructor(bytes: Buffer, overflow: (minimumBytes: number) => Buffer) {
    this.bytes = bytes
    this.view = viewOf(bytes)
    this.length = 0
    this.capacity = bytes.length
    this.#overflow = overflow
  }

  /** Starts over at `length`, which is also the new mark, in another buffer; `view` is over the same memory. */
  reset(bytes: Buffer, length = 0, view = viewOf(bytes)): void {
    this.bytes = bytes
    this.view = view
    this.capacity = bytes.length
    this.length = length
    this.mark = length
  }

  /** Makes room for `byteCount` more bytes. */
  ensure(byteCount: number): void {
    if (this.length + byteCount > this.capacity) this.grow(byteCount)
  }

  /** Moves the unfinished unit to the next buffer. Hot paths compare `length` and `capacity` themselves and call this. */
  grow(byteCount: number): void {
    const unit = this.length - this.mark
    let next: Buffer
    try {
      next = this.#overflow(unit + byteCount)
      if (next.length < unit + byteCount) throw new RangeError('overflow returned a buffer that is too small')
    } catch (error) {
      this.failure = error
      throw error
    }
    next.set(this.bytes.subarray(this.mark, this.length), 0)
    this.reset(next)
    this.length = unit
  }

  u8(value: number): void {
    if (this.length + 1 > this.capacity) this.grow(1)
    this.bytes[this.length++] = value
  }

  /** Big-endian, like everything in MessagePack. */
  u16(value: number): void {
    if (this.length + 2 > this.capacity) this.grow(2)
    this.view.setUint16(this.length, value)
    this.length += 2
  }

  /** Big-endian. */
  u32(value: number): void {
    if (this.length + 4 > this.capacity) this.grow(4)
    this.view.setUint32(this.length, value)
    this.length += 4
  }

  /** Big-endian. */
  u64(value: bigint): void {
    if (this.length + 8 > this.capacity) this.grow(8)
    this.view.setBigUint64(this.length, value)
    this.length += 8
  }

  /** Big-endian. */
  f64(value: number): void {
    if (this.length + 8 > this.capacity) this.grow(8)
    this.view.setFloat64(this.length, value)
    this.length += 8
  }

  /** Copies `source` in. */
  raw(source: Uint8Array): void {
    const byteCount = source.length
    if (this.length + byteCount > this.capacity) this.grow(byteCount)
    this.bytes.set(source, this.length)
    this.length += byteCount
  }

  /** Writes the UTF-8 of `text`, which is `byteCount` long. */
  utf8(text: string, byteCount: number): void {
    if (this.length + byteCount > this.capacity) this.grow(byteCount)
    this.bytes.write(text, this.length, byteCount, 'utf8')
    this.length += byteCount
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
