interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Those who wait for a position to be projected. */
export class Waiters {
  readonly #waiting = new Set<Waiter>()
  #begun: () => void = () => undefined

  onBegin(begun: () => void): void {
    this.#begun = begun
  }

  begun(): void {
    this.#begun()
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** Resolves when everything up to a position has been passed. */
  at(position: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(waiter)
        signal?.removeEventListener('abort', stop)
      }
      const stop = (): void => waiter.reject(signal!.reason as Error)
      const waiter: Waiter = {
        position,
        resolve: () => {
          done()
          resolve()
        },
        reject: (error) => {
          done()
          reject(error)
        },
      }
      this.#waiting.add(waiter)
      if (signal?.aborted === true) stop()
      else signal?.addEventListener('abort', stop)
    })
  }

  /** Resolves as something else does, unless it is over before. */
  async orOver<Result>(result: Promise<Result>): Promise<Result> {
    const over = new AbortController()
    try {
      return await Promise.race([result, this.at(Infinity, over.signal) as Promise<never>])
    } finally {
      over.abort()
    }
  }

  passed(position: number): void {
    for (const waiter of this.#waiting) if (waiter.position < position) waiter.resolve()
  }

  reject(error: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(error as Error)
  }
}
