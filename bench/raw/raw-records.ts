/** Records in files as anybody would keep them to read them fast: frames around msgpackr's shared record structures. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Packr } from 'msgpackr'
import type { StoredEvent } from '../../engine/index.js'
import type { OrderEvent } from '../events.js'
import { uuid, randomFrom } from '../events.js'
import type { Plan } from '../plan.js'
import { crc32c, FrameWriter, HEADER_BYTES, packrFor, type RawCodec } from './frames.js'

/** What annals returns for an event: the same fields, so that decoding makes the same objects. */
export type OrderRecord = StoredEvent<string, OrderEvent['data'], OrderEvent['metadata']>

const WINDOW_BYTES = 256 * 1024
const FIRST_TIME = 1_767_225_600_000

export class RawRecords {
  readonly #packr: Packr
  readonly #plan: Plan
  readonly #ids: readonly string[]

  constructor(plan: Plan, codec: RawCodec = 'shapes') {
    this.#plan = plan
    this.#packr = packrFor(codec)
    this.#ids = Array.from({ length: 8192 }, (_, n) => uuid(randomFrom(-1 - n)))
  }

  /** The n-th event with its envelope. */
  record(n: number): OrderRecord {
    const { type, data, metadata } = this.#plan.event(n)
    return {
      stream: this.#plan.stream(n),
      offset: this.#plan.offset(n),
      position: n,
      id: this.#ids[n % this.#ids.length]!,
      type,
      timestamp: FIRST_TIME + n,
      schemaVersion: 1,
      tags: [],
      data,
      metadata,
    }
  }

  /** Writes records `first`, `first + step` … to a file; returns where each starts. */
  write(path: string, first: number, end: number, step: number): Float64Array {
    const starts = new Float64Array(Math.ceil((end - first) / step))
    const writer = new FrameWriter(this.#packr)
    const fd = openSync(path, 'w')
    let before = 0
    for (let n = first, index = 0; n < end; n += step, index++) {
      starts[index] = before + writer.length
      writer.add(this.record(n))
      if (writer.length > WINDOW_BYTES) {
        before += writeSync(fd, writer.bytes, 0, writer.length)
        writer.clear()
      }
    }
    writeSync(fd, writer.bytes, 0, writer.length)
    closeSync(fd)
    return starts
  }

  /** Reads a file from its beginning, in windows, checking every record. */
  scan(path: string, visit: (record: OrderRecord) => void): void {
    const packr = this.#packr
    const fd = openSync(path, 'r')
    const bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES)
    const view = new DataView(bytes.buffer)
    const range = { start: 0, end: 0 }
    for (let from = 0; ;) {
      const length = readSync(fd, bytes, 0, WINDOW_BYTES, from)
      let at = 0
      while (at + HEADER_BYTES <= length) {
        const end = at + view.getUint32(at, true)
        if (end > length) break
        const start = at + HEADER_BYTES
        if (crc32c(bytes.subarray(start, end)) !== view.getUint32(at + 4, true)) throw new Error('A checksum is wrong')
        range.start = start
        range.end = end
        visit(packr.unpack(bytes, range) as OrderRecord)
        at = end
      }
      if (at === 0) break
      from += at
    }
    closeSync(fd)
  }

  /** Reads a whole small file: open, size, read, close, decode. */
  readFile(path: string): OrderRecord[] {
    const fd = openSync(path, 'r')
    const { size } = fstatSync(fd)
    const bytes = Buffer.allocUnsafe(size)
    readSync(fd, bytes, 0, size, 0)
    closeSync(fd)
    return this.decode(bytes, 0, size, Infinity)
  }

  /** Decodes records that stand one behind the other. */
  decode(bytes: Buffer, at: number, end: number, most: number): OrderRecord[] {
    const records: OrderRecord[] = []
    const range = { start: 0, end: 0 }
    while (records.length < most && at < end) {
      range.start = at + HEADER_BYTES
      range.end = at + bytes.readUInt32LE(at)
      records.push(this.#packr.unpack(bytes, range) as OrderRecord)
      at = range.end
    }
    return records
  }
}
