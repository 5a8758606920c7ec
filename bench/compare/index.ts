/**
 * annals beside other stores: `npm run compare [-- --quick] [--rounds n] [--only engine,…] [--out folder] [row…]`. A name also stands for all
 * rows that begin with it. Writes `compare.md`, `compare.svg` and `compare.json` after every row; rows that are not run again stay as they were.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchFolder, removedLately } from '../folders.js'
import { contestants } from './engines/index.js'
import { dropSchemas } from './engines/postgres.js'
import { picture } from './picture.js'
import { report } from './report.js'
import { mergeRows, type RowResult, type RunInfo } from './results.js'
import { compareFolder } from './rivals.js'
import type { Row } from './row.js'
import { rows } from './rows/index.js'
import { Runner } from './runner.js'

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      out: { type: 'string' },
    },
  })
  const chosen = select(positionals)
  const only = values.only?.split(',')
  for (const name of only ?? []) {
    if (!contestants.some((one) => one.name === name)) {
      throw new Error(`There is no engine ${name}. Known are: ${contestants.map((one) => one.name).join(', ')}`)
    }
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds is a number from 1, not ${values.rounds}`)
  const info: RunInfo = {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${process.platform}`,
    rounds,
    quick: values.quick,
  }
  // Quick figures must not be taken for real ones.
  const out = values.out ?? (values.quick ? join(benchFolder, 'compare-quick') : join(compareFolder, 'results'))
  mkdirSync(out, { recursive: true })
  mkdirSync(benchFolder, { recursive: true })
  const folder = mkdtempSync(join(benchFolder, 'compare-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove()
      process.exit(1)
    })
  }
  const slow = values.quick ? undefined : removedLately(folder)
  if (slow !== undefined) console.error(slow)
  try {
    const failed = await runAll(chosen, new Runner({ folder, info, only, say: (line) => console.error(line) }), out)
    if (failed > 0) {
      console.error(`\n${failed} measures failed`)
      process.exitCode = 1
    }
  } finally {
    remove()
    if (only === undefined || only.includes('postgres')) await dropSchemas(folder)
  }
}

/** Returns how many contestants failed. */
async function runAll(chosen: readonly Row[], runner: Runner, out: string): Promise<number> {
  const file = join(out, 'compare.json')
  const ran: RowResult[] = []
  for (const row of chosen) {
    ran.push(await runner.run(row))
    const older = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RowResult[]) : []
    const all = mergeRows(
      older,
      ran,
      rows.map(({ name }) => name),
    )
    writeFileSync(file, `${JSON.stringify(all, undefined, 1)}\n`)
    writeFileSync(join(out, 'compare.md'), report(all))
    writeFileSync(join(out, 'compare.svg'), picture(all))
  }
  console.log(report(ran))
  console.error(`\nWritten to ${out}`)
  return ran.flatMap((row) => row.contestants).filter((one) => one.failed !== undefined).length
}

function select(wanted: readonly string[]): readonly Row[] {
  for (const name of wanted) {
    if (!rows.some((row) => row.name.startsWith(name))) {
      throw new Error(`There is no row ${name}. Known are: ${rows.map((row) => row.name).join(', ')}`)
    }
  }
  const exact = new Set(wanted.filter((name) => rows.some((row) => row.name === name)))
  const prefixes = wanted.filter((name) => !exact.has(name))
  if (wanted.length === 0) return rows
  return rows.filter(({ name }) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix)))
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
