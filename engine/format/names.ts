/**
 * Names of streams and of their files. A stream name is data, never a path: it is escaped so that two names never share
 * a file, on any file system, also one that ignores case or refuses names like `CON`.
 *
 * The bytes `a-z 0-9 _ -` stand for themselves, every other byte of the UTF-8 name becomes `%` and two lower-case
 * hexadecimal digits. When that is longer than 180 characters, the file name is the first 140 characters (cut before a
 * broken escape), `~`, and the first 32 hexadecimal digits of the SHA-256 of the name. Then follow `@`, the base offset
 * in 16 digits, and `.seg` or `.idx`. `@` and `~` never come out of the escaping, and no reserved name contains `@`.
 */
import { createHash } from 'node:crypto'
import { InvalidArgumentError, quote } from '../errors.js'
import { MAX_NAME_BYTES } from '../limits.js'
import { crc32c } from './crc32c.js'

const PLAIN = /^[a-z0-9_-]{1,180}$/
const LONGEST_ESCAPED = 180
const KEPT_OF_LONG = 140

const FIRST_BASE = '0'.repeat(16)

/** Folders that stream files are spread over: `00` … `ff`. */
export const SHARDS = 256

/** A stream name that was checked. Held for every stream in memory, so what follows from the name is made when it is needed. */
export class StreamKey {
  readonly name: string
  /** CRC-32C of the name in UTF-8. */
  readonly hash: number
  /** Length of the name in UTF-8. */
  readonly byteLength: number

  constructor(name: string, hash: number, byteLength: number) {
    this.name = name
    this.hash = hash
    this.byteLength = byteLength
  }

  /** The name in UTF-8. */
  get bytes(): Buffer {
    return Buffer.from(this.name, 'utf8')
  }

  /** Tells whether a range holds the name in UTF-8. */
  stands(bytes: Buffer, start: number, end: number): boolean {
    const { name, byteLength } = this
    if (end - start !== byteLength) return false
    if (name.length !== byteLength) return this.bytes.compare(bytes, start, end) === 0
    for (let i = 0; i < byteLength; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false
    return true
  }

  /** Writes the name in UTF-8; there is room for `byteLength`. */
  write(bytes: Buffer, at: number): void {
    const { name, byteLength } = this
    if (name.length !== byteLength || byteLength > 48) bytes.write(name, at, 'utf8')
    else for (let i = 0; i < byteLength; i++) bytes[at + i] = name.charCodeAt(i)
  }

  /** Number of the folder that its files are in. */
  get shard(): number {
    return this.hash % SHARDS
  }

  /** `<shard>/<escaped name>`, to which `@<base>.seg` is added. */
  get path(): string {
    const escaped = PLAIN.test(this.name) ? this.name : escapeName(this.name, this.bytes)
    return `${shardName(this.shard)}/${escaped}`
  }
}

/** Checks a stream name and derives what files are named by. Throws InvalidArgumentError (ERR_INVALID_NAME). */
export function streamKey(name: unknown): StreamKey {
  if (typeof name !== 'string') {
    throw new InvalidArgumentError(`Cannot use ${typeof name} as a stream name: a name is a string`, 'ERR_INVALID_NAME')
  }
  if (name.length === 0) throw new InvalidArgumentError('Cannot use an empty stream name', 'ERR_INVALID_NAME')
  if (!name.isWellFormed()) {
    throw new InvalidArgumentError(
      `Cannot use stream name ${quote(name)}: it contains a lone surrogate, which UTF-8 cannot hold`,
      'ERR_INVALID_NAME',
    )
  }
  const bytes = Buffer.from(name, 'utf8')
  if (bytes.length > MAX_NAME_BYTES) {
    throw new InvalidArgumentError(
      `Cannot use stream name ${quote(name)}: ${bytes.length} bytes, the limit is ${MAX_NAME_BYTES}`,
      'ERR_INVALID_NAME',
    )
  }
  const hash = crc32c(bytes, 0, bytes.length)
  return new StreamKey(name, hash, bytes.length)
}

/** Tells whether `streamKey` takes a name that was read from a file. */
export function isStreamName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && Buffer.byteLength(name) <= MAX_NAME_BYTES
}

export function shardName(shard: number): string {
  return shard.toString(16).padStart(2, '0')
}

/** Returns the file name of a stream without base and suffix. */
export function escapeName(name: string, bytes: Buffer): string {
  if (PLAIN.test(name)) return name
  let escaped = ''
  for (const byte of bytes) {
    escaped += isPlain(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`
  }
  if (escaped.length <= LONGEST_ESCAPED) return escaped
  const kept = escaped.slice(0, KEPT_OF_LONG).replace(/%.?$/, '')
  return `${kept}~${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}`
}

function isPlain(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === 0x2d
}

/** Returns the file name of a stream segment, or with `.idx` of its index. */
export function streamFileName(escaped: string, base: number, suffix: '.seg' | '.idx'): string {
  return `${escaped}@${base === 0 ? FIRST_BASE : base.toString().padStart(16, '0')}${suffix}`
}

const STREAM_FILE = /^([^@]+)@(\d{16})\.(seg|idx)$/

/** Reads a stream file name back. Returns undefined for foreign files. */
export function parseStreamFileName(
  file: string,
): { escaped: string; base: number; suffix: '.seg' | '.idx' } | undefined {
  const match = STREAM_FILE.exec(file)
  if (!match) return undefined
  return { escaped: match[1]!, base: Number(match[2]), suffix: match[3] === 'seg' ? '.seg' : '.idx' }
}

/** Returns the name that was escaped, or undefined when only a hash of its end is left (the file's header has it). */
export function unescapeName(escaped: string): string | undefined {
  if (escaped.includes('~')) return undefined
  const bytes: number[] = []
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] === '%') {
      bytes.push(Number.parseInt(escaped.slice(i + 1, i + 3), 16))
      i += 2
    } else bytes.push(escaped.charCodeAt(i))
  }
  return Buffer.from(bytes).toString('utf8')
}

/** Returns the name of a log segment's file; its index and stream table have the same stem. */
export function logFileName(base: number, epoch: number, suffix: '.log' | '.idx' | '.tab'): string {
  return `${base.toString().padStart(16, '0')}-${epoch.toString().padStart(10, '0')}${suffix}`
}

const LOG_FILE = /^(\d{16})-(\d{10})\.(log|idx|tab)$/

/** Reads the name of a log file back. Returns undefined for foreign files. */
export function parseLogFileName(
  file: string,
): { base: number; epoch: number; suffix: '.log' | '.idx' | '.tab' } | undefined {
  const match = LOG_FILE.exec(file)
  if (!match) return undefined
  return { base: Number(match[1]), epoch: Number(match[2]), suffix: `.${match[3]}` as '.log' | '.idx' | '.tab' }
}
