import t from 'tap'
import { type EventStore, openMemoryStore, type StoredEvent } from '../../../engine/index.js'
import { defineEvents, event, reactor, runReactor, type ReactionError, type ReactorRunner } from '../../../kit/index.js'
import { faultyStore } from '../../../kit/testing/index.js'
import { collect } from '../../contract/contract-support.js'
import { copier, copyEvents, noteEvents, notes, swiftClock } from './reactor-support.js'

const copies = async (store: EventStore): Promise<number[]> =>
  (await collect(copyEvents.read(store.readStream('copies')))).map(({ data }) => data.n)
const upTo = (end: number): number[] => Array.from({ length: end }, (_, n) => n)
/** Waits until a reactor has failed, or was stopped. */
async function ended(running: ReactorRunner): Promise<void> {
  while (running.status === 'running') await new Promise((resolve) => setImmediate(resolve))
}
const last = async (store: EventStore): Promise<number> => (await collect(store.readAll())).length - 1

t.test('[B4] [B5] each event is reacted to once, in one commit that is known to be caused by it', async (t) => {
  await using store = await openMemoryStore()
  const seen: unknown[] = []
  await using running = await runReactor(
    store,
    copier(({ stream, offset, type }, { effectId, attempt }) => seen.push([stream, offset, type, effectId, attempt])),
  )
  await store.append('notes-1', [
    { type: 'Written', data: { n: 0 }, metadata: { correlationId: 'c' } },
    { type: 'Other' },
  ])
  const { position } = await store.append('notes-2', notes(1, 1))
  await running.whenProcessed(position)
  const [written, , noted] = (await collect(store.readAll())) as [StoredEvent, StoredEvent, StoredEvent]
  t.same(seen, [
    ['notes-1', 0, 'Noted', `copier:0:${written.id}`, 1],
    ['notes-2', 0, 'Noted', `copier:2:${noted.id}`, 1],
  ])
  t.match(await collect(store.readStream('copies')), [
    { data: { n: 0 }, commitId: `copier:0:${written.id}`, metadata: { correlationId: 'c', causationId: written.id } },
    { data: { n: 1 }, metadata: { correlationId: noted.id, causationId: noted.id } },
  ])
  t.same([running.status, running.name, running.position, running.failure], ['running', 'copier', 3, undefined])
  await running.whenProcessed(await last(store))
  await running.stop()
  t.match((await collect(store.readStream('reactor:copier'))).at(-1), {
    type: 'ReactorCheckpoint',
    data: { position: 3 },
  })
})

t.test('[B5] it goes on where it was: nothing is handled again, and nothing is missed', async (t) => {
  await using store = await openMemoryStore()
  const seen: number[] = []
  const definition = copier(({ data }) => seen.push(data.n), { category: 'notes' })
  for (let session = 0; session < 3; session++) {
    await store.append('notes-1', notes(5, session * 10))
    await store.append('elsewhere', notes(1, 99))
    const running = await runReactor(store, definition, { checkpointEvery: 2 })
    const { position } = await store.append('notes-1', notes(5, session * 10 + 5))
    await running.whenProcessed(position)
    await running.stop()
    await running.stop()
    t.equal(running.status, 'stopped')
  }
  t.same(seen, upTo(30))
  t.same(await copies(store), upTo(30))
})

t.test(
  '[B5] a crash between the effect and the checkpoint: appends happen once, effects elsewhere have the same id',
  async (t) => {
    await using store = await openMemoryStore()
    await store.append('notes', notes(10))
    const effects: string[] = []
    const definition = copier((_, { effectId }) => effects.push(effectId))
    const faulty = faultyStore(store)
    faulty.inject({ on: 'append', stream: 'reactor:copier', times: Infinity, fail: new Error('killed') })
    const first = await runReactor(faulty.store, definition)
    await ended(first)
    t.match([first.status, first.failure], ['failed', { message: 'killed' }])
    await first.stop()
    t.same(await copies(store), upTo(10), 'the effects are there')
    t.same(await collect(store.readStream('reactor:copier')), [], 'and no checkpoint')

    const told: string[] = []
    const teller = reactor({
      name: 'teller',
      events: noteEvents,
      handlers: { Noted: (_, { effectId }) => void told.push(effectId) },
    })
    faulty.inject({ on: 'append', stream: 'reactor:teller', times: Infinity, fail: new Error('killed') })
    for (const one of [definition, teller]) {
      const running = await runReactor(faulty.store, one)
      await ended(running)
      await running.stop()
    }
    for (const one of [definition, teller]) {
      await using running = await runReactor(store, one)
      await running.whenProcessed(9)
    }
    t.same(await copies(store), upTo(10))
    t.equal(effects.length, 10, 'what is known to be done is not begun again')
    t.same(
      told.slice(10),
      told.slice(0, 10),
      'what leaves no trace in the store is done again, and says that it is the same',
    )
  },
)

