import { join } from 'node:path'
import type { LogPlace } from '../format/checkpoint.js'
import { windowOf } from '../format/frame.js'
import {
  emptyWatermarks,
  encodeWatermark,
  faultOfWatermark,
  newestWatermark,
  type Watermark,
  WATERMARK_BYTES,
  WATERMARK_FILE,
  WATERMARK_RECORD_BYTES,
  watermarkAt,
  watermarkSeed,
} from '../format/watermark.js'
import type { FileHandle, FileSystem } from '../io/file-system.js'
import { readFileSync, readFullySync, writeFullySync } from '../io/transfer.js'
import type { PendingGroup } from './group.js'
import type { LogSegmentFile } from './log-segment-file.js'

/** Longer than any; what is longer is no watermark file. */
const MAX_BYTES = 64 * 1024
/** A record that is being overwritten while it is read is wrong; the next look finds it whole. */
const LOOKS = 3

/**
 * Tells readers in other processes how far the log is committed, some time after each commit and once for many of them: a small write in
 * place, unsynced, by a later turn of the event loop, when the next group is on its way to the disk. Nothing depends on it but how soon
 * those readers know: where it cannot be written it is left.
 */
export class WatermarkWriter {
  readonly #files: FileSystem
  readonly #path: string
  readonly #storeId: Buffer
  readonly #fresh: Buffer
  readonly #seed: number
  readonly #writer: number
  readonly #record = windowOf(Buffer.alloc(WATERMARK_RECORD_BYTES))
  #handle: FileHandle | undefined
  #due = false
  /** What was committed last: taken when it was, since a group that fails has moved the end of its segment too. */
  #sequence = 0
  #position = 0
  #segment: { readonly base: number; readonly epoch: number } | undefined
  #byte = 0

  /** `writer`: its epoch. */
  constructor(files: FileSystem, directory: string, storeId: Buffer, writer: number) {
    this.#files = files
    this.#path = join(directory, WATERMARK_FILE)
    this.#storeId = storeId
    this.#fresh = emptyWatermarks(storeId)
    this.#seed = watermarkSeed(this.#fresh)
    this.#writer = writer
  }

  /** Opens the file, making it where it is missing or wrong, and says where this writer begins. */
  start(place: LogPlace): void {
    this.#segment = place
    this.#byte = place.byte
    this.#sequence = place.sequence
    this.#position = place.position
    try {
      this.#handle = this.#open()
      this.#write()
    } catch {
      this.close()
    }
  }

  /** A group was committed: with it the log ends below `position`. */
  committed(group: PendingGroup<unknown>, segment: LogSegmentFile, position: number): void {
    this.#segment = segment
    this.#byte = segment.end
    this.#sequence = group.sequence + 1
    this.#position = position
    if (this.#due || this.#handle === undefined) return
    this.#due = true
    setImmediate(() => this.flush())
  }

  /** Says now what is still to be said. */
  flush(): void {
    if (!this.#due) return
    this.#due = false
    try {
      this.#write()
    } catch {
      this.close()
    }
  }

  /** Says what is still to be said, and gives the file back. */
  close(): void {
    this.flush()
    try {
      this.#handle?.close()
    } catch {
      // Nothing depends on it.
    }
    this.#handle = undefined
  }

  #write(): void {
    const { base, epoch } = this.#segment!
    const place = { base, epoch, byte: this.#byte, sequence: this.#sequence, position: this.#position }
    encodeWatermark(this.#record, this.#seed, { writer: this.#writer, place })
    writeFullySync(this.#handle!, this.#record.bytes, 0, WATERMARK_RECORD_BYTES, watermarkAt(this.#writer))
  }

  #open(): FileHandle {
    const fresh = this.#fresh
    const bytes = readFileSync(this.#files, this.#path, MAX_BYTES)
    const handle = this.#files.open(this.#path, bytes === undefined ? 'create' : 'write')
    if (bytes !== undefined && faultOfWatermark(bytes, this.#storeId) === undefined) return handle
    try {
      // Never synced: a power cut may have left anything.
      writeFullySync(handle, fresh, 0, fresh.length, 0)
      handle.truncate(fresh.length)
      return handle
    } catch (error) {
      handle.close()
      throw error
    }
  }
}

/** Reads the watermark of a store that another process may write to. */
export class WatermarkReader {
  readonly path: string
  readonly #files: FileSystem
  readonly #storeId: Buffer
  #bytes = Buffer.alloc(WATERMARK_BYTES)
  #before = Buffer.alloc(WATERMARK_BYTES)
  #handle: FileHandle | undefined
  #inode = -1
  #newest: Watermark | undefined

  constructor(files: FileSystem, directory: string, storeId: Buffer) {
    this.#files = files
    this.path = join(directory, WATERMARK_FILE)
    this.#storeId = storeId
  }

  /** Returns the newest that was ever seen; undefined where there is none. Costs one small read. */
  read(): Watermark | undefined {
    try {
      this.#handle ??= this.#files.open(this.path, 'read')
      for (let look = 0; look < LOOKS; look++) {
        const length = readFullySync(this.#handle, this.#bytes, 0, WATERMARK_BYTES, 0)
        if (length === WATERMARK_BYTES && this.#bytes.equals(this.#before)) break
        const found = newestWatermark(this.#bytes.subarray(0, length), this.#storeId)
        const { writer = 0, place } = this.#newest ?? {}
        if (found === undefined || found.writer < writer) continue
        const spare = this.#before
        this.#before = this.#bytes
        this.#bytes = spare
        if (found.writer > writer || found.place.sequence >= place!.sequence) this.#newest = found
        break
      }
    } catch {
      this.close() // it carries no authority: where it cannot be read, the log tells
    }
    return this.#newest
  }

  /** Looks whether another file has taken its place: to be asked now and then. */
  renew(): boolean {
    try {
      const inode = this.#files.stat(this.path)?.inode ?? -1
      if (inode === this.#inode) return false
      this.#inode = inode
      this.close()
      return true
    } catch {
      return false
    }
  }

  close(): void {
    try {
      this.#handle?.close()
    } catch {
      // Nothing was written through it.
    }
    this.#handle = undefined
  }
}
