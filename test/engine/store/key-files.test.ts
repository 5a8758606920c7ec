import t, { type Test } from 'tap'
import type { FileEventStore, NewEvent, OpenOptions } from '../../../engine/index.js'
import { KEY_BLOCK_BYTES } from '../../../engine/format/key-file.js'
import { KeyHasher } from '../../../engine/format/key-hash.js'
import { KeyFileWriter } from '../../../engine/keys/key-file-writer.js'
import { repair } from '../../../engine/recovery/repair.js'
import { parseKeyFileName } from '../../../engine/keys/key-names.js'
import { datas, TestMachine } from './test-machine.js'

const options: OpenOptions = {
  durability: 'os',
  limits: { logSegmentBytes: 4096, groupBytes: 4096, streamSegmentBytes: 100_000, indexIntervalBytes: 512 },
}
const COMMITS = 400

const eventsOf = (n: number): NewEvent[] => [
  { type: n % 50 === 0 ? 'Rare' : 'Usual', data: n, tags: [`n:${n}`, `tenth:${n % 10}`] },
  { type: 'Usual', data: -n },
]

/** Appends commits `from` … with an id each. */
async function fill(store: FileEventStore, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })
}

/** A closed store of some thirty log segments. */
async function filled(): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open(options)
  await fill(store, 0, COMMITS)
  await store.close()
  return machine
}

function keyFiles(machine: TestMachine): string[] {
  const names = machine.environment.files.list('/store/log')
  return names
    .filter((name) => parseKeyFileName(name) !== undefined)
    .sort()
    .map((name) => `/store/log/${name}`)
}

/** Every id is known, others are not, and queries find what they should. */
async function assertAnswers(t: Test, store: FileEventStore, stride = 1): Promise<void> {
  for (let n = 0; n < COMMITS; n += stride) {
    const { isRepeat, position } = await store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })
    if (isRepeat !== true || position !== 2 * n + 1) t.fail(`commit ${n} is not known`)
  }
  t.same(
    await datas(store.readAll({ query: { items: [{ tags: ['tenth:3', 'n:233'] }, { tags: ['n:8'] }] } })),
    [8, 233],
    'tags',
  )
  const rare = Array.from({ length: COMMITS / 50 }, (_, i) => 50 * i)
  t.same(await datas(store.readAll({ query: { items: [{ types: ['Rare'] }] } })), rare, 'types')
  const decide = (tag: string): Promise<unknown> =>
    store.append('x', [], { failIfEventsMatch: { items: [{ types: ['Rare'], tags: [tag] }] } })
  await t.rejects(decide('tenth:0'), { code: 'ERR_QUERY_CONFLICT', position: 2 * (COMMITS - 50) })
  await decide('tenth:1')
}

/** A store that a caller closes without having written: the files stay as the test made them. */
async function check(t: Test, machine: TestMachine, stride: number): Promise<void> {
  const store = await machine.open(options)
  await assertAnswers(t, store, stride)
  await store.close()
}

t.test('[C2] sealed log segments have key files, which are merged by eights', async (t) => {
  const machine = await filled()
  const files = keyFiles(machine)
  t.ok(machine.find('.log').length > 20)
  t.ok(files.some((path) => path.endsWith('.key1')))
  t.ok(files.filter((path) => path.endsWith('.key')).length < 8 + 2)
  t.ok(files.length < machine.find('.log').length / 2)
  t.same(machine.find('.new'), [])
  await check(t, machine, 1)
  const store = await machine.open(options)
  t.same((await store.verify()).findings, [])
  await store.close()
})

t.test('a store without commit ids and tags has no key files, and none from before the first', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open(options)
  for (let n = 0; n < 100; n++) await store.append('plain', [{ type: 'Plain', data: 'x'.repeat(100) }])
  await store.close()
  t.same(keyFiles(machine), [])
  store = await machine.open(options)
  machine.files.record()
  t.notOk((await store.append('a', [{ type: 'T' }], { commitId: 'first' })).isRepeat)
  t.same(
    machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.log')),
    [],
    'nothing is read for the first id',
  )
  await store.close()
  t.equal(keyFiles(machine).length, 1)
  store = await machine.open(options)
  t.ok((await store.append('a', [{ type: 'T' }], { commitId: 'first' })).isRepeat)
  await store.close()
})

