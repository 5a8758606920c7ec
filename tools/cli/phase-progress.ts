import type { Output } from './output.js'
import { Progress } from './progress.js'

/** Shows how far work has come that goes through phases, each with a rate of its own. */
export class PhaseProgress {
  readonly #output: Output
  #phase = ''
  #line: Progress | undefined

  constructor(output: Output) {
    this.#output = output
  }

  show({
    phase,
    bytes,
    totalBytes,
  }: {
    readonly phase: string
    readonly bytes: number
    readonly totalBytes: number
  }): void {
    if (phase !== this.#phase || this.#line === undefined) {
      this.end()
      this.#phase = phase
      this.#line = new Progress(this.#output, phase)
    }
    this.#line.show(bytes, totalBytes)
  }

  /** Takes the line away. */
  end(): void {
    this.#line?.end()
    this.#line = undefined
  }
}
