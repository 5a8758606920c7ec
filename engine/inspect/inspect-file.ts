import { basename } from 'node:path'
import { AnnalsError, asIoError, newerVersion, quote } from '../errors.js'
import { CHECKPOINT_FILE } from '../format/checkpoint.js'
import { crc32c } from '../format/crc32c.js'
import { type FileHeader, type FileKind, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { GROUP_MARK, GROUP_MARK_AT } from '../format/group.js'
import { escapeName, parseLogFileName, parseStreamFileName, streamKey } from '../format/names.js'
import { ShapeTable } from '../format/shapes.js'
import { WATERMARK_FILE } from '../format/watermark.js'
import type { Environment, FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_EPOCH_FILE_BYTES, parseEpochFile } from '../lock/epoch-file.js'
import {
  blockFields,
  checkpointFields,
  entryFields,
  epochFields,
  headFields,
  placeFields,
  tableFields,
} from './derived-fields.js'
import { checkpointItems, type DerivedFile, indexItems, tableItems, watermarkItems } from './derived-items.js'
import type { Field } from './fields.js'
import { FILE_KINDS, headerFields } from './header-fields.js'
import { keyItems } from './key-items.js'
import { LogWalk } from './log-walk.js'
import { type InspectedItem, type InspectedProblem, type InspectedRecord, problem } from './records.js'
import { recordFields } from './record-fields.js'
import { StreamWalk } from './stream-walk.js'

/** A file of a store, by itself. Writes nothing; needs neither the store nor its lock. */
export interface FileInspection {
  /** Its path, as it was given. */
  readonly file: string
  /** What it is: `log segment`, `stream segment`, `index of a log segment` … */
  readonly kind: string
  /** Bytes. */
  readonly size: number
  /** The fields it begins with: its header, and what stands between it and the records. */
  readonly header: readonly Field[]
  /** Goes through the file once: what stands in it, in order, and what is wrong with it. Each call begins anew. */
  items(): Iterable<InspectedItem>
  /** The fields of a record that `items` told of. Its shapes are those of the last walk. */
  fields(record: InspectedRecord): readonly Field[]
  /** Bytes of the file. */
  bytes(byte: number, length: number): Buffer
  /** Gives the file back. */
  close(): void
}

const MAX_HEADER_BYTES = HEADER_FIXED_BYTES + 4096
/** Indexes, tables and checkpoints are read whole; none that annals has written is longer. */
const MAX_DERIVED_BYTES = 2 ** 30

/**
 * Opens a file of a store for looking into it.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE when it is none, ERR_FORMAT when a newer annals wrote it, ERR_IO
 */
export function inspectFile({ files }: Environment, path: string): FileInspection {
  return inspecting(() => {
    if (files.stat(path) === undefined) {
      throw new AnnalsError('ERR_NOT_FOUND', `Cannot inspect ${quote(path)}: there is no such file`)
    }
    const handle = files.open(path, 'read')
    try {
      return new Inspection(path, handle)
    } catch (error) {
      handle.close()
      throw error
    }
  })
}

/** Names what was under way in what the system reports. */
function inspecting<Result>(look: () => Result): Result {
  try {
    return look()
  } catch (error) {
    throw asIoError(error, 'inspect the file')
  }
}

class Inspection implements FileInspection {
  readonly file: string
  readonly kind: string
  readonly size: number
  readonly header: readonly Field[]
  readonly #handle: FileHandle
  readonly #letter: FileKind | 'E'
  readonly #header: FileHeader | undefined
  readonly #start: number
  readonly #storeId: Buffer
  readonly #headerProblems: readonly InspectedProblem[]
  #shapes: ShapeTable | undefined

  constructor(path: string, handle: FileHandle) {
    this.file = path
    this.#handle = handle
    this.size = handle.size()
    const head = this.bytes(0, Math.min(this.size, MAX_HEADER_BYTES))
    const letter = letterOf(head) ?? letterOfName(path)
    if (letter === undefined) {
      const reason = 'neither what it begins with nor its name is that of a file of a store'
      throw new AnnalsError('ERR_NOT_A_STORE', `Cannot inspect ${quote(path)}: ${reason}`)
    }
    this.#letter = letter
    if (letter === 'E') {
      const bytes = this.bytes(0, Math.min(this.size, MAX_EPOCH_FILE_BYTES + 1))
      this.kind = 'epoch file'
      this.header = epochFields(bytes)
      this.#headerProblems = epochProblems(bytes, path)
      this.#header = undefined
      this.#start = this.size
      this.#storeId = bytes
      return
    }
    this.kind = FILE_KINDS[letter]
    const verdict = parseHeader(windowOf(head), head.length, letter)
    if (verdict.kind === 'version' && isSound(head)) throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    const list = headerFields(head)
    this.#header = verdict.kind === 'header' ? verdict.header : undefined
    const namesItself = letter === 'S' || letter === 'I'
    this.#start =
      verdict.kind === 'header'
        ? verdict.length
        : Math.min(namesItself ? list.window.bytes.length : HEADER_FIXED_BYTES, this.size)
    this.#storeId = this.#header?.storeId ?? storeIdOf(head, this.#start)
    const fixed = letter === 'T' ? 16 : letter === 'K' ? 32 : 0
    const more = fixed === 0 ? [] : headFields(letter as 'T' | 'K', this.bytes(this.#start, fixed), this.#start)
    this.header = [...list.fields, ...more]
    this.#headerProblems =
      this.#header === undefined ? [problem('I1', 0, whyNoHeader(verdict))] : placeProblems(letter, this.#header, path)
  }

  *items(): Iterable<InspectedItem> {
    try {
      yield* this.#items()
    } catch (error) {
      throw asIoError(error, 'inspect the file')
    }
  }

  *#items(): Iterable<InspectedItem> {
    yield* this.#headerProblems
    const { size } = this
    const handle = this.#handle
    const file = { handle, size, header: this.#header, start: this.#start, storeId: this.#storeId }
    switch (this.#letter) {
      case 'L': {
        const walk = new LogWalk(file)
        this.#shapes = walk.shapes
        return yield* walk.items()
      }
      case 'S': {
        const walk = new StreamWalk(file, this.#header && keyOf(this.#header))
        this.#shapes = walk.shapes
        return yield* walk.items()
      }
      case 'P':
      case 'I':
        return yield* indexItems(this.#derived())
      case 'T':
        return yield* tableItems(this.#derived())
      case 'C':
        return yield* checkpointItems(this.#derived())
      case 'W':
        return yield* watermarkItems(this.#derived())
      case 'K':
        return yield* keyItems(handle, size, this.#start, this.#storeId)
      case 'H':
        if (size > this.#start) yield problem('I1', this.#start, 'something follows the header')
        return
      case 'E':
        return
    }
  }

  fields(record: InspectedRecord): readonly Field[] {
    const { byte, length } = record
    if (record.kind === 'zeros') return [{ byte, size: length, role: 'fill', text: 'zeros' }]
    const bytes = this.bytes(byte, length)
    switch (this.#letter) {
      case 'L':
      case 'S':
        return recordFields(bytes, byte, this.#shapes ?? new ShapeTable())
      case 'P':
      case 'I':
        return entryFields(bytes, byte)
      case 'T':
        return record.kind === 'damage' ? unknown(byte, length) : tableFields(bytes, byte)
      case 'K':
        return record.kind === 'damage' ? unknown(byte, length) : blockFields(bytes, byte)
      case 'W':
        return placeFields(bytes, byte)
      case 'C':
        return checkpointFields(bytes, byte)
      default:
        return unknown(byte, length)
    }
  }

  bytes(byte: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - byte)))
    const count = inspecting(() => readFullySync(this.#handle, bytes, 0, bytes.length, byte))
    return bytes.subarray(0, count)
  }

  close(): void {
    this.#handle.close()
  }

  #derived(): DerivedFile {
    if (this.size > MAX_DERIVED_BYTES) {
      throw new AnnalsError('ERR_FORMAT', `Cannot inspect ${quote(this.file)}: no ${this.kind} has ${this.size} bytes`)
    }
    const bytes = this.bytes(0, this.size)
    const headerCrc = bytes.length >= 20 ? bytes.readUInt32LE(16) : 0
    return { bytes, start: this.#start, storeId: this.#storeId, headerCrc }
  }
}

function unknown(byte: number, size: number): Field[] {
  return [{ byte, size, role: 'unknown', text: `${size} bytes that are not right` }]
}

/** The kind of file that the first bytes tell of. */
function letterOf(head: Buffer): FileKind | 'E' | undefined {
  const letter = /^ANNALS([A-Z])\n/.exec(head.toString('latin1', 0, 8))?.[1]
  return letter !== undefined && (letter === 'E' || letter in FILE_KINDS) ? (letter as FileKind | 'E') : undefined
}

/** The kind of file that its name tells of: what it begins with may be damaged. */
function letterOfName(path: string): FileKind | 'E' | undefined {
  const name = basename(path)
  const log = parseLogFileName(name)
  if (log !== undefined) return log.suffix === '.log' ? 'L' : log.suffix === '.idx' ? 'P' : 'T'
  const stream = parseStreamFileName(name)
  if (stream !== undefined) return stream.suffix === '.seg' ? 'S' : 'I'
  if (/^\d{16}-\d{10}\.key[1-8]?$/.test(name)) return 'K'
  if (/^\d{10}$/.test(name)) return 'E'
  if (name === WATERMARK_FILE) return 'W'
  return name === CHECKPOINT_FILE ? 'C' : name === 'annals' ? 'H' : undefined
}

/** A header of another version may be longer or shorter; its checksum is where it always was. */
function isSound(head: Buffer): boolean {
  const length = head.length < 20 ? 0 : head.readUInt32LE(12)
  return length > 20 && length <= head.length && crc32c(head, 20, length, crc32c(head, 0, 16)) === head.readUInt32LE(16)
}

function whyNoHeader(verdict: ReturnType<typeof parseHeader>): string {
  switch (verdict.kind) {
    case 'damaged':
      return `the header is damaged: ${verdict.reason}`
    case 'empty':
      return 'the header is missing: there is nothing, or nothing but zeros'
    case 'version':
      return `the header is damaged: it says version ${verdict.readVersion}, and its checksum is wrong`
    default:
      return 'the header is damaged: the file does not begin with the magic of its kind'
  }
}

/** The store that records are of, where the header is damaged: a group says it too. */
function storeIdOf(head: Buffer, start: number): Buffer {
  const id = Buffer.alloc(16)
  if (head.length >= 36) head.copy(id, 0, 20, 36)
  const mark = start + GROUP_MARK_AT
  if (head.length >= mark + 12 && GROUP_MARK.equals(head.subarray(mark, mark + 4))) {
    head.copy(id, 0, mark + 4, mark + 12)
  }
  return id
}

/** A file stands where its header says, unless it is a copy with a name of its own. */
function placeProblems(letter: FileKind, header: FileHeader, path: string): InspectedProblem[] {
  const name = basename(path)
  const log = parseLogFileName(name)
  if (log !== undefined && 'LPT'.includes(letter)) {
    if (log.base === header.base && log.epoch === header.epoch) return []
    return [
      problem(
        'I1',
        0,
        `the name says base ${log.base} and epoch ${log.epoch}, the header ${header.base} and ${header.epoch}`,
      ),
    ]
  }
  const stream = parseStreamFileName(name)
  if (stream === undefined || !'SI'.includes(letter)) return []
  if (escapeName(header.name.toString('utf8'), header.name) !== stream.escaped) {
    return [
      problem('I1', 0, `the header is of stream ${quote(header.name.toString('utf8'))}, whose files have another name`),
    ]
  }
  if (stream.base === header.base) return []
  return [problem('I1', 0, `the name says base ${stream.base}, the header ${header.base}`)]
}

function isSoundEpoch(bytes: Buffer): boolean {
  if (bytes.length < 64) return false
  const crc = crc32c(bytes, 64, bytes.length, crc32c(bytes, 20, 56, crc32c(bytes, 0, 16)))
  return crc === bytes.readUInt32LE(16)
}

function epochProblems(bytes: Buffer, path: string): InspectedProblem[] {
  const verdict = parseEpochFile(bytes)
  const name = basename(path)
  if (verdict.kind === 'version' && isSoundEpoch(bytes)) {
    throw newerVersion(path, verdict.readVersion, bytes.readUInt16LE(10))
  }
  if (verdict.kind === 'damaged' || verdict.kind === 'version') {
    return [problem('I1', 0, 'the file is damaged; only its name counts')]
  }
  if (verdict.kind === 'unfinished') return [problem('I1', 0, 'the file was never finished; only its name counts')]
  if (!/^\d{10}$/.test(name) || Number(name) === verdict.holder.epoch) return []
  return [problem('I1', 0, `the name says epoch ${Number(name)}, the file ${verdict.holder.epoch}`)]
}

function keyOf({ name }: FileHeader): ReturnType<typeof streamKey> | undefined {
  try {
    return streamKey(name.toString('utf8'))
  } catch {
    return undefined
  }
}
