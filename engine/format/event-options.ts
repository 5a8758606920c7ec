/**
 * Commit id and tags in the options of an event record, behind the pointers into the metadata: u8 bytes and UTF-8 of the
 * commit id; u8 count of the tags, then u8 bytes and UTF-8 of each. Events have neither unless their caller asks for them.
 */
import { isUtf8 } from 'node:buffer'
import { InvalidEventError, TooLargeError } from '../errors.js'
import { MAX_COMMIT_ID_BYTES, MAX_TAG_BYTES, MAX_TAGS } from '../limits.js'
import { InternedStrings } from './interned-strings.js'

/** What events without tags share. */
export const NO_TAGS: readonly string[] = Object.freeze([])
export const NO_BYTES: Buffer = Buffer.alloc(0)

/** More tags than this are looked through by a set for one that stands twice. */
const FEW_TAGS = 8

/** Encodes the tags of an event. Returns no bytes when there are none. Throws InvalidEventError or TooLargeError. */
export function encodeTags(tags: unknown): Buffer {
  if (tags === undefined) return NO_BYTES
  if (!Array.isArray(tags)) throw new InvalidEventError('tags', 'not an array of strings')
  const count = tags.length
  if (count === 0) return NO_BYTES
  if (count > MAX_TAGS) {
    throw new TooLargeError(`Cannot append the event: it has ${count} tags, the limit is ${MAX_TAGS}`, MAX_TAGS, count)
  }
  const bytes = Buffer.allocUnsafe(1 + count * (1 + MAX_TAG_BYTES))
  const seen = count > FEW_TAGS ? new Set<unknown>() : undefined
  let at = 0
  bytes[at++] = count
  for (let i = 0; i < count; i++) {
    const tag: unknown = tags[i]
    const path = `tags[${i}]`
    if (typeof tag !== 'string' || tag.length === 0) throw new InvalidEventError(path, 'not a non-empty string')
    if (!tag.isWellFormed()) throw new InvalidEventError(path, 'it contains a lone surrogate')
    if (seen === undefined ? tags.indexOf(tag) < i : seen.has(tag)) {
      throw new InvalidEventError(path, 'the tag is there already')
    }
    seen?.add(tag)
    const length = tag.length > MAX_TAG_BYTES ? MAX_TAG_BYTES + 1 : Buffer.byteLength(tag, 'utf8')
    if (length > MAX_TAG_BYTES) throw tooLong('tag', Buffer.byteLength(tag, 'utf8'), MAX_TAG_BYTES)
    bytes[at] = length
    bytes.write(tag, at + 1, length, 'utf8')
    at += 1 + length
  }
  return bytes.subarray(0, at)
}

/** Encodes a commit id whose text was checked. */
export function encodeCommitId(id: string): Buffer {
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(id, 'utf8'))
  bytes[0] = bytes.length - 1
  bytes.write(id, 1, 'utf8')
  return bytes
}

/** What of a commit id is too long, as an error. */
export function commitIdTooLong(bytes: number): TooLargeError {
  return tooLong('commit id', bytes, MAX_COMMIT_ID_BYTES)
}

function tooLong(what: string, bytes: number, limit: number): TooLargeError {
  return new TooLargeError(`Cannot append: the ${what} has ${bytes} bytes, the limit is ${limit}`, limit, bytes)
}

/** Whether a commit id and tags, those of them that are there, fill `at` … `end` and are what an encoder writes. */
export function optionsFill(bytes: Buffer, at: number, end: number, hasCommitId: boolean, hasTags: boolean): boolean {
  const texts: string[] = []
  const take = (): boolean => {
    const length = at < end ? bytes[at]! : 0
    const text = bytes.subarray(at + 1, at + 1 + length)
    at += 1 + length
    if (length === 0 || at > end || !isUtf8(text)) return false
    texts.push(text.toString('utf8'))
    return true
  }
  if (hasCommitId && !take()) return false
  if (hasTags) {
    const count = at < end ? bytes[at++]! : 0
    if (count === 0 || count > MAX_TAGS) return false
    texts.length = 0
    while (texts.length < count) if (!take()) return false
    if (new Set(texts).size !== count) return false
  }
  return at === end
}

/** Calls back with where each tag starts and ends in `bytes`; `at` is the byte of the count. Returns false to stop. */
export function eachTag(
  bytes: Uint8Array,
  at: number,
  end: number,
  visit: (start: number, end: number) => unknown,
): void {
  let left = bytes[at]!
  for (let start = at + 1; left > 0 && start < end; left--) {
    const stop = start + 1 + bytes[start]!
    if (stop > end || visit(start + 1, stop) === false) return
    start = stop
  }
}

/** Decodes tags, many of which recur. */
export class TagDecoder {
  readonly #strings = new InternedStrings()

  /** `at` is the byte of the count; nothing behind `end` is read. */
  decode(bytes: Buffer, at: number, end: number): readonly string[] {
    const tags: string[] = []
    eachTag(bytes, at, end, (start, stop) => {
      tags.push(this.#strings.get(bytes, start, stop))
    })
    return tags
  }
}
