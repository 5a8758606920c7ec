import { join } from 'node:path'
import { parseStreamFileName, shardName, SHARDS, streamFileName, unescapeName } from '../format/names.js'
import { isSystemError } from '../io/system-error.js'
import type { Copies } from './verify-copies.js'
import { report, type VerifyContext } from './verify-context.js'
import { StreamSegmentVerifier } from './verify-stream-segment.js'

/** The files of one stream, as their names say. */
interface StreamFiles {
  /** `<shard>/<escaped name>`. */
  readonly path: string
  readonly bases: number[]
  readonly indexes: Set<number>
}

/** Reads all stream segments, stream by stream. Memory: the file names of one shard. */
export class StreamsVerifier {
  readonly #context: VerifyContext
  readonly #copies: Copies
  readonly #segments: StreamSegmentVerifier
  readonly #structure: boolean
  streams = 0

  /** `structure` false: only compares events with the log; the rest was checked before. */
  constructor(context: VerifyContext, copies: Copies, structure: boolean) {
    this.#context = context
    this.#copies = copies
    this.#structure = structure
    this.#segments = new StreamSegmentVerifier(context, copies, structure)
  }

  async read(): Promise<void> {
    const { environment, streamsPath } = this.#context
    const shards = new Set(Array.from({ length: SHARDS }, (_, shard) => shardName(shard)))
    for (const name of listOf(environment.files, streamsPath).sort()) {
      const path = join(streamsPath, name)
      if (shards.has(name) && environment.files.stat(path)?.kind === 'directory') await this.#shard(path, name)
      else this.#foreign(path)
    }
  }

  async #shard(folder: string, shard: string): Promise<void> {
    const streams = new Map<string, StreamFiles>()
    for (const name of listOf(this.#context.environment.files, folder)) {
      const parsed = parseStreamFileName(name)
      if (parsed === undefined) {
        this.#foreign(join(folder, name))
        continue
      }
      const path = `${shard}/${parsed.escaped}`
      let files = streams.get(path)
      if (files === undefined) streams.set(path, (files = { path, bases: [], indexes: new Set() }))
      if (parsed.suffix === '.seg') files.bases.push(parsed.base)
      else files.indexes.add(parsed.base)
    }
    for (const files of streams.values()) {
      files.bases.sort((a, b) => a - b)
      await this.#stream(files)
    }
  }

  async #stream({ path, bases, indexes }: StreamFiles): Promise<void> {
    let version = 0
    let end = 0 // base of the segment in which the stream goes on
    let name: string | undefined
    for (const [i, base] of bases.entries()) {
      const found = await this.#segments.read({
        path,
        base,
        previousBase: bases[i - 1] ?? 0,
        expected: version,
        last: i === bases.length - 1,
        name,
        indexed: indexes.delete(base),
      })
      name ??= found.name
      version = found.version
      end = found.sealed ? version : base
    }
    if (bases.length > 0) this.streams++
    if (name !== undefined) this.#checkVersion(name, version, streamFileName(path, end, '.seg'))
    for (const base of indexes) {
      const file = join(this.#context.streamsPath, streamFileName(path, base, '.idx'))
      if (this.#structure) {
        report(this.#context, 'derived', 'I11', file, 0, 'the index has no segment', {
          stream: unescapeName(path.slice(3)),
        })
      }
    }
  }

  /** The events that only the log has must follow those of the segments. */
  #checkVersion(stream: string, version: number, file: string): void {
    const unsettled = this.#copies.unsettled.get(stream)
    if (
      unsettled === undefined ||
      unsettled.first <= version ||
      !this.#structure ||
      this.#context.findings.knowsStream(stream)
    ) {
      return
    }
    this.#context.findings.noteStream(stream)
    const message = `events are missing: the segments of the stream end before offset ${version}, the log stands for those from ${unsettled.first} on`
    report(this.#context, 'damage', 'I10', join(this.#context.streamsPath, file), 0, message, {
      stream,
      offset: version,
    })
  }

  #foreign(path: string): void {
    if (this.#structure) report(this.#context, 'note', 'I1', path, 0, 'not a file of the store; it is left alone')
  }
}

export function listOf(files: VerifyContext['environment']['files'], path: string): string[] {
  try {
    return files.list(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}
