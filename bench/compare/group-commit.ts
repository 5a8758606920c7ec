/**
 * Group commit as one would add it to a store that has none: what is appended in one turn of the event loop, and while the group before is
 * being written, goes in together.
 */
export class GroupCommit<Item> {
  readonly #commit: (items: readonly Item[]) => Promise<void> | void
  #items: Item[] = []
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = []
  #running = false

  constructor(commit: (items: readonly Item[]) => Promise<void> | void) {
    this.#commit = commit
  }

  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#items.push(item)
      this.#waiting.push({ resolve, reject })
      if (this.#running) return
      this.#running = true
      setImmediate(() => {
        this.#run().catch(reject)
      })
    })
  }

  async #run(): Promise<void> {
    while (this.#items.length > 0) {
      const [items, waiting] = [this.#items, this.#waiting]
      this.#items = []
      this.#waiting = []
      try {
        const committing = this.#commit(items)
        if (committing !== undefined) await committing
        for (const { resolve } of waiting) resolve()
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
      // Those who were waiting append their next event now, and it goes into the next group.
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#running = false
  }
}
