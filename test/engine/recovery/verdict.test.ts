import t from 'tap'
import type { Behind, Found, Successor, Verdict } from '../../../engine/recovery/verdict.js'
import { verdictOf } from '../../../engine/recovery/verdict.js'
import type { Durability } from '../../../engine/types/durability.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession, STORE_PATH } from '../../support/crash-workload.js'

/** Every combination, written down a second time: successor, found, behind → verdict. */
const TABLE: readonly (readonly [Successor, Found, Behind, Verdict])[] = [
  ['open', 'nothing', 'none', 'end'],
  ['open', 'nothing', 'silent', 'torn'],
  ['open', 'nothing', 'durable', 'damaged'],
  ['open', 'zeros', 'none', 'end'],
  ['open', 'zeros', 'silent', 'torn'],
  ['open', 'zeros', 'durable', 'damaged'],
  ['open', 'invalid', 'none', 'torn'],
  ['open', 'invalid', 'silent', 'torn'],
  ['open', 'invalid', 'durable', 'damaged'],
  ['reached', 'nothing', 'none', 'end'],
  ['reached', 'nothing', 'silent', 'end'],
  ['reached', 'nothing', 'durable', 'end'],
  ['reached', 'zeros', 'none', 'end'],
  ['reached', 'zeros', 'silent', 'end'],
  ['reached', 'zeros', 'durable', 'end'],
  ['reached', 'invalid', 'none', 'end'],
  ['reached', 'invalid', 'silent', 'end'],
  ['reached', 'invalid', 'durable', 'end'],
  ['beyond', 'nothing', 'none', 'torn'],
  ['beyond', 'nothing', 'silent', 'torn'],
  ['beyond', 'nothing', 'durable', 'damaged'],
  ['beyond', 'zeros', 'none', 'torn'],
  ['beyond', 'zeros', 'silent', 'torn'],
  ['beyond', 'zeros', 'durable', 'damaged'],
  ['beyond', 'invalid', 'none', 'torn'],
  ['beyond', 'invalid', 'silent', 'torn'],
  ['beyond', 'invalid', 'durable', 'damaged'],
]

t.test('verdictOf decides each of the 27 combinations', async (t) => {
  t.equal(new Set(TABLE.map((row) => row.slice(0, 3).join())).size, 27)
  for (const [successor, found, behind, verdict] of TABLE) {
    t.equal(verdictOf(found, behind, successor), verdict, `${successor}, ${found}, ${behind}: ${verdict}`)
  }
})

interface Log {
  readonly disk: CrashDisk
  readonly files: readonly string[]
  /** For each group, in order: its file, and where it starts and ends there. */
  readonly groups: readonly { readonly file: string; readonly start: number; readonly end: number }[]
}

/** A killed store with a group for each event. */
async function logOf(durabilities: readonly Durability[], limits = {}): Promise<Log> {
  const disk = new CrashDisk()
  const { store } = await openSession(disk, 1, { limits })
  for (const [i, durability] of durabilities.entries()) {
    await store.append(`stream-${i}`, [{ type: 'Happened', data: { text: 'x'.repeat(200) } }], { durability })
  }
  const image = disk.crash('kill', 0)
  const folder = `${STORE_PATH}/log`
  const files = image
    .list(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => `${folder}/${name}`)
  const groups = files.flatMap((file) => {
    const bytes = read(image, file)
    const starts: number[] = []
    for (let at = bytes.indexOf('GRP\n'); at >= 0; at = bytes.indexOf('GRP\n', at + 1)) starts.push(at - 12)
    return starts.map((start) => ({ file, start, end: start + 84 + bytes.readUInt32LE(start + 72) }))
  })
  return { disk: image, files, groups }
}

function read(disk: CrashDisk, file: string): Buffer {
  const handle = disk.open(file, 'read')
  const bytes = Buffer.alloc(handle.size())
  handle.readSync(bytes, 0, bytes.length, 0)
  handle.close()
  return bytes
}

function change(disk: CrashDisk, file: string, make: (bytes: Buffer) => Buffer): CrashDisk {
  const copy = disk.crash('kill', 0)
  const bytes = make(read(copy, file))
  const handle = copy.open(file, 'write')
  handle.truncate(0)
  handle.writeSync(bytes, 0, bytes.length, 0)
  handle.close()
  return copy
}

