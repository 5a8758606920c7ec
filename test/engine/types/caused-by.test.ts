import t from 'tap'
import { causedBy, openMemoryStore, type StoredEvent } from '../../../engine/index.js'

t.test('[B4] an event is correlated with what it is caused by, however long the chain', async (t) => {
  await using store = await openMemoryStore()
  const append = async (stream: string, metadata?: object): Promise<StoredEvent> => {
    const { position } = await store.append(stream, [{ type: 'T', metadata }])
    for await (const event of store.readAll({ fromPosition: position })) return event
    throw new Error('not there')
  }
  const first = await append('order-1')
  t.same(causedBy(first), { correlationId: first.id, causationId: first.id }, 'it begins a correlation')
  const second = await append('payment-1', { ...causedBy(first), userId: 'u' })
  t.same(causedBy(second), { correlationId: first.id, causationId: second.id })
  const third = await append('shipment-1', causedBy(second))
  t.same(third.metadata, { correlationId: first.id, causationId: second.id })
  await append('order-2')
  const found: number[] = []
  for await (const { position } of store.readAll({ correlationId: first.id })) found.push(position)
  t.same(found, [second.position, third.position])
})

t.test('[B4] only a string is a correlation id', (t) => {
  for (const correlationId of [1, null, undefined, {}, ['c']]) {
    t.same(causedBy({ id: 'e', metadata: { correlationId } }), { correlationId: 'e', causationId: 'e' })
  }
  for (const metadata of [undefined, null, {}]) t.equal(causedBy({ id: 'e', metadata }).correlationId, 'e')
  t.equal(causedBy({ id: 'e', metadata: { correlationId: '' } }).correlationId, '')
  t.end()
})
