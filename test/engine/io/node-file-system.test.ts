import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fileSystemKind } from '../../../engine/io/file-system-kind.js'
import { nodeFileSystem, type NodeCalls } from '../../../engine/io/node-file-system.js'
import { systemError } from '../../../engine/io/system-error.js'

const posix = process.platform !== 'win32'

t.test('[fault 36] EINTR and EAGAIN are retried', async (t) => {
  for (const code of ['EINTR', 'EAGAIN']) {
    const path = join(t.testdir(), 'file')
    const handle = nodeFileSystem(interrupted(code, 3)).open(path, 'create')
    const buffer = Buffer.from('abc')
    t.equal(handle.writeSync(buffer, 0, 3, 0), 3)
    t.equal(handle.readSync(buffer, 0, 3, 0), 3)
    t.equal(await promised((done) => handle.write(buffer, 0, 3, 3, done)), 3)
    t.equal(await promised((done) => handle.read(buffer, 0, 3, 3, done)), 3)
    await promised((done) => handle.sync((error) => done(error, 0)))
    handle.close()
    t.equal(fs.readFileSync(path, 'utf8'), 'abcabc')
  }
})

t.test('[fault 36] EINTR without end is reported in the end', async (t) => {
  const path = join(t.testdir(), 'file')
  const handle = nodeFileSystem(interrupted('EINTR', Infinity)).open(path, 'create')
  const buffer = Buffer.alloc(1)
  t.throws(() => handle.writeSync(buffer, 0, 1, 0), { code: 'EINTR', path })
  t.throws(() => handle.readSync(buffer, 0, 1, 0), { code: 'EINTR', path })
  await t.rejects(
    promised((done) => handle.write(buffer, 0, 1, 0, done)),
    { code: 'EINTR', path },
  )
  await t.rejects(
    promised((done) => handle.read(buffer, 0, 1, 0, done)),
    { code: 'EINTR', path },
  )
  await t.rejects(
    promised((done) => handle.sync((error) => done(error, 0))),
    { code: 'EINTR', path },
  )
  handle.close()
})

t.test('[fault 24] a failed fdatasync is not repeated', async (t) => {
  let syncs = 0
  const fdatasync = ((_fd: number, done: fs.NoParamCallback) => {
    syncs++
    setImmediate(done, systemError('EIO', 'fdatasync'))
  }) as NodeCalls['fdatasync']
  const handle = nodeFileSystem({ ...fs, fdatasync }).open(join(t.testdir(), 'file'), 'create')
  await t.rejects(
    promised((done) => handle.sync((error) => done(error, 0))),
    { code: 'EIO', message: /file/ },
  )
  t.equal(syncs, 1)
  handle.close()
})

t.test('[fault 33] a failed close is reported once, and the descriptor is not closed twice', async (t) => {
  let closes = 0
  const closeSync: NodeCalls['closeSync'] = (fd) => {
    closes++
    fs.closeSync(fd)
    throw systemError('EIO', 'close')
  }
  const files = nodeFileSystem({ ...fs, closeSync })
  const handle = files.open(join(t.testdir(), 'file'), 'create')
  t.throws(() => handle.close(), { code: 'EIO' })
  handle.close()
  t.equal(closes, 1)

  const busy = files.open(join(t.testdir(), 'busy'), 'create')
  const write = promised((done) => busy.write(Buffer.alloc(1), 0, 1, 0, done))
  busy.close()
  t.equal(closes, 1, 'a close waits for the calls under way')
  await t.rejects(write, { code: 'EIO' }, 'and then the last of them reports its error')
  t.equal(closes, 2)
})

t.test('[fault 28] a short count is returned as it is', async (t) => {
  const path = join(t.testdir(), 'file')
  const handle = nodeFileSystem().open(path, 'create')
  handle.writeSync(Buffer.from('abc'), 0, 3, 0)
  t.equal(handle.readSync(Buffer.alloc(10), 0, 10, 1), 2)
  handle.close()
})

t.test('[fault 86] a symbolic link is not followed', { skip: !posix }, async (t) => {
  const root = t.testdir({ file: 'x', link: t.fixture('symlink', 'file'), dangling: t.fixture('symlink', 'none') })
  const files = nodeFileSystem()
  for (const mode of ['read', 'write', 'write-through'] as const) {
    t.throws(() => files.open(join(root, 'link'), mode), { code: 'ELOOP' }, mode)
  }
  t.throws(() => files.open(join(root, 'dangling'), 'create'), { code: 'EEXIST' })
  t.equal(files.stat(join(root, 'link'))?.kind, 'other')
  t.equal(files.realPath(join(root, 'link')), join(files.realPath(root), 'file'))
})

