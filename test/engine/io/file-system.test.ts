import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { FileHandle, FileSystem } from '../../../engine/io/file-system.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { nodeFileSystem } from '../../../engine/io/node-file-system.js'

/** The contract of `FileSystem`: one suite for every implementation, so that they agree on results and error codes. */
function contract(name: string, setUp: (t: Test) => { files: FileSystem; root: string }): void {
  const check = (title: string, body: (t: Test, files: FileSystem, root: string) => void | Promise<void>) =>
    t.test(`${name}: ${title}`, async (t) => {
      const { files, root } = setUp(t)
      await body(t, files, root)
    })

  check('folders are made, listed and removed', (t, files, root) => {
    const folder = join(root, 'a')
    files.makeDirectory(folder)
    t.throws(() => files.makeDirectory(folder), { code: 'EEXIST' }, 'exactly one maker succeeds')
    t.throws(() => files.makeDirectory(join(root, 'none', 'a')), { code: 'ENOENT' })
    files.makeDirectories(join(root, 'b', 'c', 'd'))
    files.makeDirectories(join(root, 'b', 'c'))
    t.same(files.list(root).sort(), ['a', 'b'])
    t.same(files.list(folder), [])
    t.throws(() => files.list(join(root, 'none')), { code: 'ENOENT' })
    t.throws(() => files.removeDirectory(join(root, 'b')), { code: 'ENOTEMPTY' })
    t.throws(() => files.removeDirectory(join(root, 'none')), { code: 'ENOENT' })
    files.removeDirectory(folder)
    t.same(files.list(root), ['b'])
  })

  check('a file in the place of a folder', (t, files, root) => {
    const file = join(root, 'file')
    write(files, file, 'x')
    const below = join(file, 'a')
    t.throws(() => files.list(file), { code: 'ENOTDIR' })
    t.throws(() => files.makeDirectory(file), { code: 'EEXIST' })
    t.throws(() => files.makeDirectory(below), { code: 'ENOTDIR' })
    t.throws(() => files.makeDirectories(file), { code: 'EEXIST' })
    t.throws(() => files.makeDirectories(join(below, 'b')), { code: 'ENOTDIR' })
    t.throws(() => files.removeDirectory(file), { code: 'ENOTDIR' })
    t.throws(() => files.open(below, 'read'), { code: 'ENOTDIR' })
    t.throws(() => files.open(below, 'create'), { code: 'ENOTDIR' })
    t.throws(() => files.remove(below), { code: 'ENOTDIR' })
    t.equal(files.stat(below), undefined, 'nothing stands there')
  })

  check('a folder in the place of a file', (t, files, root) => {
    const folder = join(root, 'folder')
    files.makeDirectory(folder)
    write(files, join(root, 'file'), 'x')
    t.throws(() => files.open(folder, 'read'), { code: 'EISDIR' })
    t.throws(() => files.open(folder, 'write'), { code: 'EISDIR' })
    t.throws(() => files.open(folder, 'create'), { code: 'EEXIST' })
    t.throws(() => files.remove(folder), { code: process.platform === 'linux' ? 'EISDIR' : /EISDIR|EPERM/ })
    t.throws(() => files.rename(join(root, 'file'), folder), { code: 'EISDIR' })
    t.throws(() => files.rename(folder, join(root, 'file')), { code: 'ENOTDIR' })
    t.throws(() => files.rename(folder, join(folder, 'x')), { code: 'EINVAL' })
  })

  check('open modes', (t, files, root) => {
    const path = join(root, 'file')
    for (const mode of ['read', 'write', 'write-through'] as const) {
      t.throws(() => files.open(path, mode), { code: 'ENOENT', path }, mode)
    }
    t.throws(() => files.open(join(root, 'none', 'x'), 'create'), { code: 'ENOENT' })
    write(files, path, 'abc')
    t.throws(() => files.open(path, 'create'), { code: 'EEXIST' })
    const reader = files.open(path, 'read')
    t.throws(() => reader.writeSync(Buffer.from('x'), 0, 1, 0), { code: 'EBADF' })
    t.throws(() => reader.truncate(0), { code: 'EINVAL' })
    t.equal(reader.writesThrough, false)
    reader.close()
    const writer = files.open(path, 'write-through')
    t.equal(writer.writeSync(Buffer.from('x'), 0, 1, 1), 1)
    if (process.platform === 'linux') t.equal(writer.writesThrough, true)
    writer.close()
    t.equal(read(files, path), 'axc')
  })

  check('reads and writes at positions, on the main thread', (t, files, root) => {
    const handle = files.open(join(root, 'file'), 'create')
    const source = Buffer.from('..hello..')
    t.equal(handle.size(), 0)
    t.equal(handle.writeSync(source, 2, 5, 0), 5)
    t.equal(handle.writeSync(source, 2, 5, 10), 5, 'beyond the end')
    t.equal(handle.writeSync(source, 0, 0, 100), 0)
    t.equal(handle.size(), 15, 'a write of nothing does not grow the file')
    const target = Buffer.alloc(20, '-')
    t.equal(handle.readSync(target, 1, 19, 0), 15, 'short at the end')
    t.equal(target.toString(), '-hello\0\0\0\0\0hello----', 'the gap is zero')
    t.equal(handle.readSync(target, 0, 5, 15), 0, 'at the end')
    t.equal(handle.readSync(target, 0, 5, 1000), 0, 'beyond the end')
    t.equal(handle.readSync(target, 0, 0, 0), 0)
    t.throws(() => handle.readSync(target, 18, 3, 0), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => handle.writeSync(source, 8, 3, 0), { code: 'ERR_OUT_OF_RANGE' })
    handle.close()
  })

  check('reads, writes and syncs off the main thread', async (t, files, root) => {
    const handle = files.open(join(root, 'file'), 'create')
    t.equal(await count((done) => handle.write(Buffer.from('..hello..'), 2, 5, 3, done)), 5)
    await settled((done) => handle.sync(done))
    const target = Buffer.alloc(8, '-')
    t.equal(await count((done) => handle.read(target, 1, 7, 3, done)), 5)
    t.equal(target.toString(), '-hello--')
    t.equal(await count((done) => handle.read(target, 0, 8, 8, done)), 0)
    t.throws(() => handle.read(target, 4, 5, 0, () => {}), { code: 'ERR_OUT_OF_RANGE' })
    handle.close()
    const reader = files.open(join(root, 'file'), 'read')
    await t.rejects(
      count((done) => reader.write(target, 0, 1, 0, done)),
      { code: 'EBADF' },
    )
    reader.close()
  })

  check('callbacks come in a later turn', async (t, files, root) => {
    const handle = files.open(join(root, 'file'), 'create')
    const order: string[] = []
    const calls = [
      count((done) => handle.write(Buffer.from('x'), 0, 1, 0, done)),
      count((done) => handle.read(Buffer.alloc(1), 0, 1, 0, done)),
      settled((done) => handle.sync(done)),
      settled((done) => files.syncDirectory(root, done)),
    ].map((call) => call.then(() => order.push('callback')))
    await Promise.resolve().then(() => order.push('same turn'))
    await Promise.all(calls)
    t.same(order, ['same turn', 'callback', 'callback', 'callback', 'callback'])
    handle.close()
  })

  check('truncate cuts and grows with zeros', (t, files, root) => {
    const handle = files.open(join(root, 'file'), 'create')
    handle.writeSync(Buffer.from('hello'), 0, 5, 0)
    handle.truncate(2)
    t.equal(handle.size(), 2)
    handle.truncate(6)
    const target = Buffer.alloc(6, '-')
    t.equal(handle.readSync(target, 0, 6, 0), 6)
    t.equal(target.toString(), 'he\0\0\0\0', 'what was cut does not come back')
    handle.close()
  })

  check('close is idempotent, and nothing works after it', async (t, files, root) => {
    const path = join(root, 'file')
    const handle = files.open(path, 'create')
    handle.close()
    handle.close()
    const buffer = Buffer.alloc(1)
    t.throws(() => handle.size(), { code: 'EBADF', path })
    t.throws(() => handle.readSync(buffer, 0, 1, 0), { code: 'EBADF', path })
    t.throws(() => handle.writeSync(buffer, 0, 1, 0), { code: 'EBADF' })
    t.throws(() => handle.truncate(0), { code: 'EBADF' })
    await t.rejects(
      count((done) => handle.read(buffer, 0, 1, 0, done)),
      { code: 'EBADF' },
    )
    await t.rejects(
      count((done) => handle.write(buffer, 0, 1, 0, done)),
      { code: 'EBADF' },
    )
    await t.rejects(
      settled((done) => handle.sync(done)),
      { code: 'EBADF' },
    )
  })

  check('close while calls are under way lets them finish', async (t, files, root) => {
    const path = join(root, 'file')
    const handle = files.open(path, 'create')
    const writes = Array.from({ length: 20 }, (_, i) => count((done) => handle.write(Buffer.from('x'), 0, 1, i, done)))
    const sync = settled((done) => handle.sync(done))
    handle.close()
    // Without care the system would give the descriptor of `handle` to this file.
    const other = files.open(join(root, 'other'), 'create')
    t.same(await Promise.all(writes), Array(20).fill(1))
    await sync
    t.equal(read(files, path), 'x'.repeat(20))
    t.equal(other.size(), 0)
    other.close()
  })

  check('rename replaces in one step, remove keeps open handles readable', (t, files, root) => {
    const [a, b] = [join(root, 'a'), join(root, 'b')]
    write(files, a, 'new')
    write(files, b, 'old')
    const old = files.open(b, 'read')
    const inode = files.stat(a)?.inode
    files.rename(a, b)
    t.equal(files.stat(a), undefined)
    t.equal(files.stat(b)?.inode, inode)
    t.equal(read(files, b), 'new')
    t.equal(contents(old), 'old', 'the replaced file lives on in its handle')
    const current = files.open(b, 'write')
    files.remove(b)
    t.same(files.list(root), [])
    t.equal(current.writeSync(Buffer.from('er'), 0, 2, 3), 2)
    t.equal(contents(current), 'newer', 'and so does the removed one')
    old.close()
    current.close()
    t.throws(() => files.rename(a, b), { code: 'ENOENT' })
    t.throws(() => files.remove(a), { code: 'ENOENT' })
    write(files, a, 'x')
    files.rename(a, a)
    t.equal(read(files, a), 'x', 'onto itself')
    t.throws(() => files.rename(a, join(root, 'none', 'a')), { code: 'ENOENT' })
  })

  check('a folder is renamed with what is in it', (t, files, root) => {
    files.makeDirectories(join(root, 'a', 'b'))
    write(files, join(root, 'a', 'b', 'file'), 'x')
    files.makeDirectory(join(root, 'empty'))
    files.rename(join(root, 'a'), join(root, 'empty'))
    files.rename(join(root, 'empty'), join(root, 'empty'))
    t.equal(read(files, join(root, 'empty', 'b', 'file')), 'x')
    files.makeDirectory(join(root, 'c'))
    t.throws(() => files.rename(join(root, 'c'), join(root, 'empty')), { code: /ENOTEMPTY|EEXIST/ })
  })

  check('stat', (t, files, root) => {
    const path = join(root, 'file')
    t.equal(files.stat(path), undefined)
    t.equal(files.stat(join(root, 'none', 'file')), undefined)
    const before = Date.now()
    write(files, path, 'hello')
    const first = files.stat(path)
    t.match(first, { kind: 'file', size: 5 })
    t.ok(Math.abs((first?.modificationTime ?? 0) - before) < 5000)
    t.equal(files.stat(root)?.kind, 'directory')
    t.not(files.stat(root)?.inode, first?.inode)
    write(files, join(root, 'other'), 'x')
    files.rename(join(root, 'other'), path)
    t.not(files.stat(path)?.inode, first?.inode, 'another file at the same path')
  })

  check('setTimes is exact to the millisecond', (t, files, root) => {
    const path = join(root, 'file')
    write(files, path, 'x')
    for (const time of [1_700_000_000_123, 1_700_000_000_999, 1_234_567_890_001, 0]) {
      files.setTimes(path, time, time)
      t.equal(files.stat(path)?.modificationTime, time)
    }
    files.setTimes(root, 1000, 2000)
    t.equal(files.stat(root)?.modificationTime, 2000, 'of a folder')
    write(files, join(root, 'more'), 'x')
    t.ok((files.stat(root)?.modificationTime ?? 0) > 2000, 'a new name changes the time of its folder')
    t.throws(() => files.setTimes(join(root, 'none'), 0, 0), { code: 'ENOENT' })
  })

  check('realPath, kindOf, syncDirectory', async (t, files, root) => {
    files.makeDirectories(join(root, 'a', 'b'))
    write(files, join(root, 'file'), 'x')
    t.equal(files.realPath(`${root}/a/../a/./b/`), join(files.realPath(root), 'a', 'b'))
    t.throws(() => files.realPath(join(root, 'none')), { code: 'ENOENT' })
    t.throws(() => files.kindOf(join(root, 'none')), { code: 'ENOENT' })
    await settled((done) => files.syncDirectory(root, done))
    if (process.platform === 'win32') return
    await t.rejects(
      settled((done) => files.syncDirectory(join(root, 'none'), done)),
      { code: 'ENOENT' },
    )
    await t.rejects(
      settled((done) => files.syncDirectory(join(root, 'file'), done)),
      { code: 'ENOTDIR' },
    )
  })

  check('names of more than 255 bytes', (t, files, root) => {
    if (process.platform === 'linux') {
      const longest = 'ä'.repeat(127)
      write(files, join(root, longest), 'x')
      t.same(files.list(root), [longest])
      const tooLong = join(root, `${longest}xx`)
      t.throws(() => files.open(tooLong, 'create'), { code: 'ENAMETOOLONG' })
      t.throws(() => files.stat(tooLong), { code: 'ENAMETOOLONG' })
      t.throws(() => files.makeDirectories(tooLong), { code: 'ENAMETOOLONG' })
    }
  })

  check('a large file, written in odd pieces', (t, files, root) => {
    const handle = files.open(join(root, 'file'), 'create')
    const piece = Buffer.alloc(7919)
    for (let i = 0; i < 300; i++) handle.writeSync(piece.fill(i), 0, piece.length, i * piece.length)
    t.equal(handle.size(), 300 * piece.length)
    for (const i of [0, 1, 150, 299]) {
      handle.readSync(piece, 0, piece.length, i * piece.length)
      t.ok(piece.equals(Buffer.alloc(piece.length, i)))
    }
    handle.close()
  })
}