async function outcome(disk: CrashDisk): Promise<{ verdict: Verdict; events: number }> {
  const { store } = await openSession(disk.crash('kill', 0), 2, {})
  const { damage, tornBytes } = store.recovery
  const { events } = store.stats()
  await store.close()
  return { verdict: damage !== undefined ? 'damaged' : tornBytes > 0 ? 'torn' : 'end', events }
}

const FSYNC = new Array<Durability>(4).fill('fsync')
const zeroed = (start: number, end: number) => (bytes: Buffer) => bytes.fill(0, start, end)
const flipped = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 1
  return bytes
}
const cut = (size: number) => (bytes: Buffer) => bytes.subarray(0, size)

t.test('[D4] the last segment, as real logs show it', async (t) => {
  const { disk, groups } = await logOf(FSYNC)
  const [, second, third, last] = groups
  const { file } = last!
  t.same(await outcome(disk), { verdict: 'end', events: 4 }, 'zeros written ahead')
  t.same(await outcome(change(disk, file, cut(last!.end))), { verdict: 'end', events: 4 }, 'nothing')
  t.same(await outcome(change(disk, file, cut(last!.end - 1))), { verdict: 'torn', events: 3 }, 'a group cut short')
  t.same(
    await outcome(change(disk, file, flipped(last!.start + 90))),
    { verdict: 'torn', events: 3 },
    'last group invalid',
  )
  t.same(
    await outcome(change(disk, file, zeroed(last!.start, last!.end))),
    { verdict: 'end', events: 3 },
    'last group all zeros',
  )
  t.equal(
    (await outcome(change(disk, file, flipped(second!.start + 90)))).verdict,
    'damaged',
    'invalid, durable behind',
  )
  t.equal(
    (await outcome(change(disk, file, zeroed(third!.start, third!.end)))).verdict,
    'damaged',
    'zeros, durable behind',
  )
})

t.test('[D4] under relaxed durability a group behind proves nothing unless it says so', async (t) => {
  const { disk, groups } = await logOf(['fsync', 'os', 'os', 'os'])
  const [first, second, third] = groups
  const { file } = first!
  t.same(
    await outcome(change(disk, file, flipped(second!.start + 90))),
    { verdict: 'torn', events: 1 },
    'invalid, silent',
  )
  t.same(
    await outcome(change(disk, file, zeroed(third!.start, third!.end))),
    { verdict: 'torn', events: 2 },
    'zeros, silent',
  )
  t.equal((await outcome(change(disk, file, flipped(first!.start + 90)))).verdict, 'damaged', 'what was synced before')
})

t.test('[D4] a segment with a successor', async (t) => {
  const durable = await logOf(FSYNC, { logSegmentBytes: 512 })
  const segment = durable.groups.filter(({ file }) => file === durable.files.at(-2))
  const last = segment.at(-1)!
  const unsettled = (disk: CrashDisk): CrashDisk => {
    // As if the checkpoint had not moved: the whole log is read.
    if (disk.stat(`${STORE_PATH}/checkpoint`) !== undefined) disk.remove(`${STORE_PATH}/checkpoint`)
    return disk
  }
  t.equal((await outcome(unsettled(durable.disk.crash('kill', 0)))).verdict, 'end', 'reached')
  const more = change(durable.disk, last.file, (bytes) =>
    Buffer.concat([bytes.subarray(0, last.end), Buffer.alloc(99, 7)]),
  )
  t.equal((await outcome(unsettled(more))).verdict, 'end', 'reached, and something behind it that does not count')
  for (const [name, make] of [
    ['nothing', cut(last.start)],
    ['zeros', zeroed(last.start, last.end)],
    ['invalid', flipped(last.start + 90)],
  ] as const) {
    t.equal(
      (await outcome(unsettled(change(durable.disk, last.file, make)))).verdict,
      'damaged',
      `beyond, ${name}, durable`,
    )
  }
  const relaxed = await logOf(new Array<Durability>(4).fill('os'), { logSegmentBytes: 512 })
  const lost = relaxed.groups.filter(({ file }) => file === relaxed.files.at(-2)).at(-1)!
  const held = relaxed.disk.crash('kill', 0)
  t.equal((await outcome(unsettled(held))).verdict, 'end', 'relaxed, reached')
  const gone = await outcome(unsettled(change(relaxed.disk, lost.file, flipped(lost.start + 90))))
  t.match(gone, { verdict: 'torn' }, 'beyond, silent: the segment behind it does not count either')
  t.ok(gone.events < 4)
})
