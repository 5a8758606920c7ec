import type { InspectedItem, InspectedProblem, InspectedRecord } from './records.js'

/** Problems that are kept; the others are counted. */
const MAX_PROBLEMS = 1000

/** A problem of which it is known what the rest of the file says. */
export interface JudgedProblem extends InspectedProblem {
  /**
   * `damage`: these bytes are not what was written. `open`: a crash can have left them so, torn; whether they were ever
   * acknowledged, only the store as a whole can tell.
   */
  readonly severity: 'damage' | 'open'
}

/** Gathers what a walk through a file tells. */
export class InspectionSummary {
  readonly #problems: InspectedProblem[] = []
  #durable = 0
  records = 0
  groups = 0
  commits = 0
  events = 0
  shapes = 0
  damagedBytes = 0
  zeroBytes = 0
  /** Where the first problem is; undefined: there is none. */
  firstProblem: number | undefined
  problemCount = 0

  add(item: InspectedItem): void {
    if (item.what === 'record') this.#record(item)
    else {
      this.problemCount++
      this.firstProblem ??= item.byte
      if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(item)
    }
  }

  /** The first thousand problems, each judged by all that was added. */
  get problems(): JudgedProblem[] {
    return this.#problems.map((problem) => ({ ...problem, severity: this.severityOf(problem) }))
  }

  /** A group that a later one says was durable was no torn end. */
  severityOf({ tornGroup, atEnd }: InspectedProblem): 'damage' | 'open' {
    if (atEnd === true) return 'open'
    return tornGroup !== undefined && tornGroup >= this.#durable ? 'open' : 'damage'
  }

  #record({ kind, length, commit, durable }: InspectedRecord): void {
    if (kind === 'zeros') this.zeroBytes += length
    else if (kind === 'damage') this.damagedBytes += length
    else this.records++
    if (kind === 'group') this.groups++
    if (kind === 'shape') this.shapes++
    if (kind === 'event') this.events++
    if (commit === 'first' || commit === 'only') this.commits++
    if (durable !== undefined && durable > this.#durable) this.#durable = durable
  }
}
