import { crc32c, Fields, hex, sameBytes } from './bytes.js'
import { must } from './damage.js'

/** The letter in the magic of each kind of file. */
export type FileLetter = 'H' | 'L' | 'P' | 'T' | 'K' | 'S' | 'I' | 'C'

/** The header of a file. */
export interface Header {
  readonly letter: FileLetter
  readonly writeVersion: number
  readonly length: number
  readonly crcField: Uint8Array
  readonly storeId: Uint8Array
  readonly epoch: number
  readonly base: number
  readonly previousBase: number
  readonly previousEpoch: number
  readonly previousEnd: number
  readonly sequence: number
  readonly durable: number
  readonly mayUseShapes: boolean
  readonly name: string
}

const knownReadVersion = 1

/** Reads the header at the start of a file, which must be of one kind. */
export function readHeader(file: Uint8Array, letter: FileLetter): Header {
  const fields = new Fields(file)
  must(
    sameBytes(fields.range(8), new TextEncoder().encode(`ANNALS${letter}\n`)),
    `the magic is not that of kind ${letter}: ${hex(file.subarray(0, 8))}`,
  )
  const readVersion = fields.u16()
  must(readVersion === knownReadVersion, `read version ${readVersion} is not known`)
  const writeVersion = fields.u16()
  const length = fields.u32()
  must(length >= 96 && length <= file.length, `a header of ${length} bytes`)
  const crcField = fields.range(4)
  must(
    new Fields(crcField).u32() === crc32c(file.subarray(0, 16), file.subarray(20, length)),
    'the checksum of the header is wrong',
  )
  const storeId = fields.range(16)
  const epoch = fields.u64()
  const base = fields.u64()
  const previousBase = fields.u64()
  const previousEpoch = fields.u64()
  const previousEnd = fields.u64()
  const sequence = fields.u64()
  const durable = fields.u64()
  const flags = fields.u16()
  const nameLength = fields.u16()
  must(length === 96 + nameLength, 'the header is not as long as its name')
  const name = fields.text(nameLength)
  return {
    letter,
    writeVersion,
    length,
    crcField,
    storeId,
    epoch,
    base,
    previousBase,
    previousEpoch,
    previousEnd,
    sequence,
    durable,
    mayUseShapes: (flags & 1) === 1,
    name,
  }
}
