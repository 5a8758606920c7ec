import t from 'tap'
import { BadRecordError } from '../../../tools/transfer/bad-record.js'
import { recordTime } from '../../../tools/transfer/record-time.js'

t.test('numbers, also as text, and dates with or without time and zone', (t) => {
  t.equal(recordTime(1500, 'ms'), 1500)
  t.equal(recordTime('1500.9', 'ms'), 1500)
  t.equal(recordTime(1.5, 's'), 1500)
  t.equal(recordTime('-2', 's'), -2000)
  t.equal(recordTime('2001-01-14', 'ms'), Date.UTC(2001, 0, 14))
  t.equal(recordTime('2001/01/14 21:55', 'ms'), Date.UTC(2001, 0, 14, 21, 55))
  t.equal(recordTime('2026-01-05T09:30:15.2509Z', 's'), Date.UTC(2026, 0, 5, 9, 30, 15, 250))
  t.equal(recordTime('2026-01-05T09:30:00+02:00', 'ms'), Date.UTC(2026, 0, 5, 7, 30))
  t.equal(recordTime('2026-01-05 09:30:00 -0130', 'ms'), Date.UTC(2026, 0, 5, 11))
  t.equal(recordTime('2024-02-29T00:00:00.007Z', 'ms'), Date.UTC(2024, 1, 29, 0, 0, 0, 7))
  t.end()
})

t.test('what is no time is refused', (t) => {
  const values = [
    '',
    'soon',
    '2026-02-29',
    '2026-13-01',
    '2026-01-05T25:00',
    '2026-01-05T10:60',
    '05.01.2026',
    null,
    true,
  ]
  for (const value of values) t.throws(() => recordTime(value, 'ms'), BadRecordError, JSON.stringify(value))
  t.end()
})
