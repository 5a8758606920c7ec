import t from 'tap'
import { CommitSignal } from '../../../engine/store/commit-signal.js'
import type { Interest, Sleeper } from '../../../engine/store/sleepers.js'

class Recorder implements Sleeper {
  readonly interest: Interest
  readonly calls: string[] = []

  constructor(interest: Interest = {}) {
    this.interest = interest
  }

  touched(from: number): void {
    this.calls.push(`touched ${from}`)
  }

  wake(): void {
    this.calls.push('wake')
  }
}

const named = (...names: string[]): { key: { name: string } }[] => names.map((name) => ({ key: { name } }))
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('[R13] publishing marks, and wakes in a later turn of the event loop', async (t) => {
  const commits = new CommitSignal(5)
  t.equal(commits.end, 5)
  const [everything, stream, other] = [new Recorder(), new Recorder({ stream: 'a' }), new Recorder({ stream: 'b' })]
  for (const sleeper of [everything, stream, other]) commits.sleep(sleeper)
  commits.published(7, named('a', 'a'))
  t.equal(commits.end, 7, 'readable at once')
  t.equal(commits.matched, 5)
  await Promise.resolve()
  await new Promise<void>((resolve) => process.nextTick(resolve))
  t.same(everything.calls, [], 'not before the next group is on its way')
  await turn()
  t.same(everything.calls, ['touched 5', 'wake'])
  t.same(stream.calls, ['touched 5', 'wake'])
  t.same(other.calls, [])
  t.equal(commits.matched, 7, 'nothing that is waited for stands below')
  t.equal(commits.sleeping, 1)
})

t.test('[R13] it is told when somebody begins to wait, and when nobody waits any more', async (t) => {
  const told: boolean[] = []
  const commits = new CommitSignal(0, (isWaiting) => told.push(isWaiting))
  const [a, b] = ['a', 'b'].map((stream) => new Recorder({ stream }))
  commits.sleep(a!)
  commits.sleep(b!)
  commits.forget(a!)
  commits.forget(a!)
  t.same(told, [true])
  commits.forget(b!)
  t.same(told.splice(0), [true, false])
  commits.sleep(a!)
  commits.sleep(b!)
  commits.published(1, named('a'))
  await turn()
  t.same(told, [true])
  commits.published(2, named('b'))
  await turn()
  t.same(told.splice(0), [true, false])
  commits.sleep(a!)
  commits.close()
  commits.close()
  t.same(told, [true, false])
})

t.test('[R13] groups of one turn are compared with the sleepers one and all, and wake each once', async (t) => {
  const commits = new CommitSignal(0)
  const [a, b, c] = ['a', 'b', 'c'].map((stream) => new Recorder({ stream }))
  for (const sleeper of [a!, b!, c!]) commits.sleep(sleeper)
  commits.published(1, named('a'))
  commits.published(2, named('b'))
  commits.published(3, named('a'))
  await turn()
  t.same(a!.calls, ['touched 0', 'wake'])
  t.same(b!.calls, ['touched 0', 'wake'])
  t.same(c!.calls, [])
  commits.published(4, named('c'))
  await turn()
  t.same(c!.calls, ['touched 3', 'wake'], 'from behind what it was compared with')
})

t.test('[R13] groups that nobody slept through leave no trace', async (t) => {
  const commits = new CommitSignal(0)
  commits.published(10, named('a'))
  const sleeper = new Recorder()
  commits.sleep(sleeper)
  await turn()
  t.same(sleeper.calls, [])
  commits.forget(sleeper)
  commits.forget(sleeper)
  commits.published(11, named('a'))
  await turn()
  t.same(sleeper.calls, [])
  t.equal(commits.sleeping, 0)
})

t.test('[R13] a group of unknown streams wakes everybody', async (t) => {
  const commits = new CommitSignal(0)
  const sleepers = [{}, { stream: 'a' }, { category: 'a' }].map((interest) => new Recorder(interest))
  for (const sleeper of sleepers) commits.sleep(sleeper)
  commits.published(3, undefined)
  await turn()
  for (const { calls } of sleepers) t.same(calls, ['touched 0', 'wake'])
})

t.test('[R13] many sleepers are told at once and woken over several turns', async (t) => {
  const commits = new CommitSignal(0)
  const sleepers = Array.from({ length: 1000 }, () => new Recorder())
  for (const sleeper of sleepers) commits.sleep(sleeper)
  commits.published(1, named('a'))
  await turn()
  t.ok(sleepers.every(({ calls }) => calls[0] === 'touched 0'))
  const woken = (): number => sleepers.filter(({ calls }) => calls.length === 2).length
  t.ok(woken() > 0 && woken() < 100, `${woken()} in the first turn`)
  for (let n = 0; n < 20; n++) await turn()
  t.equal(woken(), 1000)
})

t.test('[R13] closing wakes all at once, also those whose turn had not come', async (t) => {
  const commits = new CommitSignal(0)
  const sleepers = Array.from({ length: 200 }, (_, n) => new Recorder(n < 150 ? {} : { stream: 'b' }))
  for (const sleeper of sleepers) commits.sleep(sleeper)
  commits.published(1, named('a'))
  await turn()
  commits.close()
  t.ok(sleepers.every(({ calls }) => calls.filter((call) => call === 'wake').length === 1))
  t.equal(commits.sleeping, 0)
  await turn()
  t.ok(sleepers.every(({ calls }) => calls.filter((call) => call === 'wake').length === 1))
})
