import t, { type Test } from 'tap'
import type { FileEventStore, OpenOptions } from '../../../engine/index.js'
import { KEY_BLOCK_BYTES } from '../../../engine/format/key-file.js'
import { parseKeyFileName } from '../../../engine/keys/key-names.js'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { datas, isLog, TestMachine } from './test-machine.js'

const options: OpenOptions = {
  durability: 'os',
  limits: { logSegmentBytes: 4096, groupBytes: 4096, streamSegmentBytes: 100_000, indexIntervalBytes: 512 },
}

const types = (...types: string[]) => ({ items: [{ types }] })

/** What a decision by types alone, without `after`, conflicts with; −1: nothing. */
async function newest(store: FileEventStore, ...names: string[]): Promise<number> {
  try {
    await store.append('x', [], { failIfEventsMatch: types(...names) })
    return -1
  } catch (error) {
    return (error as { position: number }).position
  }
}

/** A store without a tag and without a commit id: `Rare` is every hundredth event, `First` the first. */
async function plain(machine: TestMachine, from: number, to: number, changes: object = {}): Promise<FileEventStore> {
  const store = await machine.open(options, changes)
  for (let n = from; n < to; n++) {
    const type = n === 0 ? 'First' : n % 100 === 0 ? 'Rare' : 'Usual'
    await store.append(`s${n % 9}`, [{ type, data: `${n} ${'x'.repeat(100)}` }])
  }
  return store
}

function keyFiles(machine: TestMachine): string[] {
  const names = machine.environment.files.list('/store/log')
  return names.filter((name) => parseKeyFileName(name) !== undefined).map((name) => `/store/log/${name}`)
}

