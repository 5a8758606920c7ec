import type { Invariant } from './invariants.js'

/**
 * `damage`: stored bytes are not what was written; `repairStore` heals them from the other copy where there is one.
 * `derived`: a file that is made from others is missing or wrong; it is made again when it is needed. `note`: something that
 * does not count, such as the torn end of a group that was never acknowledged, or a file that is none of the store's.
 */
export type Severity = 'damage' | 'derived' | 'note'

/** Something that `verifyStore` has found. */
export interface Finding {
  /** Which of `INVARIANTS` does not hold. */
  readonly invariant: Invariant
  readonly severity: Severity
  readonly file: string
  /** Where in the file: the start of the record, 0 for the file as a whole. */
  readonly byte: number
  /** The stream and the offset in it, where they can be told. */
  readonly stream?: string | undefined
  readonly offset?: number | undefined
  /** Place in the store, where it can be told. */
  readonly position?: number | undefined
  readonly message: string
}

/** A finding whose stream and offset may still be found out. */
export type OpenFinding = { -readonly [Key in keyof Finding]: Finding[Key] }

export interface VerifyReport {
  /** True when there is no damage. */
  readonly ok: boolean
  /** At most as many as asked for; damage first counts. */
  readonly findings: readonly Finding[]
  /** Findings beyond that. */
  readonly truncated: number
  /** Events in the log. */
  readonly events: number
  readonly streams: number
  /** Files and bytes read. */
  readonly files: number
  readonly bytes: number
  readonly durationMs: number
}

/** Collects findings up to a limit; what is no damage may take half of it. */
export class FindingList {
  readonly #limit: number
  readonly #list: OpenFinding[] = []
  readonly #damagedStreams = new Set<string>()
  #harmless = 0
  truncated = 0
  damage = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get all(): readonly OpenFinding[] {
    return this.#list
  }

  /** Adds a finding. Returns it, to be completed, or undefined when there is no room. */
  add(finding: OpenFinding): OpenFinding | undefined {
    if (finding.severity === 'damage') this.damage++
    const full =
      finding.severity === 'damage' ? this.#list.length >= this.#limit : this.#harmless >= Math.ceil(this.#limit / 2)
    if (full || this.#list.length >= this.#limit) {
      this.truncated++
      return undefined
    }
    if (finding.severity !== 'damage') this.#harmless++
    this.#list.push(finding)
    return finding
  }

  /** Notes that the segments of a stream are damaged: that it lacks events there is then no news. */
  noteStream(name: string): void {
    if (this.#damagedStreams.size < 100_000) this.#damagedStreams.add(name)
  }

  knowsStream(name: string): boolean {
    return this.#damagedStreams.has(name)
  }
}
