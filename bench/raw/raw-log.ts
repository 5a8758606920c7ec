import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, write, writeSync } from 'node:fs'
import type { Plan } from '../plan.js'
import { FrameWriter, packrFor, type RawCodec } from './frames.js'

/** A file that synchronous calls append to: the raw limit of everything that writes. */
export class RawLog {
  readonly #fd: number
  readonly #writer: FrameWriter
  bytes = 0

  constructor(path: string, codec: RawCodec = 'maps') {
    this.#fd = openSync(path, 'w')
    this.#writer = new FrameWriter(packrFor(codec))
  }

  /** Encodes a group of events, writes it with one call and, if so, waits for the disk. */
  group(plan: Plan, from: number, count: number, sync: boolean): void {
    const writer = this.#writer
    writer.clear()
    for (let n = from; n < from + count; n++) writer.add(plan.event(n))
    this.bytes += writeSync(this.#fd, writer.bytes, 0, writer.length)
    if (sync) fdatasyncSync(this.#fd)
  }

  groups(plan: Plan, from: number, count: number, size: number, sync: boolean): void {
    for (let n = from; n < from + count; n += size) this.group(plan, n, Math.min(size, from + count - n), sync)
  }

  /** Writes bytes as they are and waits for the disk. */
  write(bytes: Uint8Array): void {
    this.bytes += writeSync(this.#fd, bytes)
    fdatasyncSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** A file that was filled with zeros and synced before, and is written in place with O_DSYNC. */
export class ZeroFilledLog {
  readonly #fd: number
  #at = 0

  constructor(path: string, size: number) {
    const zeros = Buffer.alloc(1024 * 1024)
    const fd = openSync(path, 'w')
    for (let at = 0; at < size; at += zeros.length) writeSync(fd, zeros)
    fsyncSync(fd)
    closeSync(fd)
    this.#fd = openSync(path, constants.O_RDWR | constants.O_DSYNC)
  }

  write(bytes: Uint8Array): void {
    this.#at += writeSync(this.#fd, bytes, 0, bytes.length, this.#at)
  }

  /** The same through the thread pool: what it costs not to hold up the main thread. */
  writeInPool(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#fd, bytes, 0, bytes.length, this.#at, (error, length) => {
        this.#at += length
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  close(): void {
    closeSync(this.#fd)
  }
}