/** A machine whose timers run when the test says so. */
function timed() {
  const waiting: (() => void)[] = []
  const after = (_: number, callback: () => void): { cancel: () => void } => {
    waiting.push(callback)
    return { cancel: () => void waiting.splice(waiting.indexOf(callback), 1) }
  }
  const fire = async (until: () => boolean): Promise<void> => {
    for (const callback of waiting.splice(0)) callback()
    for (let turn = 0; turn < 20_000 && !until(); turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { changes: { after }, fire }
}

const reads = (machine: TestMachine) => machine.files.trace!.filter(({ kind }) => kind === 'read')

/** Reads of events: the header of a segment says where the one before it ends. */
const looks = (machine: TestMachine): number =>
  reads(machine).filter((read) => isLog(read) && read.position !== 0).length

/** Tells whether all log segments but the one in use have key files, of their own or in common by eights. */
function isCovered(machine: TestMachine): boolean {
  const [own, eights, more] = ['.key', '.key1', '.key2'].map((suffix) => machine.find(suffix).length)
  return own! < 8 && own! + 8 * eights! + 64 * more! === machine.find('.log').length - 1
}

/** What decisions by types cost in a store that was asked for one in an earlier session, and has so many events. */
async function costOf(t: Test, events: number): Promise<{ keys: number; log: number }> {
  const machine = new TestMachine()
  const { changes, fire } = timed()
  const store = await plain(machine, 0, events, changes)
  t.same(keyFiles(machine), [], 'who does not ask pays nothing')
  t.equal(await newest(store, 'None'), -1)
  await fire(() => isCovered(machine))
  await store.close()
  const again = await machine.open(options)
  machine.files.record()
  t.equal(await newest(again, 'None', 'Neither'), -1)
  t.equal(looks(machine), 0, 'for a type that is not there no event is looked at')
  t.equal(await newest(again, 'Rare', 'None'), events - 100)
  t.equal(await newest(again, 'First'), 0)
  const isKeyFile = ({ path }: { path: string }): boolean => /\.key\d?$/.test(path)
  const cost = { keys: reads(machine).filter(isKeyFile).length, log: looks(machine) }
  await again.close()
  return cost
}

t.test('a decision by types alone costs the same in stores of any size, also after reopening', async (t) => {
  const small = await costOf(t, 300)
  const large = await costOf(t, 2400)
  for (const [size, { keys, log }] of Object.entries({ small, large })) {
    t.ok(log <= 4, `${log} reads of events in a ${size} store`)
    // Key files are merged by eights: at most seven of each tier, each with a head of two reads and blocks of 4 KiB.
    t.ok(keys <= 50, `${keys} reads of key files in a ${size} store`)
  }
  t.ok(large.keys < 3 * small.keys, `${small.keys} and ${large.keys} reads in stores of 300 and 2,400 events`)
})

t.test('a store that asks from its first session on never looks back', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open(options)
  t.equal(await newest(store, 'None'), -1)
  await store.close()
  store = await plain(machine, 0, 50)
  t.equal(await newest(store, 'None'), -1)
  await store.close()
  t.equal(keyFiles(machine).length, machine.find('.log').length, 'the last segment too')
  store = await plain(machine, 50, 400)
  await store.close()
  store = await machine.open(options)
  machine.files.record()
  t.equal(await newest(store, 'None'), -1)
  t.equal(looks(machine), 0)
  t.same((await store.verify()).findings, [])
  await store.close()
})

t.test('a decision behind what is known looks at what is new, and makes no key files', async (t) => {
  const machine = new TestMachine()
  const { changes, fire } = timed()
  const store = await plain(machine, 0, 400, changes)
  for (const after of [398, 399]) {
    await store.append('x', [], { failIfEventsMatch: types('None'), after })
  }
  await fire(() => keyFiles(machine).length > 0)
  await store.close()
  t.same(keyFiles(machine), [])
})

t.test('who opens, decides and closes again gets on by a segment each time', async (t) => {
  const machine = new TestMachine()
  await (await plain(machine, 0, 300)).close()
  const segments = machine.find('.log').length
  t.ok(segments > 6)
  for (let session = 1; session <= segments; session++) {
    const store = await machine.open(options)
    t.equal(await newest(store, 'Rare'), 200)
    t.equal(await newest(store, 'First'), 0)
    t.equal(await newest(store, 'None'), -1)
    await store.close()
    const covered = new Set(machine.find('.key').map((path) => path.replace(/key$/, 'log')))
    t.equal(machine.find('.log').filter((path) => covered.has(path)).length, session)
  }
  const store = await machine.open(options)
  machine.files.record()
  t.equal(await newest(store, 'None'), -1)
  t.equal(looks(machine), 0)
  t.same((await store.verify()).findings, [])
  await store.close()
})

t.test('a kill while key files are made, and files that are wrong or gone then, hide nothing', async (t) => {
  const machine = new TestMachine()
  const segments = await (async () => {
    const store = await plain(machine, 0, 600)
    await store.append('s0', [{ type: 'Tagged', data: 600, tags: ['t'] }], { commitId: 'c' }) // keys from here on
    await store.close()
    return machine.find('.log').length
  })()
  for (let made = 1; made < segments; made += 3) {
    const { changes, fire } = timed()
    const store = await machine.open(options, changes)
    t.equal(await newest(store, 'None'), -1)
    await fire(() => keyFiles(machine).length > made)
    machine.kill()
    const files = keyFiles(machine)
    const path = files[made % files.length]!
    const bytes = machine.contents(path)
    if (made % 2 === 0) machine.remove(path)
    else machine.write(path, Buffer.concat([bytes.subarray(0, -KEY_BLOCK_BYTES), Buffer.alloc(KEY_BLOCK_BYTES)]))
    const again = await machine.open(options, timed().changes)
    t.equal(await newest(again, 'Rare'), 500)
    t.equal(await newest(again, 'First'), 0)
    t.equal(await newest(again, 'None'), -1)
    t.equal(await newest(again, 'Tagged'), 600)
    t.same(await datas(again.readAll({ query: types('Tagged', 'First') })), [`0 ${'x'.repeat(100)}`, 600])
    t.ok((await again.append('s0', [{ type: 'Tagged', data: 600, tags: ['t'] }], { commitId: 'c' })).isRepeat)
    t.notOk((await again.append('s0', [{ type: 'Late' }], { commitId: `late ${made}` })).isRepeat)
    machine.kill()
  }
})

t.test('[fault 49] a checkpoint that is lost is no loss: the key files that are there are found', async (t) => {
  const machine = new TestMachine()
  const { changes, fire } = timed()
  const store = await plain(machine, 0, 600, changes)
  t.equal(await newest(store, 'None'), -1)
  await fire(() => machine.find('.key1').length > 1)
  await store.close()
  machine.remove('/store/checkpoint')
  machine.remove(machine.find('.key1')[1]!) // a gap among them
  for (const session of [1, 2]) {
    const { changes, fire } = timed()
    const again = await machine.open(options, changes)
    t.equal(await newest(again, 'None'), -1)
    t.equal(await newest(again, 'Rare'), 500)
    t.equal(await newest(again, 'First'), 0)
    if (session === 1) await fire(() => machine.find('.key1').length > 1)
    machine.files.record()
    t.equal(await newest(again, 'None'), -1)
    t.equal(looks(machine), 0, `each event was looked at once in session ${session}`)
    await again.close()
  }
})

t.test('a segment that is full while older ones have no key files gets its own', async (t) => {
  const machine = new TestMachine()
  await (await plain(machine, 0, 100)).close()
  const store = await machine.open(options)
  t.equal(await newest(store, 'None'), -1)
  await store.close()
  await (await plain(machine, 100, 300, timed().changes)).close()
  const last = await machine.open(options, timed().changes)
  t.equal(await newest(last, 'Rare'), 200)
  t.equal(await newest(last, 'First'), 0)
  await last.close()
})

t.test('readers beside the writer use the key files that it has made', async (t) => {
  const machine = new TestMachine()
  const { changes, fire } = timed()
  const store = await plain(machine, 0, 600, changes)
  const environment = { ...machine.environment, files: machine.files }
  const reader = await openReadOnly(environment, '/store', { readOnly: true, limits: { readWindowBytes: 4096 } })
  const first = [`0 ${'x'.repeat(100)}`]
  const bytesFor = async (): Promise<number> => {
    machine.files.record()
    t.same(await datas(reader.readAll({ query: types('First') })), first)
    return reads(machine).filter(isLog).length
  }
  const before = await bytesFor()
  t.equal(await newest(store, 'None'), -1)
  await fire(() => isCovered(machine))
  // A reader looks for key files with each checkpoint, and one is written only where there is something new.
  await store.append('s0', [{ type: 'Usual' }])
  await store.checkpoint()
  await reader.refresh()
  t.ok((await bytesFor()) < before / 4, 'segments without the type are passed over')
  await reader.close()
  await store.close()
})

t.test('what is in memory is looked at once, in however many tables it is', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  const tagged = Array.from({ length: 1000 }, (_, n) => ({
    type: 'Usual',
    tags: Array.from({ length: 70 }, (_, i) => `${n} ${i}`),
  }))
  await store.append('first', [{ type: 'First' }])
  for (let i = 0; i < 2; i++) await store.append('s', tagged)
  t.equal(await newest(store, 'None'), -1)
  machine.files.record()
  for (let i = 0; i < 5; i++) t.equal(await newest(store, 'None'), -1)
  t.equal(await newest(store, 'First'), 0)
  t.ok(reads(machine).length < 3, `${reads(machine).length} reads`)
  await store.close()
})

t.test('more types than are remembered', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  for (let i = 0; i < 20; i++) {
    await store.append(
      's',
      Array.from({ length: 1000 }, (_, n) => ({ type: `T${1000 * i + n}` })),
    )
  }
  for (const n of [0, 19_999, 12_345, 16_384, 0]) t.equal(await newest(store, `T${n}`), n)
  t.equal(await newest(store, 'None'), -1)
  await store.append('s', [{ type: 'T7' }])
  t.equal(await newest(store, 'T7', 'T8'), 20_000)
  await store.close()
})