t.test('[B5] delivered again, an event is not decided again, whatever would come of it now', async (t) => {
  await using store = await openMemoryStore()
  await store.append('notes', notes(1))
  let stream = 'one'
  const definition = reactor({
    name: 'chooser',
    events: noteEvents,
    handlers: {
      Noted: ({ data }, { unit }) =>
        unit.append(copyEvents, { stream, events: [{ type: 'Copied', data: { ...data, attempt: 1 } }] }),
    },
  })
  for (const next of ['one', 'two']) {
    stream = next
    const faulty = faultyStore(store)
    faulty.inject({ on: 'append', stream: 'reactor:chooser', times: Infinity, fail: new Error('killed') })
    const running = await runReactor(faulty.store, definition)
    await ended(running)
    await running.stop()
  }
  t.equal((await store.streamInfo('one')).version, 1)
  t.equal((await store.streamInfo('two')).version, 0)
})

t.test('[B5] an append that is stored and reported as failed is not made again', async (t) => {
  await using store = await openMemoryStore()
  await store.append('notes', notes(5))
  const faulty = faultyStore(store)
  faulty.inject({ on: 'append', stream: 'copies', nth: 3, fail: 'ERR_OUTCOME_UNKNOWN', committed: true })
  await using running = await runReactor(faulty.store, copier(), { clock: swiftClock() })
  await t.rejects(running.whenProcessed(4), { code: 'ERR_OUTCOME_UNKNOWN' }, 'the store has failed, not the handler')
  t.equal(running.status, 'failed')
  t.equal(running.position, 2)
  await t.rejects(running.whenProcessed(4), { code: 'ERR_OUTCOME_UNKNOWN' })
  faulty.heal()
  running.resume()
  await running.whenProcessed(4)
  t.same(await copies(store), upTo(5))
  t.same(await running.deadLetters(), [])
})

t.test('[P1] a handler that fails is called again, later each time; then it stops there, and resumes', async (t) => {
  await using store = await openMemoryStore()
  const clock = swiftClock()
  const told: [number, number | undefined][] = []
  let broken = true
  const definition = copier(({ data }) => {
    if (broken && data.n === 1) throw new Error('no')
  })
  await using running = await runReactor(store, definition, {
    clock,
    retry: { attempts: 6, delayMs: 10, maxDelayMs: 50 },
    onFailedAttempt: ({ attempts }, delayMs) => {
      told.push([attempts, delayMs])
      throw new Error('dropped')
    },
  })
  const { position } = await store.append('notes', notes(3))
  const error = (await running.whenProcessed(position).catch((thrown: unknown) => thrown)) as ReactionError
  t.match(error, {
    code: 'ERR_REACTION',
    reactor: 'copier',
    stream: 'notes',
    offset: 1,
    position: 1,
    type: 'Noted',
    handler: 'Noted',
    attempts: 6,
    cause: { message: 'no' },
  })
  t.same(clock.slept, [10, 20, 40, 50, 50])
  t.same(told, [
    [1, 10],
    [2, 20],
    [3, 40],
    [4, 50],
    [5, 50],
    [6, undefined],
  ])
  t.same(await copies(store), [0])
  t.same([running.status, running.failure], ['failed', error])
  broken = false
  running.resume()
  running.resume()
  await running.whenProcessed(position)
  t.same(await copies(store), [0, 1, 2])
})

