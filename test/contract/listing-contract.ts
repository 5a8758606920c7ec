import type { Test } from 'tap'
import type { EventStore, ListedStream, ListStreamsOptions } from '../../engine/index.js'
import { collect, type ContractContext, HOSTILE_NAMES, numbered } from './contract-support.js'

const NOTHING = { version: 0, firstTimestamp: undefined, lastTimestamp: undefined, bytes: 0, segments: 0 }

/** What `streamInfo` and `listStreams` promise. */
export function listingContract(t: Test, { open, capabilities }: ContractContext): void {
  const { settle, reopen } = capabilities

  t.test('[U1] streamInfo tells version, times and what the files take', async (t) => {
    await using store = await open()
    t.same(await store.streamInfo('a'), { stream: 'a', ...NOTHING })
    await store.append('a', [{ type: 'T', timestamp: 500 }])
    t.match(await store.streamInfo('a'), { stream: 'a', version: 1, firstTimestamp: 500, lastTimestamp: 500 })
    await store.append('a', [
      { type: 'T', timestamp: 900 },
      { type: 'T', timestamp: 100 },
    ])
    const known = { stream: 'a', version: 3, firstTimestamp: 500, lastTimestamp: 100 }
    t.match(await store.streamInfo('a'), known, 'of the first and the last event, not the least and the greatest')
    await settle?.(store)
    t.match(await store.streamInfo('a'), known)
    await store.append('a', [{ type: 'T', timestamp: 7, data: 'x'.repeat(100_000) }])
    t.match(await store.streamInfo('a'), { ...known, version: 4, lastTimestamp: 7 })
    await settle?.(store)
    const info = await store.streamInfo('a')
    t.match(info, { ...known, version: 4, lastTimestamp: 7 })
    if (settle !== undefined) t.ok(info.segments >= 1 && info.bytes > 100_000, `${info.bytes} bytes`)
    await store.append('b', numbered(2000))
    const { firstTimestamp, lastTimestamp } = await store.streamInfo('b')
    t.ok(lastTimestamp! >= firstTimestamp! && firstTimestamp! > 1.6e12)
  })

  t.test('[N1] [N3] listStreams yields each stream once, wherever its events are', async (t) => {
    let store = await open()
    t.same(await collect(store.listStreams()), [])
    const names = [...HOSTILE_NAMES, ...Array.from({ length: 300 }, (_, i) => `account-${i}`), 'account', 'accounts-1']
    const half = names.length >> 1
    for (const name of names.slice(0, half)) {
      await store.append(name, [{ type: 'T', timestamp: 5 }], { durability: 'os' })
    }
    await assertListed(t, store, names.slice(0, half), 'in memory')
    await settle?.(store)
    await assertListed(t, store, names.slice(0, half), 'settled')
    for (const name of names.slice(half)) await store.append(name, [{ type: 'T', timestamp: 5 }], { durability: 'os' })
    for (const name of names.slice(0, 5)) await store.append(name, [{ type: 'T', timestamp: 5 }], { durability: 'os' })
    await assertListed(t, store, names, 'some here, some there, some in both')
    for await (const info of store.listStreams()) t.match(await store.streamInfo(info.stream), info)
    const filters: readonly ListStreamsOptions[] = [
      { prefix: 'account-1' },
      { prefix: '' },
      { prefix: 'x'.repeat(999) },
      { prefix: 'é' },
      { prefix: 'none' },
      { category: 'account' },
      { category: 'accounts' },
      { category: 'account', prefix: 'account-29' },
      { category: 'account', prefix: 'b' },
    ]
    const assertFiltered = async (): Promise<void> => {
      for (const options of filters) {
        const { prefix = '', category } = options
        const wanted = names.filter(
          (name) => name.startsWith(prefix) && name.startsWith(category ? `${category}-` : ''),
        )
        await assertListed(t, store, wanted, JSON.stringify(options), options)
      }
    }
    await assertFiltered()
    if (reopen !== undefined) {
      await store.close()
      store = await reopen(store)
      await assertListed(t, store, names, 'opened again')
      await assertFiltered()
    }
    t.equal((await store.streamInfo(names[0]!)).version, 2)
    await store.close()
  })

  t.test('[R10] a listing ends with its signal, with the store, and when it is left', async (t) => {
    const store = await open()
    for (let i = 0; i < 50; i++) await store.append(`s${i}`, [{ type: 'T' }], { durability: 'os' })
    const control = new AbortController()
    const reason = new Error('enough')
    let seen = 0
    await t.rejects(async () => {
      for await (const _info of store.listStreams({ signal: control.signal })) if (++seen === 7) control.abort(reason)
    }, reason)
    t.equal(seen, 7)
    await t.rejects(collect(store.listStreams({ signal: AbortSignal.abort(reason) })), reason)
    for await (const _info of store.listStreams()) break
    const listing = store.listStreams()[Symbol.asyncIterator]()
    await listing.next()
    await store.close()
    await t.rejects(listing.next(), { code: 'ERR_CLOSED' })
    t.throws(() => store.listStreams(), { code: 'ERR_CLOSED' })
  })

  t.test('[N1] what is appended while a listing goes on disturbs it not', async (t) => {
    await using store = await open()
    const names = Array.from({ length: 200 }, (_, i) => `s${i}`)
    for (const name of names) await store.append(name, [{ type: 'T' }], { durability: 'os' })
    const seen: string[] = []
    for await (const { stream } of store.listStreams()) {
      seen.push(stream)
      await store.append(`new-${seen.length}`, [{ type: 'T' }], { durability: 'os' })
      await store.append('s1', [{ type: 'T' }], { durability: 'os' })
      if (seen.length % 50 === 0) await settle?.(store)
    }
    t.equal(new Set(seen).size, seen.length, 'each once')
    t.same(seen.filter((name) => name.startsWith('s')).sort(), names.toSorted())
  })

  t.test('[N1] bad options of a listing are refused at the call', async (t) => {
    await using store = await open()
    const any = (value: unknown): never => value as never
    const bad = [null, 1, 'a', [], { prefix: 1 }, { prefix: null }, { prefix: '\ud800' }, { signal: 1 }, { from: 'a' }]
    for (const options of bad) t.throws(() => store.listStreams(any(options)), { code: 'ERR_INVALID_ARGUMENT' })
    for (const category of ['', 1, null, '\ud800', 'x'.repeat(1000)]) {
      t.throws(() => store.listStreams(any({ category })), { code: 'ERR_INVALID_NAME' })
    }
  })
}

async function assertListed(
  t: Test,
  store: EventStore,
  names: readonly string[],
  message: string,
  options?: ListStreamsOptions,
): Promise<void> {
  const found: ListedStream[] = await collect(store.listStreams(options))
  t.same(found.map(({ stream }) => stream).sort(), names.toSorted(), message)
  const wrong = found.filter(({ version, firstTimestamp, lastTimestamp, damage }) => {
    return !(version === 1 || version === 2) || firstTimestamp !== 5 || lastTimestamp !== 5 || damage !== undefined
  })
  t.same(wrong, [], message)
}
