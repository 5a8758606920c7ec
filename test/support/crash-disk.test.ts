/** The simulated disk itself: what it keeps, drops and tears is what all suites that stand on it prove. */
import t from 'tap'
import type { FileHandle } from '../../engine/io/file-system.js'
import { CrashDisk } from './crash-disk.js'
import type { CrashMode } from './disk-state.js'

const sync = (handle: FileHandle): Promise<void> => new Promise((resolve) => handle.sync(() => resolve()))
const syncFolder = (disk: CrashDisk): Promise<void> =>
  new Promise((resolve) => disk.syncDirectory('/', () => resolve()))

function put(handle: FileHandle, text: string, at: number): void {
  handle.writeSync(Buffer.from(text), 0, text.length, at)
}

function contents(disk: CrashDisk, path: string): string | undefined {
  if (disk.stat(path) === undefined) return undefined
  const handle = disk.open(path, 'read')
  const bytes = Buffer.alloc(handle.size())
  handle.readSync(bytes, 0, bytes.length, 0)
  handle.close()
  return bytes.toString('latin1')
}

/** What a file may hold after many crashes. */
function outcomes(disk: CrashDisk, mode: CrashMode, path: string, steps?: number): Set<string | undefined> {
  return new Set(Array.from({ length: 200 }, (_, seed) => contents(disk.crash(mode, seed, steps), path)))
}

t.test('a name, and bytes, are durable once they were synced, and may be lost before', async (t) => {
  const disk = new CrashDisk()
  const handle = disk.open('/f', 'create')
  put(handle, 'one', 0)
  t.same(outcomes(disk, 'kill', '/f'), new Set(['one']))
  t.same(outcomes(disk, 'minimal', '/f'), new Set([undefined]))
  await syncFolder(disk)
  t.same(outcomes(disk, 'minimal', '/f'), new Set(['']), 'a name without its bytes')
  await sync(handle)
  put(handle, 'two', 0)
  t.same(outcomes(disk, 'minimal', '/f'), new Set(['one']))
  t.same(outcomes(disk, 'strict', '/f'), new Set(['one', 'two']))
})

t.test('power cuts tear at sectors, keep sizes without bytes, and show what blocks held before', async (t) => {
  const disk = new CrashDisk()
  const handle = disk.open('/f', 'create')
  await syncFolder(disk)
  put(handle, 'x'.repeat(1024), 0)
  const kinds = new Set(
    [...outcomes(disk, 'strict', '/f')].map((text) =>
      text!
        .replace(/x{512}/g, 'X')
        .replace(/\0{512}/g, '0')
        .replace(/[^X0]+/g, '?'),
    ),
  )
  for (const kind of ['', 'XX', 'X0', '0X', '00']) t.ok(kinds.has(kind), `"${kind}" may be left`)
  t.ok(
    [...kinds].some((kind) => kind.includes('?')),
    'what the blocks held before may be left',
  )
  t.notOk(
    [...outcomes(disk, 'ordered', '/f')].some((text) => /[^x\0]/.test(text!)),
    'but not with ordered metadata',
  )
})

t.test('a kill stops writes under way at any byte, and no others', (t) => {
  const disk = new CrashDisk()
  const handle = disk.open('/f', 'create')
  put(handle, 'abc', 0)
  handle.write(Buffer.from('defghi'), 0, 6, 3, () => {
    t.same(outcomes(disk, 'torn', '/f'), new Set(['abcdefghi']), 'it is over')
    t.end()
  })
  const found = outcomes(disk, 'torn', '/f')
  for (const text of found) t.ok('abcdefghi'.startsWith(text!) && text!.length >= 3, `"${text}"`)
  t.equal(found.size, 7)
})

t.test('a sync covers neither what was written while it ran nor what was under way when it began', async (t) => {
  const disk = new CrashDisk()
  const handle = disk.open('/f', 'create')
  await syncFolder(disk)
  await new Promise<void>((resolve) => {
    handle.write(Buffer.from('a'), 0, 1, 0, () => undefined)
    handle.sync(() => resolve())
    put(handle, 'b', 1)
  })
  t.same(outcomes(disk, 'minimal', '/f'), new Set(['']))
})

t.test('what a failed sync has given up stays readable and never reaches the disk', async (t) => {
  const disk = new CrashDisk()
  const handle = disk.open('/f', 'create')
  await syncFolder(disk)
  put(handle, 'lost', 0)
  disk.lose('/f')
  t.equal(contents(disk, '/f'), 'lost')
  await sync(handle)
  t.same(outcomes(disk, 'minimal', '/f'), new Set(['']), 'a second sync has nothing left to write')
  put(handle, 'kept', 0)
  await sync(handle)
  t.same(outcomes(disk, 'minimal', '/f'), new Set(['kept']))
})

t.test('[fault 21] a disk that is full takes a part of a write, and then nothing', (t) => {
  const disk = new CrashDisk(undefined, { space: 10 })
  const handle = disk.open('/f', 'create')
  t.equal(handle.writeSync(Buffer.alloc(16), 0, 16, 0), 10)
  t.throws(() => handle.writeSync(Buffer.alloc(6), 0, 6, 10), { code: 'ENOSPC' })
  t.equal(handle.writeSync(Buffer.alloc(4), 0, 4, 0), 4, 'what stands there can be written over')
  t.end()
})

t.test('images share their bytes and do not disturb each other', (t) => {
  const disk = new CrashDisk()
  put(disk.open('/f', 'create'), 'one', 0)
  const [a, b] = [disk.crash('kill', 0), disk.crash('kill', 0)]
  t.equal(a.digest(), b.digest())
  put(a.open('/f', 'write'), 'two', 0)
  t.same([contents(disk, '/f'), contents(a, '/f'), contents(b, '/f')], ['one', 'two', 'one'])
  t.not(a.digest(), b.digest())
  t.end()
})
