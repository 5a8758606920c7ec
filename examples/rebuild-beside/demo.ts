/**
 * A rule changes, and a read model of all flights must be made anew, while flights still come in and somebody reads it all the time. It is made
 * beside the one that is there, and then they are switched. Run it with a number of flights, or without.
 */
import { openMemoryStore } from '../../engine/index.js'
import { memoryProjections, runProjection } from '../../kit/index.js'
import { readFlights } from '../flights/flights.js'
import { importFlights } from '../flights/import-flights.js'
import { lateFlights } from './late-flights.js'

const flights = readFlights().slice(0, Number(process.argv[2] ?? 5000))
const indexes = flights.map((_, index) => index)
const half = Math.floor(flights.length / 2)
const rule = { lateMinutes: 15 }
const called: string[] = []

const store = await openMemoryStore()
const runner = await runProjection(
  store,
  lateFlights(rule, (flight) => called.push(flight)),
  {
    projections: memoryProjections(),
    batchSize: 200,
  },
)
await importFlights(store, flights, indexes.slice(0, half), () => undefined)
await runner.whenProcessed(2 * half - 1)
const before = runner.state()
console.log(`${before.flights} flights, ${before.late} more than ${before.rule} minutes late`)

// The rule changes. Flights go on coming in, and readers go on reading.
rule.lateMinutes = 30
const importing = importFlights(store, flights, indexes.slice(half), () => undefined)
let last = before
let steps = 0
let isRight = true
const look = (): void => {
  const now = runner.state()
  steps++
  // Never fewer flights than before, and never half of one rule and half of the other.
  isRight &&= now.flights >= last.flights && now.rule >= last.rule
  last = now
}
await runner.rebuild({ onProgress: look })
look()
console.log(`switched to ${last.rule} minutes`)
await importing
await runner.whenProcessed(2 * flights.length - 1)
look()
await runner.stop()
await store.close()

const lateNow = flights.filter(({ delay }) => delay > 30).length
const calls = flights.filter(({ delay }) => delay > 180).length
isRight &&= last.flights === flights.length && last.late === lateNow && last.rule === 30
isRight &&= called.length === calls && new Set(called).size === calls && steps > 2
console.log(
  `${last.flights} flights, ${last.late} more than ${last.rule} minutes late; ${called.length} calls, each once`,
)
console.log(isRight ? 'Readers saw the old, then the new, and nothing between' : 'BROKEN')
process.exitCode = isRight ? 0 : 1