t.test('[P1] dead letters: set aside once, listed, tried again, made up once', async (t) => {
  await using store = await openMemoryStore()
  const bad = new Set([1, 3])
  const definition = copier(({ data }) => {
    if (bad.has(data.n)) throw new Error(`no ${data.n}`)
  })
  const options = { clock: swiftClock(), retry: { attempts: 2 }, onFailure: 'dead-letter' as const }
  const { position } = await store.append('notes', notes(5))
  for (let session = 0; session < 2; session++) {
    const faulty = faultyStore(store)
    // The first session ends before any checkpoint: both letters come again.
    if (session === 0) {
      faulty.inject({ on: 'append', stream: 'reactor:copier', times: Infinity, fail: new Error('killed') })
    }
    const running = await runReactor(faulty.store, definition, options)
    await running.whenProcessed(position)
    await running.stop()
  }
  await using running = await runReactor(store, definition, options)
  t.same(await copies(store), [0, 2, 4])
  const letter = { stream: 'notes', type: 'Noted', handler: 'Noted', attempts: 2 }
  t.same(await running.deadLetters(), [
    { ...letter, offset: 1, position: 1, reason: 'no 1' },
    { ...letter, offset: 3, position: 3, reason: 'no 3' },
  ])
  bad.delete(1)
  t.match(await running.retryDeadLetters(), [{ position: 3 }])
  bad.clear()
  t.same(await running.retryDeadLetters(), [])
  t.same(await running.retryDeadLetters(), [])
  t.same(await copies(store), [0, 2, 4, 1, 3])
})

t.test('[P1] a function says which events are set aside', async (t) => {
  await using store = await openMemoryStore()
  const definition = copier(({ data }) => {
    if (data.n > 0) throw new Error('no')
  })
  await using running = await runReactor(store, definition, {
    clock: swiftClock(),
    retry: { attempts: 1 },
    onFailure: ({ position }, { data }) => (position === 1 && (data as { n: number }).n === 1 ? 'dead-letter' : 'stop'),
  })
  const { position } = await store.append('notes', notes(3))
  await t.rejects(running.whenProcessed(position), { code: 'ERR_REACTION', position: 2 })
  t.match(await running.deadLetters(), [{ position: 1 }])
})

t.test('handlers that hang are told, given up, and can do nothing any more', async (t) => {
  await using store = await openMemoryStore()
  const clock = swiftClock(-1)
  let goOn = (): void => undefined
  let told: unknown
  const definition = reactor({
    name: 'hanging',
    events: noteEvents,
    handlers: {
      Noted: async ({ data }, { unit, signal, attempt }) => {
        const late = { stream: 'copies', events: [{ type: 'Copied' as const, data: { ...data, attempt } }] }
        if (attempt === 1) {
          signal.addEventListener('abort', () => (told = signal.reason as unknown))
          await new Promise<void>((resolve) => (goOn = resolve))
        }
        unit.append(copyEvents, late)
      },
    },
  })
  let timedOut = 0
  const impatient = {
    ...clock,
    // The first handler has no time at all, the second all of it.
    sleep: async (ms: number, options: { signal?: AbortSignal } = {}) =>
      clock.sleep(ms === 5000 && timedOut++ > 0 ? -1 : ms, options),
  }
  await using running = await runReactor(store, definition, { clock: impatient, timeoutMs: 5000 })
  const { position } = await store.append('notes', notes(1))
  await running.whenProcessed(position)
  goOn()
  await new Promise((resolve) => setImmediate(resolve))
  t.match(told, { message: /did not end within 5000 ms/ })
  t.match(await collect(store.readStream('copies')), [{ data: { attempt: 2 } }])
})

t.test('stopping tells a handler under way and does not wait for it; its event comes again', async (t) => {
  await using store = await openMemoryStore()
  await store.append('notes', notes(1))
  let begun = (): void => undefined
  const isUnderWay = new Promise<void>((resolve) => (begun = resolve))
  let reason: unknown
  const running = await runReactor(
    store,
    copier(async (_, { signal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason as unknown))
      begun()
      await new Promise(() => undefined)
    }),
    { clock: swiftClock() },
  )
  const waiting = running.whenProcessed(0)
  await isUnderWay
  await Promise.all([running.stop(), t.rejects(waiting, { code: 'ERR_CLOSED' })])
  t.match(reason, { code: 'ERR_CLOSED' })
  t.same(await copies(store), [])
  await using again = await runReactor(store, copier())
  await again.whenProcessed(0)
  t.same(await copies(store), [0])
  const controller = new AbortController()
  controller.abort(new Error('enough'))
  await t.rejects(again.whenProcessed(0, { signal: controller.signal }), { message: 'enough' })
})

t.test('closing the store ends it', async (t) => {
  const store = await openMemoryStore()
  const running = await runReactor(store, copier())
  await store.close()
  await ended(running)
  t.equal(running.status, 'stopped')
  await running.stop()
})

