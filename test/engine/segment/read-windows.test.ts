import t from 'tap'
import { LENT_BYTES, ReadWindows } from '../../../engine/segment/read-windows.js'

t.test('ReadWindows lends a window to one at a time, and again once it is back', (t) => {
  const windows = new ReadWindows()
  const first = windows.borrow()
  const second = windows.borrow()
  t.not(second, first)
  t.equal(first.bytes.length, LENT_BYTES)
  t.equal(first.view.byteLength, LENT_BYTES)
  windows.giveBack(first)
  t.equal(windows.borrow(), first)
  t.not(windows.borrow(), first)
  t.end()
})

t.test('ReadWindows keeps a few, however many come back at once', (t) => {
  const windows = new ReadWindows()
  const lent = Array.from({ length: 100 }, () => windows.borrow())
  for (const window of lent) windows.giveBack(window)
  const kept = lent.map(() => windows.borrow()).filter((window) => lent.includes(window))
  t.equal(kept.length, 8)
  t.equal(new Set(kept).size, 8)
  t.end()
})