t.test('[F3] key files that were deleted are made again, byte by byte, in the background', async (t) => {
  const machine = await filled()
  const singles = keyFiles(machine).filter((path) => path.endsWith('.key'))
  const before = singles.map((path) => machine.contents(path))
  for (const path of keyFiles(machine)) machine.remove(path)
  const waiting: (() => void)[] = []
  const store = await machine.open(options, {
    after: (_, callback) => {
      waiting.push(callback)
      return { cancel: () => undefined }
    },
  })
  await assertAnswers(t, store, 40)
  for (const callback of waiting.splice(0)) callback()
  const areMade = (): boolean => singles.every((path) => keyFiles(machine).includes(path))
  for (let i = 0; i < 2000 && !areMade(); i++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  await assertAnswers(t, store)
  await store.close()
  for (const [i, path] of singles.entries()) t.ok(machine.contents(path).equals(before[i]!), path)
})

t.test('[C2] [fault 49] no key file that is missing, short, torn or of another segment hides a commit', async (t) => {
  const machine = await filled()
  const files = keyFiles(machine)
  const originals = new Map(files.map((path) => [path, machine.contents(path)]))
  const restore = (): void => {
    for (const path of keyFiles(machine)) if (!originals.has(path)) machine.remove(path)
    for (const [path, bytes] of originals) machine.write(path, bytes)
  }
  const damages: [string, (bytes: Buffer, other: Buffer) => Buffer | undefined][] = [
    ['missing', () => undefined],
    ['empty', () => Buffer.alloc(0)],
    ['without its last block', (bytes) => bytes.subarray(0, -KEY_BLOCK_BYTES)],
    ['cut in its head', (bytes) => bytes.subarray(0, 130)],
    ['zeros', (bytes) => Buffer.alloc(bytes.length)],
    ['noise', (bytes) => Buffer.from(bytes.map((_, i) => (i * 7919) & 0xff))],
    ['that of another segment', (_, other) => other],
    [
      'zeros in its last block',
      (bytes) => Buffer.concat([bytes.subarray(0, -KEY_BLOCK_BYTES), Buffer.alloc(KEY_BLOCK_BYTES)]),
    ],
  ]
  for (const [name, damage] of damages) {
    t.comment(name)
    for (const [i, path] of files.entries()) {
      const made = damage(originals.get(path)!, originals.get(files[(i + 1) % files.length]!)!)
      if (made === undefined) machine.remove(path)
      else machine.write(path, made)
    }
    await check(t, machine, 7)
    restore()
  }
  for (const [path, bytes] of originals) {
    for (let bit = 0; bit < 8 * bytes.length; bit += 8 * 397 + 3) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      machine.write(path, flipped)
      await check(t, machine, 61)
    }
    restore()
  }
})

t.test('[fault 49] a key file with a right checksum that names other places is noticed and replaced', async (t) => {
  const machine = await filled()
  const storeId = machine.contents('/store/annals').subarray(20, 36)
  const hasher = new KeyHasher(storeId)
  const logs = machine.find('.log')
  for (const path of keyFiles(machine)) machine.remove(path)
  for (const [i, log] of logs.entries()) {
    const { base, epoch } = parseKeyFileName(`${log.slice(log.lastIndexOf('/') + 1, -4)}.key`)!
    const end = i + 1 < logs.length ? Number(logs[i + 1]!.slice(-31, -15)) : 2 * COMMITS
    const subject = { segments: [{ base, epoch }], lastBytes: machine.contents(log).length, end }
    const entries: [number, number, number][] = []
    for (let position = base + (base % 2); position < end; position += 2) {
      hasher.hashText(1, `c${position / 2}`)
      entries.push([hasher.high, hasher.low, position])
    }
    entries.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    const name = log.replace(/\.log$/, '.key')
    const writer = new KeyFileWriter(
      machine.environment.files,
      name,
      storeId,
      subject,
      entries.length,
      1e6,
      () => undefined,
    )
    for (const [high, low, position] of entries) writer.add(high, low, position, 97)
    await writer.finish()
  }
  const store = await machine.open(options)
  t.equal((await store.verify()).findings.filter(({ severity }) => severity === 'derived').length, logs.length)
  for (let n = 0; n < COMMITS; n++) {
    t.ok((await store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })).isRepeat)
  }
  await store.close()
})

