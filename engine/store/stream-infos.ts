import { asIoError, CorruptionError } from '../errors.js'
import { eventTimestamp } from '../format/event-record.js'
import { parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { SHARDS, streamKey, type StreamKey } from '../format/names.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_NAME_BYTES } from '../limits.js'
import type { UnsettledSegment } from '../recovery/unsettled.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamState } from '../streams/stream-state.js'
import type { ListedStream, StreamInfo } from '../types/event-store.js'
import type { StreamReading } from './segment-cursor.js'
import { ForwardStreamSource } from './stream-source.js'
import { turn } from './write-behind.js'

/** Streams looked at between two turns of everything else: each costs an open and a few short reads. */
const STREAMS_A_TURN = 16
const HEAD_BYTES = 96 + MAX_NAME_BYTES

export interface StreamInfosParts {
  readonly catalog: StreamCatalog
  readonly streams: StreamReading
  /** Log segments whose events may not be in stream segments. */
  readonly unsettled: () => readonly UnsettledSegment[]
  /** Loads a stream without keeping it. */
  readonly load: (key: StreamKey) => StreamState
}

/** Finds out what streams there are and what is known of them. Of their events it looks at the first and the last, and decodes none. */
export class StreamInfos {
  readonly #parts: StreamInfosParts
  readonly #timestamps: StreamReading<number>

  constructor(parts: StreamInfosParts) {
    this.#parts = parts
    this.#timestamps = { ...parts.streams, decoder: { decode: eventTimestamp } }
  }

  /** Tells about a stream that was loaded. Throws CorruptionError, ERR_IO. */
  async of(state: StreamState): Promise<StreamInfo> {
    const { key, version } = state
    const { bytes, segments } = this.#files(state)
    const firstTimestamp = version === 0 ? undefined : await this.#timestampOf(state, 0)
    const lastTimestamp = version < 2 ? firstTimestamp : await this.#timestampOf(state, version - 1)
    return { stream: key.name, version, firstTimestamp, lastTimestamp, bytes, segments }
  }

  /**
   * Lists the streams whose names begin with all of the prefixes. Goes through the shards one by one, so that no more names than those of one
   * are in memory, and looks for each in its files, in the stream tables and among the streams in memory: a stream may be in any of them alone.
   */
  async *list(prefixes: readonly string[], check: () => void): AsyncGenerator<ListedStream> {
    let nameless: Error | undefined
    let looked = 0
    for (let shard = 0; shard < SHARDS; shard++) {
      check()
      const names = this.#shardNames(shard, (error) => (nameless ??= error as Error))
      for (const name of names) {
        if (!prefixes.every((prefix) => name.startsWith(prefix))) continue
        if (++looked % STREAMS_A_TURN === 0) await turn()
        check()
        const info = await this.#listed(name)
        if (info !== undefined) yield info
      }
      await turn()
    }
    if (nameless !== undefined) throw asIoError(nameless, 'list the streams')
  }

  /** A stream that is only looked at is not kept: a listing must not drive out those that are in use. */
  async #listed(name: string): Promise<ListedStream | undefined> {
    const { catalog, load, streams } = this.#parts
    const known = catalog.peek(name)
    let state = known
    try {
      state ??= load(streamKey(name))
      const info = await this.of(state)
      if (state.damage !== undefined) return { ...info, damage: state.damage }
      return info.version === 0 ? undefined : info
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw asIoError(error, 'list the streams')
      const nothing = { firstTimestamp: undefined, lastTimestamp: undefined, bytes: 0, segments: 0 }
      return { stream: name, version: state?.version ?? 0, ...nothing, damage: error }
    } finally {
      if (known === undefined && state !== undefined) streams.slabs.release(state.tail, state.tail.length)
    }
  }

  /** Throws ERR_IO, and what is wrong with a stream table. */
  #shardNames(shard: number, failed: (error: unknown) => void): Set<string> {
    try {
      return this.#namesIn(shard, failed)
    } catch (error) {
      throw asIoError(error, 'list the streams')
    }
  }

  #namesIn(shard: number, failed: (error: unknown) => void): Set<string> {
    const { catalog, streams, unsettled } = this.#parts
    const names = new Set(catalog.namesIn(shard))
    for (const { table } of unsettled()) {
      for (const name of table().namesWhere((hash) => hash % SHARDS === shard)) names.add(name)
    }
    for (const { stem, name, segment } of streams.directory.streamsIn(shard)) {
      try {
        const found = name ?? this.#nameIn(segment)
        // Files that are named otherwise are none of the store's.
        if (streamKey(found).path === stem) names.add(found)
      } catch (error) {
        failed(error)
      }
    }
    return names
  }

  /** The file name of a long name holds only its beginning; the header has it whole. */
  #nameIn(path: string): string {
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    const length = readFullySync(this.#parts.streams.handles.get(path), head, 0, HEAD_BYTES, 0)
    const verdict = parseHeader(windowOf(head), length, 'S')
    if (verdict.kind !== 'header') {
      throw new CorruptionError('the file does not tell which stream it is of', { file: path, byte: 0 })
    }
    return verdict.header.name.toString('utf8')
  }

  #files({ key, version, bases, last }: StreamState): { readonly bytes: number; readonly segments: number } {
    const { directory } = this.#parts.streams
    let bytes = 0
    if (bases.length === 0 && version > 0) {
      // Beside a writer, files are not read before they are settled; they are there all the same.
      const found = directory.files.stat(directory.segmentPath(key, 0))
      return { bytes: found?.size ?? 0, segments: found === undefined ? 0 : 1 }
    }
    for (const base of bases) {
      bytes += base === last?.base ? last.bytes : (directory.files.stat(directory.segmentPath(key, base))?.size ?? 0)
    }
    return { bytes, segments: bases.length }
  }

  async #timestampOf(state: StreamState, offset: number): Promise<number> {
    const source = new ForwardStreamSource(this.#timestamps, state, offset, offset + 1, undefined, true)
    const [timestamp] = await source.next(1)
    return timestamp!
  }
}
