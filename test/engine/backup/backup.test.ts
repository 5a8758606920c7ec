import t, { type Test } from 'tap'
import { backup, restore } from '../../../engine/backup/backup.js'
import { named } from '../../../engine/errors.js'
import type { OpenOptions, StoredEvent } from '../../../engine/index.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { verify } from '../../../engine/recovery/verify.js'
import { openReadOnly, openStore } from '../../../engine/store/open-store.js'
import { collect } from '../../contract/contract-support.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { simulatedProcess } from '../../support/crash-environment.js'
import { crashEach as crashAtEach } from '../../support/crash-each.js'
import { scaled } from '../../support/crash-scale.js'
import { numbered, TestMachine } from '../store/test-machine.js'

const OPTIONS: OpenOptions = { limits: { logSegmentBytes: 1024, indexIntervalBytes: 256, dirtyBytes: 4096 } }
const STORE = '/disk/store'
const COPY = '/disk/copy'

async function fill(environment: Environment, directory: string, commits: number): Promise<void> {
  const store = await openStore(environment, directory, OPTIONS)
  for (let i = 0; i < commits; i++) {
    const events = numbered(1 + (i % 3), i).map((event) => ({ ...event, tags: [`t:${i % 4}`] }))
    if (i % 4 === 0) {
      await store.appendMany(
        [
          { stream: `s-${i % 5}`, events },
          { stream: 'all', events: numbered(1, i) },
        ],
        { commitId: `${directory}-${store.stats().events}` },
      )
    } else await store.append(`s-${i % 5}`, events)
  }
  await store.close()
}

/** All events of a store or backup, by commit. */
async function commitsOf(environment: Environment, directory: string): Promise<StoredEvent[][]> {
  const store = await openReadOnly(environment, directory, { readOnly: true })
  const commits = await collect(store.readAll().commits())
  await store.close()
  return commits
}

async function assertWhole(
  t: Test,
  environment: Environment,
  directory: string,
  like = STORE,
  leftovers = false,
): Promise<void> {
  const { ok, findings } = await verify(environment, directory, { limits: OPTIONS.limits })
  const told = leftovers ? findings.filter(({ severity }) => severity !== 'derived') : findings
  t.same({ ok, told }, { ok: true, told: [] }, `${directory} is sound`)
  t.same(await commitsOf(environment, directory), await commitsOf(environment, like))
}

t.test('[fault 55] what is committed when it begins; then only what is new; and a store again', async (t) => {
  const { environment } = simulatedProcess(new CrashDisk(), 1)
  await fill(environment, STORE, 40)
  const first = await backup(environment, STORE, COPY)
  await assertWhole(t, environment, COPY)
  t.equal(first.copiedSegments, first.segments)
  t.ok(first.segments > 5)
  await fill(environment, STORE, 12)
  const second = await backup(environment, STORE, COPY)
  await assertWhole(t, environment, COPY)
  t.ok(second.copiedSegments > 0 && second.copiedSegments < second.segments / 2, 'sealed segments are not copied again')
  const third = await backup(environment, STORE, COPY)
  t.equal(third.copiedSegments, 1, 'the last one may have grown')
  await restore(environment, COPY, '/disk/new/store')
  await assertWhole(t, environment, '/disk/new/store')
  await fill(environment, '/disk/new/store', 5)
  t.match(await verify(environment, '/disk/new/store'), { ok: true, findings: [] })
  await backup(environment, '/disk/new/store', COPY)
  await assertWhole(t, environment, COPY, '/disk/new/store')
  const queried = await openReadOnly(environment, COPY, { readOnly: true })
  t.equal((await collect(queried.readAll({ query: { items: [{ tags: ['t:1'] }] } }))).length > 10, true)
  t.equal((await collect(queried.readStream('all'))).length, (await queried.streamInfo('all')).version)
  await queried.close()
})

t.test('an empty store, and one that was never closed', async (t) => {
  const { environment } = simulatedProcess(new CrashDisk(), 2)
  await fill(environment, STORE, 0)
  t.match(await backup(environment, STORE, COPY), { events: 0, segments: 0 })
  t.same(await commitsOf(environment, COPY), [])
  await restore(environment, COPY, '/disk/restored')
  t.match(await verify(environment, '/disk/restored'), { ok: true, findings: [] })
  await fill(environment, STORE, 10)
  await backup(environment, STORE, COPY)
  await assertWhole(t, environment, COPY)
})

