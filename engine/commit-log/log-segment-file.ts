import { join } from 'node:path'
import { encodeHeader } from '../format/file-header.js'
import { logFileName } from '../format/names.js'
import { IndexBuilder } from '../format/sparse-index.js'
import { StreamTableBuilder } from '../format/stream-table.js'
import type { Done, FileHandle, FileSystem } from '../io/file-system.js'
import { SerialSync } from '../io/serial-sync.js'
import { writeFully, writeFullySync } from '../io/transfer.js'
import { ZeroAhead } from './zero-ahead.js'

/** Where a new log segment hangs on: the segment before it and how much of that counts. */
export interface LogLink {
  readonly previousBase: number
  readonly previousEpoch: number
  readonly previousEnd: number
  /** Sequence of the first group of the new segment, and below which all were durable when it was made. */
  readonly sequence: number
  readonly durable: number
}

export interface LogSegmentOptions {
  readonly storeId: Buffer
  readonly indexIntervalBytes: number
  readonly shapes: boolean
  /** Zeros are written ahead up to here at most, in bytes. */
  readonly zeroLimit: number
}

/**
 * The log segment that is written to: its file and what is collected about it while it grows. Knows bytes and files;
 * what a group is and when to sync is decided above.
 */
export class LogSegmentFile {
  readonly base: number
  readonly epoch: number
  /** Sequence of its first group; of the first one written to it now, when it was resumed. */
  readonly sequence: number
  readonly path: string
  readonly index: IndexBuilder
  /** Streams with events behind `tableStart`. */
  readonly table = new StreamTableBuilder()
  readonly tableStart: number
  /** Bytes that count: the end of the last group written. */
  end: number
  /** True while bytes before `end` are written but not known durable. */
  unsynced = false
  /** Zeros are written ahead up to here at most. */
  zeroLimit = Infinity
  /** False until the folder was synced after the file was created. */
  nameDurable = true
  readonly #files: FileSystem
  readonly #plain: FileHandle
  #through: FileHandle | undefined
  #zeros: ZeroAhead | undefined
  readonly #synced: SerialSync
  /** Unsynced writes that are under way, and how many have begun: a sync covers those that had ended when it began. */
  #writing = 0
  #begun = 0
  /** To be closed, and closed. */
  #closed = false
  #gone = false

  private constructor(
    files: FileSystem,
    path: string,
    plain: FileHandle,
    base: number,
    epoch: number,
    sequence: number,
    end: number,
    index: IndexBuilder,
  ) {
    this.#files = files
    this.path = path
    this.#plain = plain
    this.#synced = new SerialSync((done) =>
      plain.sync((error) => {
        done(error)
        if (this.#closed) this.close()
      }),
    )
    this.base = base
    this.epoch = epoch
    this.sequence = sequence
    this.end = end
    this.tableStart = end
    this.index = index
  }

  /** Creates a segment. Its header is written, not synced; its name is durable only after the folder is synced. */
  static create(
    files: FileSystem,
    directory: string,
    base: number,
    epoch: number,
    link: LogLink,
    options: LogSegmentOptions,
  ): LogSegmentFile {
    const path = join(directory, logFileName(base, epoch, '.log'))
    const handle = files.open(path, 'create')
    try {
      const header = encodeHeader({ kind: 'L', storeId: options.storeId, epoch, base, shapes: options.shapes, ...link })
      writeFullySync(handle, header, 0, header.length, 0)
      const segment = new LogSegmentFile(
        files,
        path,
        handle,
        base,
        epoch,
        link.sequence,
        header.length,
        new IndexBuilder(options.indexIntervalBytes),
      )
      segment.unsynced = true
      segment.nameDurable = false
      segment.zeroLimit = options.zeroLimit
      return segment
    } catch (error) {
      handle.close()
      throw error
    }
  }

  /** Goes on in a segment that was closed cleanly at `end`. */
  static resume(
    files: FileSystem,
    path: string,
    base: number,
    epoch: number,
    sequence: number,
    end: number,
    index: IndexBuilder,
  ): LogSegmentFile {
    return new LogSegmentFile(files, path, files.open(path, 'write'), base, epoch, sequence, end, index)
  }

  /** Writes a group at the end. With `durable` it is on disk when `done` is called without an error. */
  write(source: Uint8Array, start: number, length: number, durable: boolean, done: Done): void {
    const at = this.end
    const finish: Done = (error) => {
      const failure = error ?? this.#zeros?.failure ?? null
      if (failure === null) this.end = at + length
      done(failure)
    }
    if (!durable) {
      this.unsynced = true
      this.#writePlain(source, start, length, finish)
      return
    }
    if (this.unsynced) {
      // A write-through write makes only its own bytes durable; those before it need a sync of the file.
      this.#writePlain(source, start, length, (error) => {
        if (error !== null) return finish(error)
        this.sync(finish)
      })
      return
    }
    this.#zeros ??= new ZeroAhead(this.#plain, (synced) => this.#synced.run(synced), at, this.zeroLimit)
    this.#zeros.prepare(length, at + length)
    const through = (this.#through ??= this.#files.open(this.path, 'write-through'))
    this.#whenClear(at + length, () =>
      writeFully(through, source, start, length, at, (error) =>
        error !== null || through.writesThrough ? finish(error) : this.#synced.run(finish),
      ),
    )
  }

  /** True when nothing is under way that a write on the main thread would have to wait for. */
  get isIdle(): boolean {
    return !this.#synced.isBusy && (this.#zeros === undefined || !(this.#zeros.isBusy || this.#zeros.failure))
  }

  /** As `write` without `durable`, on the main thread. Throws what the system reports. */
  writeSync(source: Uint8Array, start: number, length: number): void {
    this.unsynced = true
    this.#begun++
    writeFullySync(this.#plain, source, start, length, this.end)
    this.end += length
  }

  /** Makes everything written durable. */
  sync(done: Done): void {
    if (!this.unsynced) return done(null)
    const begun = this.#writing === 0 ? this.#begun : -1
    this.#synced.run((error) => {
      const failure = error ?? this.#zeros?.failure ?? null
      if (failure === null && this.#begun === begun) this.unsynced = false
      done(failure)
    })
  }

  /** Cuts off zeros and whatever lies behind the last group. */
  truncate(): void {
    this.#plain.truncate(this.end)
  }

  /** Calls back once no writing of zeros ahead is under way; afterwards the file is cut to what counts. */
  settle(done: () => void): void {
    if (this.#zeros === undefined) return done()
    this.#zeros.stop(done)
  }

  /** Gives the handles back, once no sync is under way on them. */
  close(): void {
    this.#closed = true
    if (this.#synced.isBusy || this.#gone) return
    this.#gone = true
    this.#through?.close()
    this.#plain.close()
  }

  #writePlain(source: Uint8Array, start: number, length: number, done: Done): void {
    const at = this.end
    this.#writing++
    this.#begun++
    this.#whenClear(at + length, () =>
      writeFully(this.#plain, source, start, length, at, (error) => {
        this.#writing--
        done(error)
      }),
    )
  }

  /** Zeros that are on their way must not land on a group: waits for them where they could. */
  #whenClear(end: number, go: () => void): void {
    if (this.#zeros === undefined) go()
    else this.#zeros.clear(end, go)
  }
}
