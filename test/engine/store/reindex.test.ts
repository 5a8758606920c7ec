import t, { type Test } from 'tap'
import { decodeEntries } from '../../../engine/format/sparse-index.js'
import { windowOf } from '../../../engine/format/frame.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import type { OpenOptions, StoredEvent } from '../../../engine/index.js'
import { verify } from '../../../engine/recovery/verify.js'
import { openReadOnly, openStore } from '../../../engine/store/open-store.js'
import { reindex, type ReindexProgress } from '../../../engine/store/reindex.js'
import { collect } from '../../contract/contract-support.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { crashEach } from '../../support/crash-each.js'
import { simulatedProcess } from '../../support/crash-environment.js'
import { type Image, imageOf, put, restore, STORE } from '../recovery/verify-support.js'
import { numbered } from './test-machine.js'

const LIMITS = { logSegmentBytes: 4096, indexIntervalBytes: 256, dirtyBytes: 4096 }
const OPTIONS: OpenOptions = { limits: LIMITS }

/** Log segments with tags and commit ids, enough of them that their key files are merged, and a stream that has an index. */
async function fill(environment: Environment, commits: number, wide = 0): Promise<void> {
  const store = await openStore(environment, STORE, OPTIONS)
  for (let i = 0; i < commits; i++) {
    const events = numbered(1 + (i % 3), i).map((event) => ({ ...event, tags: [`t:${i % 4}`] }))
    if (i % 4 === 0) await store.append(`s-${i % 5}`, events, { commitId: `c-${store.stats().events}` })
    else await store.append(`s-${i % 5}`, events)
  }
  // The file of a long name has only its beginning.
  const name = `long-${'ü'.repeat(100)}`
  for (let i = 0; i < wide; i++) await store.append(name, [{ type: 'Wide', data: { text: 'x'.repeat(1000), i } }])
  await store.checkpoint()
  await store.close()
}

async function filled(commits = 60, wide = 80): Promise<{ environment: Environment; image: Image }> {
  const environment = memoryEnvironment()
  await fill(environment, commits, wide)
  return { environment, image: imageOf(environment.files) }
}

const isTruth = (path: string): boolean => path.endsWith('.log') || path.endsWith('.seg') || path.endsWith('/annals')
/** Made from segments only: how a store was opened before does not show in it. */
const isIndex = (path: string): boolean => /\.(?:idx|tab|key\d?)$/.test(path)

function only(image: Image, wanted: (path: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    [...image]
      .filter(([path]) => wanted(path))
      .map(([path, bytes]): [string, string] => [path, bytes.toString('hex')])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

async function eventsOf(environment: Environment): Promise<StoredEvent[]> {
  const store = await openReadOnly(environment, STORE, { readOnly: true, limits: LIMITS })
  const events = await collect(store.readAll())
  await store.close()
  return events
}

async function assertSound(t: Test, environment: Environment, what: string): Promise<void> {
  const { ok, findings } = await verify(environment, STORE, { limits: LIMITS })
  t.same({ ok, findings }, { ok: true, findings: [] }, `${what}: verify finds nothing`)
}

t.test('[L1] [F3] what is derived is made again, the same, of whatever stands there', async (t) => {
  const { environment, image } = await filled()
  const settled = imageOf(environment.files)
  const first = await reindex(environment, STORE, { limits: LIMITS })
  const made = imageOf(environment.files)
  t.same(only(made, isTruth), only(image, isTruth), 'no event was touched')
  t.same(Object.keys(only(made, isIndex)), Object.keys(only(settled, isIndex)))
  t.ok(first.logIndexes > 10 && first.streamIndexes === 1 && first.keyFiles > 1, JSON.stringify(first))
  t.ok(
    [...made.keys()].some((path) => path.endsWith('.key1')),
    'key files of eight segments were merged',
  )
  await assertSound(t, environment, 'of a sound store')

  const wanted = only(made, isIndex)
  const shorten = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 5)
  const others = [...made].filter(([path]) => isIndex(path))
  const spoilt: Record<string, (image: Map<string, Buffer>) => void> = {
    'none of it is there': (all) => {
      for (const path of all.keys()) if (!isTruth(path) && !path.includes('/epoch/')) all.delete(path)
    },
    'all of it is empty': (all) => {
      for (const path of all.keys()) if (isIndex(path)) all.set(path, Buffer.alloc(0))
    },
    'all of it is cut short': (all) => {
      for (const [path, bytes] of all) if (isIndex(path)) all.set(path, shorten(bytes))
    },
    'each file has what is in another': (all) => {
      for (const [i, [path]] of others.entries()) all.set(path, others[(i + 1) % others.length]![1])
    },
    'files stand beside no segment, and halves of files': (all) => {
      for (const suffix of ['.idx', '.tab', '.key', '.idx.new', '.key3.new']) {
        all.set(`${STORE}/log/0000000000009999-0000000001${suffix}`, others[0]![1])
      }
      all.set(`${STORE}/streams/00/nobody@0000000000000000.idx`, others[0]![1])
      all.set(`${STORE}/streams/00/s@0000000000000000.idx.new`, others[0]![1])
    },
  }
  for (const [what, spoil] of Object.entries(spoilt)) {
    const changed = new Map(made)
    spoil(changed)
    const again = restore(changed)
    const { removed } = await reindex(again, STORE, { limits: LIMITS })
    t.equal(removed, what.startsWith('files stand') ? 6 : 0, `${what}: taken away`)
    const now = imageOf(again.files)
    // Without a checkpoint, opening ends the last log segment with the empty next one.
    const isNew = (path: string): boolean => !made.has(path) && path.includes('/log/0000000000000200-')
    t.same(
      only(now, (path) => isIndex(path) && !isNew(path)),
      wanted,
      what,
    )
    t.same(
      only(now, (path) => isTruth(path) && !isNew(path)),
      only(image, isTruth),
      `${what}: no event was touched`,
    )
    await assertSound(t, again, what)
  }
})

t.test('a store keyed from its beginning, because it is decided by types alone, stays so', async (t) => {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, OPTIONS)
  for (let i = 0; i < 60; i++) await store.append(`s-${i % 3}`, numbered(2, i))
  await store.append('s-0', numbered(1, 0), { failIfEventsMatch: { items: [{ types: ['Never'] }] } })
  await store.checkpoint()
  await store.close()
  const keyFiles = (): string[] => [...imageOf(environment.files).keys()].filter((path) => path.includes('.key')).sort()
  // Each closing makes one of those that are missing.
  for (let i = 0; i < 20; i++) {
    const again = await openStore(environment, STORE, OPTIONS)
    await again.append('s-0', numbered(1, 0), { failIfEventsMatch: { items: [{ types: ['Never'] }] } })
    await again.close()
  }
  const before = keyFiles()
  t.ok(before.length > 2, before.join())
  await reindex(environment, STORE, { limits: LIMITS })
  t.same(keyFiles(), before)
  await assertSound(t, environment, 'keyed from its beginning')
})