t.test('[fault 55] one whose newest log segment holds nothing yet, as after recovery', async (t) => {
  const machine = new TestMachine()
  const first = await machine.open()
  await first.append('a', numbered(3))
  machine.kill()
  const second = await machine.open()
  for (let n = 0; n < 50; n++) await new Promise(setImmediate)
  t.equal(machine.find('.log').length, 2)
  t.match(await backup(machine.environment, '/store', '/copy'), { events: 3, segments: 1 })
  await second.append('a', numbered(1, 3))
  await second.close()
  t.match(await backup(machine.environment, '/store', '/copy'), { events: 4, segments: 2 })
  await assertWhole(t, machine.environment, '/copy', '/store')
})

t.test('[M4] beside a writer: whole commits, a beginning of the log, never behind an earlier backup', async (t) => {
  const machine = new TestMachine()
  const writer = await machine.open(OPTIONS)
  const { environment } = machine
  let appended = 0
  const controller = new AbortController()
  const writing = (async () => {
    while (!controller.signal.aborted) {
      const stream = `s-${appended % 3}`
      await writer.appendMany([
        { stream, events: numbered(2, appended) },
        { stream: 'all', events: numbered(1, appended++) },
      ])
      if (appended % 10 === 0) await new Promise(setImmediate)
      if (appended % 25 === 0) await writer.checkpoint()
    }
  })()
  let before = 0
  for (let i = 0; i < 8; i++) {
    const { events } = await backup(environment, '/store', '/copy')
    t.ok(events >= before && events % 3 === 0)
    before = events
    const { ok, findings } = await verify(environment, '/copy', { limits: OPTIONS.limits })
    t.same({ ok, findings }, { ok: true, findings: [] })
    const commits = await commitsOf(environment, '/copy')
    t.ok(commits.every((commit) => commit.length === 3))
    t.equal(commits.flat().length, events)
  }
  t.ok(before > 0)
  controller.abort()
  await writing
  const all = await collect(writer.readAll())
  t.same((await commitsOf(environment, '/copy')).flat(), all.slice(0, before))
  await writer.close()
})

/** Runs `work` on a disk, and after a crash at many of its moments again: then the copy is whole. */
async function crashEach(
  t: Test,
  disk: CrashDisk,
  work: (environment: Environment) => Promise<unknown>,
  interrupted: (environment: Environment, where: string) => Promise<void>,
): Promise<void> {
  const again = async (environment: Environment, where: string): Promise<void> => {
    const { ok, findings } = await verify(environment, COPY, { limits: OPTIONS.limits })
    // What a crash leaves of an epoch file, or of a stream segment that was not synced yet, the log stands for: the next writer heals it.
    const wrong = findings.filter(({ severity }) => severity !== 'derived')
    if (!ok || wrong.length > 0) t.same(wrong, [], `${where}: run again, it is sound`)
    const [copy, store] = [await commitsOf(environment, COPY), await commitsOf(environment, STORE)]
    if (JSON.stringify(copy) !== JSON.stringify(store)) t.same(copy, store, `${where}: run again, it is whole`)
  }
  const { crashes } = await crashAtEach(disk, { work, interrupted, again })
  t.ok(crashes >= scaled(10), `${crashes} crashes`)
}

/** Opens for reading; undefined where it is said that there is nothing whole. */
async function wholeOf(environment: Environment): Promise<StoredEvent[][] | undefined> {
  try {
    return await commitsOf(environment, COPY)
  } catch (error) {
    const { code } = error as { readonly code?: string }
    if (code === 'ERR_NOT_A_BACKUP' || code === 'ERR_NOT_FOUND') return undefined
    throw error
  }
}

t.test(
  '[fault 55] a first backup that is interrupted anywhere is not taken for one, and can be run again',
  async (t) => {
    const disk = new CrashDisk()
    await fill(simulatedProcess(disk, 3).environment, STORE, 14)
    const all = await commitsOf(simulatedProcess(disk, 3).environment, STORE)
    let finished = 0
    await crashEach(
      t,
      disk,
      (environment) => backup(environment, STORE, COPY),
      async (environment, where) => {
        const whole = await wholeOf(environment)
        if (whole !== undefined) {
          finished++
          if (JSON.stringify(whole) !== JSON.stringify(all)) t.same(whole, all, where)
        } else await t.rejects(restore(environment, COPY, '/disk/nothing'), { code: /ERR_NOT_A_BACKUP|ERR_NOT_FOUND/ })
      },
    )
    t.ok(finished < 10, 'only the last moments leave a backup')
  },
)

