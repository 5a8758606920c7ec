import { join } from 'node:path'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import { eventPosition } from '../format/event-record.js'
import type { Window } from '../format/frame.js'
import { KeyHasher } from '../format/key-hash.js'
import { asWrongKeyFile, BlockCache, KeyFile } from '../keys/key-file-reader.js'
import { parseKeyFileName } from '../keys/key-names.js'
import { KeyCollector } from '../keys/key-scan.js'
import { KeyTable } from '../keys/key-table.js'
import { ReadHandles } from '../segment/read-handles.js'
import { report, type VerifyContext } from './verify-context.js'

const CACHED_BLOCKS = 256
const OPEN_FILES = 16

/** A key file, and how many of its entries the log has confirmed. */
interface Checked {
  readonly file: KeyFile
  confirmed: number
  wrong: boolean
}

/**
 * Compares key files with the log while that is read: each must have the entries of its segments and no others. One that is missing, or goes
 * less far than its last segment does now, is no finding: nobody believes it, and it is made again.
 */
export class KeyFileCheck {
  readonly #context: VerifyContext
  readonly #handles: ReadHandles
  readonly #hasher: KeyHasher
  readonly #checked: Checked[] = []
  #covering: readonly Checked[] = []
  #table: KeyTable | undefined
  #collector: KeyCollector | undefined
  #end = 0

  constructor(context: VerifyContext, directory: LogDirectory) {
    const { environment, storeId, pace } = context
    this.#context = context
    this.#handles = new ReadHandles(environment.files, OPEN_FILES)
    this.#hasher = new KeyHasher(storeId)
    const cache = new BlockCache(CACHED_BLOCKS)
    for (const name of environment.files.list(directory.path)) {
      const named = parseKeyFileName(name)
      if (named === undefined) continue
      const path = join(directory.path, name)
      const file = KeyFile.open(path, storeId, this.#handles, cache)
      pace.files++
      if (file === undefined || !isWhole(file)) {
        if (environment.files.stat(path) !== undefined) this.#report(path, 'I11', 'the key file is damaged')
      } else if (file.head.segments[0]!.base !== named.base || file.head.segments[0]!.epoch !== named.epoch) {
        this.#report(path, 'I1', 'the header of the key file does not agree with its name')
      } else this.#checked.push({ file, confirmed: 0, wrong: false })
    }
    this.#handles.close()
  }

  segment({ base, epoch }: LogSegment): void {
    this.#covering = this.#checked.filter(({ file }) =>
      file.head.segments.some((known) => known.base === base && known.epoch === epoch),
    )
    this.#table = this.#covering.length > 0 ? new KeyTable() : undefined
    this.#collector = this.#table && new KeyCollector(this.#hasher, this.#table)
    this.#end = base
  }

  event(window: Window, at: number, byte: number): void {
    if (this.#collector === undefined) return
    this.#collector.add(window, at, byte)
    this.#end = eventPosition(window, at) + 1
  }

  finished({ base }: LogSegment, end: number, whole: boolean): void {
    const table = this.#table
    if (table === undefined) return
    this.#collector!.finish()
    for (const checked of this.#covering) {
      const { head } = checked.file
      const last = head.segments.at(-1)!.base === base
      if (checked.wrong || !whole || (last && head.lastBytes !== end)) checked.wrong = true
      else if (!this.#has(checked, table)) this.#blame(checked, 'the key file does not say where the events are')
      else if (last && head.end !== this.#end) {
        this.#blame(checked, 'the key file ends at another position than its segments')
      } else if (last && checked.confirmed !== head.entries) {
        this.#blame(checked, 'the key file has entries of no event')
      }
    }
    this.#handles.close()
    this.#table = undefined
    this.#collector = undefined
  }

  #has(checked: Checked, table: KeyTable): boolean {
    let right = true as boolean
    const { file } = checked
    try {
      for (let entry = 0; entry < table.size; entry++) {
        if (!right) return false
        table.visit(entry, (high, low, position, byte) => {
          const found = file.mayHave(high, low)
            ? file.placeAt(file.lowerBound(high, low, position), high, low)
            : undefined
          right = found?.position === position && found.byte === byte
        })
      }
    } catch (error) {
      asWrongKeyFile(error)
      return false
    }
    checked.confirmed += table.size
    return right
  }

  /** One that is not there any more was merged meanwhile: nobody asks it. */
  #blame(checked: Checked, message: string): void {
    checked.wrong = true
    const { path } = checked.file
    if (this.#context.environment.files.stat(path) !== undefined) this.#report(path, 'I11', message)
  }

  #report(path: string, invariant: 'I1' | 'I11', message: string): void {
    report(this.#context, 'derived', invariant, path, 0, message)
  }
}

/** Tells whether every block is as it was written. */
function isWhole(file: KeyFile): boolean {
  try {
    for (let entry = 0; entry < file.head.entries;) entry = file.eachOfBlock(entry, () => undefined)
    return true
  } catch (error) {
    asWrongKeyFile(error)
    return false
  }
}
