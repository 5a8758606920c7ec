/** Keeps the first of many items in an order, in bounded memory. */
export class Top<Item> {
  readonly #most: number
  readonly #order: (a: Item, b: Item) => number
  #items: Item[] = []
  /** How many there were. */
  added = 0

  constructor(most: number, order: (a: Item, b: Item) => number) {
    this.#most = most
    this.#order = order
  }

  add(item: Item): void {
    this.added++
    this.#items.push(item)
    // Sorting twice as many as are wanted, now and then, costs less than keeping them in order.
    if (this.#items.length >= 2 * this.#most + 16) this.#items = this.sorted()
  }

  /** The first ones, in order. */
  sorted(): Item[] {
    return this.#items.sort(this.#order).slice(0, this.#most)
  }
}