t.test('indexes of another density', async (t) => {
  const { environment, image } = await filled()
  const entriesOf = (path: string): number => {
    const bytes = imageOf(environment.files).get(path)!
    return decodeEntries(windowOf(bytes), bytes.readUInt32LE(12), bytes.length, bytes.readUInt32LE(16))!.length
  }
  const paths = [...image.keys()].filter((path) => path.endsWith('.idx'))
  const stream = paths.find((path) => path.includes('/streams/'))!
  await reindex(environment, STORE, { limits: LIMITS })
  const before = paths.map(entriesOf)
  const inStream = entriesOf(stream)
  await reindex(environment, STORE, { limits: { ...LIMITS, indexIntervalBytes: 2048 } })
  t.ok(paths.map(entriesOf).every((count, i) => count > 0 && count <= Math.ceil(before[i]! / 2)))
  t.ok(entriesOf(stream) > 10 && entriesOf(stream) < inStream / 1.5, `${entriesOf(stream)}, ${inStream} before`)
  await assertSound(t, environment, 'thin')
  await reindex(environment, STORE, { limits: LIMITS })
  t.same(paths.map(entriesOf), before)
  await t.rejects(reindex(environment, STORE, { limits: { indexIntervalBytes: 1 } }), { code: 'ERR_INVALID_ARGUMENT' })
})

t.test('a store without events, and one that was killed', async (t) => {
  const environment = memoryEnvironment()
  await (await openStore(environment, STORE, OPTIONS)).close()
  t.match(await reindex(environment, STORE), { logIndexes: 0, keyFiles: 0, verified: { ok: true, events: 0 } })

  const store = await openStore(environment, STORE, OPTIONS)
  for (let i = 0; i < 400; i++) await store.append(`s-${i}`, numbered(1, i)) // more than closing settles
  const killed = restore(imageOf(environment.files))
  await store.close()
  const events = await eventsOf(environment)
  for (const [what, left] of [
    ['closed with streams that are not settled', environment],
    ['killed', killed],
  ] as const) {
    const { verified } = await reindex(left, STORE, { limits: LIMITS })
    t.same({ ok: verified.ok, findings: verified.findings }, { ok: true, findings: [] }, what)
    await assertSound(t, left, what)
    t.same(await eventsOf(left), events, what)
    const writer = await openStore(left, STORE, OPTIONS)
    t.match(await writer.append('s-0', numbered(1, 1)), { firstOffset: 1, position: events.length })
    await writer.close()
  }
})

