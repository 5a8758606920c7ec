/** `npm run demo [-- <folder>]`: see README.md in this folder. Ends with 0 only if every promise was kept. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { type FileEventStore, INVARIANTS, openEventStore } from '../../engine/index.js'
import { airportStream, readFlights } from './flights.js'
import { IN_FLIGHT, importFlights } from './import-flights.js'
import { importAndKill } from './killed-import.js'
import { type Proof, prove } from './proof.js'
import { bar, bytes, count, milliseconds, Terminal } from './terminal.js'
import { type AirportDelays, delaysByAirport, eventsBetween, LATE_MINUTES } from './views.js'

const WEEK = { airport: 'ORD', from: Date.UTC(2001, 0, 8), to: Date.UTC(2001, 0, 15) }

const terminal = new Terminal(process.stdout, process.env)
const broken: string[] = []

await demo(join(resolve(process.argv[2] ?? '.demo'), 'flights'))

async function demo(directory: string): Promise<void> {
  const flights = readFlights()
  const place = relative('.', directory) || directory
  terminal.line(terminal.bold('annals: 20,000 flights, and a process that is killed halfway'))
  startFresh(directory, place)

  terminal.heading(`1. Import, ${IN_FLIGHT} flights in flight, each one commit over two streams`)
  const half = flights.length / 2
  const importing = terminal.progress('acknowledged', flights.length)
  const killed = await importAndKill(directory, half, importing.at)
  importing.end(killed.acknowledged.size)
  terminal.line(`  killed with SIGKILL after ${count(killed.acknowledged.size)} acknowledged flights`)

  terminal.heading('2. Open again and read everything')
  const store = await openEventStore(directory)
  try {
    const { recovery } = store
    terminal.line(
      `  open after ${milliseconds(recovery.durationMs)}: read ${count(recovery.groups)} groups of the log again` +
        ` (${bytes(recovery.bytes)}), ${bytes(recovery.tornBytes)} torn`,
    )
    const proof = await prove(store, flights, killed.acknowledged)
    judge(proof, killed.acknowledged.size)
    const unasked = proof.whole.size - killed.acknowledged.size + proof.lost.length
    if (unasked > 0) {
      terminal.line(`  (${count(unasked)} more had been stored; the process died before it could say so)`)
    }

    terminal.heading('3. Import the rest')
    const rest = flights.map((_, index) => index).filter((index) => !proof.whole.has(index))
    const begun = performance.now()
    let done = proof.whole.size
    const going = terminal.progress('acknowledged', flights.length, done)
    await importFlights(store, flights, rest, () => going.at(++done))
    going.end(done)
    const importMs = performance.now() - begun
    const complete = await prove(store, flights, flights.keys())
    judge(complete, flights.length)

    printDelays(await delaysByAirport(store))
    await printWeek(store)
    await store.checkpoint()
    await verify(store)
    await printSummary(store, {
      place,
      streams: complete.streams,
      killedRate: (2 * half) / (killed.durationMs / 1000),
      rate: (2 * rest.length) / (importMs / 1000),
      recoveryMs: recovery.durationMs,
      directory,
    })
  } finally {
    await store.close()
  }
  if (broken.length > 0) {
    terminal.line(`\n${broken.length} promises broken`)
    process.exitCode = 1
  } else terminal.line('\nEvery promise kept.')
}

/** Removes the store of an earlier run, and nothing that is no store. */
function startFresh(directory: string, place: string): void {
  if (!existsSync(directory)) return
  const isFolder = statSync(directory).isDirectory()
  if (!existsSync(join(directory, 'annals')) && !(isFolder && readdirSync(directory).length === 0)) {
    throw new Error(`Cannot start: ${place} holds something that is no store; remove it or choose another folder`)
  }
  rmSync(directory, { recursive: true })
  terminal.line(terminal.dim(`${place} held the store of an earlier run: removed, starting fresh.`))
}

function promise(kept: boolean, text: string, details: readonly (string | number)[] = []): void {
  if (terminal.promise(kept, text)) return
  broken.push(text)
  for (const detail of details.slice(0, 5)) terminal.line(`          ${detail}`)
}

