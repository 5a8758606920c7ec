/** The read model: how late the flights of each airport leave, a row for each. */
import { defineEvents, event, projection, table } from '../../kit/index.js'
import type { FlightArrived, FlightDeparted } from '../flights/flights.js'
import { LATE_MINUTES } from '../flights/views.js'

export const flightEvents = defineEvents({
  FlightDeparted: event<FlightDeparted['data']>(),
  FlightArrived: event<FlightArrived['data']>(),
})

/** What is known of an airport. Sums, so that each flight changes one row. */
export interface Airport {
  readonly departures: number
  readonly arrivals: number
  readonly delay: number
  readonly late: number
}

const NONE: Airport = { departures: 0, arrivals: 0, delay: 0, late: 0 }

export const delays = projection({
  name: 'delays',
  events: flightEvents,
  category: 'airport',
  tables: { airports: table<Airport>() },
  handlers: {
    FlightDeparted: ({ airports }, { stream, data }) =>
      airports.update(stream.slice('airport-'.length), (row = NONE) => ({
        ...row,
        departures: row.departures + 1,
        delay: row.delay + data.delay,
        late: row.late + (data.delay > LATE_MINUTES ? 1 : 0),
      })),
    FlightArrived: ({ airports }, { stream }) =>
      airports.update(stream.slice('airport-'.length), (row = NONE) => ({ ...row, arrivals: row.arrivals + 1 })),
  },
})