t.test('[fault 55] one that goes on is interrupted anywhere: what was a backup is one', async (t) => {
  const disk = new CrashDisk()
  await fill(simulatedProcess(disk, 4).environment, STORE, 14)
  await backup(simulatedProcess(disk, 4).environment, STORE, COPY)
  const first = await commitsOf(simulatedProcess(disk, 4).environment, COPY)
  await fill(simulatedProcess(disk, 4).environment, STORE, 9)
  const all = await commitsOf(simulatedProcess(disk, 4).environment, STORE)
  await crashEach(
    t,
    disk,
    (environment) => backup(environment, STORE, COPY),
    async (environment, where) => {
      const whole = (await wholeOf(environment)) ?? []
      const isBeginning = JSON.stringify(whole) === JSON.stringify(all.slice(0, whole.length))
      if (!isBeginning || whole.length < first.length) t.fail(`${where}: ${whole.length} commits`)
      await restore(environment, COPY, '/disk/back')
      const restored = JSON.stringify(await commitsOf(environment, '/disk/back'))
      if (restored !== JSON.stringify(first) && restored !== JSON.stringify(all)) t.fail(`${where}: restored another`)
    },
  )
})

t.test('[fault 55] a restore that is interrupted anywhere leaves no half store, and can be run again', async (t) => {
  const disk = new CrashDisk()
  await fill(simulatedProcess(disk, 5).environment, STORE, 10)
  await backup(simulatedProcess(disk, 5).environment, STORE, '/disk/kept')
  const all = await commitsOf(simulatedProcess(disk, 5).environment, STORE)
  await crashEach(
    t,
    disk,
    async (environment) => {
      const done = environment.files.stat(`${COPY}/backup`) === undefined && (await wholeOf(environment)) !== undefined
      if (!done) await restore(environment, '/disk/kept', COPY)
      else await (await openStore(environment, COPY, OPTIONS)).close()
    },
    async (environment, where) => {
      const whole = await wholeOf(environment)
      if (whole !== undefined && JSON.stringify(whole) !== JSON.stringify(all)) t.same(whole, all, where)
    },
  )
})

t.test(
  '[fault 21] [fault 55] a disk that is full, at any amount of space: told, and nothing to begin anew',
  async (t) => {
    const source = new CrashDisk()
    await fill(simulatedProcess(source, 9).environment, STORE, 10)
    const refused = { backup: 0, restore: 0, store: 0 }
    const full = { code: 'ERR_NO_SPACE' }
    for (let space = 0, copied = false, restored = false; !restored; space += 500) {
      if (!copied) {
        const disk = source.crash('kill', 9, undefined, { space })
        const { environment } = simulatedProcess(disk, 9)
        copied = await named('back up', backup(environment, STORE, COPY)).then(
          () => true,
          (error: unknown) => {
            t.match(error, full)
            return false
          },
        )
        if (!copied) refused.backup++
        disk.space = Infinity
        await backup(environment, STORE, COPY)
        await assertWhole(t, environment, COPY)
      }
      const disk = source.crash('kill', 9)
      const { environment } = simulatedProcess(disk, 9)
      await backup(environment, STORE, COPY)
      disk.space = space
      const failure = await named('restore', restore(environment, COPY, '/disk/restored')).then(
        () => undefined,
        (error: unknown) => error as Error,
      )
      disk.space = Infinity
      restored = failure === undefined
      if (failure !== undefined) t.match(failure, full)
      if (failure?.message.startsWith('All events are restored')) {
        refused.store++
        await t.rejects(restore(environment, COPY, '/disk/restored'), { message: /it is a store already$/ })
        await (await openStore(environment, '/disk/restored', OPTIONS)).close()
      } else if (failure !== undefined) {
        refused.restore++
        await restore(environment, COPY, '/disk/restored')
      }
      await assertWhole(t, environment, '/disk/restored', STORE, failure !== undefined)
    }
    t.ok(Math.min(...Object.values(refused)) >= 5, `enough of each: ${JSON.stringify(refused)}`)
  },
)

