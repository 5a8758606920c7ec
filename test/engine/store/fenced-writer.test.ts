/**
 * A writer that lost the store without knowing it, and goes on with what it had begun: it takes nothing away from its successor, and what
 * it meets there is not called damage.
 */
import t from 'tap'
import type { FileEventStore, NewEvent } from '../../../engine/index.js'
import { streamKey } from '../../../engine/format/names.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { Slabs } from '../../../engine/segment/slabs.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { StreamFlusher } from '../../../engine/streams/stream-flush.js'
import { StreamState } from '../../../engine/streams/stream-state.js'
import { defaultLimits } from '../../../engine/limits.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession, STORE_PATH } from '../../support/crash-workload.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const event = (n: number): NewEvent => ({ type: 'T', data: { n, text: 'x'.repeat(60) } })

async function appendSome(store: FileEventStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await store.append('a', [event(i), event(i)])
}

async function versionOf(store: FileEventStore, stream: string): Promise<number> {
  let count = 0
  for await (const { offset } of store.readStream(stream)) if (offset === count) count++
  return count
}

t.test('[fault 71] [F4] what a successor has written is no damage to the writer that lost the store', async (t) => {
  const disk = new CrashDisk()
  const before = await openSession(disk, 1)
  await appendSome(before.store, 3)
  await before.store.close()

  const first = await openSession(disk, 2)
  const second = await openSession(disk, 3)
  await appendSome(second.store, 3)
  await second.store.checkpoint()
  await t.rejects(first.store.append('a', [event(0)]), { code: 'ERR_LOCK_LOST' })
  await t.rejects(first.store.streamInfo('a'), { code: 'ERR_LOCK_LOST' })
  await first.store.close().catch(() => undefined)
  t.equal(await versionOf(second.store, 'a'), 12)
  await second.store.close()
})

t.test('[fault 71] [F4] a writer that lost the store removes no segment that its successor has begun', async (t) => {
  const disk = new CrashDisk()
  const before = await openSession(disk, 1)
  await appendSome(before.store, 20)
  const killed = disk.crash('kill', 1)

  const first = await openSession(killed, 2)
  t.equal(await versionOf(first.store, 'a'), 40)
  const second = await openSession(killed, 3)
  await appendSome(second.store, 20)
  await second.store.checkpoint()
  // What the first had put off: it makes durable what it has inherited, and clears away what is left over.
  for (let i = 0; i < 20; i++) {
    first.process.advance(600)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  await first.store.close().catch(() => undefined)

  await appendSome(second.store, 1)
  await second.store.flush()
  t.equal(await versionOf(second.store, 'a'), 82)
  const { findings } = await second.store.verify()
  t.same(findings, [])
  await second.store.close()
})

t.test('[fault 71] [F4] nor the copy that its successor is making of an unfinished segment', async (t) => {
  const disk = new CrashDisk()
  const session = await openSession(disk, 1)
  await appendSome(session.store, 1)
  await session.store.close()
  const key = streamKey('a')
  const streams = new StreamDirectory(disk, `${STORE_PATH}/streams`, Buffer.alloc(16), true)
  const path = streams.segmentPath(key, 0)
  disk.open(`${path}.new`, 'create').close()
  const copy = disk.stat(`${path}.new`)

  const handles = new ReadHandles(disk, 4)
  const lost = (): void => {
    throw new Error('lost')
  }
  const flusher = new StreamFlusher(streams, handles, new Slabs(1024, handles), new ShapeTable(), defaultLimits, lost)
  const state = new StreamState(key, 2)
  state.last = { base: 0, bytes: 100, unfinished: true, shapes: [], index: undefined }
  await t.rejects(flusher.renew(state), { message: 'lost' })
  t.same(disk.stat(`${path}.new`), copy)
  handles.close()
})

t.test(
  '[fault 71] [F4] before a file is replaced the fence is looked at, whatever was seen a moment ago',
  async (t) => {
    const disk = new CrashDisk()
    const session = await openSession(disk, 1)
    await appendSome(session.store, 1)
    await session.store.close()
    const key = streamKey('a')
    const streams = new StreamDirectory(disk, `${STORE_PATH}/streams`, Buffer.alloc(16), true)
    const handles = new ReadHandles(disk, 4)
    const asked: boolean[] = []
    const fence = (surely: boolean): void => void asked.push(surely)
    const flusher = new StreamFlusher(
      streams,
      handles,
      new Slabs(1024, handles),
      new ShapeTable(),
      defaultLimits,
      fence,
    )
    const state = new StreamState(key, 2)
    state.last = { base: 0, bytes: 100, unfinished: true, shapes: [], index: undefined }
    await flusher.renew(state)
    t.same(
      asked,
      [true, true],
      'before what was left there is removed, and before the copy takes the place of the old one',
    )
    handles.close()
  },
)

t.test('[fault 71] [F4] whatever fails for a writer that lost the store, it is told that it lost it', async (t) => {
  const disk = new CrashDisk()
  const files = new FaultyFileSystem(disk)
  const first = await openSession(files, 1)
  await appendSome(first.store, 1)
  const size = (): number => disk.list(`${STORE_PATH}/log`).reduce((sum, name) => sum + sizeOf(disk, name), 0)
  files.setFaults({ only: ({ kind }) => kind === 'write', failAt: 1, code: 'ENOSPC', effect: 'whole' })
  files.pause()
  const waiting = first.store.append('a', [event(1)], { durability: 'os' })
  const refused = t.rejects(waiting, { code: 'ERR_LOCK_LOST' })
  const second = await openSession(disk, 2)
  const before = size()
  files.resume()
  await refused
  t.equal(size(), before, 'and cuts nothing off that may have been accepted')
  await first.store.close().catch(() => undefined)
  await second.store.close()
})

function sizeOf(disk: CrashDisk, name: string): number {
  return disk.stat(`${STORE_PATH}/log/${name}`)?.size ?? 0
}
