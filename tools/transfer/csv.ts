/**
 * Comma-separated values as RFC 4180 has them: fields may stand in quotes, and in these hold separators, line breaks and doubled quotes. Nothing is
 * guessed: a quote inside a field without quotes, or anything behind a closing one, is an error of its record.
 */
import { isUtf8 } from 'node:buffer'
import { BadRecordError } from './bad-record.js'
import type { RecordEnds } from './records.js'

const QUOTE = 34
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** Where a reader of CSV is. */
type State = 'before a field' | 'in a field' | 'in quotes' | 'behind a quote'

/** Finds the ends of CSV records: line feeds that are not in quotes. `separator`: one ASCII character. */
export class CsvEnds implements RecordEnds {
  readonly #separator: number
  #state: State = 'before a field'
  #lines = 1
  lines = 1

  constructor(separator: string) {
    this.#separator = separator.charCodeAt(0)
  }

  find(chunk: Buffer, from: number, most: number): number {
    let state = this.#state
    const tooLong = from + most
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (at >= tooLong) state = 'in a field' // quotes count no more
      if (byte === QUOTE) {
        if (state === 'in quotes') state = 'behind a quote'
        else if (state !== 'in a field') state = 'in quotes' // doubled, or the first of its field
      } else if (byte === LINE_FEED) {
        if (state === 'in quotes') this.#lines++
        else {
          this.#state = 'before a field'
          this.lines = this.#lines
          this.#lines = 1
          return at
        }
      } else if (state !== 'in quotes') state = byte === this.#separator ? 'before a field' : 'in a field'
    }
    this.#state = state
    return -1
  }
}

/** Returns the fields of a record. Throws BadRecordError. */
export function csvFields(record: Buffer, separator: string): string[] {
  if (!isUtf8(record)) throw new BadRecordError('it is not UTF-8')
  const code = separator.charCodeAt(0)
  const fields: string[] = []
  let at = 0
  for (;;) {
    let end: number
    if (record[at] === QUOTE) {
      const close = closingQuote(record, at + 1, fields.length + 1)
      fields.push(record.toString('utf8', at + 1, close).replaceAll('""', '"'))
      end = close + 1
      if (end < record.length && record[end] !== code) {
        throw new BadRecordError(`field ${fields.length} goes on behind its closing quote`)
      }
    } else {
      end = record.indexOf(code, at)
      if (end < 0) end = record.length
      const field = record.subarray(at, end)
      if (field.includes(QUOTE)) {
        throw new BadRecordError(`field ${fields.length + 1} holds a quote and does not begin with one`)
      }
      if (field.includes(CARRIAGE_RETURN)) {
        throw new BadRecordError(`field ${fields.length + 1} holds a carriage return outside of quotes`)
      }
      fields.push(field.toString('utf8'))
    }
    if (end >= record.length) return fields
    at = end + 1
    if (at === record.length) {
      fields.push('') // a separator ends the record: an empty field follows
      return fields
    }
  }
}

function closingQuote(record: Buffer, from: number, field: number): number {
  for (let at = from; ; at += 2) {
    at = record.indexOf(QUOTE, at)
    if (at < 0) throw new BadRecordError(`the quotes of field ${field} are not closed`)
    if (record[at + 1] !== QUOTE) return at
  }
}
