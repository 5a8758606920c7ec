import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AnnalsError, type EventStore, openEventStore, type ReadOnlyEventStore } from '../../engine/index.js'

const LOOK_MS = 20
/** How long a reader may take to see what is committed. */
const PATIENCE_MS = 30_000

/**
 * Reads the store from this process while writers in others live and die, and follows from one to the next. What it was shown must be
 * there in the end: the same events, in the same order, without a gap. Keeps a digest of their ids, whatever their number.
 */
export class FollowingReader {
  readonly #directory: string
  readonly #patienceMs: number
  readonly #ids = createHash('sha256')
  readonly #ends = new AbortController()
  readonly #following: Promise<void>
  #events = 0
  #problem: string | undefined

  constructor(directory: string, patienceMs = PATIENCE_MS) {
    this.#directory = directory
    this.#patienceMs = patienceMs
    this.#following = this.#follow().catch((error: unknown) => {
      this.#problem ??= `a reader was refused: ${(error as AnnalsError).code}: ${(error as Error).message}`
    })
  }

  /** Events that it was shown. */
  get events(): number {
    return this.#events
  }

  /** Waits until it has seen everything in a store to which nobody appends, and compares. Returns what is wrong. */
  async compare(store: EventStore, end: number): Promise<string | undefined> {
    const until = performance.now() + this.#patienceMs
    while (this.#problem === undefined && this.#events < end && performance.now() < until) await sleep(LOOK_MS)
    if (this.#problem !== undefined) return this.#problem
    if (this.#events !== end) return `a reader has seen ${this.#events} events where ${end} are committed`
    const ids = createHash('sha256')
    for await (const batch of store.readAll().batches(1000)) for (const { id } of batch) ids.update(id)
    return ids.digest('hex') === this.#ids.copy().digest('hex')
      ? undefined
      : 'a reader was shown other events than those that are there'
  }

  async stop(): Promise<void> {
    this.#ends.abort()
    await this.#following
  }

  async #follow(): Promise<void> {
    const store = await this.#open()
    if (store === undefined) return
    const { signal } = this.#ends
    try {
      for await (const { position, id } of store.subscribe({ signal })) {
        if (position !== this.#events) {
          throw new Error(`it was given position ${position} where ${this.#events} comes next`)
        }
        this.#ids.update(id)
        this.#events++
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      await store.close()
    }
  }

  /** There is no store before the first writer has made one. */
  async #open(): Promise<ReadOnlyEventStore | undefined> {
    while (!this.#ends.signal.aborted) {
      try {
        return await openEventStore(this.#directory, { readOnly: true, networkFileSystem: 'allow' })
      } catch (error) {
        const { code } = error as AnnalsError
        if (code !== 'ERR_NOT_FOUND' && code !== 'ERR_NOT_A_STORE' && code !== 'ERR_IO') throw error
      }
      await sleep(LOOK_MS)
    }
    return undefined
  }
}
