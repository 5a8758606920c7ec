import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import {
  AnnalsError,
  defaultLimits,
  type FileEventStore,
  openEventStore,
  type OpenOptions,
  StoreLockedError,
} from '../../../engine/index.js'
import { CHECKPOINT_FILE } from '../../../engine/format/checkpoint.js'
import { parseLogFileName, streamKey } from '../../../engine/format/names.js'

const ENGINE = new URL('../../../engine/index.js', import.meta.url).href
const STREAMS = ['order-1', 'order-2', 'customer-7']
const NOBODY = 65_534
const HERE = { code: 'ERR_LOCKED', pid: process.pid, host: hostname() }

/** All that stands in a folder: kind, mode and contents by path. Without the paths that begin as one of `without`. */
function digest(folder: string, without: readonly string[] = []): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (without.some((start) => name === start || name.startsWith(`${start}/`))) continue
    const path = join(folder, name)
    const stat = lstatSync(path)
    const contents = stat.isSymbolicLink() ? readlinkSync(path) : stat.isFile() ? readFileSync(path) : ''
    found[name] = `${stat.mode.toString(8)} ${createHash('sha256').update(contents).digest('hex')}`
  }
  return found
}

/** A folder `world` with a closed store in it and something beside it. Its disk is that of the tests, or `/tmp`. */
async function closedStore(t: Test, folder = t.testdir()): Promise<{ world: string; directory: string }> {
  const world = join(folder, 'world')
  const directory = join(world, 'store')
  mkdirSync(world)
  writeFileSync(join(world, 'beside.txt'), 'beside')
  const store = await openEventStore(directory, { durability: 'os' })
  for (const stream of STREAMS) await store.append(stream, [{ type: 'T', data: { stream } }])
  await store.flush()
  await store.close()
  return { world, directory }
}

async function readOne(store: FileEventStore, stream: string): Promise<void> {
  for await (const event of store.readStream(stream, { limit: 1 })) {
    if (event.stream !== stream) throw new Error('another stream')
  }
}

async function contents(store: FileEventStore): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const event of store.readAll()) found.push(event.data)
  for (const stream of STREAMS) {
    for await (const event of store.readStream(stream)) found.push(event.data)
  }
  return found
}

const EXPECTED = [...STREAMS, ...STREAMS].map((stream) => ({ stream }))

/** The store opens, holds what it held, and can be written to. */
async function assertWhole(t: Test, directory: string): Promise<void> {
  const store = await openEventStore(directory, { create: false })
  t.same(await contents(store), EXPECTED)
  await store.append('later', [{ type: 'T', data: null }])
  await store.close()
}

/** Opening fails with an error of annals, says what is wrong, and leaves the world as it is. */
async function assertRefused(
  t: Test,
  world: string,
  open: () => Promise<FileEventStore>,
  expected: { code: string; message?: RegExp },
  without: readonly string[] = [],
): Promise<void> {
  const before = digest(world, without)
  const error = await t.rejects(open(), expected)
  t.ok(error instanceof AnnalsError, 'typed')
  t.same(digest(world, without), before, 'nothing was changed')
}

interface Answer {
  readonly opened?: boolean
  readonly typed?: boolean
  readonly code?: string
  readonly message?: string
  readonly cause?: string
  readonly pid?: number
  readonly host?: string
  readonly events?: number
}

const report = (directory: string, options: OpenOptions): string => `
  const name = ${JSON.stringify(ENGINE)}
  const answer = import(name).then(async ({ openEventStore, AnnalsError }) => {
    try {
      const store = await openEventStore(${JSON.stringify(directory)}, ${JSON.stringify(options)})
      let events = 0
      for await (const event of store.readAll()) events++
      await store.append('child', [{ type: 'T', data: 'from the child' }])
      await store.flush()
      await store.close()
      return { opened: true, events }
    } catch (error) {
      const { code, message, cause, pid, host } = error
      return { opened: false, typed: error instanceof AnnalsError, code, message, cause: cause?.code, pid, host }
    }
  })`

