import { readFileSync } from 'node:fs'
import t from 'tap'
import type { InspectedRecord } from '../../../engine/inspect/records.js'
import { codeBlocks } from '../../docs/markdown.js'
import { hostileStore } from '../../support/hostile-store.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { encodeEpochFile } from '../../../engine/lock/epoch-file.js'
import { logSegment, STORE_ID, streamSegment } from '../../support/forge.js'
import { inspected, problemsOf } from './inspect-support.js'

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

t.test('[F2] names each field of the worked example as segments-format.md does', (t) => {
  const blocks = codeBlocks('segments-format.md', readFileSync('segments-format.md', 'utf8'))
  const dumps = blocks.filter(({ language, code }) => language === 'hex' && code.startsWith('0000  41 4e 4e'))
  t.equal(dumps.length, 2)
  for (const [i, { code }] of dumps.entries()) {
    const lines = [...code.matchAll(/^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}(\S.*))?$/gm)]
    const bytes = Buffer.from(lines.map(([, , hex]) => hex!.replaceAll(' ', '')).join(''), 'hex')
    const { inspection, records, summary } = inspected(i === 0 ? 'x.log' : 'x.seg', bytes)
    t.equal(summary.problemCount, 0)
    const fields = [...inspection.header, ...records.flatMap((record) => inspection.fields(record))]
    const wanted = lines.filter(([, , , text]) => text !== undefined)
    t.same(
      fields.map(({ byte }) => byte),
      wanted.map(([, byte]) => Number.parseInt(byte!, 16)),
      'the same fields',
    )
    for (const [n, [, , , text]] of wanted.entries()) {
      t.ok(fields[n]!.text.startsWith(text!), `${fields[n]!.text}: ${text!}`)
    }
    t.equal(
      fields.reduce((sum, { size }) => sum + size, 0),
      bytes.length,
      'they fill the file',
    )
  }
  t.end()
})

t.test(
  '[U3] a flipped bit in any byte of any file is found, at or before its record; what is right stays right',
  async (t) => {
    const { image } = await hostileStore({ closed: true, commits: 8 })
    let flips = 0
    for (const [path, bytes] of image.files) {
      const name = nameOf(path)
      // The mark that a writer has gone is its own checksum; and nothing else in the file says what it should be.
      const released = /^\d{10}$/.test(name) ? [56, 64] : [0, 0]
      const sound = inspected(name, bytes)
      t.equal(sound.summary.problemCount, 0, path)
      for (let byte = 0; byte < bytes.length; byte++) {
        if (byte >= released[0]! && byte < released[1]!) continue
        const damaged = Buffer.from(bytes)
        damaged[byte]! ^= 1 << (byte % 8)
        const { summary, records } = inspected(name, damaged)
        if (summary.problemCount === 0) t.fail(`${path}: byte ${byte}`)
        else if (summary.firstProblem! > byte) t.fail(`${path}: byte ${byte} is found at ${summary.firstProblem!}`)
        const isSegment = /\.(?:log|seg)$/.test(name)
        const lost = sound.summary.events - summary.events
        if (isSegment && lost > 1) t.fail(`${path}: byte ${byte} hides ${lost} events`)
        if (isSegment && records.some((record) => record.kind === 'zeros')) t.fail(`${path}: byte ${byte} makes zeros`)
        flips++
      }
    }
    t.ok(flips > 10_000, `${flips} flips`)
  },
)

t.test('cut at any byte: nothing throws, and what is not whole is said to be torn or damaged', async (t) => {
  const { image } = await hostileStore({ closed: false, commits: 8 })
  for (const [path, bytes] of image.files) {
    const name = nameOf(path)
    for (let size = 0; size < bytes.length; size += 7) {
      const { inspection, summary, records } = inspected(name, bytes.subarray(0, size))
      for (const record of records) inspection.fields(record)
      const ends = new Set([0, ...records.map((record) => record.byte + record.length)])
      if (summary.problemCount === 0 && !ends.has(size) && !/^\d{10}$/.test(name)) {
        const header = inspection.header.at(-1)
        if (header === undefined || header.byte + header.size !== size) t.fail(`${path} of ${size} bytes`)
      }
    }
  }
  t.pass('all of them')
})

