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

  add(records: readonly SourceRecord[]): void {
    for (const { bytes } of records) if (bytes !== undefined) this.line(bytes)
  }

  line(line: Buffer): void {
    const bytes = Buffer.concat([line, LINE_BREAK])
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
