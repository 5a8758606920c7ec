import t from 'tap'
import type { Done } from '../../../engine/io/file-system.js'
import { SerialSync } from '../../../engine/io/serial-sync.js'

/** Syncs that end when the test says so. */
function setUp(): {
  readonly sync: SerialSync
  readonly begun: Done[]
  readonly told: string[]
  readonly ask: (name: string) => void
} {
  const begun: Done[] = []
  const told: string[] = []
  const sync = new SerialSync((done) => begun.push(done))
  const ask = (name: string): void => sync.run((error) => told.push(error === null ? name : `${name} ${error.code}`))
  return { sync, begun, told, ask }
}

const failure = Object.assign(new Error('disk'), { code: 'EIO' })

t.test('[fault 24] one at a time; one serves all that came while another was under way', async (t) => {
  const { sync, begun, told, ask } = setUp()
  ask('a')
  ask('b')
  ask('c')
  t.equal(begun.length, 1)
  begun[0]!(null)
  t.same(told, ['a'])
  t.equal(begun.length, 2)
  t.equal(sync.isBusy, true)
  ask('d')
  begun[1]!(null)
  t.same(told, ['a', 'b', 'c'])
  begun[2]!(null)
  t.same(told, ['a', 'b', 'c', 'd'])
  t.equal(sync.isBusy, false)
  ask('e')
  t.equal(begun.length, 4)
})

t.test('[fault 24] a failure is the answer to all that come later, and to those that wait', async (t) => {
  const { sync, begun, told, ask } = setUp()
  ask('a')
  ask('b')
  begun[0]!(failure)
  ask('c')
  t.same(told, ['a EIO', 'b EIO', 'c EIO'])
  t.equal(begun.length, 1, 'nobody syncs again')
  t.equal(sync.isBusy, false)
})

t.test('who is told may ask again', async (t) => {
  const { sync, begun, told, ask } = setUp()
  sync.run(() => ask('b'))
  ask('a')
  begun[0]!(null)
  t.equal(begun.length, 2, 'those that have waited begin at once')
  begun[1]!(null)
  t.same(told, ['a'])
  begun[2]!(null)
  t.same(told, ['a', 'b'])
})
