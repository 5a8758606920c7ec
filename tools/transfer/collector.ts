import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import type { SourceRecord } from './records.js'

const LINE_BREAK = Buffer.from('\n')

/** Writes what could not be stored to a file, as it was: to be mended and imported. Replaces what the file held. */
export class Collector {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = openSync(path, 'w', 0o600)
  }

  /** Whether two paths lead to one file. */
  static isSame(path: string, other: string): boolean {
    const [a, b] = [path, other].map((name) => statSync(name, { throwIfNoEntry: false }))
    return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
  }

  /** Returns false when some of it could not be kept: a line that is too long, or a commit of too many. */
  add(commit: { readonly records: readonly SourceRecord[]; readonly count: number }): boolean {
    let kept = 0
    for (const { bytes } of commit.records) {
      if (bytes === undefined) continue
      this.line(bytes)
      kept++
    }
    return kept === commit.count
  }

  line(line: Buffer): void {
    const bytes = Buffer.concat([line, LINE_BREAK])
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
