/** The raw limit: the files one would write and read when there were no store, by synchronous calls. */
import type { RawCodec } from '../../raw/frames.js'
import type { ComparedLimit } from '../engine.js'

function limit(name: string, title: string, note: string, codec: RawCodec, zeroFilled = false): ComparedLimit {
  return { kind: 'limit', name, title, note, family: name, codec, zeroFilled }
}

export const limits: readonly ComparedLimit[] = [
  limit(
    'raw',
    'raw',
    'no store: MessagePack maps with length and CRC-32C, written to a growing file with one call for each append or group, and one fdatasync where the row is durable; read in windows of 256 KiB, or a file for each stream, or one read at a known place',
    'maps',
  ),
  limit(
    'raw-zero-filled',
    'raw, zero-filled',
    'the same into a file that was filled with zeros and synced before, with O_DSYNC',
    'maps',
    true,
  ),
  limit('raw-shapes', 'raw, shapes', "the same as raw with msgpackr's shared structures instead of maps", 'shapes'),
]
