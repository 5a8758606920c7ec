import type { Waiter } from '../commit-log/group.js'

/** Settles the promise of an append with the group that carries it. */
export class AppendWaiter<Result> implements Waiter {
  readonly promise: Promise<Result>
  readonly #result: Result
  #resolve!: (result: Result) => void
  #reject!: (error: Error) => void

  constructor(result: Result) {
    this.#result = result
    this.promise = new Promise<Result>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  commit(): void {
    this.#resolve(this.#result)
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}

/**
 * Refuses an append once what the refusal rests on is committed: a version that is still on its way to the disk may never
 * come to be, and then the append is told what went wrong instead.
 */
export class RefusalWaiter implements Waiter {
  readonly promise: Promise<never>
  readonly #refusal: Error
  #reject!: (error: Error) => void

  constructor(refusal: Error) {
    this.#refusal = refusal
    this.promise = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
  }

  commit(): void {
    this.#reject(this.#refusal)
  }

  fail(error: Error): void {
    this.#reject(error)
  }
}
