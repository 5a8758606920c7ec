/**
 * Runs rows. Of each row, every round runs all contestants one after the other, every other round in the opposite order, each in a process of
 * its own: what is compared was measured within minutes. What would fill the disk is emptied, and nothing is removed.
 */
import { fork } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { emptyFiles } from '../folders.js'
import type { Contestant } from './engine.js'
import { contestant } from './engines/index.js'
import { dropPageCache } from './page-cache.js'
import type { Outcome, Task } from './processes/run-row.js'
import type { ContestantResult, RowResult, RunInfo } from './results.js'
import type { DataSet, Measured, Row } from './row.js'
import { rows } from './rows/index.js'

const RUN_ROW = fileURLToPath(new URL('processes/run-row.js', import.meta.url))
/** No measure takes as long; a process that hangs must not hold up the rest. */
const LONGEST_MS = 30 * 60_000

export interface RunnerOptions {
  /** Exists and is empty. */
  readonly folder: string
  readonly info: RunInfo
  /** Names of the contestants that take part; all of a row without. */
  readonly only?: readonly string[] | undefined
  readonly say: (line: string) => void
}

interface Tally {
  readonly contestant: Contestant
  readonly rounds: Measured[]
  version?: string
  skipped?: string
  failed?: string
}

export class Runner {
  readonly #options: RunnerOptions
  #processes = 0

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  async run(row: Row): Promise<RowResult> {
    const { info, only, say } = this.#options
    const tallies: Tally[] = row.contestants
      .filter((name) => only === undefined || only.includes(name))
      .map((name) => ({ contestant: contestant(name), rounds: [] }))
    for (let round = 0; round < info.rounds; round++) {
      for (const tally of round % 2 === 0 ? tallies : tallies.toReversed()) {
        if (tally.skipped !== undefined || tally.failed !== undefined) continue
        say(`${row.name}, round ${round + 1}: ${tally.contestant.title}`)
        await this.#measure(row, tally)
      }
    }
    return {
      name: row.name,
      title: row.title,
      unit: row.unit,
      note: row.note,
      contestants: tallies.map(result),
      run: info,
    }
  }

  async #measure(row: Row, tally: Tally): Promise<void> {
    const { quick } = this.#options.info
    let written: string | undefined
    let isKept = false
    try {
      const { family } = tally.contestant
      const reason = tally.contestant.kind === 'store' ? await tally.contestant.cannot?.(row.streams) : undefined
      if (reason !== undefined) {
        tally.skipped = reason
        return
      }
      const dataSet = row.needs === undefined ? '' : await this.#dataSet(family, row.needs)
      // The first to write a data set leaves it for the rows that read.
      const kept = row.produces === undefined ? undefined : this.#path(family, row.produces)
      const keeps = kept !== undefined && tally.contestant.kind === 'store' && !existsSync(kept)
      isKept = keeps
      const directory = keeps ? kept : join(this.#options.folder, `process-${this.#processes}`)
      written = directory
      if (row.copies === true) cpSync(dataSet, directory, { recursive: true })
      else mkdirSync(directory, { recursive: true })
      if (row.cold === true) {
        const warm = family === 'postgres' ? 'its files are those of the server' : dropPageCache(dataSet)
        if (warm !== undefined) {
          tally.skipped = warm
          return
        }
      }
      const outcome = await this.#process({
        contestant: tally.contestant.name,
        row: row.name,
        quick,
        directory,
        dataSet,
      })
      if (outcome === undefined) throw new Error('the process said nothing')
      if (keeps) written = undefined
      if ('skipped' in outcome) {
        tally.skipped = outcome.skipped
        return
      }
      const { version, ...measured } = outcome
      if (version !== undefined) tally.version = version
      tally.rounds.push(measured)
    } catch (error) {
      tally.failed = error instanceof Error ? error.message : String(error)
    } finally {
      // What a failed measure wrote is nothing to read from.
      if (written !== undefined && isKept) rmSync(written, { recursive: true, force: true })
      else if (written !== undefined) emptyFiles(written)
    }
  }

  #path(family: string, name: DataSet): string {
    return join(this.#options.folder, 'data-sets', family, name)
  }

  /** Loads what a family reads, with the first engine of the family that writes it in the rows of bulk loads. */
  async #dataSet(family: string, name: DataSet): Promise<string> {
    const directory = this.#path(family, name)
    if (existsSync(directory)) return directory
    const { quick } = this.#options.info
    const producer = rows.find(({ produces }) => produces === name)!
    const loader = producer.contestants.map(contestant).find((one) => one.family === family)
    if (loader === undefined) throw new Error(`nothing writes the data set ${name} of ${family}`)
    this.#options.say(`loading ${name} with ${loader.title}`)
    mkdirSync(directory, { recursive: true })
    try {
      const task = { contestant: loader.name, quick, directory, dataSet: '' }
      await this.#process(loader.kind === 'limit' ? { ...task, load: name } : { ...task, row: producer.name })
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
    return directory
  }

  #process(task: Task): Promise<Outcome | undefined> {
    this.#processes++
    const child = fork(RUN_ROW, [JSON.stringify(task)], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
    return new Promise((resolve, reject) => {
      let outcome: Outcome | undefined
      let errors = ''
      child.stderr!.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)))
      child.on('message', (message) => (outcome = message as Outcome))
      child.on('error', reject)
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        if (code === 0) resolve(outcome)
        else reject(new Error(`${signal ?? `exit code ${code}`}: ${errors.trim()}`))
      })
    })
  }
}

function result({
  contestant: { name, title, kind, note },
  rounds,
  version,
  skipped,
  failed,
}: Tally): ContestantResult {
  const nothing = skipped !== undefined || failed !== undefined
  return { name, title, kind, note, version, rounds: nothing ? [] : rounds, skipped, failed }
}
