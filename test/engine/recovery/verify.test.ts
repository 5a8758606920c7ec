import { join } from 'node:path'
import t from 'tap'
import type { Finding } from '../../../engine/recovery/findings.js'
import { verify } from '../../../engine/recovery/verify.js'
import { EXACT_WINDOWS } from '../../../engine/recovery/verify-ledger.js'
import { openStore } from '../../../engine/store/open-store.js'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { logFileName, streamFileName, streamKey } from '../../../engine/format/names.js'
import { readFileSync } from '../../../engine/io/transfer.js'
import { systemError } from '../../../engine/io/system-error.js'
import { Forge, forgedStore, logSegment, STORE_ID, streamSegment } from '../../support/forge.js'
import { buildStore, type Image, imageOf, put, restore, STORE, TINY } from './verify-support.js'

const { limits } = TINY
const isRecord = (path: string): boolean => path.endsWith('.log') || path.endsWith('.seg')
/** Every bit with ANNALS_ALL_BITS=1; a few thousand of them otherwise. */
const STEP = process.env['ANNALS_ALL_BITS'] === '1' ? 1 : 31
/** All bits take minutes. */
if (STEP === 1) t.setTimeout(0)

function flip(image: Image, path: string, bit: number): Map<string, Buffer> {
  const flipped = new Map(image)
  const bytes = Buffer.from(image.get(path)!)
  bytes[bit >> 3]! ^= 1 << (bit & 7)
  return flipped.set(path, bytes)
}

function damageOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === 'damage')
}

t.test('a sound store has no findings, closed or open, and nothing is written', async (t) => {
  const { environment, image, events } = await buildStore()
  const report = await verify(environment, STORE, { limits })
  t.match(report, { ok: true, findings: [], truncated: 0, events: events.length, streams: 3 })
  t.ok(report.files >= 9 && report.bytes > 8000)
  t.same(imageOf(environment.files), image)
  const fast = await verify(environment, STORE, { limits, fast: true })
  t.same(fast.findings, [])

  const store = await openStore(environment, STORE, TINY)
  for (let i = 0; i < 40; i++) {
    const appended = store.append(`more-${i % 5}`, [
      { type: 'More', data: { i } },
      { type: 'More', data: { i } },
    ])
    const open = await verify(environment, STORE, { limits, openSince: events.length })
    t.same(damageOf(open.findings), [], `while append ${i} is on its way`)
    await appended
  }
  await store.flush()
  const flushed = await verify(environment, STORE, { limits, openSince: events.length })
  t.same(flushed.findings, [])
  t.equal(flushed.events, events.length + 80)
  await store.close()
  t.same((await verify(environment, STORE, { limits })).findings, [])
})

t.test('an index is held to the interval that made it, whatever it was', async (t) => {
  for (const indexIntervalBytes of [256, 1024, 3000]) {
    for (const rounds of [1, 3, 5, 8, 13]) {
      const { image, environment } = await buildStore({ limits: { indexIntervalBytes } }, rounds)
      t.same((await verify(environment, STORE, {})).findings, [], `${indexIntervalBytes} bytes, ${rounds} rounds`)
      const index = [...image.keys()].find((path) => path.includes('/log/') && path.endsWith('.idx'))!
      const entries = image.get(index)!
      if (entries.length <= 96 + 2 * 36) continue
      const lacking = new Map(image).set(index, Buffer.concat([entries.subarray(0, 96), entries.subarray(96 + 36)]))
      t.match((await verify(restore(lacking), STORE, {})).findings, [{ invariant: 'I11', file: index, byte: 0 }])
    }
  }
})

t.test('[U3] [fault 39] a flipped bit is reported with file, byte, stream and offset', async (t) => {
  const { image, events } = await buildStore()
  const environment = restore(image)
  const { files } = environment
  let bits = 0
  for (const [path, bytes] of image) {
    const handle = files.open(path, 'write')
    for (let bit = bits % STEP; bit < bytes.length * 8; bit += STEP) {
      bits++
      const at = bit >> 3
      handle.writeSync(Buffer.of(bytes[at]! ^ (1 << (bit & 7))), 0, 1, at)
      const { ok, findings } = await verify(environment, STORE, { limits })
      const where = `bit ${bit} of ${path}`
      const wanted = isRecord(path) ? 'damage' : 'derived'
      const first = findings.find((finding) => finding.file === path && finding.severity === wanted)
      if (first === undefined || ok !== (wanted === 'derived') || first.byte > at) {
        t.match(findings, [{ file: path, severity: wanted }], where)
        return
      }
      if (wanted === 'damage') {
        const event = events.find(({ stream, offset }) => stream === first.stream && offset === first.offset)
        const isEnd = path.endsWith('.seg') && event === undefined && first.stream !== undefined
        if (event === undefined && !isEnd) t.match(first, { stream: String, offset: Number }, where)
      }
      handle.writeSync(bytes, at, 1, at)
    }
    handle.close()
  }
  t.pass(`${bits} bits`)
})

