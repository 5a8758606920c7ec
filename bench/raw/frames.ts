/** What anybody would write who needs a checked log and nothing else: u32 length, u32 CRC-32C, MessagePack. */
import { createRequire } from 'node:module'
import { Packr } from 'msgpackr'

export const HEADER_BYTES = 8

export const { calculate: crc32c } = createRequire(import.meta.url)('fast-crc32c') as {
  readonly calculate: (bytes: Uint8Array) => number
}

/** Plain MessagePack maps, or msgpackr's shared record structures, which leave the keys out. */
export type RawCodec = 'maps' | 'shapes'

export function packrFor(codec: RawCodec): Packr {
  return codec === 'maps' ? new Packr({ useRecords: false }) : new Packr({ structures: [] })
}

/** Encodes values as frames into one buffer. */
export class FrameWriter {
  readonly #packr: Packr
  bytes: Buffer
  length = 0
  #view: DataView

  constructor(packr = packrFor('maps'), size = 1024 * 1024) {
    this.#packr = packr
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.#view = new DataView(this.bytes.buffer)
  }

  clear(): void {
    this.length = 0
  }

  add(value: unknown): void {
    const body = this.#packr.pack(value)
    const at = this.length
    this.length += HEADER_BYTES + body.length
    if (this.length > this.bytes.length) this.#grow()
    this.#view.setUint32(at, HEADER_BYTES + body.length, true)
    this.#view.setUint32(at + 4, crc32c(body), true)
    this.bytes.set(body, at + HEADER_BYTES)
  }

  #grow(): void {
    const bytes = Buffer.allocUnsafeSlow(2 * this.length)
    bytes.set(this.bytes)
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}
