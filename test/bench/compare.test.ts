import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ConflictError } from '../../bench/compare/conflict.js'
import { GroupCommit } from '../../bench/compare/group-commit.js'
import { picture } from '../../bench/compare/picture.js'
import { report } from '../../bench/compare/report.js'
import { type ContestantResult, mergeRows, type RowResult, summary, timesAsGood } from '../../bench/compare/results.js'
import type { ComparedEngine, ComparedStore } from '../../bench/compare/engine.js'
import { OrderCheck, refuses } from '../../bench/compare/work.js'
import { Plan } from '../../bench/plan.js'
import type { OrderRecord } from '../../bench/raw/raw-records.js'

const script = fileURLToPath(new URL('../../bench/compare/index.js', import.meta.url))

function compare(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
}

t.test('annals and the raw limit are measured, checked and reported without any rival', (t) => {
  const out = t.testdir()
  const { status, stderr } = compare('--quick', '--only', 'annals,raw', '--out', out, 'durable-64', 'global')
  t.equal(status, 0, stderr)
  const rows = JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8')) as RowResult[]
  t.strictSame(
    rows.map(({ name }) => name),
    ['durable-64', 'global'],
  )
  for (const { name, contestants } of rows) {
    t.strictSame(
      contestants.map((one) => one.name),
      ['annals', 'raw'],
      name,
    )
    for (const { title, rounds, skipped, failed } of contestants) {
      t.equal(failed, undefined, `${name}: ${title}`)
      if (skipped === undefined) t.ok(rounds[0]!.value > 0 && rounds[0]!.cpuUsPerEvent! > 0, `${name}: ${title}`)
    }
  }
  t.match(readFileSync(join(out, 'compare.md'), 'utf8'), /quick run.*\*\*annals\*\* \| [\d,.]+ \(/s)
  t.match(readFileSync(join(out, 'compare.svg'), 'utf8'), /^<svg .*class="own".*<\/svg>\n$/s)
  t.end()
})

t.test('an unknown row is refused, and the known are named', (t) => {
  t.match(compare('no-such-row').stderr, /no row no-such-row.*durable-64/)
  t.end()
})

function one(name: string, kind: 'store' | 'limit', ...values: readonly number[]): ContestantResult {
  return { name, title: name, kind, note: 'as it is', rounds: values.map((value) => ({ value })) }
}

const run = { date: '2026-01-01', node: '20', machine: 'one', rounds: 3, quick: false }
const fast: RowResult = {
  name: 'fast',
  title: 'fast & <wide>',
  unit: 'events/s',
  run,
  contestants: [
    one('annals', 'store', 200, 100, 400),
    one('slow', 'store', 50, 60, 70),
    one('better', 'store', 100, 200, 200),
    { ...one('absent', 'store'), skipped: 'it is not | here' },
    { ...one('broken', 'store'), failed: 'exit code 1:\nwrong order' },
    one('raw', 'limit', 400, 400, 400),
    one('raw-zero-filled', 'limit', 800, 800, 800),
  ],
}
const small: RowResult = {
  name: 'small',
  title: 'small',
  unit: 'ms',
  run,
  contestants: [one('annals', 'store', 2), one('late', 'store', 8), one('soon', 'store', 4)],
}

t.test('the best rival and the better limit are found, and ratios are taken round by round', (t) => {
  const found = summary(fast)
  t.equal(found.rival?.name, 'better')
  t.equal(found.betterLimit?.name, 'raw-zero-filled')
  t.equal(timesAsGood(fast, found.own!, found.rival!), 2, 'the median of 2, 0.5 and 2')
  t.equal(summary(small).rival?.name, 'soon', 'less is better')
  t.equal(timesAsGood(small, summary(small).own!, summary(small).rival!), 2)
  t.end()
})

t.test('annals in another durability is no rival of itself, and a row says what must be known to compare', (t) => {
  const note = 'annals-relaxed has it on no disk yet'
  const row = { ...small, note, contestants: [...small.contestants, one('annals-relaxed', 'store', 1)] }
  t.equal(summary(row).own?.name, 'annals')
  t.equal(summary(row).rival?.name, 'soon')
  const text = report([row])
  t.match(text, `## small\n\n${note}\n\n|  | ms`)
  t.match(text, '| **annals-relaxed** | 1.00 (1.00–1.00) |')
  t.notMatch(report([small]), note)
  t.equal(picture([row]).match(/class="own" x/g)?.length, 2)
  t.end()
})

t.test('the report shows medians, least and most, what was skipped and what failed', (t) => {
  const text = report([fast, small])
  t.match(text, '| fast & <wide>, events/s | 200 | better 200 | 2.00 | 400 | 0.50 | raw-zero-filled 800 | 0.25 |')
  t.match(text, '| **annals** | 200 (100–400) | 0.50 |')
  t.match(text, '| absent | skipped: it is not \\| here |')
  t.match(text, '| broken | **failed**: exit code 1: wrong order |')
  t.match(text, '* 2026-01-01, Node.js 20, one, 3 rounds: fast, small.')
  t.notMatch(text, 'quick run')
  t.end()
})

t.test('the picture has a bar for each that was measured, the best as long as the panel is wide', (t) => {
  const svg = picture([fast, small])
  t.match(svg, 'fast &amp; &lt;wide&gt;')
  t.match(svg, 'prefers-color-scheme: dark')
  t.equal(svg.match(/class="(?:own|rival|limit)" x/g)?.length, 5 + 3)
  const widths = [...svg.matchAll(/class="(\w+)" x="\d+" y="\d+" width="(\d+)"/g)].map(([, kind, width]) => [
    kind,
    Number(width),
  ])
  const most = Math.max(...widths.map(([, width]) => width as number))
  t.strictSame(widths[0], ['limit', most])
  t.strictSame(widths[2], ['own', Math.round(most / 4)])
  t.notMatch(svg, /NaN|undefined/)
  t.end()
})

t.test('rows of an older run stay until they are run again', (t) => {
  const newer = { ...small, title: 'newer' }
  const merged = mergeRows([small, fast], [newer], ['fast', 'small', 'never'])
  t.strictSame(merged, [fast, newer])
  t.end()
})

t.test('a missing, doubled, exchanged or foreign event is found', (t) => {
  const plan = new Plan(2)
  const record = (n: number, changes: Partial<OrderRecord> = {}): OrderRecord => ({
    ...plan.event(n),
    stream: plan.stream(n),
    offset: plan.offset(n),
    position: n,
    id: '',
    timestamp: 0,
    schemaVersion: 1,
    tags: [],
    ...changes,
  })
  const read = (...events: readonly OrderRecord[]) => {
    const order = new OrderCheck(plan)
    for (const event of events) order.visit(event)
    order.done(4)
  }
  const all = [0, 1, 2, 3].map((n) => record(n))
  read(...all)
  read(record(1, { position: 0 }), record(0, { position: 1 }), record(2), record(3))
  t.throws(() => read(...all.slice(0, 3)), /3 events instead of 4/)
  t.throws(() => read(record(0), record(0, { position: 1 })), /offset 0 of order-0 instead of 1/)
  t.throws(() => read(record(2, { position: 0 })), /offset 1 of order-0 instead of 0/)
  t.throws(() => read(record(1)), /position 1 instead of 0/)
  t.throws(() => read(record(0, { data: plan.event(2).data })), /event 0 is another one/)
  t.throws(() => read(record(0, { data: { ...plan.event(0).data, amount: -1 } })), /event 0 has other data/)
  t.end()
})

t.test('a store that takes an append with a wrong version is found', async (t) => {
  const engine = { isConflict: (error: unknown) => error instanceof ConflictError } as unknown as ComparedEngine
  const store = (append: ComparedStore['append']) => ({ append, version: () => 3 }) as unknown as ComparedStore
  const refusing = store((stream, _events, version) => {
    throw new ConflictError(stream, version)
  })
  await refuses(engine, refusing, 'order-0')
  await t.rejects(
    refuses(
      engine,
      store(() => undefined),
      'order-0',
    ),
    /version 4 instead of 3 was not refused/,
  )
  const failing = store(() => {
    throw new Error('disk full')
  })
  await t.rejects(refuses(engine, failing, 'order-0'), /was not refused: Error: disk full/)
})

t.test('group commit writes together what comes together, in order, and fails only its own group', async (t) => {
  const groups: (readonly number[])[] = []
  const group = new GroupCommit<number>((items) => {
    groups.push(items)
    if (items.includes(3)) throw new Error('refused')
  })
  await Promise.all([group.add(1), group.add(2)])
  const failed = [group.add(3), group.add(4)]
  for (const one of failed) await t.rejects(one, /refused/)
  await group.add(5)
  t.strictSame(groups, [[1, 2], [3, 4], [5]])
})
