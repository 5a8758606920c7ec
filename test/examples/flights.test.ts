import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { commitOf, type Flight, readFlights, timeOf } from '../../examples/flights/flights.js'
import { importFlights } from '../../examples/flights/import-flights.js'
import { prove } from '../../examples/flights/proof.js'

const DEMO = 'build/examples/flights/demo.js'

t.test('the demo keeps every promise, without a terminal, and a second run says that it starts fresh', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'annals-demo-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const first = run(folder)
  t.equal(first.status, 0, first.output)
  t.notMatch(first.output, /starting fresh/)
  for (const line of [
    /^ {2}killed with SIGKILL after (?:10|11|12),\d{3} acknowledged flights$/m,
    /^ {2}open after .+: read [\d,]+ groups of the log again \(.+\), .+ torn$/m,
    /^ {2}kept {4}each of the (?:10|11|12),\d{3} acknowledged flights is there$/m,
    /^ {2}kept {4}(?:10|11|12),\d{3} flights with departure and arrival, 0 by half$/m,
    /^ {2}kept {4}each of the 20,000 acknowledged flights is there$/m,
    /^ {2}kept {4}20,000 flights with departure and arrival, 0 by half$/m,
    /^ {2}DFW {8}1,103 {5}9\.5 min {3}24\.4% █+/m,
    /^ {2}#197 {2}2001-01-08 06:00 {2}FlightDeparted to {3}LGA {3}-14 min$/m,
    /^ {2}\.\.\. 155 events: 76 departures, 79 arrivals$/m,
    /^ {2}kept {4}all \d+ invariants hold in [\d,]+ files, .+, read in .+$/m,
    /^ {2}events {13}40,000$/m,
    /^ {2}streams {12}224$/m,
    /^ {2}events per second {2}[\d,]+ before the kill, [\d,]+ after it/m,
    /^ {2}commits per group {2}[\d.]+ on average, \d+ at most/m,
    /^ {2}bytes on disk {6}.+: log .+, streams .+; \d+ per event$/m,
    /^ {2}recovery {11}.+ m?s$/m,
    /\nEvery promise kept\.\n$/,
  ]) {
    t.match(first.output, line)
  }
  t.notMatch(first.output, /[^\P{Cc}\n]|BROKEN/u, 'no control characters where there is no terminal')

  const second = run(folder)
  t.equal(second.status, 0, second.output)
  t.match(second.output, /held the store of an earlier run: removed, starting fresh\./)
  t.end()
})

t.test('the demo removes nothing that is no store', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'annals-demo-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'flights'), 'mine')
  const { status, output } = run(folder)
  t.not(status, 0)
  t.match(output, /holds something that is no store/)
  t.ok(existsSync(join(folder, 'flights')))
  t.end()
})

t.test('the proof finds a lost flight, half a flight, a changed one and one that is there twice', async (t) => {
  const flights = readFlights().slice(0, 10)
  const store = await openMemoryStore()
  t.teardown(() => store.close())
  await importFlights(store, flights, [0, 1, 2], () => undefined)
  const sound = await prove(store, flights, [0, 1, 2])
  t.same(sound, { whole: new Set([0, 1, 2]), half: [], lost: [], wrong: [], streams: sound.streams })

  await store.append(...appendOf(flights[3]!, 3, 0))
  await store.append(...appendOf(flights[4]!, 4, 1))
  await store.appendMany(commitOf({ ...flights[5]!, delay: flights[5]!.delay + 1 }, 5))
  await store.appendMany(commitOf(flights[0]!, 0))
  const { half, lost, wrong } = await prove(store, flights, [0, 7])
  t.same(half, ['flight-00004', 'flight-00005'])
  t.same(lost, [7])
  t.equal(wrong.length, 4, 'both events of the changed one, both of the one that is there twice')
})

t.test('a flight whose two events are two commits is half a flight', async (t) => {
  const flights = readFlights().slice(0, 2)
  const store = await openMemoryStore()
  t.teardown(() => store.close())
  await store.append(...appendOf(flights[0]!, 0, 0))
  await store.appendMany(commitOf(flights[1]!, 1))
  await store.append(...appendOf(flights[0]!, 0, 1))
  t.same((await prove(store, flights, [])).half, ['flight-00001'])
})

t.test('dates of flights are read as UTC', (t) => {
  t.equal(timeOf({ date: '2001/01/14 21:55' } as Flight), Date.UTC(2001, 0, 14, 21, 55))
  t.throws(() => timeOf({ date: '2001-01-14' } as Flight), /Cannot read the date "2001-01-14"/)
  t.end()
})

function appendOf(flight: Flight, index: number, side: 0 | 1): [stream: string, events: { readonly type: string }[]] {
  const { stream, events } = commitOf(flight, index)[side]
  return [stream, [...events]]
}

function run(folder: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, folder], { encoding: 'utf8', timeout: 60_000 })
  return { status, output: stdout + stderr }
}