t.test('[fault 53] foreign files are noted and nothing else', async (t) => {
  const { environment } = await buildStore()
  const foreign = ['.DS_Store', 'log/notes.txt', 'streams/61/account-1.bak', 'streams/lost+found']
  for (const name of foreign) put(environment.files, join(STORE, name), Buffer.from('x'))
  const { ok, findings } = await verify(environment, STORE, { limits })
  t.ok(ok)
  t.same(
    findings.map(({ severity, file }) => [severity, file]).sort(),
    foreign.map((name) => ['note', join(STORE, name)]).sort(),
  )
})

t.test('[fault 45] [fault 46] swapped and exchanged files are damage', async (t) => {
  const { image } = await buildStore()
  const paths = [...image.keys()]
  const logs = paths.filter((path) => path.endsWith('.log'))
  const segments = paths.filter((path) => path.endsWith('.seg'))
  for (const [a, b] of [logs.slice(0, 2), segments.slice(0, 2), segments.slice(-2), [logs[0], segments[0]]] as const) {
    const swapped = new Map(image).set(a!, image.get(b!)!).set(b!, image.get(a!)!)
    const { findings } = await verify(restore(swapped), STORE, { limits })
    for (const file of [a!, b!]) {
      t.match(
        damageOf(findings).find((finding) => finding.file === file),
        { file },
      )
    }
  }
})

t.test('[fault 47] each missing file is reported by its name', async (t) => {
  const { image } = await buildStore()
  for (const path of image.keys()) {
    if (path.includes('/epoch/') || path.endsWith('/watermark')) continue // may be missing, or have never been there
    const left = new Map(image)
    left.delete(path)
    const { findings } = await verify(restore(left), STORE, { limits })
    const severity = isRecord(path) ? 'damage' : 'derived'
    // The index of the newest log segment is not needed, and none says that it was there.
    const expected = !path.endsWith('.idx') || path.includes('0000000000000000-')
    if (expected) {
      t.ok(
        findings.some((finding) => finding.severity === severity && finding.file === path),
        path,
      )
    }
  }
})

t.test('[fault 40] every truncation of a record file is reported', async (t) => {
  const { image } = await buildStore()
  for (const [path, bytes] of image) {
    if (!isRecord(path)) continue
    for (let size = 0; size < bytes.length; size += 7) {
      const { ok, findings } = await verify(restore(new Map(image).set(path, bytes.subarray(0, size))), STORE, {
        limits,
      })
      if (ok || !damageOf(findings).some(({ file }) => file === path)) {
        t.match(findings, [{ severity: 'damage', file: path }], `${path} cut to ${size}`)
        return
      }
    }
  }
  t.pass()
})

t.test('[U3] the stream and offset of a damaged log record come from its other copy', async (t) => {
  const { image, events } = await buildStore()
  const log = [...image.keys()].find((path) => path.endsWith('.log'))!
  const bytes = image.get(log)!
  const event = events[7]!
  const at = bytes.indexOf(event.id.replaceAll('-', ''), 0, 'hex')
  t.ok(at > 0)
  const { findings } = await verify(restore(flip(image, log, at * 8)), STORE, { limits })
  t.match(damageOf(findings), [
    { invariant: 'I3', file: log, byte: at - 40, stream: event.stream, offset: event.offset, position: event.position },
  ])
})

