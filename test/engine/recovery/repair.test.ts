import { join } from 'node:path'
import t, { type Test } from 'tap'
import { repair, type RepairReport } from '../../../engine/recovery/repair.js'
import { verify } from '../../../engine/recovery/verify.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { openStore } from '../../../engine/store/open-store.js'
import type { StoredEvent } from '../../../engine/types/event.js'
import { buildStore, type Image, imageOf, restore, STORE, TINY } from './verify-support.js'

const { limits } = TINY
const isRecord = (path: string): boolean => path.endsWith('.log') || path.endsWith('.seg')
const STEP = process.env['ANNALS_ALL_BITS'] === '1' ? 1 : 293
/** All bits take many minutes. */
if (STEP === 1) t.setTimeout(0)

/** Everything that is not a record, an epoch, or set aside. */
function records(image: Image): Map<string, Buffer> {
  return new Map([...image].filter(([path]) => isRecord(path) && !path.includes('/aside/')).sort())
}

async function readAll(environment: Environment): Promise<StoredEvent[]> {
  const store = await openStore(environment, STORE, TINY)
  if (store.recovery.damage !== undefined) throw store.recovery.damage
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  const byStream: StoredEvent[] = []
  for (const stream of new Set(events.map((event) => event.stream))) {
    for await (const event of store.readStream(stream)) byStream.push(event)
  }
  byStream.sort((a, b) => a.position - b.position)
  t.same(byStream, events, 'both copies are equal')
  await store.append('account-1', [{ type: 'After', data: { amount: 1 } }])
  await store.close()
  return events
}

async function heals(t: Test, image: Image, damaged: Image, events: readonly StoredEvent[], what: string) {
  const environment = restore(damaged)
  const report = await repair(environment, STORE, { limits })
  if (!report.ok || report.after!.findings.some(({ severity }) => severity !== 'note')) {
    t.match(report, { ok: true, failures: [], after: { findings: [] } }, what)
    return report
  }
  const now = records(imageOf(environment.files))
  for (const [path, contents] of records(image)) {
    if (!contents.equals(now.get(path) ?? Buffer.alloc(0))) t.fail(`${what}: ${path} is not what it was`)
  }
  const after = await readAll(environment)
  if (JSON.stringify(after.map(({ id }) => id)) !== JSON.stringify(events.map(({ id }) => id))) {
    t.same(after, events, what)
  }
  return report
}

t.test('[U3] a flipped bit is healed from the other copy, byte by byte, and set aside', async (t) => {
  const { image, events } = await buildStore()
  let bits = 0
  let report: RepairReport | undefined
  for (const [path, bytes] of image) {
    if (path.includes('/epoch/')) continue
    for (let bit = bits % STEP; bit < bytes.length * 8; bit += STEP) {
      bits++
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      report = await heals(t, image, new Map(image).set(path, damaged), events, `bit ${bit} of ${path}`)
      if (!report.ok) return
      const aside = report.actions.find(({ file }) => file === path)?.aside
      if (aside === undefined) t.fail(`bit ${bit} of ${path} was not set aside`)
    }
  }
  t.pass(`${bits} bits`)
})

t.test('[fault 41] 512 zeroed bytes anywhere in a record file are healed', async (t) => {
  const { image, events } = await buildStore()
  for (const [path, bytes] of image) {
    if (!isRecord(path)) continue
    for (let at = 0; at < bytes.length; at += 509) {
      const damaged = Buffer.from(bytes).fill(0, at, Math.min(at + 512, bytes.length))
      const environment = restore(new Map(image).set(path, damaged))
      const report = await repair(environment, STORE, { limits })
      t.match(report, { ok: true, failures: [] }, `${path} at ${at}`)
      t.same(
        (await readAll(environment)).map(({ id }) => id),
        events.map(({ id }) => id),
      )
    }
  }
})

t.test('[fault 40] [fault 47] files cut short or missing are made again from the other copy', async (t) => {
  const { image, events } = await buildStore()
  for (const [path, bytes] of image) {
    if (path.includes('/epoch/')) continue
    for (const size of [undefined, 0, 50, 96, 300, bytes.length - 1]) {
      const damaged = new Map(image)
      if (size === undefined) damaged.delete(path)
      else if (size < bytes.length) damaged.set(path, bytes.subarray(0, size))
      const environment = restore(damaged)
      const report = await repair(environment, STORE, { limits })
      t.match(report, { ok: true, failures: [] }, `${path} cut to ${size}`)
      t.same(
        (await readAll(environment)).map(({ id }) => id),
        events.map(({ id }) => id),
      )
    }
  }
})

t.test('where both copies are gone nothing is invented: the damage stays and is named', async (t) => {
  const { image, events } = await buildStore()
  const event = events[4]!
  const damaged = new Map(image)
  for (const [path, bytes] of image) {
    const at = bytes.indexOf(event.id.replaceAll('-', ''), 0, 'hex')
    if (at < 0) continue
    const copy = Buffer.from(bytes)
    copy[at]! ^= 1
    damaged.set(path, copy)
  }
  const environment = restore(damaged)
  const report = await repair(environment, STORE, { limits })
  t.equal(report.ok, false)
  t.equal(report.failures.length, 2)
  t.same(records(imageOf(environment.files)), records(damaged), 'no record was changed')
  t.match(
    report.after!.findings.filter(({ severity }) => severity === 'damage'),
    [{ position: event.position }, { stream: event.stream, offset: event.offset }],
  )
})

t.test('a dry run says what would be done and writes nothing', async (t) => {
  const { image } = await buildStore()
  const path = [...image.keys()].find((name) => name.endsWith('.seg'))!
  const bytes = Buffer.from(image.get(path)!)
  bytes[200]! ^= 4
  const damaged = new Map(image).set(path, bytes)
  const environment = restore(damaged)
  const report = await repair(environment, STORE, { limits, dryRun: true })
  t.match(report, { ok: false, actions: [{ file: path, aside: undefined }], after: undefined })
  t.same(imageOf(environment.files), damaged)
})

t.test('[fault 52] a file of a newer version is refused and nothing is touched', async (t) => {
  const { environment, image } = await buildStore()
  const { crc32c } = await import('../../../engine/format/crc32c.js')
  for (const path of image.keys()) {
    if (!isRecord(path)) continue
    const bytes = Buffer.from(image.get(path)!)
    bytes.writeUInt16LE(2, 8)
    const length = bytes.readUInt32LE(12)
    bytes.writeUInt32LE(crc32c(bytes, 20, length, crc32c(bytes, 0, 16)), 16)
    const newer = new Map(image).set(path, bytes)
    const store = restore(newer)
    await t.rejects(repair(store, STORE, { limits }), { code: 'ERR_FORMAT' })
    t.same(imageOf(store.files), newer)
    const { findings } = await verify(store, STORE, { limits })
    t.ok(findings.some(({ file, message }) => file === path && message.includes('version 2')))
  }
  t.same(await verify(environment, STORE, { limits }).then(({ findings }) => findings), [])
  t.ok(join(STORE, 'annals'))
})