t.test('a later group that says it was durable tells damage from a torn end', async (t) => {
  const { image } = await hostileStore({ closed: true })
  const [path, bytes] = [...image.files].filter(([name]) => name.endsWith('.log')).sort()[0]!
  const groups = inspected(nameOf(path), bytes).records.filter(({ kind }) => kind === 'group')
  t.ok(groups.length > 2)
  const judged = (group: InspectedRecord): string[] => {
    const damaged = Buffer.from(bytes)
    damaged[group.byte + group.length + 20]! ^= 1
    return inspected(nameOf(path), damaged).summary.problems.map(({ severity }) => severity)
  }
  t.same(judged(groups[0]!), ['damage'])
  t.same(judged(groups.at(-1)!), ['open'])
  t.end()
})

t.test('[U3] a file stands where its header says, or has a name of its own', (t) => {
  const log = logSegment([], { base: 4, epoch: 2 })
  t.same(problemsOf('0000000000000004-0000000002.log', log), [])
  t.same(problemsOf('copy', log), [], 'a copy')
  t.same(problemsOf('0000000000000005-0000000002.log', log), [
    'I1 0 the name says base 5 and epoch 2, the header 4 and 2',
  ])
  const segment = streamSegment('a', [], { base: 4 })
  t.same(problemsOf('a@0000000000000004.seg', segment), [])
  t.same(problemsOf('a@0000000000000005.seg', segment), ['I1 0 the name says base 5, the header 4'])
  t.same(problemsOf('b@0000000000000004.seg', segment), [
    'I1 0 the header is of stream "a", whose files have another name',
  ])
  const home = encodeHeader({ kind: 'H', storeId: STORE_ID })
  t.same(problemsOf('annals', Buffer.concat([home, Buffer.alloc(3)])), ['I1 96 something follows the header'])
  t.match(problemsOf('annals', Buffer.alloc(96, 1)), [/^I1 0 the header is damaged: the file does not begin/])
  t.match(problemsOf('annals', Buffer.alloc(96)), [/^I1 0 the header is missing/])
  t.end()
})

t.test('[U3] [fault 52] the file that names a writer: its name counts, and a newer one is refused', (t) => {
  const holder = { pid: 1, host: 'here', incarnation: 'x', since: 5, epoch: 7 }
  const bytes = encodeEpochFile(holder, STORE_ID)
  t.same(problemsOf('0000000007', bytes), [])
  t.same(problemsOf('copy', bytes), [])
  t.same(problemsOf('0000000008', bytes), ['I1 0 the name says epoch 8, the file 7'])
  t.same(problemsOf('0000000007', bytes.subarray(0, 60)), ['I1 0 the file was never finished; only its name counts'])
  const damaged = Buffer.from(bytes)
  damaged[44]! ^= 1
  t.same(problemsOf('0000000007', damaged), ['I1 0 the file is damaged; only its name counts'])
  const versioned = Buffer.from(bytes)
  versioned.writeUInt16LE(2, 8)
  t.same(problemsOf('0000000007', versioned), ['I1 0 the file is damaged; only its name counts'])
  versioned.writeUInt32LE(
    crc32c(versioned, 64, versioned.length, crc32c(versioned, 20, 56, crc32c(versioned, 0, 16))),
    16,
  )
  t.throws(() => problemsOf('0000000007', versioned), { code: 'ERR_FORMAT' })
  t.same(problemsOf('0000000007', Buffer.concat([versioned.subarray(0, 12)])).length, 1)
  t.end()
})

t.test('a file that is none of a store is refused', (t) => {
  t.throws(() => inspected('notes.txt', Buffer.from('nothing of ours')), { code: 'ERR_NOT_A_STORE' })
  t.end()
})
