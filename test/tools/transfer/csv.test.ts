import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { BadRecordError } from '../../../tools/transfer/bad-record.js'
import { CsvEnds, csvFields } from '../../../tools/transfer/csv.js'
import { splitRecords } from '../../../tools/transfer/records.js'

/** Writes a field as RFC 4180 has it; in quotes where it needs them, or by choice. */
function written(field: string, separator: string, inQuotes: boolean): string {
  const needs = field.includes('"') || field.includes('\n') || field.includes('\r') || field.includes(separator)
  return needs || inQuotes ? `"${field.replaceAll('"', '""')}"` : field
}

const field = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', ' ', 'é', '😀') }),
  fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
)
const table = fc.array(fc.array(fc.tuple(field, fc.boolean()), { minLength: 1, maxLength: 5 }), { maxLength: 8 })

t.test('every table comes back as it was written, in any chunks', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom(',', ';', '\t'),
      fc.constantFrom('\n', '\r\n'),
      fc.integer({ min: 1, max: 40 }),
      async (rows, separator, lineBreak, size) => {
        // A record of one field without anything is an empty line, and one that begins with a byte order mark may be taken for a file that does.
        const kept = rows.map((row) => row.map(([text, quotes]) => [text, quotes || row.length === 1] as const))
        const csv = kept
          .map((row) => row.map(([text, quotes]) => written(text, separator, quotes)).join(separator) + lineBreak)
          .join('')
        const bytes = Buffer.from(csv)
        if (csv.startsWith('\ufeff')) return
        async function* chunks(): AsyncGenerator<Buffer> {
          for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
        }
        const read: string[][] = []
        let lines = 1
        for await (const records of splitRecords(chunks(), new CsvEnds(separator), 100_000)) {
          for (const { line, bytes: record } of records) {
            read.push(csvFields(record!, separator))
            assert.equal(line, lines)
            lines += 1 + record!.filter((byte) => byte === 10).length
          }
        }
        assert.deepEqual(
          read,
          kept.map((row) => row.map(([text]) => text)),
        )
      },
    ),
    { numRuns: 300 },
  )
  t.end()
})

t.test('what RFC 4180 has, and what it has not', (t) => {
  const fields = (text: string): string[] => csvFields(Buffer.from(text), ',')
  t.same(fields('a,b,c'), ['a', 'b', 'c'])
  t.same(fields(',,'), ['', '', ''])
  t.same(fields('"a","b ""c"" d",""'), ['a', 'b "c" d', ''])
  t.same(fields(' a , b '), [' a ', ' b '], 'spaces are part of a field')
  t.throws(() => fields('a"b'), new BadRecordError('field 1 holds a quote and does not begin with one'))
  t.throws(() => fields('x,"a"b'), new BadRecordError('field 2 goes on behind its closing quote'))
  t.throws(() => fields('"a'), new BadRecordError('the quotes of field 1 are not closed'))
  t.throws(() => fields('"a""'), new BadRecordError('the quotes of field 1 are not closed'))
  t.throws(() => fields('a\rb'), new BadRecordError('field 1 holds a carriage return outside of quotes'))
  t.throws(() => csvFields(Buffer.from([0x61, 0xff]), ','), new BadRecordError('it is not UTF-8'))
  t.end()
})
