import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidArgumentError } from '../../engine/index.js'

/** Says that a folder is of this tool, so that it may remove what is in it. */
const MARK = 'annals-torture.json'
const REPORT = 'report.json'
const TOOL = 'annals torture'
const OWN = [MARK, REPORT, 'store', 'probe', 'ballast']

/** The folder that a store is tortured in. Only what was made here is removed again. */
export class TortureFolder {
  readonly path: string
  readonly store: string
  readonly probe: string
  readonly ballast: string
  readonly #made: boolean

  /**
   * Makes the folder, or takes one that is empty or was left by an interrupted run.
   *
   * @throws InvalidArgumentError when something else is in it, or what an earlier run has found
   */
  constructor(path: string) {
    this.path = path
    this.store = join(path, 'store')
    this.probe = join(path, 'probe')
    this.ballast = join(path, 'ballast')
    this.#made = !existsSync(path)
    if (this.#made) mkdirSync(path, { recursive: true })
    const entries = readdirSync(path)
    if (entries.length > 0) {
      if (!entries.every((name) => OWN.includes(name)) || !this.#isOwn()) {
        throw new InvalidArgumentError(
          `Cannot torture a store in ${JSON.stringify(path)}: the folder is not empty; name one that is empty or not there yet`,
        )
      }
      if (entries.includes(REPORT)) {
        throw new InvalidArgumentError(
          `Cannot torture a store in ${JSON.stringify(path)}: it holds what an earlier run has found; move it away, or remove it`,
        )
      }
      this.#empty()
    }
    writeFileSync(join(path, MARK), `${JSON.stringify({ tool: TOOL, pid: process.pid })}\n`)
  }

  /** Leaves everything as it is, with the report beside it. */
  keep(report: object): void {
    rmSync(this.probe, { force: true })
    writeFileSync(join(this.path, REPORT), `${JSON.stringify(report, undefined, 2)}\n`)
  }

  /** Removes what was made here, and the folder too if it was not there before. */
  remove(): void {
    this.#empty()
    if (this.#made) rmSync(this.path, { recursive: true, force: true })
  }

  #empty(): void {
    for (const name of OWN) rmSync(join(this.path, name), { recursive: true, force: true })
  }

  #isOwn(): boolean {
    try {
      return (JSON.parse(readFileSync(join(this.path, MARK), 'utf8')) as { tool?: unknown }).tool === TOOL
    } catch {
      return false
    }
  }
}
