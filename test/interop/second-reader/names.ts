import { createHash } from 'node:crypto'
import { crc32c, hex } from './bytes.js'

function digits(number: number, count: number): string {
  return String(number).padStart(count, '0')
}

/** `streams/4d/cart-1@0000000000000000.seg` without its ending: where a segment of a stream stands. */
export function streamFile(stream: string, base: number): string {
  const name = new TextEncoder().encode(stream)
  let escaped = ''
  for (const byte of name) {
    const char = String.fromCharCode(byte)
    escaped += /[a-z0-9_-]/.test(char) ? char : `%${hex(Uint8Array.of(byte))}`
  }
  if (escaped.length > 180) {
    const cut = escaped.slice(0, 140).replace(/%[0-9a-f]?$/, '')
    escaped = `${cut}~${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
  }
  return `streams/${hex(Uint8Array.of(crc32c(name) % 256))}/${escaped}@${digits(base, 16)}`
}

/** `log/0000000000000000-0000000001` without its ending. */
export function logFile(base: number, epoch: number): string {
  return `log/${digits(base, 16)}-${digits(epoch, 10)}`
}

/** Base and epoch of the name of a file in `log/`, or `undefined` if it is none of the store's. */
export function parseLogName(file: string, ending: string): { base: number; epoch: number } | undefined {
  const match = /^([0-9]{16})-([0-9]{10})\.([a-z]+)$/.exec(file)
  return match?.[3] === ending ? { base: Number(match[1]), epoch: Number(match[2]) } : undefined
}

/** Base of the name of a stream segment, or `undefined` if it is none of the store's. */
export function parseStreamName(file: string, ending: string): { base: number } | undefined {
  const match = /^([a-z0-9_%~-]+)@([0-9]{16})\.([a-z]+)$/.exec(file)
  return match?.[3] === ending ? { base: Number(match[2]) } : undefined
}
