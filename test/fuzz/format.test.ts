/**
 * The pure format layer under a million changed and made-up inputs with fixed seeds, each read by the engine and by the second
 * reader: they agree on what is sound and what it means, nothing else is thrown, and nothing large is set aside.
 * `npm run fuzz -- --minutes 60` goes on where this ends; what it finds is kept in `test/corpus` and read here first.
 */
import t from 'tap'
import { largestAllocation } from '../support/hostile-store.js'
import { corpus } from './corpus.js'
import { check, fuzz, rerun } from './fuzz.js'
import { targets } from './targets.js'

t.setTimeout(3_600_000)

const INPUTS = Number(process.env['ANNALS_FUZZ_INPUTS'] ?? 1_000_000)
/** No input is longer than some kilobytes; nothing that is read from it needs more than this. */
const MOST_BYTES = 1024 * 1024

t.test('[fault 50] [fault 56] [fault 59] [F2] what was found once is not found again', async (t) => {
  const inputs = corpus()
  t.ok(inputs.length > 0)
  for (const { target, name, bytes } of inputs) {
    t.ok(Object.hasOwn(targets, target), target)
    t.equal((await check(target, bytes))?.stack, undefined, `${target}/${name}`)
  }
})

t.test('[fault 50] [fault 56] [fault 57] [fault 59] [fault 60] [F2] both readers agree on every input', async (t) => {
  let report = await fuzz({ seed: 0, goOn: () => false })
  const largest = await largestAllocation(async () => {
    report = await fuzz({ seed: 1, goOn: (inputs) => inputs < INPUTS })
  })
  t.comment(`${report.inputs} inputs, largest allocation ${largest} bytes`)
  t.same(report.failures.map(rerun), [])
  t.equal(report.inputs, INPUTS)
  t.ok(largest <= MOST_BYTES, `${largest} bytes at once`)
})

t.test('[F2] an engine that reads something else is noticed', async (t) => {
  const { value } = targets
  const bytes = Buffer.from('81a16101', 'hex')
  const { defineProperty } = Object
  value!.check(bytes)
  // The second reader makes properties so, the engine this one by assignment.
  Object.defineProperty = <Target>(target: Target, key: PropertyKey, descriptor: PropertyDescriptor): Target =>
    defineProperty(target, key, { ...descriptor, value: 2 })
  try {
    t.throws(() => value!.check(bytes), /different things/)
  } finally {
    Object.defineProperty = defineProperty
  }
})