t.test(
  '[C2] a new commit id costs no read in most cases, a known one a few, whatever the number of segments',
  async (t) => {
    const machine = await filled()
    const store = await machine.open(options)
    await store.append('x', [{ type: 'T' }], { commitId: 'opens the key files' })
    machine.files.record()
    for (let n = 0; n < 200; n++) await store.append('x', [{ type: 'T' }], { commitId: `new ${n}` })
    const reads = (): number => machine.files.trace!.filter(({ kind }) => kind === 'read').length
    t.ok(reads() < 100, `${reads()} reads for 200 new ids`)
    machine.files.record()
    for (let n = 0; n < 100; n++) await store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })
    t.ok(reads() < 1000, `${reads()} reads for 100 known ids`)
    await store.close()
  },
)

t.test(
  '[C2] a commit id in a damaged log segment without a key file makes appends with ids fail, and hides nothing',
  async (t) => {
    const machine = await filled()
    for (const path of keyFiles(machine)) machine.remove(path)
    const log = machine.find('.log')[3]!
    const bytes = machine.contents(log)
    bytes[bytes.length >> 1]! ^= 1
    machine.write(log, bytes)
    const store = await machine.open(options)
    await t.rejects(store.append('x', [{ type: 'T' }], { commitId: 'new' }), { code: 'ERR_CORRUPT', file: log })
    await store.append('x', [{ type: 'T' }])
    await store.close()
  },
)

t.test('[F3] a segment in which nothing stands has no key file, and verify asks for none', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open(options)
  let n = 0
  while (machine.find('.log').length < 2) await fill(store, n, ++n)
  const second = machine.find('.log')[1]!
  machine.files.setFaults({
    only: ({ kind, path }) => kind === 'write' && path.endsWith('.log') && path > second,
    ...{ failAt: 2, sticky: true, code: 'ENOSPC' },
  })
  await t.rejects(fill(store, n, n + 50), { code: 'ERR_NO_SPACE' }, 'no event gets into the third segment')
  machine.files.setFaults()
  await store.close().catch(() => undefined)
  t.equal(machine.find('.log').length, 3)

  store = await machine.open(options)
  await store.close()
  t.equal(machine.find('.log').length, 3, 'the empty one is still the last')
  t.notOk(keyFiles(machine).includes(machine.find('.log')[2]!.replace(/log$/, 'key')))
  store = await machine.open(options)
  t.same((await store.verify()).findings, [])
  await store.close()
})

t.test('[C2] [fault 45] the key file from before its segment was gone on in hides nothing', async (t) => {
  const machine = new TestMachine()
  const append = (store: FileEventStore, n: number): Promise<{ isRepeat?: true }> =>
    store.append('a', [{ type: 'T', data: n }], { commitId: `c${n}` })
  let store = await machine.open(options)
  for (let n = 0; n < 5; n++) await append(store, n)
  await store.close()
  const [path] = keyFiles(machine)
  const stale = machine.contents(path!)
  store = await machine.open(options)
  for (let n = 5; n < 10; n++) await append(store, n)
  await store.close()
  t.equal(machine.find('.log').length, 1, 'the segment was gone on in')
  machine.write(path!, stale)
  store = await machine.open(options)
  for (let n = 0; n < 10; n++) t.ok((await append(store, n)).isRepeat, `commit ${n}`)
  await store.close()
})

/** A machine whose timers run when the test says so. */
function timed(): { readonly changes: object; readonly fire: () => void } {
  const waiting: (() => void)[] = []
  const after = (_: number, callback: () => void): { cancel: () => void } => {
    waiting.push(callback)
    return { cancel: () => void waiting.splice(waiting.indexOf(callback), 1) }
  }
  const fire = (): void => {
    for (const callback of waiting.splice(0)) callback()
  }
  return { changes: { after }, fire }
}

async function turns(count = 300): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

