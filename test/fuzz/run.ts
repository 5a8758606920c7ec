/**
 * npm run fuzz -- [--minutes 10] [--seed n]: goes on until the time is over, prints every failing input and keeps it in test/corpus.
 * npm run fuzz -- --target name --hex bytes: checks one input again.
 */
import { parseArgs } from 'node:util'
import { keep } from './corpus.js'
import { check, fuzz, rerun } from './fuzz.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    target: { type: 'string' },
    hex: { type: 'string' },
  },
})

if (values.target !== undefined && values.hex !== undefined) {
  const error = await check(values.target, Buffer.from(values.hex, 'hex'))
  console.log(error === undefined ? 'all is well' : (error.stack ?? error.message))
  process.exitCode = error === undefined ? 0 : 1
} else {
  const end = Date.now() + Number(values.minutes) * 60_000
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
  console.log(`seed ${seed}, ${values.minutes} minutes`)
  const { inputs, failures } = await fuzz({ seed, goOn: (done) => done % 1000 > 0 || Date.now() < end })
  for (const failure of failures) console.log(`${rerun(failure)}\n  kept as ${keep(failure.target, failure.hex)}`)
  console.log(`${inputs} inputs, ${failures.length} failures`)
  process.exitCode = failures.length === 0 ? 0 : 1
}