t.test('[F4] beside a writer it is refused, and nothing is changed', async (t) => {
  const { environment } = await filled(20, 0)
  const store = await openStore(environment, STORE, OPTIONS)
  const before = imageOf(environment.files)
  await t.rejects(reindex(environment, STORE), { code: 'ERR_LOCKED' })
  t.same(imageOf(environment.files), before)
  await store.close()
  await t.rejects(reindex(environment, '/nowhere'), { code: 'ERR_NOT_FOUND' })
})

t.test('[U3] of a damaged store nothing is made: what is left of it may be all that tells of the damage', async (t) => {
  const { image } = await filled()
  for (const suffix of ['.log', '.seg']) {
    const [path, bytes] = [...image].find(([name, contents]) => name.endsWith(suffix) && contents.length > 2000)!
    const damaged = Buffer.from(bytes)
    damaged[1000]! ^= 1
    const environment = restore(new Map(image).set(path, damaged))
    const before = only(imageOf(environment.files), (name) => isTruth(name) || isIndex(name))
    await t.rejects(reindex(environment, STORE, { limits: LIMITS }), { code: 'ERR_CORRUPT', file: path })
    t.same(
      only(imageOf(environment.files), (name) => isTruth(name) || isIndex(name)),
      before,
    )
  }
  // The checkpoint alone tells that the log went on.
  const last = [...image.keys()].filter((path) => path.endsWith('.log')).at(-1)!
  const cut = new Map(image)
  cut.delete(last)
  await t.rejects(reindex(restore(cut), STORE, { limits: LIMITS }), { code: 'ERR_CORRUPT', file: last })
})

t.test('[R10] a signal ends it between two files, and the store is sound', async (t) => {
  const { image } = await filled()
  const phases: string[] = []
  let calls = 0
  const count = restore(image)
  let last: ReindexProgress | undefined
  await reindex(count, STORE, {
    limits: LIMITS,
    onProgress(progress) {
      calls++
      if (phases.at(-1) !== progress.phase) phases.push(progress.phase)
      else if (progress.bytes < last!.bytes) t.fail('progress goes back')
      if (progress.bytes > progress.totalBytes) t.fail('more is done than there is')
      last = progress
    },
  })
  t.same(phases, ['verify', 'rebuild', 'verify'])
  t.equal(last!.bytes, last!.totalBytes)
  for (let end = 0; end < calls; end += Math.ceil(calls / 6)) {
    const environment = restore(image)
    const controller = new AbortController()
    let seen = 0
    const onProgress = (): void => {
      if (seen++ === end) controller.abort(new Error('enough'))
    }
    await t.rejects(reindex(environment, STORE, { limits: LIMITS, signal: controller.signal, onProgress }), {
      message: 'enough',
    })
    await assertSound(t, environment, `ended after ${end} of ${calls}`)
    await (await openStore(environment, STORE, OPTIONS)).close() // the lock is free
  }
})

t.test('[fault 1] [fault 2] [fault 3] interrupted anywhere, no event is lost, and it can be run again', async (t) => {
  const disk = new CrashDisk()
  await fill(simulatedProcess(disk, 3).environment, 24)
  const events = JSON.stringify(await eventsOf(simulatedProcess(disk, 3).environment))
  // What it is for: everything derived is wrong.
  const { files } = simulatedProcess(disk, 3).environment
  const truth = only(imageOf(files), isTruth)
  for (const [path, bytes] of imageOf(files)) if (isIndex(path)) put(files, path, bytes.subarray(0, 60))
  const same = async (environment: Environment, where: string): Promise<void> => {
    const now = JSON.stringify(await eventsOf(environment))
    if (now !== events) t.equal(now, events, `${where}: the events`)
    const kept = only(imageOf(environment.files), (path) => path in truth)
    if (JSON.stringify(kept) !== JSON.stringify(truth)) t.same(kept, truth, `${where}: the segments`)
  }
  const { crashes, steps } = await crashEach(disk, {
    stride: 2,
    work: (environment) => reindex(environment, STORE, { limits: LIMITS }),
    async interrupted(environment, where) {
      await same(environment, where)
      const { ok, findings } = await verify(environment, STORE, { limits: LIMITS })
      if (!ok) t.same(findings, [], `${where}: no damage`)
      const store = await openStore(environment, STORE, OPTIONS)
      if (store.recovery.damage !== undefined) t.equal(store.recovery.damage, undefined, where)
      await store.close()
    },
    async again(environment, where) {
      await same(environment, where)
      const { findings } = await verify(environment, STORE, { limits: LIMITS })
      if (findings.length > 0) t.same(findings, [], `${where}: run again, it is sound`)
    },
  })
  t.ok(crashes > 0, `${crashes} crashes in ${steps} steps`)
})
