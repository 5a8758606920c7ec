/** A real file system that is really full, and small: tmpfs, where this user may mount one. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openEventStore, verifyStore } from '../../engine/index.js'
import { tortureStore } from '../../tools/torture/torture-store.js'
import { Ballast } from '../../tools/torture/full-disk.js'

t.setTimeout(180_000)

/** Mounts a file system of so many KiB; returns its folder, or why that cannot be done. */
function mountSmall(kibibytes: number): { folder: string } | { reason: string } {
  if (process.platform !== 'linux') return { reason: 'tmpfs is a file system of Linux' }
  const folder = mkdtempSync(join(tmpdir(), 'annals-small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder], { stdio: 'pipe' })
    return { folder }
  } catch (error) {
    rmSync(folder, { recursive: true })
    return { reason: `no small file system can be mounted here: ${(error as Error).message.trim()}` }
  }
}

function small(t: Test, kibibytes: number): string {
  const mounted = mountSmall(kibibytes)
  if ('reason' in mounted) throw new Error(mounted.reason)
  t.teardown(() => {
    execFileSync('umount', ['-l', mounted.folder])
    rmSync(mounted.folder, { recursive: true })
  })
  return mounted.folder
}

const probe = mountSmall(64)
const skip = 'reason' in probe ? probe.reason : false
if ('folder' in probe) {
  execFileSync('umount', ['-l', probe.folder])
  rmSync(probe.folder, { recursive: true })
}

t.test(
  '[fault 21] [F5] a store that fills its disk: nothing acknowledged is lost, and it goes on after room is made',
  { skip },
  async (t) => {
    for (const [kibibytes, bytes] of [
      [768, 100],
      [1024, 3000],
      [4096, 70_000],
    ] as const) {
      // prettier-ignore
      const folder = small(t, kibibytes)
      const ballast = new Ballast(join(folder, 'ballast'), kibibytes * 768)
      t.equal(await ballast.fill(), false)
      const directory = join(folder, 'store')
      const limits = { logSegmentBytes: 256 * 1024 }
      const store = await openEventStore(directory, { limits })
      let acknowledged = 0
      let told: unknown
      const append = async (): Promise<void> => {
        while (told === undefined) {
          const commit = [{ type: 'A', data: { text: 'x'.repeat(bytes) } }, { type: 'B' }]
          await store.append('s', commit).then(
            () => (acknowledged += 2),
            (error: unknown) => (told ??= error),
          )
        }
      }
      await Promise.all([append(), append(), append(), append()])
      // What was being written while a flush met the full disk may be stored or not.
      const { code, cause } = told as { code: string; cause: { code: string } }
      t.ok(code === 'ERR_NO_SPACE' || (code === 'ERR_OUTCOME_UNKNOWN' && cause.code === 'ERR_NO_SPACE'), code)
      await t.rejects(store.append('s', [{ type: 'A' }]), { code: 'ERR_WRITER_FAILED' })
      let read = 0
      for await (const event of store.readStream('s')) if (event.offset === read) read++
      t.equal(read, acknowledged, 'a full disk does not keep anybody from reading')
      await store.close()

      // What is known of a disk without room: an error that says so, and nothing worse.
      const opened = await openEventStore(directory, { limits })
        .then((again) => again.close())
        .then(
          () => 'opened',
          (error: unknown) => (error as { code?: string }).code,
        )
      t.match(opened, /^(?:opened|ERR_NO_SPACE)$/)

      await ballast.remove()
      const again = await openEventStore(directory, { limits })
      const { version } = await again.streamInfo('s')
      t.ok(version >= acknowledged && version % 2 === 0, `${version} events, ${acknowledged} acknowledged`)
      t.equal((await again.append('s', [{ type: 'C' }])).version, version + 1, 'it goes on')
      await again.close()
      t.match(await verifyStore(directory), { ok: true, events: version + 1 })
    }
  },
)

t.test(
  '[fault 21] [K3] a store that is closed on a full disk says so, and has everything later',
  { skip },
  async (t) => {
    const folder = small(t, 4096)
    const ballast = new Ballast(join(folder, 'ballast'), 64 * 1024 * 1024)
    const directory = join(folder, 'store')
    const store = await openEventStore(directory)
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => store.append(`s-${i}`, [{ type: 'A', data: 'x'.repeat(1000) }])),
    )
    t.equal(await ballast.fill(), true)
    await t.rejects(store.close(), { code: 'ERR_NO_SPACE', cause: { code: 'ENOSPC' } }) // the streams have no files yet
    await ballast.remove()
    const again = await openEventStore(directory)
    for (let i = 0; i < 200; i++) if ((await again.streamInfo(`s-${i}`)).version !== 1) t.fail(`s-${i} is lost`)
    await again.close()
    t.match(await verifyStore(directory), { ok: true, events: 200 })
  },
)

t.test(
  '[fault 21] [fault 22] [L2] writers killed, then the disk filled under one, and room made',
  { skip },
  async (t) => {
    const folder = small(t, 96 * 1024)
    const report = await tortureStore(join(folder, 'tortured'), { rounds: 4, inFlight: 4, fillDisk: 128 * 1024 * 1024 })
    t.same(report.findings, [])
    t.match(report.fullDisk, {
      full: true,
      writer: /^ERR_(?:NO_SPACE|OUTCOME_UNKNOWN)$/,
      opener: /^(?:opened|ERR_NO_SPACE)$/,
    })
    t.ok(report.fullDisk!.acknowledgedAfter > 0)
    t.equal(report.sync.verdict, 'in-memory')
  },
)

t.test('[L2] no more ballast than was allowed', { skip }, async (t) => {
  const folder = small(t, 256 * 1024)
  const report = await tortureStore(join(folder, 'tortured'), { rounds: 0, inFlight: 1, fillDisk: 1024 * 1024 })
  t.match(report, { ok: true, fullDisk: { ballastBytes: 1024 * 1024, full: false } })
  t.match(report.notDone, [/not full after 1048576 bytes/])
})

t.test('[L2] a disk that is full without having been filled is not the fault of the store', { skip }, async (t) => {
  // With little room the test itself meets it, with more a writer does.
  for (const kibibytes of [64, 4096]) {
    const folder = small(t, kibibytes)
    await t.rejects(tortureStore(join(folder, 'tortured'), { rounds: 500, eventBytes: 100_000 }), {
      code: 'ERR_NO_SPACE',
    })
  }
})
