import { UsageError } from './exit-codes.js'
import { quoted } from './safe-text.js'

/** The arguments of a command, checked against what it takes. */
export class ParsedArguments {
  readonly operands: readonly string[]
  readonly #options: ReadonlyMap<string, readonly (string | true)[]>

  constructor(operands: readonly string[], options: ReadonlyMap<string, readonly (string | true)[]>) {
    this.operands = operands
    this.#options = options
  }

  has(name: string): boolean {
    return this.#options.has(name)
  }

  text(name: string): string | undefined {
    return this.texts(name)[0]
  }

  /** The values of an option that may be there several times, in their order. */
  texts(name: string): readonly string[] {
    return (this.#options.get(name) ?? []).filter((value) => value !== true)
  }

  /** A whole number from `least` on. Throws UsageError. */
  number(name: string, least = 0): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!Number.isSafeInteger(value) || value < least) {
      throw new UsageError(`--${name} takes a whole number from ${least} on, not ${quoted(text)}`)
    }
    return value
  }

  /** One of several words. Throws UsageError. */
  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const text = this.text(name)
    if (text === undefined || (words as readonly string[]).includes(text)) return text as Word | undefined
    throw new UsageError(`--${name} is one of ${words.join(', ')}, not ${quoted(text)}`)
  }
}