/** Opens in another process, as another user or behind a command, and returns how that went. */
function openElsewhere(
  directory: string,
  options: OpenOptions = {},
  as: { uid?: number; gid?: number; before?: string; command?: readonly string[] } = {},
): Answer {
  const code = `${as.before ?? ''};${report(directory, options)};answer.then((found) => console.log(JSON.stringify(found)))`
  const words = [...(as.command ?? []), process.execPath, '-e', code]
  const command = words.shift()!
  const { uid, gid } = as
  const child = spawnSync(command, words, {
    encoding: 'utf8',
    cwd: '/',
    env: { PATH: process.env['PATH'] },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  })
  if (child.error !== undefined) throw child.error
  if (child.status !== 0) throw new Error(child.stderr)
  return JSON.parse(child.stdout) as Answer
}

function openInThread(directory: string): Promise<Answer> {
  const code = `${report(directory, {})};answer.then((found) => require('node:worker_threads').parentPort.postMessage(found))`
  return new Promise((resolve, reject) => {
    new Worker(code, { eval: true, execArgv: [] }).once('message', resolve).once('error', reject)
  })
}

/** Marks a file as one that needs version 7 of the format and was written by version 9. */
function makeNewer(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt16LE(7, 8)
  bytes.writeUInt16LE(9, 10)
  writeFileSync(path, bytes)
}

const NEWER = { code: 'ERR_FORMAT', message: /version 7 \(written by version 9\).*reads version 1/ }

function logSegment(directory: string): string {
  const name = readdirSync(join(directory, 'log')).find((file) => parseLogFileName(file)?.suffix === '.log')
  return join(directory, 'log', name!)
}

const streamSegment = (directory: string, stream: string): string =>
  join(directory, 'streams', `${streamKey(stream).path}@${'0'.repeat(16)}.seg`)

const isRoot = process.getuid?.() === 0
const isPosix = process.platform !== 'win32'

