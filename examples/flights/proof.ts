import type { EventStore, StoredEvent } from '../../engine/index.js'
import { airportStream, type Flight, type FlightArrived, type FlightDeparted, flightId, timeOf } from './flights.js'

type FlightEvent = (FlightDeparted | FlightArrived) & StoredEvent

/** What reading the whole store shows. Each list should be empty. */
export interface Proof {
  /** Indexes of the flights that are there whole. */
  readonly whole: ReadonlySet<number>
  /** Departures without arrival, and arrivals without departure. */
  readonly half: readonly string[]
  /** Flights that were acknowledged and are not there. */
  readonly lost: readonly number[]
  /** Events that are not what was appended, or are there twice, or out of place. */
  readonly wrong: readonly string[]
  readonly streams: number
}

/** Reads the whole store in commit order and compares every event with the data set. */
export async function prove(
  store: EventStore,
  flights: readonly Flight[],
  acknowledged: Iterable<number>,
): Promise<Proof> {
  const indexes = new Map(flights.map((_, index) => [flightId(index), index]))
  const departures = new Map<string, number>()
  const arrivals = new Map<string, number>()
  const versions = new Map<string, number>()
  const wrong: string[] = []
  let position = 0
  for await (const event of store.readAll<FlightEvent>()) {
    const { flight } = event.data
    const expected = flights[indexes.get(flight) ?? -1]
    const seen = event.type === 'FlightDeparted' ? departures : arrivals
    const version = versions.get(event.stream) ?? 0
    const inPlace = event.position === position && event.offset === version
    if (expected === undefined || seen.has(flight) || !inPlace || !isSame(event, expected)) {
      wrong.push(`${event.stream} at offset ${event.offset}, position ${event.position}: ${flight}`)
    }
    seen.set(flight, event.position)
    versions.set(event.stream, event.offset + 1)
    position = event.position + 1
  }
  const half = [
    ...[...departures.keys()].filter((id) => !arrivals.has(id)),
    ...[...arrivals.keys()].filter((id) => !departures.has(id)),
  ]
  // One commit: its events follow each other, with nothing of another flight between them.
  const torn = [...departures].filter(([id, at]) => arrivals.has(id) && arrivals.get(id) !== at + 1).map(([id]) => id)
  const whole = new Set([...departures.keys()].filter((id) => arrivals.has(id)).map((id) => indexes.get(id) ?? -1))
  const lost = [...acknowledged].filter((index) => !whole.has(index))
  return { whole, half: [...half, ...torn], lost, wrong, streams: versions.size }
}

function isSame(event: FlightEvent, flight: Flight): boolean {
  const { origin, destination, delay, distance } = flight
  const common =
    event.timestamp === timeOf(flight) &&
    event.data.delay === delay &&
    event.metadata.correlationId === event.data.flight &&
    event.schemaVersion === 1
  return event.type === 'FlightDeparted'
    ? common &&
        event.stream === airportStream(origin) &&
        event.data.to === destination &&
        event.data.distance === distance
    : common && event.stream === airportStream(destination) && event.data.from === origin
}
