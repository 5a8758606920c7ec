/** A store that three versions of a program have written to, one after the other, and that the newest reads as if it were all its own. */
import { openMemoryStore } from '../../engine/index.js'
import { type Decider, deciderRepository, type EventOf } from '../../kit/index.js'
import { version1, version2, version3 } from './versions.js'

type Event1 = EventOf<typeof version1>
type Event2 = EventOf<typeof version2>
type Event3 = EventOf<typeof version3>

/** The event sourcing of the three versions is not what this is about: they store what they are told. */
const recorder = <Event extends Event1 | Event2 | Event3>(): Decider<number, Event, Event> => ({
  initialState: () => 0,
  decide: (recorded) => [recorded],
  evolve: (count) => count + 1,
})

const store = await openMemoryStore()
try {
  const category = 'customer'
  const first = deciderRepository(store, { category, events: version1, decider: recorder<Event1>() })
  await first.execute(1, { type: 'CustomerCreated', data: { name: 'Ada King Lovelace' } })
  await first.execute(1, { type: 'OrderPlaced', data: { euros: 12.5 } })
  const second = deciderRepository(store, { category, events: version2, decider: recorder<Event2>() })
  await second.execute(1, { type: 'OrderPlaced', data: { cents: 999, currency: 'GBP' } })
  const third = deciderRepository(store, { category, events: version3, decider: recorder<Event3>() })
  await third.execute(1, { type: 'OrderPlaced', data: { cents: 5, currency: 'EUR', number: 3 } })
  await third.execute(1, { type: 'OrderCancelled', data: { number: 1 } })

  console.log('As it is stored:')
  for await (const { type, schemaVersion, data } of store.readStream('customer-1')) {
    console.log(`  ${type} ${schemaVersion} ${JSON.stringify(data)}`)
  }
  console.log('As the newest version reads it:')
  for await (const { type, schemaVersion, data } of version3.read(store.readStream('customer-1'))) {
    console.log(`  ${type} ${schemaVersion} ${JSON.stringify(data)}`)
  }
  // An older program does not guess at what it cannot know.
  await first.load(1).catch((error: unknown) => console.log(`Version 1: ${(error as Error).message}`))
} finally {
  await store.close()
}