/** Runs a command with a folder read-only, in a mount namespace of its own that ends with the command. */
const READ_ONLY = 'mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
const readOnly = (folder: string): string[] => ['unshare', '-m', 'sh', '-c', READ_ONLY, folder]

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'annals-'))
  try {
    const [command = '', ...words] = readOnly(folder)
    execFileSync(command, [...words, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A folder outside the home of any user, that another user can reach. */
function reachable(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'annals-'))
  chmodSync(folder, 0o777)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Why no other user can open a store here, or false. */
function noOtherUser(): string | false {
  if (!isRoot) return 'only root can start a process as another user'
  const engine = fileURLToPath(ENGINE)
  const child = spawnSync(process.execPath, ['-e', `fs.readFileSync(${JSON.stringify(engine)})`], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: '/',
    stdio: 'ignore',
  })
  return child.status === 0 ? false : 'another user cannot read the code under test'
}

t.test('[bad input] no path at all', async (t) => {
  const world = t.testdir({ a: '' })
  for (const path of ['', 'a\0b', undefined, null, 7, {}, new URL('file:///tmp')]) {
    await assertRefused(t, world, () => openEventStore(path as string), { code: 'ERR_INVALID_ARGUMENT' })
  }
})

t.test('[bad input] a file instead of a folder', async (t) => {
  const world = t.testdir({ file: 'mine' })
  const path = join(world, 'file')
  await assertRefused(t, world, () => openEventStore(path), {
    code: 'ERR_NOT_A_STORE',
    message: /no folder/,
  })
  const below = { code: 'ERR_IO', message: /ENOTDIR.*no folder/ }
  await assertRefused(t, world, () => openEventStore(join(path, 'store')), below)
})

t.test('[bad input] no folder, or no store in it, and create: false', async (t) => {
  const world = t.testdir({ empty: {}, other: { 'mine.txt': 'mine' } })
  for (const name of ['missing', 'missing/below', 'empty', 'other']) {
    const open = (): Promise<FileEventStore> => openEventStore(join(world, name), { create: false })
    await assertRefused(t, world, open, { code: 'ERR_NOT_FOUND', message: /Cannot open store/ })
  }
  const store = await openEventStore(join(world, 'missing', 'below'))
  await store.close()
  await (await openEventStore(join(world, 'missing', 'below'), { create: false })).close()
})

t.test('[bad input] [fault 32] a folder without rights', { skip: noOtherUser() }, async (t) => {
  const folder = reachable(t)
  const { world, directory } = await closedStore(t, folder)
  const before = digest(folder)
  const as = { uid: NOBODY, gid: NOBODY }
  const refused = { opened: false, typed: true, code: 'ERR_IO', cause: 'EACCES' }
  const check = (answer: Answer, path: string): void => {
    t.match(answer, refused)
    t.ok(answer.message?.includes(JSON.stringify(path)), 'the path is named')
    t.match(answer.message, /change its owner or mode/)
    t.same(digest(folder), before, 'nothing was changed')
  }
  chmodSync(world, 0o700)
  before['world'] = digest(folder)['world']!
  check(openElsewhere(directory, {}, as), directory)
  chmodSync(world, 0o755)
  before['world'] = digest(folder)['world']!
  check(openElsewhere(directory, {}, as), directory)
  check(openElsewhere(join(world, 'new'), {}, as), join(world, 'new'))
  chmodSync(directory, 0o755) // it may be looked into and not be written to
  before['world/store'] = digest(folder)['world/store']!
  check(openElsewhere(directory, {}, as), directory)
  await assertWhole(t, directory)
})

t.test('[bad input] [fault 52] [fault 53] the folder of another program', async (t) => {
  for (const text of ['annals of the parish', 'x', '\u007fELF and so on', '{"name":"annals"}'.repeat(20)]) {
    const world = t.testdir({ store: { annals: text, data: { a: 'b' } }, beside: 'beside' })
    for (const create of [true, false]) {
      const code = text.length < 8 ? 'ERR_CORRUPT' : 'ERR_NOT_A_STORE'
      await assertRefused(t, world, () => openEventStore(join(world, 'store'), { create }), {
        code,
        message: /"annals"/,
      })
    }
  }
  const world = t.testdir({ store: { annals: { 'mine.txt': 'mine' } } })
  await assertRefused(t, world, () => openEventStore(join(world, 'store')), { code: 'ERR_IO' })
})

t.test('[bad input] [fault 52] the home file or checkpoint of a newer version', async (t) => {
  for (const name of ['annals', CHECKPOINT_FILE]) {
    const { world, directory } = await closedStore(t)
    makeNewer(join(directory, name))
    await assertRefused(t, world, () => openEventStore(directory), NEWER, ['store/epoch'])
    await assertRefused(t, world, () => openEventStore(directory), NEWER, ['store/epoch']) // and leaves no lock
  }
})

t.test('[bad input] [fault 52] a log segment of a newer version', async (t) => {
  for (const lost of [[], [CHECKPOINT_FILE], [CHECKPOINT_FILE, 'annals']]) {
    const { world, directory } = await closedStore(t)
    makeNewer(logSegment(directory))
    for (const name of lost) rmSync(join(directory, name))
    await assertRefused(t, world, () => openEventStore(directory), NEWER, ['store/epoch'])
  }
})

t.test('[bad input] [fault 52] a stream segment of a newer version', async (t) => {
  const { directory } = await closedStore(t)
  const path = streamSegment(directory, 'order-1')
  makeNewer(path)
  const before = readFileSync(path)
  const store = await openEventStore(directory)
  await t.rejects(readOne(store, 'order-1'), NEWER)
  await t.rejects(store.append('order-1', [{ type: 'T', data: 1 }]), NEWER)
  await store.append('order-2', [{ type: 'T', data: 1 }])
  await store.close()
  t.same(readFileSync(path), before)
})

t.test('[bad input] [fault 31] a read-only disk', { skip: canMount() ? false : 'no rights to mount' }, async (t) => {
  const { world, directory } = await closedStore(t)
  const before = digest(world)
  const refused = { opened: false, typed: true, code: 'ERR_IO', cause: 'EROFS', message: /read-only/ }
  t.match(openElsewhere(directory, {}, { command: readOnly(world) }), refused)
  t.match(openElsewhere(join(world, 'new'), {}, { command: readOnly(world) }), refused)
  t.match(openElsewhere(join(world, 'new'), { create: false }, { command: readOnly(world) }), { code: 'ERR_NOT_FOUND' })
  t.same(digest(world), before)
  await assertWhole(t, directory)
})

t.test('[bad input] [fault 53] foreign files and folders are ignored and kept', async (t) => {
  const { world, directory } = await closedStore(t)
  const shard = streamKey('order-1').path.slice(0, 2)
  const files = ['.DS_Store', 'Thumbs.db', 'annals~', '.annals.swp', '#annals#', 'annals.bak', '4913', 'checkpoint~']
  for (const folder of ['', 'log', 'streams', `streams/${shard}`, 'epoch']) {
    for (const name of files) writeFileSync(join(directory, folder, name), `foreign ${name}`)
    mkdirSync(join(directory, folder, 'lost+found'))
    writeFileSync(join(directory, folder, 'lost+found', '#1234'), 'found')
  }
  const segment = logSegment(directory)
  for (const end of ['~', '.bak', '.orig']) cpSync(segment, segment + end)
  for (const end of ['~', '.bak']) {
    cpSync(streamSegment(directory, 'order-1'), streamSegment(directory, 'order-1') + end)
  }
  const foreign = Object.entries(digest(world)).filter(([path]) =>
    /found|~$|\.(bak|orig|swp|db)$|\/(\.DS_Store|#annals#|4913)$/.test(path),
  )
  t.ok(foreign.length > 50)
  await assertWhole(t, directory)
  rmSync(join(directory, CHECKPOINT_FILE)) // and when everything is read again
  const store = await openEventStore(directory)
  t.same((await contents(store)).length, EXPECTED.length + 1)
  t.equal(store.recovery.damage, undefined)
  await store.close()
  const after = digest(world)
  for (const [path, value] of foreign) t.equal(after[path], value, path)
})

t.test('[bad input] [fault 53] a store is made among foreign files', async (t) => {
  const world = t.testdir({ store: { '.DS_Store': 'x', 'lost+found': { '#1': 'y' }, 'notes.txt': 'z' }, beside: 'b' })
  const before = digest(world)
  const store = await openEventStore(join(world, 'store'))
  await store.append('a', [{ type: 'T', data: 1 }])
  await store.close()
  t.match(digest(world), before)
  t.same(readdirSync(world).sort(), ['beside', 'store'])
})

t.test('[fault 86] [fault 69] a link to the folder is the same store', { skip: !isPosix }, async (t) => {
  const { world, directory } = await closedStore(t)
  const link = join(world, 'link')
  symlinkSync('store', link)
  const first = await openEventStore(link)
  t.same(await contents(first), EXPECTED)
  await t.rejects(openEventStore(directory), HERE)
  await t.rejects(openEventStore(link), HERE)
  await first.close()
  const second = await openEventStore(directory)
  await t.rejects(openEventStore(link), HERE)
  await second.close()
  t.equal(readlinkSync(link), 'store')

  const dangling = join(world, 'dangling')
  symlinkSync('nowhere', dangling)
  await assertRefused(t, world, () => openEventStore(dangling, { create: false }), { code: 'ERR_NOT_FOUND' })
  symlinkSync('circle', join(world, 'circle'))
  await assertRefused(t, world, () => openEventStore(join(world, 'circle')), { code: 'ERR_IO' })
})

for (const name of ['annals', CHECKPOINT_FILE, 'log', 'streams', 'epoch', 'lock', 'log segment', 'stream segment']) {
  t.test(`[fault 86] a link inside the store is refused: ${name}`, { skip: !isPosix }, async (t) => {
    const { world, directory } = await closedStore(t)
    const path =
      name === 'log segment'
        ? logSegment(directory)
        : name === 'stream segment'
          ? streamSegment(directory, 'order-1')
          : join(directory, name)
    if (name === 'lock') mkdirSync(join(world, 'outside'))
    else renameSync(path, join(world, 'outside'))
    symlinkSync(join(world, 'outside'), path)
    const outside = digest(world, ['store'])
    const use = async (): Promise<void> => {
      const store = await openEventStore(directory)
      try {
        if (name.startsWith('log')) await store.append('new', [{ type: 'T', data: 1 }])
        else await readOne(store, 'order-1')
      } finally {
        await store.close()
      }
    }
    const error = await t.rejects(use(), { code: 'ERR_IO' })
    t.ok(error instanceof AnnalsError, 'typed')
    t.same(digest(world, ['store']), outside, 'what it leads to was not touched')
    t.ok(lstatSync(path).isSymbolicLink())
    rmSync(path)
    if (name !== 'lock') renameSync(join(world, 'outside'), path)
    await assertWhole(t, directory)
  })
}

t.test('[fault 86] a linked log is refused also where the home file is gone', { skip: !isPosix }, async (t) => {
  const { world, directory } = await closedStore(t)
  renameSync(join(directory, 'log'), join(world, 'outside'))
  symlinkSync('../outside', join(directory, 'log'))
  rmSync(join(directory, 'annals'))
  await assertRefused(t, world, () => openEventStore(directory), { code: 'ERR_IO', message: /link/ })
})

t.test(
  '[fault 87] files and folders are for their owner alone, and the umask counts',
  { skip: !isPosix },
  async (t) => {
    for (const umask of [0o000, 0o022, 0o077]) {
      const world = t.testdir()
      const directory = join(world, 'store')
      t.match(openElsewhere(directory, {}, { before: `process.umask(${umask})` }), { opened: true })
      for (const [path, text] of Object.entries(digest(world))) {
        const mode = Number.parseInt(text, 8)
        t.equal(mode & 0o777, (mode & 0o040000) !== 0 ? 0o700 : 0o600, `${path} with umask ${umask.toString(8)}`)
      }
    }
    // What the umask takes is not put back.
    const world = t.testdir()
    openElsewhere(join(world, 'store'), {}, { before: 'process.umask(0o100)' })
    const modes = Object.values(digest(world)).map((text) => Number.parseInt(text, 8))
    t.ok(modes.length > 0)
    t.ok(modes.every((mode) => (mode & 0o177) === 0))
  },
)

t.test('[fault 69] a second opening is refused: same process, other process, thread', async (t) => {
  const { world, directory } = await closedStore(t)
  const begun = Date.now()
  const store = await openEventStore(directory)
  const before = digest(world)
  const error = (await t.rejects(openEventStore(directory), HERE)) as unknown as StoreLockedError
  t.ok(error instanceof StoreLockedError)
  t.ok(error.since! >= begun)
  t.match(error.message, `process ${process.pid}`)
  t.match(openElsewhere(directory), { opened: false, typed: true, ...HERE })
  t.match(await openInThread(directory), { opened: false, typed: true, ...HERE })
  t.same(digest(world), before, 'nothing was changed')
  await store.append('order-1', [{ type: 'T', data: 'still' }])
  await store.close()
  t.match(await openInThread(directory), { opened: true, events: 4 })
  t.match(openElsewhere(directory), { opened: true, events: 5 })
})

t.test('[fault 70] a second copy of the package is refused', async (t) => {
  const folder = t.testdir()
  const { world, directory } = await closedStore(t, folder)
  // Among the tests, so that it finds the same dependencies.
  cpSync(fileURLToPath(new URL('.', ENGINE)), join(folder, 'engine'), { recursive: true })
  const address = pathToFileURL(join(folder, 'engine', 'index.js')).href
  const copy = (await import(address)) as { openEventStore: typeof openEventStore; AnnalsError: typeof AnnalsError }
  t.not(copy.AnnalsError, AnnalsError)
  const store = await openEventStore(directory)
  const before = digest(world)
  const error = await t.rejects(copy.openEventStore(directory), HERE)
  t.ok(error instanceof copy.AnnalsError)
  t.same(digest(world), before)
  await store.close()
  const other = await copy.openEventStore(directory)
  t.same(await contents(other), EXPECTED)
  await t.rejects(openEventStore(directory), HERE)
  await other.close()
})

t.test('[bad input] unknown options and options that cannot be', async (t) => {
  const world = t.testdir()
  const bad: unknown[] = [
    null,
    [],
    'fsync',
    7,
    { durabilty: 'fsync' },
    { create: 'no' },
    { create: 0 },
    { shapes: 1 },
    { durability: 'none' },
    { durability: null as never, extra: 1 },
    { syncIntervalMs: 0 },
    { syncIntervalMs: 1.5 },
    { syncIntervalMs: '100' },
    { networkFileSystem: 'maybe' },
    { limits: [] },
    { limits: 7 },
    { limits: { eventByte: 1 } },
  ]
  for (const options of bad) {
    const open = (): Promise<FileEventStore> => openEventStore(join(world, 'store'), options as OpenOptions)
    await assertRefused(t, world, open, { code: 'ERR_INVALID_ARGUMENT', message: /^Cannot open the store: / })
  }
  const named = { code: 'ERR_INVALID_ARGUMENT', message: /"durabilty".*durability/ }
  await t.rejects(openEventStore(join(world, 'store'), { durabilty: 'os' } as OpenOptions), named)
})

t.test('[bad input] bad limits', async (t) => {
  const world = t.testdir()
  const open = (limits: object): Promise<FileEventStore> => openEventStore(join(world, 'store'), { limits })
  for (const name of Object.keys(defaultLimits)) {
    for (const value of [0, -1, 1.5, NaN, Infinity, '100', null, 2 ** 53]) {
      const expected = { code: 'ERR_INVALID_ARGUMENT', message: new RegExp(`limits\\.${name}`) }
      await assertRefused(t, world, () => open({ [name]: value }), expected)
    }
  }
  const beyond = [
    { commitBytes: 2 ** 40 },
    { logSegmentBytes: 2 ** 50 },
    { streamSegmentBytes: 2 ** 50 },
    { shapes: 2 ** 40 },
    { eventBytes: defaultLimits.commitBytes + 1 },
    { logSegmentBytes: 511 },
  ]
  for (const limits of beyond) await assertRefused(t, world, () => open(limits), { code: 'ERR_INVALID_ARGUMENT' })
  t.notOk(existsSync(join(world, 'store')))
})

t.test('[fault 86] a linked shard is refused at the first use of a stream in it', { skip: !isPosix }, async (t) => {
  const world = t.testdir({ outside: {} })
  const directory = join(world, 'store')
  const store = await openEventStore(directory)
  await store.append('a', [{ type: 'Noted', data: 1 }])
  await store.close()
  const shard = readdirSync(join(directory, 'streams'))[0]!
  renameSync(join(directory, 'streams', shard), join(world, 'outside', shard))
  symlinkSync(join(world, 'outside', shard), join(directory, 'streams', shard))
  await using again = await openEventStore(directory)
  await t.rejects(again.append('a', [{ type: 'Noted', data: 2 }]), { code: 'ERR_IO', message: /link/ })
  await t.rejects(again.streamInfo('a'), { code: 'ERR_IO', message: /link/ })
  await again.append('b', [{ type: 'Noted', data: 3 }])
  t.match(await again.streamInfo('b'), { stream: 'b', version: 1 })
})
