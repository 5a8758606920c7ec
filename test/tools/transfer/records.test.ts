import t from 'tap'
import { CsvEnds } from '../../../tools/transfer/csv.js'
import { lineEnds, type RecordEnds, splitRecords } from '../../../tools/transfer/records.js'

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve()
    yield bytes.subarray(at, at + size)
  }
}

/** Lines and texts of the records of a file, whatever chunks it comes in. */
async function split(
  t: { same(a: unknown, b: unknown): unknown },
  text: string | Buffer,
  mostBytes = 1000,
  ends: () => RecordEnds = lineEnds,
): Promise<unknown> {
  let first: unknown
  const bytes = Buffer.from(text)
  for (const size of [1, 2, 3, 7, 10_000]) {
    const records: unknown[] = []
    for await (const some of splitRecords(inChunks(bytes, size), ends(), mostBytes)) {
      records.push(...some.map(({ line, bytes }) => [line, bytes?.toString()]))
    }
    first ??= records
    t.same(records, first)
  }
  return first
}

t.test('lines end with LF or CRLF, the last one without; empty ones are left out and counted', async (t) => {
  t.same(await split(t, ''), [])
  t.same(await split(t, '\n\r\n\n'), [])
  t.same(await split(t, 'a\nbc\r\n\n\nd'), [
    [1, 'a'],
    [2, 'bc'],
    [5, 'd'],
  ])
  t.same(await split(t, 'a\rb\n'), [[1, 'a\rb']])
})

t.test('a byte order mark is left out at the beginning only', async (t) => {
  t.same(await split(t, '\ufeffa\n\ufeffb\n'), [
    [1, 'a'],
    [2, '\ufeffb'],
  ])
  t.same(await split(t, '\ufeff\r\na\n'), [[2, 'a']])
})

t.test('of a line that is too long only the place is kept', async (t) => {
  t.same(await split(t, `${'x'.repeat(10)}\r\n${'y'.repeat(11)}\nz\n${'x'.repeat(5000)}`, 10), [
    [1, 'x'.repeat(10)],
    [2, undefined],
    [3, 'z'],
    [4, undefined],
  ])
  t.same(await split(t, `\ufeff${'x'.repeat(10)}\r\n`, 10), [[1, 'x'.repeat(10)]])
})

t.test('CSV in quotes goes over several lines, and quotes that are never closed end at the bound', async (t) => {
  const csv = (): CsvEnds => new CsvEnds(',')
  t.same(await split(t, 'a,"b\nc\r\n""d"",\n"\n\n1,2', 1000, csv), [
    [1, 'a,"b\nc\r\n""d"",\n"'],
    [6, '1,2'],
  ])
  t.same(await split(t, `a\n"${'b\n'.repeat(5)}${'c'.repeat(20)}\nd\n`, 20, csv), [
    [1, 'a'],
    [2, undefined],
    [8, 'd'],
  ])
})
