import t from 'tap'
import { causedBy, type EventStore, openMemoryStore, type StoredEvent } from '../../engine/index.js'
import { type AuditEntry, auditLog } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'

const at = (day: number): number => Date.UTC(2026, 2, day)

async function bank(): Promise<EventStore> {
  const store = await openMemoryStore()
  const metadata = { userId: 'ada' }
  await store.append('account-1', [
    { type: 'AccountOpened', data: { cents: 5 }, metadata, timestamp: at(1), tags: ['vip'] },
    { type: 'MoneyDeposited', data: { cents: 7 }, timestamp: at(2) },
  ])
  const [opened] = (await collect(store.readAll({ limit: 1 }))) as [StoredEvent]
  const caused = { ...causedBy(opened), userId: 7 }
  const mail = { type: 'MailSent', metadata: caused, timestamp: at(3), schemaVersion: 2 }
  await store.append('mail', [mail], { commitId: 'm' })
  await store.append('account-2', [{ type: 'AccountOpened', timestamp: at(4) }])
  return store
}

t.test('[U1] the log of a stream, without any registry: who, when, what', async (t) => {
  await using store = await bank()
  const [opened, deposited] = (await collect(auditLog(store, { stream: 'account-1' }))) as [AuditEntry, AuditEntry]
  t.same(opened, {
    time: '2026-03-01T00:00:00.000Z',
    timestamp: at(1),
    who: 'ada',
    type: 'AccountOpened',
    stream: 'account-1',
    offset: 0,
    position: 0,
    id: opened.id,
    correlationId: undefined,
    causationId: undefined,
    commitId: undefined,
    schemaVersion: 1,
    tags: ['vip'],
    data: { cents: 5 },
    metadata: { userId: 'ada' },
  })
  t.match(opened.id, /^[0-9a-f-]{36}$/)
  t.match(deposited, { offset: 1, who: undefined, data: { cents: 7 } })
  t.same(await collect(auditLog(store, { stream: 'nobody' })), [])
})

t.test('[U2] [B4] by period, by correlation, by commit, by category, and together', async (t) => {
  await using store = await bank()
  const positions = async (options: Parameters<typeof auditLog>[1]): Promise<number[]> =>
    (await collect(auditLog(store, options))).map(({ position }) => position)
  t.same(await positions({}), [0, 1, 2, 3])
  t.same(await positions({ fromTime: at(2), toTime: new Date(at(3)) }), [1, 2])
  t.same(await positions({ stream: 'account-1', fromTime: at(2) }), [1])
  t.same(await positions({ category: 'account', toTime: at(4), types: ['AccountOpened'] }), [0, 3])
  t.same(await positions({ fromPosition: 1, toPosition: 2, limit: 1 }), [1])
  const [opened] = (await collect(auditLog(store, { limit: 1 }))) as [AuditEntry]
  t.match(await collect(auditLog(store, { correlationId: opened.id })), [
    { position: 2, who: '7', correlationId: opened.id, causationId: opened.id, commitId: 'm', schemaVersion: 2 },
  ])
  t.same(await positions({ commitId: 'm' }), [2])
  for (const [name, value] of Object.entries({ category: 'a', commitId: 'm', fromPosition: 0, toPosition: 1 })) {
    t.throws(() => auditLog(store, { stream: 'a', [name]: value }), { code: 'ERR_INVALID_ARGUMENT', message: name })
  }
  t.throws(() => auditLog(store, { since: 1 } as never), { code: 'ERR_INVALID_ARGUMENT', message: /"since"/ })
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(collect(auditLog(store, { signal })), { message: 'enough' })
})

t.test('[U1] who is behind an event can be told by a function; metadata may be anything', async (t) => {
  await using store = await openMemoryStore()
  await store.append('s', [
    { type: 'T', metadata: { by: 'x' } },
    { type: 'T', metadata: { userId: {}, correlationId: 5 } },
    { type: 'T' },
    { type: 'T', timestamp: -1 },
  ])
  const by = (event: StoredEvent): string => String((event.metadata as { by?: string } | undefined)?.by)
  t.match(await collect(auditLog(store, { who: by })), [{ who: 'x' }, { who: 'undefined' }, {}, {}])
  const all = await collect(auditLog(store))
  for (const entry of all) t.match(entry, { who: undefined, correlationId: undefined })
  t.equal(all[3]!.time, '1969-12-31T23:59:59.999Z')
})
