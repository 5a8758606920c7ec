import type { Replacer } from './repair-files.js'

/** Something `repairStore` has done, or would do. */
export interface RepairAction {
  readonly file: string
  /** What was done. */
  readonly action: string
  /** Where what stood there before is now; undefined when nothing did, or nothing was written. */
  readonly aside: string | undefined
}

/** Damage that cannot be healed from what is left. */
export interface RepairFailure {
  readonly file: string
  readonly byte: number
  readonly reason: string
  readonly stream?: string | undefined
}

/** Collects what a repair does, and does it. */
export class Repairs {
  readonly replacer: Replacer
  readonly actions: RepairAction[] = []
  readonly failures: RepairFailure[] = []
  /** Called before each change: throws when the store is no longer ours. */
  readonly #check: () => void

  constructor(replacer: Replacer, check: () => void) {
    this.replacer = replacer
    this.#check = check
  }

  async replace(file: string, contents: Buffer, action: string): Promise<void> {
    if (this.replacer.read(file)?.equals(contents) === true) return
    this.#check()
    this.actions.push({ file, action, aside: await this.replacer.replace(file, contents) })
  }

  async remove(file: string, action: string): Promise<void> {
    this.#check()
    this.actions.push({ file, action, aside: await this.replacer.remove(file) })
  }

  fail(file: string, byte: number, reason: string, stream?: string): void {
    this.failures.push({ file, byte, reason, stream })
  }
}
