/**
 * Flights come in, and a table of delays follows them: live, in files, through a stop in the middle. Run it with a number of flights, or
 * without. In the end the table is compared with one that is made of all events at once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { fileProjections, runProjection } from '../../kit/index.js'
import { readFlights } from '../flights/flights.js'
import { importFlights } from '../flights/import-flights.js'
import { delaysByAirport } from '../flights/views.js'
import { delays } from './delays.js'
import { LiveTable, tableLines } from './live-table.js'

const flights = readFlights().slice(0, Number(process.argv[2] ?? 5000))
const folder = await mkdtemp(join(tmpdir(), 'annals-projection-'))
const store = await openEventStore(join(folder, 'events'), { durability: 'os' })
const projections = fileProjections(join(folder, 'views'))
const live = new LiveTable(process.stdout)
let isRight = true
try {
  const half = Math.floor(flights.length / 2)
  const indexes = flights.map((_, index) => index)
  for (const part of [indexes.slice(0, half), indexes.slice(half)]) {
    // Stopped after the first half and started again, it goes on from its checkpoint.
    await using runner = await runProjection(store, delays, { projections })
    const show = (): void => {
      const title = `${runner.position.toLocaleString('en-US')} events projected, ${runner.lag.toLocaleString('en-US')} to go`
      live.draw(title, tableLines(runner.table('airports').entries()))
    }
    const timer = setInterval(show, process.stdout.isTTY ? 100 : 60_000)
    let last = -1
    await importFlights(store, flights, part, (index) => (last = Math.max(last, index)))
    await runner.whenProcessed(2 * (last + 1) - 1)
    clearInterval(timer)
    show()
  }

  const runner = await runProjection(store, delays, { projections })
  const expected = await delaysByAirport(store)
  for (const { airport, departures, meanDelay, late } of expected) {
    const row = runner.table('airports').get(airport)
    isRight &&= row?.departures === departures && row.delay / departures === meanDelay && row.late / departures === late
  }
  await runner.stop()
  console.log(isRight ? `\n${expected.length} airports, as if made of all events at once` : '\nBROKEN: another table')
} finally {
  await store.close()
  await rm(folder, { recursive: true, force: true })
}
process.exitCode = isRight ? 0 : 1
