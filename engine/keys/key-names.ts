import { logFileName } from '../format/names.js'
import type { KeyedSegment } from '../format/key-file.js'

/** So many key files of a tier that follow each other become one of the next tier. */
export const MERGED_FILES = 8
/** A file of the last tier covers 8⁸ log segments. */
export const LAST_TIER = 8

const KEY_FILE = /^(\d{16})-(\d{10})\.key([1-8]?)$/
const STEM = -'.log'.length

/** Returns the name of a key file: that of its first log segment, `.key`, and the number of its tier from 1 on. */
export function keyFileName(first: KeyedSegment, tier: number): string {
  return `${logFileName(first.base, first.epoch, '.log').slice(0, STEM)}.key${tier === 0 ? '' : tier}`
}

/** Reads the name of a key file back. Returns undefined for other files. */
export function parseKeyFileName(name: string): (KeyedSegment & { readonly tier: number }) | undefined {
  const match = KEY_FILE.exec(name)
  return match === null ? undefined : { base: Number(match[1]), epoch: Number(match[2]), tier: Number(match[3]) }
}
