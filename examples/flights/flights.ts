/**
 * The data: 20,000 real departures in the United States from January to March 2001, from the package vega-datasets (after
 * the on-time statistics of the Bureau of Transportation Statistics), and the two events each of them becomes.
 */
import { readFileSync } from 'node:fs'
import type { StreamAppend } from '../../engine/index.js'

/** A departure as the data set has it. */
export interface Flight {
  /** For example `2001/01/14 21:55`. The time at the airport of origin; the data set names no zone. */
  readonly date: string
  /** Minutes late; negative: early. */
  readonly delay: number
  /** Miles. */
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

export interface FlightDeparted {
  readonly type: 'FlightDeparted'
  readonly data: { readonly flight: string; readonly to: string; readonly delay: number; readonly distance: number }
  readonly metadata: { readonly correlationId: string }
  readonly timestamp: number
}

export interface FlightArrived {
  readonly type: 'FlightArrived'
  readonly data: { readonly flight: string; readonly from: string; readonly delay: number }
  readonly metadata: { readonly correlationId: string }
  readonly timestamp: number
}

/** Reads all flights, in the order of the data set, which is that of their dates. */
export function readFlights(): readonly Flight[] {
  const file = new URL('../data/flights-20k.json', import.meta.resolve('vega-datasets'))
  return JSON.parse(readFileSync(file, 'utf8')) as Flight[]
}

/** Returns the id of the flight at an index of the data set. */
export function flightId(index: number): string {
  return `flight-${String(index + 1).padStart(5, '0')}`
}

/** Returns milliseconds since the epoch. The data set names no time zone; dates count as UTC. */
export function timeOf({ date }: Flight): number {
  const [, year, month, day, hour, minute] = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d)$/.exec(date) ?? []
  if (minute === undefined) throw new Error(`Cannot read the date ${JSON.stringify(date)} of a flight`)
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute))
}

/** Returns the name of an airport's stream. */
export function airportStream(airport: string): string {
  return `airport-${airport}`
}

/** Returns the one commit a flight is: it leaves one airport and reaches another, and neither without the other. */
export function commitOf(flight: Flight, index: number): readonly [StreamAppend, StreamAppend] {
  const { origin, destination, delay, distance } = flight
  const id = flightId(index)
  const common = { metadata: { correlationId: id }, timestamp: timeOf(flight) }
  const departed: FlightDeparted = {
    type: 'FlightDeparted',
    data: { flight: id, to: destination, delay, distance },
    ...common,
  }
  const arrived: FlightArrived = { type: 'FlightArrived', data: { flight: id, from: origin, delay }, ...common }
  return [
    { stream: airportStream(origin), events: [departed] },
    { stream: airportStream(destination), events: [arrived] },
  ]
}