t.test(
  '[C2] a segment that is gone on in is not merged, and what is before it stays known when it is full',
  async (t) => {
    const machine = new TestMachine()
    let store = await machine.open(options)
    let n = 0
    while (machine.find('.log').length < 8) await fill(store, n, ++n)
    await turns()
    await store.checkpoint()
    await store.close()
    const { changes, fire } = timed()
    store = await machine.open(options, changes)
    fire()
    await turns()
    t.same(machine.find('.key1'), [], 'the eighth segment is not complete')
    const before = n
    await fill(store, n, ++n)
    t.equal(machine.find('.log').length, 8, 'it is gone on in')
    while (machine.find('.log').length < 9) await fill(store, n, ++n)
    await turns()
    t.equal(machine.find('.key1').length, 1)
    for (let i = 0; i < before; i++) {
      const { isRepeat, position } = await store.append(`s${i % 9}`, eventsOf(i), { commitId: `c${i}` })
      if (isRepeat !== true || position !== 2 * i + 1) t.fail(`commit ${i} is not known`)
    }
    t.same(await datas(store.readAll({ query: { items: [{ tags: ['n:3'] }] } })), [3])
    await store.close()
  },
)

t.test('[C2] a key file that turns out to be wrong is made again while the store is open', async (t) => {
  const machine = await filled()
  const { changes, fire } = timed()
  const store = await machine.open(options, changes)
  await store.append('x', [{ type: 'T' }], { commitId: 'opens the key files' })
  fire()
  await turns()
  const [path] = machine.find('.key1')
  const bytes = machine.contents(path!)
  machine.write(path!, Buffer.concat([bytes.subarray(0, -KEY_BLOCK_BYTES), Buffer.alloc(KEY_BLOCK_BYTES)]))
  await assertAnswers(t, store)
  fire()
  await turns()
  t.ok(machine.contents(path!).equals(bytes), 'as it was')
  machine.files.record()
  await assertAnswers(t, store, 40)
  const reads = machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.log'))
  t.ok(reads.length < 200, `${reads.length} reads of the log`)
  await store.close()
})

t.test('[C2] a few segments without key files are read once, not for each question', async (t) => {
  const machine = await filled()
  for (const path of machine.find('.key').slice(-3)) machine.remove(path)
  const store = await machine.open(options, timed().changes)
  await store.append('x', [{ type: 'T' }], { commitId: 'reads what has no key file' })
  machine.files.record()
  for (let n = 0; n < 100; n++) await store.append('x', [{ type: 'T' }], { commitId: `new ${n}` })
  const reads = machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.log'))
  t.ok(reads.length < 10, `${reads.length} reads of the log`)
  await store.close()
})

t.test('[C2] an event that was read for its keys and is damaged since makes an append with its id fail', async (t) => {
  const machine = await filled()
  for (const path of keyFiles(machine)) machine.remove(path)
  const store = await machine.open(options, timed().changes)
  await store.append('x', [{ type: 'T' }], { commitId: 'reads what has no key file' })
  const log = machine.find('.log').at(-2)!
  const bytes = machine.contents(log)
  const n = Math.ceil(Number(log.slice(-31, -15)) / 2) + 1
  bytes[bytes.indexOf(`c${n}`)]! ^= 1
  machine.write(log, bytes)
  const again = store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })
  await t.rejects(again, { code: 'ERR_CORRUPT', file: log })
  await t.rejects(store.append('x', [], { failIfEventsMatch: { items: [{ tags: [`n:${n}`] }] } }), {
    code: 'ERR_CORRUPT',
    file: log,
  })
  await store.close()
})