t.test('it begins at the end, or at a position, once', async (t) => {
  await using store = await openMemoryStore()
  await store.append('notes', notes(3))
  const first = await runReactor(store, copier(), { from: 'end' })
  await first.stop()
  await store.append('notes', notes(2, 3))
  const second = await runReactor(store, copier(), { from: 0 })
  await second.whenProcessed(await last(store))
  await second.stop()
  t.same(await copies(store), [3, 4], 'what came while it was stopped is not missed')
})

t.test('two of one name: appends are made once, and one of them stops', async (t) => {
  await using store = await openMemoryStore()
  await using one = await runReactor(store, copier(), { clock: swiftClock() })
  await using two = await runReactor(store, copier(), { clock: swiftClock() })
  const { position } = await store.append('notes', notes(50))
  await Promise.allSettled([one.whenProcessed(position), two.whenProcessed(position)])
  while (one.status === 'running' && two.status === 'running') {
    await store.append('notes', notes(1, 0))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const failed = one.status === 'failed' ? one : two
  t.match(failed.failure, { code: 'ERR_REACTOR_MOVED', reactor: 'copier' })
  const other = failed === one ? two : one
  await other.whenProcessed(await last(store))
  const all = await collect(store.readStream('notes'))
  t.equal((await copies(store)).length, all.length)
})

t.test('[G6] a conflict has the handler called again with a new unit', async (t) => {
  await using store = await openMemoryStore()
  const { position } = await store.append('notes', notes(1))
  let calls = 0
  const definition = reactor({
    name: 'careful',
    events: noteEvents,
    handlers: {
      Noted: async ({ data }, { unit, attempt }) => {
        const { version } = await store.streamInfo('copies')
        if (calls++ === 0) await store.append('copies', [{ type: 'Copied', data: { n: -1, attempt: 0 } }])
        const expectedVersion = version === 0 ? ('noStream' as const) : version
        unit.append(copyEvents, {
          stream: 'copies',
          events: [{ type: 'Copied', data: { ...data, attempt } }],
          expectedVersion,
        })
      },
    },
  })
  await using running = await runReactor(store, definition)
  await running.whenProcessed(position)
  t.same(await copies(store), [-1, 0])
  t.equal(calls, 2)
})

t.test('[B3] what cannot be upcast is a failure like others, and names where it is', async (t) => {
  await using store = await openMemoryStore()
  const events = defineEvents({ Noted: event<{ n: number }>().upcast(({ n }) => ({ n: n.toFixed(1) })) })
  const seen: unknown[] = []
  const definition = reactor({ name: 'reader', events, handlers: { '*': ({ data }) => seen.push(data.n) } })
  await store.append('notes', [
    { type: 'Noted', data: { n: 1 } },
    { type: 'Noted', data: {} },
    { type: 'Noted', data: { n: 2 } },
  ])
  await using running = await runReactor(store, definition, { clock: swiftClock(), onFailure: 'dead-letter' })
  await running.whenProcessed(2)
  t.same(seen, ['1.0', '2.0'])
  t.match(await running.deadLetters(), [{ offset: 1, handler: '*', reason: /Cannot upcast "Noted" at offset 1/ }])
})

t.test('what is no reactor is refused', async (t) => {
  await using store = await openMemoryStore()
  const handlers = { Noted: () => undefined }
  const right = { name: 'a', events: noteEvents, handlers }
  for (const [definition, message] of [
    [{ ...right, name: 'A b' }, /lower-case letters/],
    [{ ...right, name: 'x'.repeat(65) }, /64 at most/],
    [{ ...right, category: 'a', stream: 'b' }, /not both/],
    [{ ...right, handlers: {} }, /handles no event type/],
    [{ ...right, handlers: { Strange: () => undefined } }, /"Strange", which is not among its events/],
    [{ ...right, handlers: { Noted: 1 } }, /"Noted" is no function/],
  ] as const) {
    t.throws(() => reactor(definition as never), { code: 'ERR_INVALID_ARGUMENT', message })
  }
  for (const options of [
    { from: -1 },
    { from: 'start' },
    { checkpointEvery: 0 },
    { retry: { attempts: 0 } },
    { retry: { delayMs: -1 } },
    { timeoutMs: 0 },
    { onFailure: 'ignore' },
  ]) {
    await t.rejects(
      runReactor(store, reactor(right), options as never),
      { code: 'ERR_INVALID_ARGUMENT' },
      JSON.stringify(options),
    )
  }
  await t.rejects(runReactor(store, right as never), { code: 'ERR_INVALID_ARGUMENT' })
})
