import t from 'tap'
import { CopyLedger } from '../../../engine/recovery/verify-ledger.js'

const FAR = 70_000 // another window

t.test('[U3] event by event: same, different, twice, lost and unknown', (t) => {
  const ledger = new CopyLedger(() => true)
  for (const position of [0, 1, 2, FAR]) ledger.addLog(position, 100 + position)
  ledger.lose(3, 5)
  ledger.lose(5, 7)
  ledger.lose(9, 9)
  t.equal(ledger.compare(0, 100), 'same')
  t.equal(ledger.compare(0, 100), 'twice')
  t.equal(ledger.compare(1, 999), 'different')
  t.equal(ledger.compare(1, 101), 'same', 'the right one may still come')
  t.equal(ledger.compare(FAR, 100 + FAR), 'same')
  for (const position of [3, 4, 5, 6]) t.equal(ledger.compare(position, 1), 'lost')
  for (const position of [7, 8, 9, FAR + 1, 10 * FAR]) t.equal(ledger.compare(position, 1), 'unknown')
  t.same([...ledger.onlyInLog(10)], [2])
  t.same([...ledger.onlyInLog(2)], [], 'only below what is settled')
  t.same(ledger.doubtful(), [])
  t.end()
})

t.test('[U3] windows that are summed up are doubtful unless both copies are the same, in whatever order', (t) => {
  const summed = (change: (ledger: CopyLedger) => void): number[] => {
    const ledger = new CopyLedger(() => false)
    for (let position = 0; position < 100; position++) ledger.addLog(position, position * 7)
    ledger.addLog(FAR, 5)
    t.equal(ledger.compare(FAR, 5), 'summed')
    for (let position = 99; position > 1; position--) t.equal(ledger.compare(position, position * 7), 'summed')
    change(ledger)
    return ledger.doubtful()
  }
  const both = (first: [number, number], second: [number, number]) => (ledger: CopyLedger) => {
    ledger.compare(...first)
    ledger.compare(...second)
  }
  t.same(summed(both([0, 0], [1, 7])), [])
  t.same(summed(both([0, 7], [1, 0])), [0], 'two that changed places do not cancel out')
  t.same(summed(both([0, 0], [0, 0])), [0], 'one twice')
  t.same(summed(both([0, 1], [1, 7])), [0], 'another record')
  t.same(
    summed((ledger) => void ledger.compare(0, 0)),
    [0],
    'one is missing',
  )
  const ledger = new CopyLedger(() => false)
  ledger.lose(0, 10)
  t.equal(ledger.compare(5, 1), 'lost')
  t.equal(ledger.compare(10, 1), 'unknown')
  t.same([...ledger.onlyInLog(100)], [])
  t.end()
})

t.test('[R8] windows are of 65,536 positions, and none is held that nobody asked for', (t) => {
  const asked: number[] = []
  const ledger = new CopyLedger((window) => {
    asked.push(window)
    return window === 1
  })
  for (const position of [0, 65_535, 65_536, 131_071, 131_072]) ledger.addLog(position, 1)
  t.same(asked, [0, 0, 1, 1, 2])
  t.equal(CopyLedger.windowOf(131_072), 2)
  t.same([...ledger.onlyInLog(Infinity)], [65_536, 131_071])
  t.same(ledger.doubtful(), [0, 2])
  t.end()
})