t.test('folders that are something else are left alone', async (t) => {
  const { environment } = simulatedProcess(new CrashDisk(), 6)
  const { files } = environment
  await fill(environment, STORE, 10)
  await fill(environment, '/disk/other', 10)
  files.makeDirectories('/disk/full')
  files.open('/disk/full/letter', 'create').close()
  const refused = async (work: Promise<unknown>, message: RegExp, code = 'ERR_NOT_A_BACKUP'): Promise<void> => {
    await t.rejects(work, { code, message })
  }
  await refused(backup(environment, STORE, '/disk/full'), /it is not empty, and no backup$/)
  await refused(backup(environment, STORE, '/disk/other'), /it is not empty, and no backup$/)
  for (const inside of [STORE, `${STORE}/copy`, `${STORE}/streams/copy/of/it`, `/disk/full/../${STORE.slice(6)}/log`]) {
    await refused(backup(environment, STORE, inside), /it is what is to be copied, or in it$/)
  }
  t.equal(files.stat(`${STORE}/copy`), undefined)
  t.equal(files.stat(`${STORE}/streams/copy`), undefined)
  await refused(backup(environment, '/disk/none', COPY), /there is no such folder/, 'ERR_NOT_FOUND')
  await refused(restore(environment, STORE, COPY), /it is no backup$/)
  await refused(restore(environment, '/disk/none', COPY), /there is no such folder/, 'ERR_NOT_FOUND')
  t.equal(files.stat(COPY), undefined, 'nothing was made')
  await backup(environment, STORE, COPY)
  await refused(backup(environment, '/disk/other', COPY), /it is the backup of another store$/)
  await refused(restore(environment, COPY, '/disk/full'), /it is not empty$/)
  await refused(restore(environment, COPY, `${COPY}/back`), /it is what is to be copied, or in it$/)
  await refused(openStore(environment, COPY, {}), /it is a backup; restore it/, 'ERR_READ_ONLY')
  const controller = new AbortController()
  controller.abort(new Error('enough'))
  await t.rejects(backup(environment, STORE, '/disk/third', { signal: controller.signal }), { message: 'enough' })
  await refused(openReadOnly(environment, '/disk/third', { readOnly: true }), /was not finished here/)
  await refused(verify(environment, '/disk/third'), /was not finished here/)
  await backup(environment, STORE, '/disk/third')
})

t.test('a store of another history, damage of the store, and damage of the copy are told', async (t) => {
  const disk = new CrashDisk()
  await fill(simulatedProcess(disk, 7).environment, STORE, 12)
  const before = disk.crash('kill', 1)
  await fill(simulatedProcess(disk, 7).environment, STORE, 12)
  const { environment } = simulatedProcess(disk, 7)
  await backup(environment, STORE, COPY)
  const { files } = environment

  // The store as it was before, put in the place of the newer one.
  const older = simulatedProcess(before, 8).environment
  for (const name of files.list(`${STORE}/log`)) files.remove(`${STORE}/log/${name}`)
  for (const name of ['annals', 'checkpoint']) copyFile(older, environment, `${STORE}/${name}`)
  files.remove(`${STORE}/watermark`)
  for (const name of older.files.list(`${STORE}/log`)) copyFile(older, environment, `${STORE}/log/${name}`)
  await t.rejects(backup(environment, STORE, COPY), { code: 'ERR_NOT_A_BACKUP', message: /replaced by an older one$/ })

  const segment = `${COPY}/log/${
    files
      .list(`${COPY}/log`)
      .filter((name) => name.endsWith('.log'))
      .sort()[1]!
  }`
  flip(environment, segment)
  await t.rejects(restore(environment, COPY, '/disk/restored'), { code: 'ERR_CORRUPT' })
  await t.rejects(openReadOnly(environment, '/disk/restored', { readOnly: true }), { code: 'ERR_NOT_A_BACKUP' })

  await fill(environment, '/disk/second', 20)
  await backup(environment, '/disk/second', '/disk/kept')
  const source = `/disk/second/log/${
    files
      .list('/disk/second/log')
      .filter((name) => name.endsWith('.log'))
      .sort()[1]!
  }`
  flip(environment, source)
  await t.rejects(backup(environment, '/disk/second', '/disk/fresh'), { code: 'ERR_CORRUPT' })
  await backup(environment, '/disk/second', '/disk/kept') // what was copied before is right
})

function copyFile(from: Environment, to: Environment, path: string): void {
  const source = from.files.open(path, 'read')
  const bytes = Buffer.alloc(source.size())
  source.readSync(bytes, 0, bytes.length, 0)
  source.close()
  if (to.files.stat(path) !== undefined) to.files.remove(path)
  const target = to.files.open(path, 'create')
  target.writeSync(bytes, 0, bytes.length, 0)
  target.close()
}

function flip({ files }: Environment, path: string): void {
  const handle = files.open(path, 'write')
  const byte = Buffer.alloc(1)
  handle.readSync(byte, 0, 1, 300)
  byte[0]! ^= 1
  handle.writeSync(byte, 0, 1, 300)
  handle.close()
}
