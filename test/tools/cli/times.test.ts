import t from 'tap'
import { parseTime } from '../../../tools/cli/times.js'

const NOW = Date.UTC(2026, 1, 10, 12, 30, 15, 250)
const HOUR = 3_600_000

const parsed = (text: string, edge: 'from' | 'to' = 'from'): number => parseTime(text, 'since', NOW, edge)

t.test('[U2] dates and times are UTC unless they say otherwise', (t) => {
  t.equal(parsed('2026-01-05'), Date.UTC(2026, 0, 5))
  t.equal(parsed('2026-01-05', 'to'), Date.UTC(2026, 0, 6) - 1, 'a range ends with the end of the day')
  t.equal(parsed('2026-01-05T09:30'), Date.UTC(2026, 0, 5, 9, 30))
  t.equal(parsed('2026-01-05T09:30', 'to'), Date.UTC(2026, 0, 5, 9, 30), 'a time of day is that time')
  t.equal(parsed('2026-01-05 09:30:15.25'), Date.UTC(2026, 0, 5, 9, 30, 15, 250))
  t.equal(parsed('2026-01-05t09:30z'), Date.UTC(2026, 0, 5, 9, 30))
  for (const zone of ['+02:00', '+0200']) t.equal(parsed(`2026-01-05T09:30${zone}`), Date.UTC(2026, 0, 5, 7, 30))
  t.equal(parsed(new Date(NOW).toISOString()), NOW, 'what annals prints')
  t.equal(parsed(String(NOW)), NOW, 'milliseconds since the epoch')
  t.end()
})

t.test('[U2] back from now', (t) => {
  t.equal(parsed('now'), NOW)
  t.equal(parsed('2h ago'), NOW - 2 * HOUR)
  t.equal(parsed('2h'), NOW - 2 * HOUR)
  t.equal(parsed(' 1d 12h Ago '), NOW - 36 * HOUR)
  t.equal(parsed('1.5 hours ago'), NOW - 1.5 * HOUR)
  t.equal(parsed('90m'), NOW - 1.5 * HOUR)
  t.equal(parsed('10 minutes 30 seconds ago'), NOW - 630_000)
  t.equal(parsed('2 weeks ago'), NOW - 14 * 24 * HOUR)
  t.equal(parsed('250ms'), NOW - 250)
  t.equal(parsed('today'), Date.UTC(2026, 1, 10))
  t.equal(parsed('yesterday'), Date.UTC(2026, 1, 9))
  t.equal(parsed('yesterday', 'to'), Date.UTC(2026, 1, 10) - 1)
  t.end()
})

t.test('what is no time is refused, with examples', (t) => {
  for (const text of [
    '',
    'soon',
    '5',
    '2026',
    '2026-13-01',
    '2026-02-30',
    '2026-01-05T25:00',
    '3 parsecs ago',
    'h',
    'ago',
  ]) {
    t.throws(
      () => parsed(text),
      { name: 'UsageError', message: `--since takes a time, not ${JSON.stringify(text)}` },
      text,
    )
  }
  t.end()
})
