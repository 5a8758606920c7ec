import { crc32c } from '../format/crc32c.js'
import type { FileKind } from '../format/file-header.js'
import { quote } from '../errors.js'
import { FieldList, sayCrc } from './fields.js'

/** What the letter of the magic stands for. */
export const FILE_KINDS: Readonly<Record<FileKind, string>> = {
  H: 'home file',
  L: 'log segment',
  P: 'index of a log segment',
  T: 'stream table',
  K: 'key file',
  S: 'stream segment',
  I: 'index of a stream segment',
  C: 'checkpoint',
  W: 'watermark',
}

/** Names the fields of the header that a file begins with. `bytes`: from the start of the file, at least the header. */
export function headerFields(bytes: Buffer): FieldList {
  const said = bytes.length >= 16 ? bytes.readUInt32LE(12) : 0
  const length = Math.min(bytes.length, said >= 96 && said <= 96 + 4096 ? said : 96)
  const list = new FieldList(bytes.subarray(0, length), 0)
  list.bytes('mark', 8, (magic) => `magic ${sayMagic(magic)}`)
  list.u16('number', (version) => `read version ${version}`)
  list.u16('number', (version) => `write version ${version}`)
  list.u32('length', (value) => `header length ${value}`)
  const right = length >= 20 ? crc32c(bytes, 20, length, crc32c(bytes, 0, 16)) : undefined
  list.u32('crc', (crc) => sayCrc(crc, right))
  list.bytes('id', 16, (id) => `store id ${id.toString('hex')}`)
  for (const name of ['epoch', 'base', 'previous base', 'previous epoch', 'previous end', 'sequence', 'durable']) {
    list.u64('number', name)
  }
  list.u16('mark', (flags) => ((flags & 1) === 0 ? `flags ${flags}` : 'flags: may use shapes'))
  list.u16('length', (value) => `name length ${value}`)
  list.rest(0, 'text', (name) => `name ${quote(name.toString('utf8'))}`)
  return list
}

function sayMagic(magic: Buffer): string {
  const text = magic.toString('latin1')
  return /^[A-Z]{7}\n$/.test(text) ? `${text.slice(0, 7)}, line feed` : quote(text)
}
