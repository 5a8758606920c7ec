import t from 'tap'
import { AbortListeners } from '../../../engine/store/abort-listeners.js'

t.test('[R13] one listener serves thousands, without the warning about a leak', async (t) => {
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  const listeners = new AbortListeners()
  const control = new AbortController()
  let calls = 0
  const callbacks = Array.from({ length: 5000 }, () => () => calls++)
  for (const callback of callbacks) listeners.add(control.signal, callback)
  for (const callback of callbacks.slice(0, 2000)) listeners.remove(control.signal, callback)
  control.abort()
  t.equal(calls, 3000)
  t.equal(listeners.size, 0)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warned)
  t.same(warnings, [])
})

t.test('[R13] nothing is kept for a signal that nobody waits for', (t) => {
  const listeners = new AbortListeners()
  const [one, two] = [new AbortController(), new AbortController()]
  let calls = 0
  const callback = (): number => calls++
  listeners.add(one.signal, callback)
  listeners.add(two.signal, callback)
  t.equal(listeners.size, 2)
  listeners.remove(one.signal, callback)
  listeners.remove(one.signal, callback)
  t.equal(listeners.size, 1)
  one.abort()
  t.equal(calls, 0)
  listeners.add(two.signal, callback)
  two.abort()
  t.equal(calls, 1, 'once')
  listeners.remove(two.signal, callback)
  t.equal(listeners.size, 0)
  t.end()
})

t.test('[R13] a callback may remove itself and others', (t) => {
  const listeners = new AbortListeners()
  const { signal } = new AbortController()
  const control = new AbortController()
  const calls: string[] = []
  const second = (): void => void calls.push('second')
  const first = (): void => {
    calls.push('first')
    listeners.remove(control.signal, first)
    listeners.remove(signal, second)
  }
  listeners.add(control.signal, first)
  listeners.add(control.signal, second)
  control.abort()
  t.same(calls, ['first', 'second'])
  t.end()
})