t.test('[fault 35] a FIFO in the place of a file is refused without waiting', { skip: !posix }, async (t) => {
  const path = join(t.testdir(), 'fifo')
  execFileSync('mkfifo', [path])
  const before = openDescriptors()
  t.throws(() => nodeFileSystem().open(path, 'read'), { code: 'EINVAL', path })
  t.throws(() => nodeFileSystem().open(path, 'write'), { code: 'EINVAL', path })
  t.equal(nodeFileSystem().stat(path)?.kind, 'other')
  t.equal(openDescriptors(), before, 'no descriptor is lost')
})

t.test('a file that a file server has a lease on is waited for', async (t) => {
  const path = join(t.testdir({ file: 'x' }), 'file')
  let opens = 0
  const openSync: NodeCalls['openSync'] = (path, flags, mode) => {
    opens++
    if (Number(flags) & fs.constants.O_NONBLOCK) throw systemError('EAGAIN', 'open', String(path))
    return fs.openSync(path, flags, mode)
  }
  if (posix) {
    nodeFileSystem({ ...fs, openSync })
      .open(path, 'read')
      .close()
    t.equal(opens, 2)
  }
})

t.test('[fault 87] files and folders are for their owner alone', { skip: !posix }, async (t) => {
  const root = t.testdir()
  const files = nodeFileSystem()
  const before = process.umask(0)
  try {
    files.open(join(root, 'file'), 'create').close()
    files.makeDirectory(join(root, 'a'))
    files.makeDirectories(join(root, 'b', 'c'))
    process.umask(0o277)
    files.open(join(root, 'narrow'), 'create').close()
  } finally {
    process.umask(before)
  }
  const mode = (name: string) => fs.statSync(join(root, name)).mode & 0o777
  t.equal(mode('file'), 0o600)
  t.equal(mode('a'), 0o700)
  t.equal(mode('b'), 0o700)
  t.equal(mode('b/c'), 0o700)
  t.equal(mode('narrow'), 0o400, 'the umask takes away')
})

t.test('[fault 85] network file systems are told from local ones', async (t) => {
  const kinds: [number, string][] = [
    [0x6969, 'network'],
    [0x517b, 'network'],
    [0xff534d42, 'network'],
    [0xff534d42 | 0, 'network'], // negative, where the field is signed
    [0xfe534d42, 'network'],
    [0x65735546, 'network'],
    [0x01021997, 'network'],
    [0x5346414f, 'network'],
    [0xef53, 'local'],
    [0x01021994, 'local'],
    [0x794c7630, 'local'],
    [0x9123683e | 0, 'local'],
    [0x12345678, 'unknown'],
  ]
  for (const [type, kind] of kinds) t.equal(fileSystemKind(type, 'linux'), kind, type.toString(16))
  t.equal(fileSystemKind(0x6969, 'darwin'), 'unknown')
  if (process.platform === 'linux' && fs.existsSync('/dev/shm')) t.equal(nodeFileSystem().kindOf('/dev/shm'), 'local')
})

t.test('[fault 88] a directory is synced where the system can, and its descriptor is closed', async (t) => {
  const root = t.testdir()
  const before = openDescriptors()
  await promised((done) => nodeFileSystem().syncDirectory(root, (error) => done(error, 0)))
  t.equal(openDescriptors(), before)
})

t.test(
  '[fault 25] a failed fsync of a directory is reported, and its descriptor is closed',
  { skip: !posix },
  async (t) => {
    const root = t.testdir()
    const before = openDescriptors()
    const fsync = ((_fd: number, done: fs.NoParamCallback) => {
      setImmediate(done, systemError('EIO', 'fsync'))
    }) as NodeCalls['fsync']
    const files = nodeFileSystem({ ...fs, fsync })
    await t.rejects(
      promised((done) => files.syncDirectory(root, (error) => done(error, 0))),
      { code: 'EIO', path: root },
    )
    t.equal(openDescriptors(), before)
  },
)

/** Makes the first `times` calls of each kind fail with `code`. */
function interrupted(code: string, times: number): NodeCalls {
  const left = { read: times, write: times, readSync: times, writeSync: times, fdatasync: times }
  const wrap = (name: keyof typeof left) =>
    ((...args: unknown[]) => {
      if (left[name]-- <= 0) return (fs[name] as (...args: unknown[]) => unknown)(...args)
      const error = systemError(code, name)
      if (name.endsWith('Sync') && name !== 'fdatasync') throw error
      setImmediate(args.at(-1) as fs.NoParamCallback, error)
      return undefined
    }) as never
  return {
    ...fs,
    read: wrap('read'),
    write: wrap('write'),
    readSync: wrap('readSync'),
    writeSync: wrap('writeSync'),
    fdatasync: wrap('fdatasync'),
  }
}

function openDescriptors(): number {
  return process.platform === 'linux' ? fs.readdirSync('/proc/self/fd').length : 0
}

function promised(call: (done: (error: Error | null, bytes: number) => void) => void): Promise<number> {
  return new Promise((resolve, reject) => call((error, bytes) => (error === null ? resolve(bytes) : reject(error))))
}
