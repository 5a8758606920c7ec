/** The process that is killed: imports all flights into the store of its first argument, a line per acknowledged one. */
import { openEventStore } from '../../engine/index.js'
import { readFlights } from './flights.js'
import { importFlights } from './import-flights.js'

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('Cannot import: no directory is given')

const flights = readFlights()
const store = await openEventStore(directory)
process.stdout.write('open\n')
await importFlights(store, flights, [...flights.keys()], (index) => process.stdout.write(`${index}\n`))
await store.close()