function judge({ whole, half, lost, wrong }: Proof, acknowledged: number): void {
  promise(lost.length === 0, `each of the ${count(acknowledged)} acknowledged flights is there`, lost)
  promise(half.length === 0, `${count(whole.size)} flights with departure and arrival, ${half.length} by half`, half)
  promise(wrong.length === 0, 'every event is what was appended, once, in its place', wrong)
}

function printDelays(all: readonly AirportDelays[]): void {
  terminal.heading('4. Delays, folded from the departures: the ten busiest airports')
  terminal.line(terminal.dim(`  airport  flights  mean delay  more than ${LATE_MINUTES} min late`))
  const most = Math.max(...all.slice(0, 10).map(({ late }) => late))
  for (const { airport, departures, meanDelay, late } of all.slice(0, 10)) {
    terminal.line(
      `  ${airport.padEnd(7)}  ${count(departures).padStart(7)}  ${`${meanDelay.toFixed(1)} min`.padStart(10)}  ` +
        `${`${(late * 100).toFixed(1)}%`.padStart(6)} ${bar(late / most, 20).trimEnd()}`,
    )
  }
}

async function printWeek(store: FileEventStore): Promise<void> {
  const { airport, from, to } = WEEK
  const events = await eventsBetween(store, airportStream(airport), from, to)
  const departures = events.filter(({ type }) => type === 'FlightDeparted').length
  terminal.heading(`5. One stream, one week: ${airportStream(airport)}, 8 to 14 January 2001 (dates read as UTC)`)
  for (const event of events.slice(0, 5)) {
    const when = new Date(event.timestamp).toISOString().slice(0, 16).replace('T', ' ')
    const { type, data } = event
    const where = type === 'FlightDeparted' ? `to   ${data.to}` : `from ${data.from}`
    const delay = `${data.delay >= 0 ? '+' : ''}${data.delay} min`
    terminal.line(
      `  ${terminal.dim(`#${String(event.offset).padEnd(4)} ${when}`)}  ${type.padEnd(14)} ${where}  ${delay.padStart(8)}`,
    )
  }
  terminal.line(
    terminal.dim(
      `  ... ${count(events.length)} events: ${count(departures)} departures, ${count(events.length - departures)} arrivals`,
    ),
  )
}

async function verify(store: FileEventStore): Promise<void> {
  terminal.heading('6. Verify: every byte of both copies')
  const { ok, findings, files, bytes: read, durationMs } = await store.verify()
  promise(
    ok,
    `all ${Object.keys(INVARIANTS).length} invariants hold in ${count(files)} files, ${bytes(read)}, read in ${milliseconds(durationMs)}`,
    findings.map(({ invariant, file, byte, message }) => `${invariant}: ${file} at byte ${byte}: ${message}`),
  )
}

async function printSummary(
  store: FileEventStore,
  run: {
    readonly place: string
    readonly streams: number
    readonly killedRate: number
    readonly rate: number
    readonly recoveryMs: number
    readonly directory: string
  },
): Promise<void> {
  const { events, appends, sync } = store.stats()
  const size = (folder: string): number => sizeOf(join(run.directory, folder))
  terminal.heading('7. Summary')
  terminal.facts([
    ['events', count(events)],
    ['streams', count(run.streams)],
    ['events per second', `${count(run.killedRate)} before the kill, ${count(run.rate)} after it, each commit on disk`],
    [
      'commits per group',
      `${appends.commitsPerGroup.mean.toFixed(1)} on average, ${appends.commitsPerGroup.largest} at most; ${count(appends.groups)} groups`,
    ],
    ['write and sync', `${milliseconds(sync.p50)} p50, ${milliseconds(sync.p99)} p99`],
    ['recovery', milliseconds(run.recoveryMs)],
    [
      'bytes on disk',
      `${bytes(sizeOf(run.directory))}: log ${bytes(size('log'))}, streams ${bytes(size('streams'))}; ` +
        `${Math.round(sizeOf(run.directory) / events)} per event`,
    ],
    ['store', run.place],
  ])
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
