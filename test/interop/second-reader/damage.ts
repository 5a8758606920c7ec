/** What the second reader throws when bytes are not as segments-format.md says. It throws nothing else. */
export class Damage extends Error {
  override readonly name = 'Damage'
}

/** Throws when something that must be so is not. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Damage(what)
}