t.test('progress never goes back and gets to the end, whatever need not be read', async (t) => {
  const { environment, image } = await buildStore()
  const log = [...image.keys()].filter((path) => path.endsWith('.log')).at(-1)!
  const zeros = new Map(image).set(log, Buffer.concat([image.get(log)!, Buffer.alloc(60_000)]))
  for (const [name, store] of [
    ['sound', environment],
    ['zeros written ahead', restore(zeros)],
    ['damaged', restore(flip(image, log, 8 * 300))],
  ] as const) {
    const seen: number[] = []
    let total = 0
    await verify(store, STORE, {
      onProgress: ({ bytesRead, totalBytes }) => {
        seen.push(bytesRead)
        total = totalBytes
      },
    })
    t.ok(seen.length > 10, `${name}: told often`)
    t.same(
      seen,
      [...seen].sort((a, b) => a - b),
      `${name}: never back`,
    )
    t.equal(seen.at(-1), total, `${name}: to the end`)
    t.ok(seen.at(-2)! > 0.9 * total, `${name}: with no great step at the end`)
  }
  const reason = new Error('enough')
  await t.rejects(verify(environment, STORE, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('[U3] positions beyond those that are compared at once are compared in another round', async (t) => {
  // More than 16 million positions: of those that a missing segment held nothing is asked but that it is missing.
  const FAR = 2 ** 24
  const forge = new Forge()
  const own = [0, 1, 2].map((n) => forge.event({ stream: 'a', offset: n, position: n }))
  const late = forge.event({ stream: 'b', offset: 0, position: FAR })
  const first = logSegment([own])
  const link = { previousBase: 0, previousEpoch: 1, previousEnd: first.length }
  const files = new Map<string, Buffer>([
    [`${STORE}/annals`, encodeHeader({ kind: 'H', storeId: STORE_ID })],
    [`${STORE}/log/0000000000000000-0000000001.log`, first],
    [
      `${STORE}/log/${`${FAR}`.padStart(16, '0')}-0000000001.log`,
      logSegment([[late]], { base: FAR, sequence: 1, ...link }),
    ],
    [forgedStore([[[['a']]]]).segment('a'), streamSegment('a', own)],
    [forgedStore([[[['b']]]]).segment('b'), streamSegment('b', [late])],
    [`${STORE}/streams/notes.txt`, Buffer.from('x')],
    [
      forgedStore([[[['c']]]])
        .segment('c')
        .replace(/seg$/, 'idx'),
      Buffer.alloc(9),
    ],
  ])
  const path = forgedStore([[[['a']]]]).segment('a')
  const rounds = async (change: (files: Map<string, Buffer>) => unknown): Promise<unknown[]> => {
    const changed = new Map(files)
    change(changed)
    const { findings } = await verify(restore(changed), STORE, {})
    return damageOf(findings).map(({ file, stream, offset, position }) => [file === path, stream, offset, position])
  }
  const hole = [false, undefined, undefined, 3]
  t.same(await rounds(() => undefined), [hole])
  const other = forge.event({ stream: 'a', offset: 1, position: 1 }, { data: 'other' })
  const damaged = Buffer.from(own[1]!)
  damaged[70]! ^= 1
  const checkpoint = encodeCheckpoint(STORE_ID, {
    epoch: 1,
    clean: false,
    redo: { base: FAR, epoch: 1, byte: 96, sequence: 1, position: FAR },
    settledPosition: FAR,
    lastTimestamp: 0,
    keyedFrom: null,
    shapes: [],
  })
  for (const [what, frames, settled, found] of [
    ['another record', [own[0]!, other, own[2]!], false, [[true, 'a', 1, 1]]],
    ['a record that is damaged', [own[0]!, damaged, own[2]!], true, [[true, 'a', 1, undefined]]],
    ['the last is missing', own.slice(0, 2), true, [[true, 'a', 2, 2]]],
  ] as const) {
    const seen = await rounds((changed) => {
      changed.set(path, streamSegment('a', frames))
      if (settled) changed.set(`${STORE}/checkpoint`, checkpoint)
    })
    t.same(seen, [hole, ...found], what)
  }
})

t.test('a verification lets others have their turn, record by record if it must', async (t) => {
  const { files } = forgedStore([[[['a'], ['b']], [['a']]]])
  const environment = restore(files)
  let late = 0
  const slow = { ...environment, elapsed: () => environment.elapsed() + (late += 10) }
  let turns = 0
  let going = true
  const count = (): void => {
    turns++
    if (going) setImmediate(count)
  }
  setImmediate(count)
  t.match(await verify(slow, STORE, {}), { ok: true, events: 3 })
  going = false
  t.ok(turns > 6, `${turns} turns of others`)
  const reason = new Error('enough')
  const ends = new AbortController()
  const ended = verify(slow, STORE, { signal: ends.signal })
  ends.abort(reason)
  await t.rejects(ended, reason)
})

t.test(
  'files that vanish while they are looked at are no findings, and folders that cannot be listed are told',
  async (t) => {
    const { files } = forgedStore([[[['a']]]])
    const environment = restore(files)
    const list = environment.files.list.bind(environment.files)
    const ghosts: Record<string, string> = {
      epoch: '0000000009',
      log: '0000000000000000-0000000001.key',
      streams: 'ab',
    }
    environment.files.list = (path) => {
      const ghost = ghosts[path.slice(STORE.length + 1)]
      return ghost === undefined ? list(path) : [...list(path), ghost]
    }
    const { ok, findings } = await verify(environment, STORE, { onProgress: () => undefined })
    t.ok(ok)
    t.same(
      findings.map(({ file, severity }) => [file, severity]),
      [[`${STORE}/streams/ab`, 'note']],
    )
    environment.files.list = (path) => {
      if (path === `${STORE}/streams`) throw systemError('EACCES', 'scandir', path)
      return list(path)
    }
    await t.rejects(verify(environment, STORE, {}), { code: 'EACCES' })
  },
)

t.test('whose store it is is told by its home file or by any segment of the log', async (t) => {
  const { files, logs } = forgedStore([[[['a']]], [[['b']]]])
  const home = `${STORE}/annals`
  const told = async (change: (changed: Map<string, Buffer>) => unknown): Promise<unknown> => {
    const changed = new Map(files)
    change(changed)
    const { findings } = await verify(restore(changed), STORE, {})
    return findings.filter(({ file }) => file === home).map(({ severity, message }) => `${severity}: ${message}`)
  }
  const broken = (changed: Map<string, Buffer>, path: string) => changed.set(path, Buffer.alloc(200, 1))
  t.same(await told((changed) => changed.delete(home)), ['derived: the file that names the store is missing'])
  t.same(
    await told((changed) => broken(broken(changed, home), logs[0]!)),
    ['derived: the file that names the store is damaged'],
    'by the second segment',
  )
  t.same(await told((changed) => broken(broken(broken(changed, home), logs[0]!), logs[1]!)), [
    'damage: the file that names the store is damaged, and no log segment tells its name',
  ])
  t.same(
    await told((changed) => {
      changed.delete(home)
      broken(broken(changed, logs[0]!), logs[1]!)
    }),
    ['damage: the file that names the store is damaged, and no log segment tells its name'],
  )
  const longer = Buffer.concat([files.get(home)!, Buffer.alloc(3)])
  const alone = restore(new Map([[home, longer]]))
  t.match(await verify(alone, STORE, {}), { ok: true, findings: [], events: 0 }, 'a home file that goes on too long')
  await t.rejects(verify(restore(new Map()), STORE, {}), { code: 'ERR_NOT_FOUND', message: /there is no store/ })
  await t.rejects(verify(restore(new Map()), `${STORE}/x`, {}), { code: 'ERR_NOT_FOUND', message: /no such folder/ })
  t.ok(readFileSync(alone.files, home, 4096))
})

t.test('[U3] a hundred thousand events that streams lack are enough to be named', async (t) => {
  const record = new Forge().event({ stream: 'a', offset: 0, position: 0 })
  const records = Array.from({ length: 100_001 }, (_, n) => {
    const copy = Buffer.from(record)
    copy.writeUInt32LE(n, 16)
    copy.writeUInt32LE(n, 24)
    copy.writeUInt32LE(crc32c(copy, 8, copy.length), 4)
    return copy
  })
  const { files, logs, segment, checkpoint } = forgedStore([[[['a']]]])
  const bytes = logSegment([records])
  const redo = { ...checkpoint.redo, byte: bytes.length, position: records.length }
  const settled = encodeCheckpoint(STORE_ID, { ...checkpoint, redo, settledPosition: records.length })
  files.set(logs[0]!, bytes).set(`${STORE}/checkpoint`, settled).delete(segment('a'))
  const { findings } = await verify(restore(files), STORE, { fast: true })
  t.match(damageOf(findings), [{ file: segment('a'), stream: 'a', offset: 0, position: 0 }])
})

t.test(
  '[U3] [R8] more doubtful windows than are held at a time are compared in turn, and each event is named once',
  async (t) => {
    const WINDOW = 65_536
    const count = 2 * EXACT_WINDOWS + 40
    const forge = new Forge()
    const files = new Map([[join(STORE, 'annals'), encodeHeader({ kind: 'H', storeId: STORE_ID })]])
    const copies: Buffer[] = []
    let previousEnd = 0
    for (let offset = 0; offset < count; offset++) {
      // Each event alone in its window, all before it lost.
      const base = offset * WINDOW
      const place = { stream: 'a', offset, position: base }
      const previous = offset === 0 ? {} : { previousBase: base - WINDOW, previousEpoch: 1, previousEnd }
      const record = forge.event(place)
      const bytes = logSegment([[record]], { base, sequence: offset, ...previous })
      previousEnd = bytes.length
      files.set(join(STORE, 'log', logFileName(base, 1, '.log')), bytes)
      copies.push(offset % 7 === 3 ? record : forge.event(place))
    }
    const path = join(STORE, 'streams', streamFileName(streamKey('a').path, 0, '.seg'))
    files.set(path, streamSegment('a', copies))
    const { findings, truncated } = await verify(restore(files), STORE, { maxFindings: 10 * count })
    t.equal(truncated, 0)
    const named = findings.filter(({ file }) => file === path)
    t.ok(named.every(({ message }) => message === 'the log holds another record at this position'))
    t.same(
      named.map(({ offset }) => offset).sort((a, b) => a! - b!),
      copies.flatMap((_, offset) => (offset % 7 === 3 ? [] : [offset])),
    )
  },
)
