import t from 'tap'
import { type Interest, type Sleeper, Sleepers } from '../../../engine/store/sleepers.js'

class Recorder implements Sleeper {
  readonly interest: Interest
  readonly touches: number[] = []

  constructor(interest: Interest) {
    this.interest = interest
  }

  touched(from: number): void {
    this.touches.push(from)
  }

  wake(): void {
    // Not the business of the index.
  }
}

const named = (...names: string[]): { key: { name: string } }[] => names.map((name) => ({ key: { name } }))

t.test('[R13] a commit finds those that wait for its streams, for their categories or for everything', (t) => {
  const sleepers = new Sleepers()
  const of = (interest: Interest): Recorder => {
    const recorder = new Recorder(interest)
    sleepers.add(recorder)
    return recorder
  }
  const everything = [of({}), of({})]
  const stream = [of({ stream: 'a-b-1' }), of({ stream: 'a-b-1' })]
  const categories = [of({ category: 'a' }), of({ category: 'a-b' })]
  const others = [
    of({ stream: 'a-b' }),
    of({ stream: 'a-b-12' }),
    of({ category: 'a-b-1' }),
    of({ category: 'b' }),
    of({ category: 'A' }),
    of({ category: 'x-y' }),
  ]
  t.equal(sleepers.size, 12)
  const found: Sleeper[] = []
  sleepers.take(named('a-b-1', 'a-b-1', 'c'), 7, found)
  t.same(new Set(found), new Set([...everything, ...stream, ...categories]))
  t.ok(
    [...everything, ...stream, ...categories].every(({ touches }) => touches.join() === '7'),
    'each is told once',
  )
  t.ok(others.every(({ touches }) => touches.length === 0))
  t.equal(sleepers.size, 6)
  sleepers.take(named('a-b-1', 'c'), 8, found)
  t.equal(found.length, 6, 'who was found waits no longer')
  t.end()
})

t.test('[R13] every stream of a commit is looked for, also one that comes again after another', (t) => {
  const sleepers = new Sleepers()
  const [a, b] = [new Recorder({ stream: 'a' }), new Recorder({ category: 'b' })]
  sleepers.add(a)
  sleepers.add(b)
  const found: Sleeper[] = []
  sleepers.take(named('c', 'a', 'c', 'b-1', 'a'), 0, found)
  t.same(found, [a, b])
  sleepers.take([], 0, found)
  t.equal(sleepers.size, 0)
  t.end()
})

t.test('[R13] who is taken out is not found, and taking out twice is a no-op', (t) => {
  const sleepers = new Sleepers()
  const interests: Interest[] = [{}, { stream: 'a-1' }, { category: 'a' }, { category: 'b' }]
  const recorders = [...interests, ...interests].map((interest) => new Recorder(interest))
  for (const recorder of recorders) sleepers.add(recorder)
  for (const recorder of recorders.slice(0, 4)) {
    sleepers.remove(recorder)
    sleepers.remove(recorder)
  }
  t.equal(sleepers.size, 4)
  const found: Sleeper[] = []
  sleepers.take(named('a-1'), 0, found)
  t.same(found, recorders.slice(4, 7))
  sleepers.remove(recorders[7]!)
  t.equal(sleepers.size, 0)
  sleepers.take(named('b-1'), 0, found)
  t.equal(found.length, 3)
  for (const recorder of recorders) sleepers.add(recorder)
  const all: Sleeper[] = []
  sleepers.takeAll(3, all)
  t.equal(all.length, 8)
  t.equal(sleepers.size, 0)
  t.equal(recorders[7]!.touches.join(), '3')
  sleepers.takeAll(3, all)
  t.equal(all.length, 8)
  t.end()
})

t.test('[R13] a thousand who wait for other streams cost a commit one look', (t) => {
  const sleepers = new Sleepers()
  for (let n = 0; n < 1000; n++) sleepers.add(new Recorder({ stream: `s-${n}` }))
  for (let n = 0; n < 1000; n++) sleepers.add(new Recorder({ category: `c${n}` }))
  let asked = 0
  const key = {
    get name() {
      asked++
      return 'other-1'
    },
  }
  const found: Sleeper[] = []
  const touched = { key }
  sleepers.take(
    Array.from({ length: 500 }, () => touched),
    0,
    found,
  )
  t.same(found, [])
  t.equal(asked, 1, 'one look for 500 events of one stream')
  t.equal(sleepers.size, 2000)
  t.end()
})
