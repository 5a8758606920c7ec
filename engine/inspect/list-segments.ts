import { join } from 'node:path'
import { LogDirectory } from '../commit-log/log-directory.js'
import { AnnalsError, asIoError, quote } from '../errors.js'
import { parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { parseStreamFileName, shardName, SHARDS, streamKey, unescapeName } from '../format/names.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { isSystemError } from '../io/system-error.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_NAME_BYTES } from '../limits.js'

const HEAD_BYTES = 96 + MAX_NAME_BYTES

/** A log segment or stream segment as its name and its neighbours tell of it, sound or damaged. */
export interface SegmentFile {
  readonly kind: 'log' | 'stream'
  readonly path: string
  /** Of a stream segment; undefined where neither its name nor its header tells it. */
  readonly stream?: string | undefined
  /** Position, or offset, of its first event. */
  readonly base: number
  /** That of the next segment: this one holds the events before it. Undefined: it is the last. */
  readonly nextBase?: number | undefined
  /** Of a log segment: the epoch of the writer that created it. */
  readonly epoch?: number
  /** Of a log segment: a writer that was fenced has left it, and it does not count. */
  readonly isOrphan?: true
  readonly bytes: number
  /** Path of its index; undefined: it has none. */
  readonly index: string | undefined
}

/** Lists the log segments of a store, and then its stream segments, shard by shard; or those of one stream. Memory: the names of one shard. */
export function* listSegments(
  { files }: Environment,
  directory: string,
  stream: string | undefined,
): Generator<SegmentFile, void> {
  try {
    yield* segmentsOf(files, directory, stream)
  } catch (error) {
    throw asIoError(error, 'list the segments')
  }
}

function* segmentsOf(files: FileSystem, directory: string, stream: string | undefined): Generator<SegmentFile, void> {
  const log = join(directory, 'log')
  const streams = join(directory, 'streams')
  if (files.stat(directory)?.kind !== 'directory') {
    throw new AnnalsError('ERR_NOT_FOUND', `Cannot list the segments of ${quote(directory)}: there is no such folder`)
  }
  if (files.stat(log)?.kind !== 'directory') {
    throw new AnnalsError('ERR_NOT_A_STORE', `Cannot list the segments of ${quote(directory)}: it has no folder "log"`)
  }
  if (stream !== undefined) {
    const [shard, escaped] = streamKey(stream).path.split('/') as [string, string]
    yield* streamSegments(files, join(streams, shard), escaped)
    return
  }
  yield* logSegments(files, log)
  for (let shard = 0; shard < SHARDS; shard++) yield* streamSegments(files, join(streams, shardName(shard)))
}

function* logSegments(files: FileSystem, folder: string): Generator<SegmentFile, void> {
  const { directory, orphans } = LogDirectory.read(files, folder)
  const describe = (segment: { base: number; epoch: number; path: string }, nextBase?: number): SegmentFile => ({
    kind: 'log',
    ...segment,
    nextBase,
    bytes: files.stat(segment.path)?.size ?? 0,
    index: there(files, directory.beside(segment, '.idx')),
  })
  for (const [i, segment] of directory.segments.entries()) yield describe(segment, directory.segments[i + 1]?.base)
  for (const orphan of orphans) yield { ...describe(orphan), isOrphan: true }
}

/** Those of a shard, stream by stream; or only those of the stream whose file names begin so. */
function* streamSegments(files: FileSystem, folder: string, only?: string): Generator<SegmentFile, void> {
  const bases = new Map<string, number[]>()
  for (const name of namesIn(files, folder)) {
    const parsed = parseStreamFileName(name)
    if (parsed?.suffix !== '.seg' || (only !== undefined && parsed.escaped !== only)) continue
    const known = bases.get(parsed.escaped)
    if (known === undefined) bases.set(parsed.escaped, [parsed.base])
    else known.push(parsed.base)
  }
  for (const escaped of [...bases.keys()].sort()) {
    const own = bases.get(escaped)!.sort((a, b) => a - b)
    for (const [i, base] of own.entries()) {
      const stem = join(folder, `${escaped}@${String(base).padStart(16, '0')}`)
      const path = `${stem}.seg`
      yield {
        kind: 'stream',
        path,
        stream: unescapeName(escaped) ?? nameIn(files, path),
        base,
        nextBase: own[i + 1],
        bytes: files.stat(path)?.size ?? 0,
        index: there(files, `${stem}.idx`),
      }
    }
  }
}

function there(files: FileSystem, path: string): string | undefined {
  return files.stat(path) === undefined ? undefined : path
}

function namesIn(files: FileSystem, folder: string): readonly string[] {
  try {
    return files.list(folder)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

/** The file name of a long name holds only its beginning; the header has it whole. */
function nameIn(files: FileSystem, path: string): string | undefined {
  const handle = files.open(path, 'read')
  try {
    const head = Buffer.alloc(HEAD_BYTES)
    const length = readFullySync(handle, head, 0, HEAD_BYTES, 0)
    const verdict = parseHeader(windowOf(head), length, 'S')
    return verdict.kind === 'header' ? verdict.header.name.toString('utf8') : undefined
  } finally {
    handle.close()
  }
}
