/** What the hand-made stores throw when a stream has another version. */
export class ConflictError extends Error {
  constructor(stream: string, version: number) {
    super(`${stream} does not have ${version} events`)
  }
}
