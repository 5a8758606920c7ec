/**
 * The benchmarks: `node build/bench/index.js [workload …] [--quick] [--json] [--profile] [--streams N]`. A name also stands for
 * all that begin with it. Each workload runs in a process of its own and measures annals and the raw limit in turns; see
 * `docs/performance.md`.
 */
import { fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { crc32cMethod } from '../engine/format/crc32c.js'
import type { DataSetName } from './data-sets.js'
import { benchFolder, removedLately } from './folders.js'
import { summarise } from './profile.js'
import { reached, table } from './table.js'
import type { Result } from './workload.js'
import { workloads } from './workloads/index.js'

const RUN_WORKLOAD = fileURLToPath(new URL('processes/run-workload.js', import.meta.url))

interface Options {
  readonly quick: boolean
  readonly json: boolean
  readonly profile: boolean
  /** Streams of `many-streams`, in digits. */
  readonly streams?: string | undefined
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      streams: { type: 'string' },
    },
  })
  if (values.streams !== undefined && !/^[1-9]\d{0,7}$/.test(values.streams)) {
    throw new Error(`--streams ${values.streams} is no number from 1 to 99,999,999`)
  }
  const names = select(positionals)
  mkdirSync(benchFolder, { recursive: true })
  const folder = mkdtempSync(join(benchFolder, 'run-'))
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
    await runAll(names, folder, values)
  } finally {
    remove()
  }
}

function select(wanted: readonly string[]): string[] {
  const all = Object.keys(workloads)
  for (const name of wanted) {
    if (!all.some((known) => known.startsWith(name))) {
      throw new Error(`There is no workload ${name}. Known are: ${all.join(', ')}`)
    }
  }
  const exact = new Set(wanted.filter((name) => all.includes(name)))
  const prefixes = wanted.filter((name) => !exact.has(name))
  if (wanted.length === 0) return all
  return all.filter((name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix)))
}

async function runAll(names: readonly string[], folder: string, options: Options): Promise<void> {
  const loaded = new Set<DataSetName>()
  const all: Result[] = []
  const say = (line: string): void => {
    if (!options.json) console.log(line)
  }
  say(`Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, CRC-32C ${crc32cMethod()}\n`)
  for (const name of names) {
    for (const needed of workloads[name]!.needs ?? []) {
      if (loaded.has(needed)) continue
      mkdirSync(join(folder, 'data-sets'), { recursive: true })
      await runProcess(['load', needed], folder, { ...options, profile: false })
      loaded.add(needed)
    }
    const results = await runProcess(['run', name], folder, options)
    for (const line of table(results, all.length === 0)) say(line)
    all.push(...results)
    if (options.profile) for (const line of summarise(profileFolder(folder, name), 25)) say(line)
  }
  if (options.json) console.log(JSON.stringify(all, undefined, 2))
  const missed = all.filter((result) => reached(result) === false)
  if (!options.quick) say(`\n${missed.length === 0 ? 'All targets met' : `${missed.length} targets not met`}`)
}

function profileFolder(folder: string, name: string): string {
  return join(folder, 'profiles', name)
}

function runProcess([what, name]: readonly [string, string], folder: string, options: Options): Promise<Result[]> {
  const size = [options.quick ? 'quick' : 'full', ...(options.streams === undefined ? [] : [options.streams])]
  const child = fork(RUN_WORKLOAD, [what, name, folder, ...size], {
    execArgv: ['--expose-gc'],
    env: options.profile ? { ...process.env, ANNALS_BENCH_PROFILES: profileFolder(folder, name) } : process.env,
    // Standard output is for the table.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    let results: Result[] = []
    child.on('message', (message) => (results = message as Result[]))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(results)
      else reject(new Error(`${name} failed: ${signal ?? `exit code ${code}`}`))
    })
  })
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
