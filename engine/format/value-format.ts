/** The bytes that `docs/values.md` adds to standard MessagePack, and the error of everybody who reads them. */
import { CorruptionError } from '../errors.js'

/** First byte of an object written by shape; the one byte standard MessagePack never uses. */
export const SHAPED = 0xc1
/** Extension type of `undefined`: always `d4 00 00`. */
export const EXT_UNDEFINED = 0x00
/** Extension type of integers beyond 64 bits: a sign byte (0 or 1), then the magnitude, big-endian, no leading zero. */
export const EXT_BIGINT = 0x01
/** Extension type of a Map: always `c9`, the body is one MessagePack map with any keys. */
export const EXT_MAP = 0x02
/** Extension type of a Set: always `c9`, the body is one MessagePack array. */
export const EXT_SET = 0x03
/** Extension type of a Date, defined by MessagePack as -1. */
export const EXT_TIMESTAMP = 0xff

/** Largest distance of a Date from the epoch, in milliseconds (ECMA-262, time values). */
export const MAX_DATE_MS = 8.64e15

/** Reports bytes or a shape definition that no encoder of ours has written. Callers turn it into a CorruptionError. */
export class ValueFormatError extends Error {
  /** Index, in the buffer that was decoded, of the byte at which reading stopped. */
  readonly byte: number

  constructor(message: string, byte: number) {
    super(message)
    this.name = 'ValueFormatError'
    this.byte = byte
  }
}

/** Takes an error as one of the bytes that were decoded. Throws any other: it is not theirs. */
export function asValueFault(error: unknown): ValueFormatError {
  if (error instanceof ValueFormatError) return error
  throw error
}

/** The error of who has read those bytes from a file: `byte` is where their record starts. Throws any other as it is. */
export function asCorruption(error: unknown, place: { readonly file: string; readonly byte: number }): CorruptionError {
  const cause = asValueFault(error)
  return new CorruptionError(cause.message, place, { cause })
}
