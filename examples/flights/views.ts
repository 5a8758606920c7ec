/** What the demo makes of the events: a table folded from all of them, and a week of one airport's log. */
import type { EventStore, StoredEvent } from '../../engine/index.js'
import type { FlightArrived, FlightDeparted } from './flights.js'

type FlightEvent = (FlightDeparted | FlightArrived) & StoredEvent

/** Minutes from which on a flight counts as late. */
export const LATE_MINUTES = 15

export interface AirportDelays {
  readonly airport: string
  readonly departures: number
  readonly meanDelay: number
  /** Share of departures more than `LATE_MINUTES` late. */
  readonly late: number
}

/** Folds the departures of every airport into a table, busiest first. */
export async function delaysByAirport(store: EventStore): Promise<AirportDelays[]> {
  const totals = new Map<string, { departures: number; delay: number; late: number }>()
  for await (const event of store.readAll<FlightEvent>()) {
    if (event.type !== 'FlightDeparted') continue
    const airport = event.stream.slice('airport-'.length)
    const total = totals.get(airport) ?? { departures: 0, delay: 0, late: 0 }
    total.departures += 1
    total.delay += event.data.delay
    if (event.data.delay > LATE_MINUTES) total.late += 1
    totals.set(airport, total)
  }
  return [...totals]
    .map(([airport, { departures, delay, late }]) => ({
      airport,
      departures,
      meanDelay: delay / departures,
      late: late / departures,
    }))
    .sort((a, b) => b.departures - a.departures || (a.airport < b.airport ? -1 : 1))
}

/** Reads the events of a stream with a timestamp in [from, to). Its events are in the order of their dates. */
export async function eventsBetween(
  store: EventStore,
  stream: string,
  from: number,
  to: number,
): Promise<FlightEvent[]> {
  const events: FlightEvent[] = []
  for await (const event of store.readStream<FlightEvent>(stream)) {
    if (event.timestamp >= to) break
    if (event.timestamp >= from) events.push(event)
  }
  return events
}