for (const [what, only, code] of [
  ['cannot be created', { kind: 'open', suffix: '.new' }, 'ENOSPC'],
  ['cannot be written', { kind: 'write', suffix: '.new' }, 'ENOSPC'],
  ['cannot be synced', { kind: 'sync', suffix: '.new' }, 'EIO'],
  ['cannot be renamed', { kind: 'rename', suffix: '.new' }, 'EXDEV'],
  ['cannot be removed', { kind: 'remove', suffix: '' }, 'EBUSY'],
  ['cannot be read', { kind: 'read', suffix: '.key' }, 'EIO'],
] as const) {
  t.test(
    `[C2] [fault 21] [fault 24] [fault 34] a key file ${what}: no append is harmed, and no commit hidden`,
    async (t) => {
      const machine = new TestMachine()
      const { changes, fire } = timed()
      let store = await machine.open(options, changes)
      const isKeyFile = (path: string): boolean => /\.key\d?(\.new)?$/.test(path)
      machine.files.setFaults({
        only: ({ kind, path }) => kind === only.kind && isKeyFile(path) && path.endsWith(only.suffix),
        ...{ failAt: 1, sticky: true, code },
      })
      await fill(store, 0, COMMITS)
      fire()
      await turns()
      await assertAnswers(t, store, 3)
      t.ok(machine.files.failures > 3 || only.kind === 'remove', `${machine.files.failures} failures`)
      machine.files.setFaults()
      for (let n = 0; n < 60; n++) {
        await store.append('y', [{ type: 'Other', data: 'x'.repeat(90) }], { commitId: `more ${n}` })
      }
      // Merging takes as many turns as the machine is slow, and time passes. Fewer than eight stay on each side of those merged first.
      const most = 16 + (only.kind === 'remove' ? 30 : 0)
      const areMade = (): boolean => machine.find('.key').length > 0 && machine.find('.key').length < most
      for (let wait = 0; wait < 100 && !areMade(); wait++) {
        fire()
        await turns()
      }
      t.ok(areMade(), 'made when the disk takes them again')
      await store.close()
      t.same(machine.files.openFiles, [])
      store = await machine.open(options)
      await assertAnswers(t, store)
      t.same((await store.verify()).findings, [])
      await store.close()
    },
  )
}

t.test('[C2] [fault 49] repair sets a wrong key file aside, and nothing is hidden', async (t) => {
  const machine = await filled()
  const path = machine.find('.key1')[0]!
  const bytes = machine.contents(path)
  bytes[bytes.length - KEY_BLOCK_BYTES + 20]! ^= 1
  machine.write(path, bytes)
  const report = await repair(machine.environment, '/store', {})
  t.match(report, { ok: true, failures: [], after: { findings: [] } })
  t.ok(report.actions.some(({ file, aside }) => file === path && aside !== undefined))
  t.notOk(machine.find('.key1').includes(path))
  await check(t, machine, 3)
})

for (const reindexed of [true, false]) {
  const files = reindexed ? 'made again since' : 'of the time before'
  t.test(
    `[C2] [fault 47] of a log segment that is gone no commit is unknown and no query silent: key files ${files}`,
    async (t) => {
      const logs = (await filled()).find('.log')
      for (const [i, name] of [
        [0, 'the first'],
        [1, 'the second'],
        [Math.floor(logs.length / 2), 'one in the middle'],
      ] as const) {
        const machine = await filled()
        machine.remove(logs[i]!)
        if (reindexed) for (const path of keyFiles(machine)) machine.remove(path)
        const store = await machine.open(options)
        const first = Number(/(\d{16})-/.exec(logs[i]!)![1])
        const n = Math.ceil(first / 2) + 1
        const damaged = { code: 'ERR_CORRUPT', message: /missing/ }
        const repeat = store.append(`s${n % 9}`, eventsOf(n), { commitId: `c${n}` })
        await t.rejects(repeat, damaged, `${name}: its commits are not taken for new ones`)
        const query = { items: [{ tags: [`n:${n}`] }] }
        await t.rejects(datas(store.readAll({ query })), damaged, `${name}: a query`)
        await t.rejects(datas(store.readAll({ commitId: `c${n}` })), damaged, `${name}: a commit`)
        const decision = { failIfEventsMatch: query, after: -1 }
        await t.rejects(store.append('x', [{ type: 'T', data: 1 }], decision), damaged, `${name}: a decision`)
        // What is known of others is told all the same, if it was appended behind.
        const last = await store.append(`s${(COMMITS - 1) % 9}`, eventsOf(COMMITS - 1), { commitId: `c${COMMITS - 1}` })
        t.equal(last.isRepeat, true)
        t.equal((await store.append('x', [{ type: 'T', data: 1 }])).version, 1, 'appends without conditions go on')
        await store.close().catch(() => undefined)
      }
    },
  )
}
