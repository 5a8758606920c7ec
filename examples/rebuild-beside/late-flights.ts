/** A read model whose rule changes while it runs: which flights count as late. And an effect that must not be had twice. */
import { projection } from '../../kit/index.js'
import { flightEvents } from '../flights-projection/delays.js'

/** What counts as late, in minutes. */
export interface Rule {
  lateMinutes: number
}

export interface LateFlights {
  readonly rule: number
  flights: number
  late: number
}

/** Minutes late from which somebody is called. */
const CALL_MINUTES = 180

/** Counts late flights by the rule of the moment, and calls somebody about the worst. */
export function lateFlights(rule: Rule, call: (flight: string) => void) {
  return projection({
    name: 'late-flights',
    events: flightEvents,
    category: 'airport',
    initialState: (): LateFlights => ({ rule: rule.lateMinutes, flights: 0, late: 0 }),
    handlers: {
      FlightDeparted: (state, { data }, { effect }) => {
        state.flights++
        // The rule stands in the state: what the old build still projects, it projects by the old one.
        if (data.delay > state.rule) state.late++
        if (data.delay > CALL_MINUTES) effect(() => call(data.flight))
      },
    },
  })
}
