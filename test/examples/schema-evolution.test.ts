import t from 'tap'
import type { StoredEvent } from '../../engine/index.js'
import { version1, version2, version3 } from '../../examples/schema-evolution/versions.js'
import { goldenEvents, readGoldenEvents } from '../../kit/testing/index.js'
import { collect } from '../contract/contract-support.js'
import { runExample } from './run-example.js'

const golden = (version: number): string => `examples/schema-evolution/golden/version-${version}.ndjson`

t.test('[B3] [X4] three versions of a program write to one store, and the newest reads everything as its own', (t) => {
  t.equal(
    runExample(t, 'schema-evolution'),
    `As it is stored:
  CustomerCreated 1 {"name":"Ada King Lovelace"}
  OrderPlaced 1 {"euros":12.5}
  OrderPlaced 2 {"cents":999,"currency":"GBP"}
  OrderPlaced 3 {"cents":5,"currency":"EUR","number":3}
  OrderCancelled 1 {"number":1}
As the newest version reads it:
  CustomerRegistered 2 {"first":"Ada","last":"King Lovelace"}
  OrderPlaced 3 {"cents":1250,"currency":"EUR","number":1}
  OrderPlaced 3 {"cents":999,"currency":"GBP","number":2}
  OrderPlaced 3 {"cents":5,"currency":"EUR","number":3}
  OrderCancelled 1 {"number":1}
Version 1: Cannot upcast "OrderPlaced" at offset 2 of stream "customer-1" from schema version 2: it is newer than version 1, the newest that is defined
`,
  )
  t.end()
})

t.test('[B3] [T1] what each version stored is in a golden file, and is read by all that came after it', async (t) => {
  const stream = 'customer-1'
  const written = [
    await version1.encode(stream, [
      { type: 'CustomerCreated', data: { name: 'Ada King Lovelace' } },
      { type: 'OrderPlaced', data: { euros: 12.5 } },
    ]),
    await version2.encode(stream, [
      { type: 'CustomerCreated', data: { first: 'Ada', last: 'King Lovelace' } },
      { type: 'OrderPlaced', data: { cents: 999, currency: 'GBP' } },
    ]),
  ]
  for (const [i, events] of written.entries()) {
    await goldenEvents(
      golden(i + 1),
      events.map((event) => ({ ...event, stream })),
      { create: false },
    )
  }
  const data = async (registry: typeof version2 | typeof version3, version: number): Promise<unknown> =>
    (await collect<StoredEvent>(registry.read(readGoldenEvents(golden(version))))).map((event) => event.data)
  const name = { first: 'Ada', last: 'King Lovelace' }
  t.same(await data(version2, 1), [name, { cents: 1250, currency: 'EUR' }])
  t.same(await data(version2, 2), [name, { cents: 999, currency: 'GBP' }])
  t.same(await data(version3, 1), [name, { cents: 1250, currency: 'EUR', number: 1 }])
  t.same(await data(version3, 2), [name, { cents: 999, currency: 'GBP', number: 1 }])
})
