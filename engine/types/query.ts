/** An event matches when its type is one of `types`, if there are any, and it has all of `tags`, if there are any. At least one of both is given. */
export interface QueryItem {
  /** At most 250. */
  readonly types?: readonly string[] | undefined
  /** At most 250. */
  readonly tags?: readonly string[] | undefined
}

/** Which events a decision rests on: those that match one of the items at least. As defined by https://dcb.events. */
export interface Query {
  /** 1 to 250. */
  readonly items: readonly QueryItem[]
}
