import t from 'tap'
import { FindingList, type Severity } from '../../../engine/recovery/findings.js'

const finding = (severity: Severity, file = 'f') => ({
  invariant: 'I1' as const,
  severity,
  file,
  byte: 0,
  message: 'm',
})

t.test('findings are kept up to a limit and counted beyond it; what is no damage takes half at most', (t) => {
  const list = new FindingList(4)
  for (const name of ['a', 'b', 'c']) list.add(finding('note', name))
  t.same(
    list.all.map(({ file }) => file),
    ['a', 'b'],
  )
  t.match(list, { truncated: 1, damage: 0 })
  t.ok(list.add(finding('damage', 'd')))
  t.ok(list.add(finding('damage', 'e')))
  t.equal(list.add(finding('damage', 'f')), undefined)
  t.equal(list.add(finding('derived', 'g')), undefined)
  t.match(list, { truncated: 3, damage: 3 }, 'damage is counted also where it is not kept')
  t.equal(list.all.length, 4)
  t.end()
})

t.test('a finding that was added can be completed; a list of none keeps none', (t) => {
  const list = new FindingList(1)
  list.add(finding('damage'))!.stream = 'orders'
  t.match(list.all, [{ stream: 'orders' }])
  const none = new FindingList(0)
  t.equal(none.add(finding('damage')), undefined)
  t.match(none, { damage: 1, truncated: 1 })
  t.notOk(list.knowsStream('orders'))
  list.noteStream('orders')
  t.ok(list.knowsStream('orders'))
  t.end()
})

t.test('[R8] the streams that are remembered are bounded', (t) => {
  const list = new FindingList(1)
  for (let i = 0; i < 100_000; i++) list.noteStream(`s${i}`)
  list.noteStream('one more')
  t.ok(list.knowsStream('s99999'))
  t.notOk(list.knowsStream('one more'))
  t.end()
})
