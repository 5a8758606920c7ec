import type { Field, FieldRole } from '../../engine/index.js'
import type { Colour, Paint } from './paint.js'
import { escapeUnsafe } from './safe-text.js'

const COLOURS: Readonly<Record<FieldRole, Colour>> = {
  length: 'blue',
  crc: 'magenta',
  mark: 'yellow',
  number: 'cyan',
  id: 'dim',
  text: 'green',
  value: 'green',
  fill: 'dim',
  unknown: 'red',
}
const BYTES_A_LINE = 16
/** Long fields are shown by their first lines and their last. */
const MOST_LINES = 64
const WIDTH = 3 * BYTES_A_LINE - 1

/** The bytes of a field, sixteen a line, and what it says beside the first of them. */
export function* hexLines(field: Field, bytes: Buffer, paint: Paint): Generator<string, void> {
  const colour = COLOURS[field.role]
  const lines = Math.ceil(bytes.length / BYTES_A_LINE)
  for (let line = 0; line < lines; line++) {
    if (lines > MOST_LINES && line === MOST_LINES - 2) {
      line = lines - 1
      yield `${' '.repeat(6)}${paint('dim', `… ${(lines - MOST_LINES + 1) * BYTES_A_LINE} bytes more`)}`
    }
    const at = line * BYTES_A_LINE
    const shown = bytes.subarray(at, at + BYTES_A_LINE)
    const hex = [...shown].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const byte = paint('dim', (field.byte + at).toString(16).padStart(4, '0'))
    if (line > 0) yield `${byte}  ${paint(colour, hex)}`
    else yield `${byte}  ${paint(colour, hex)}${' '.repeat(WIDTH - hex.length)}  ${escapeUnsafe(field.text)}`
  }
}
