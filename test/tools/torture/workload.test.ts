import t from 'tap'
import { plannedKill } from '../../../tools/torture/plan.js'
import { SeededRandom } from '../../../tools/torture/seeded-random.js'
import { Workload } from '../../../tools/torture/workload.js'

const shape = { seed: 7, streams: 5, eventBytes: 30 }

t.test('[L2] a commit follows from the seed and its number', (t) => {
  const one = new Workload(shape)
  const other = new Workload(shape)
  for (const number of [3, 1, 2, 5_000_000_000]) t.same(one.commit(number), other.commit(number))
  t.strictNotSame(one.commit(1), new Workload({ ...shape, seed: 8 }).commit(1))
  t.end()
})

t.test('[L2] commits are over one to three streams, numbered, and within their bounds', (t) => {
  const workload = new Workload(shape)
  const streams = new Set<string>()
  const counts = new Set<number>()
  for (let number = 0; number < 500; number++) {
    const appends = workload.commit(number)
    counts.add(appends.length)
    t.equal(new Set(appends.map(({ stream }) => stream)).size, appends.length)
    for (const { stream } of appends) streams.add(stream)
    const events = appends.flatMap((append) => append.events)
    t.ok(events.every(({ data }, part) => data!.commit === number && data!.part === part && data!.text.length <= 30))
  }
  t.equal(streams.size, 5)
  t.same([...counts].sort(), [1, 2, 3])
  t.same(
    new Workload({ ...shape, eventBytes: 0 })
      .commit(1)
      .flatMap(({ events }) => events.map(({ data }) => data!.text))[0],
    '',
  )
  t.end()
})

t.test('[L2] a planned kill follows from the seed and the round', (t) => {
  const kills = Array.from({ length: 300 }, (_, round) => plannedKill(4, round))
  t.same(
    kills,
    Array.from({ length: 300 }, (_, round) => plannedKill(4, round)),
  )
  t.strictNotSame(
    kills,
    Array.from({ length: 300 }, (_, round) => plannedKill(5, round)),
  )
  const opening = kills.filter(({ from }) => from === 'opening')
  t.ok(opening.length > 50 && opening.length < 150, `${opening.length} while opening`)
  t.ok(opening.every(({ delayMs }) => delayMs >= 0 && delayMs <= 25))
  t.ok(kills.filter(({ from }) => from === 'acknowledged').every(({ delayMs }) => delayMs >= 0 && delayMs <= 150))
  t.ok(kills.some(({ from }) => from === 'opened'))
  t.ok(kills.some(({ rival }) => rival))
  t.end()
})

t.test('[L2] randomness: seeds that differ in any part differ', (t) => {
  const first = (...seeds: number[]) => new SeededRandom(...seeds).next()
  const values = [first(1), first(2), first(1, 0), first(0, 1), first(1 + 2 ** 32), first(1, 2), first(2, 1)]
  t.equal(new Set(values).size, values.length)
  const random = new SeededRandom(9)
  const mean = Array.from({ length: 10_000 }, () => random.next()).reduce((a, b) => a + b) / 10_000
  t.ok(Math.abs(mean - 0.5) < 0.02)
  t.end()
})