contract('node', (t) => ({ files: nodeFileSystem(), root: t.testdir() }))
contract('memory', () => {
  const files = new MemoryFileSystem()
  files.makeDirectories('/root/store')
  return { files, root: '/root/store' }
})

t.test('memory: openHandles counts each handle once', async (t) => {
  const files = new MemoryFileSystem()
  const handle = files.open('/file', 'create')
  const other = files.open('/file', 'read')
  t.equal(files.openHandles, 2)
  handle.close()
  handle.close()
  t.equal(files.openHandles, 1)
  other.close()
  t.equal(files.openHandles, 0)
})

function write(files: FileSystem, path: string, text: string): void {
  const handle = files.open(path, 'create')
  handle.writeSync(Buffer.from(text), 0, text.length, 0)
  handle.close()
}

function read(files: FileSystem, path: string): string {
  const handle = files.open(path, 'read')
  try {
    return contents(handle)
  } finally {
    handle.close()
  }
}

function contents(handle: FileHandle): string {
  const buffer = Buffer.alloc(handle.size())
  return buffer.toString('utf8', 0, handle.readSync(buffer, 0, buffer.length, 0))
}

function count(call: (done: (error: Error | null, bytes: number) => void) => void): Promise<number> {
  return new Promise((resolve, reject) => call((error, bytes) => (error === null ? resolve(bytes) : reject(error))))
}

function settled(call: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error === null ? resolve() : reject(error))))
}
