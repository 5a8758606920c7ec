import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Environment } from '../../../engine/io/file-system.js'
import { inspectFile, type FileInspection } from '../../../engine/inspect/inspect-file.js'
import { InspectionSummary } from '../../../engine/inspect/inspection-summary.js'
import type { InspectedRecord } from '../../../engine/inspect/records.js'
import { codeBlocks } from '../../docs/markdown.js'
import { hostileStore, stillEnvironment } from '../../support/hostile-store.js'
import { SmallFiles } from '../../support/small-files.js'

/** An environment with one file. */
function fileWith(name: string, bytes: Buffer): Environment {
  return stillEnvironment(new SmallFiles({ files: new Map([[`/${name}`, bytes]]), folders: ['/'] }), 1)
}

interface Walked {
  readonly summary: InspectionSummary
  readonly records: readonly InspectedRecord[]
}

function walk(inspection: FileInspection): Walked {
  const summary = new InspectionSummary()
  const records: InspectedRecord[] = []
  for (const item of inspection.items()) {
    summary.add(item)
    if (item.what === 'record') records.push(item)
  }
  return { summary, records }
}

function inspected(name: string, bytes: Buffer): Walked & { readonly inspection: FileInspection } {
  const inspection = inspectFile(fileWith(name, bytes), `/${name}`)
  return { inspection, ...walk(inspection) }
}

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
