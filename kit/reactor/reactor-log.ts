import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { said } from '../errors.js'
import { isReused } from '../known-commit.js'
import { isConflict } from '../retry.js'
import type { DeadlineMark } from './deadlines.js'
import { type ReactionError, ReactorMovedError } from './errors.js'
import type { ReactorSettings } from './reactor-options.js'

/** An event that could not be reacted to and was set aside. The event itself stands where it was. */
export interface ReactionLetter {
  readonly stream: string
  readonly offset: number
  readonly position: number
  readonly type: string
  readonly handler: string
  /** How often the handler was called. */
  readonly attempts: number
  /** What it threw, as text. */
  readonly reason: string
}

/** How far a reactor is. */
export interface ReactorCheckpoint {
  /** The next position to read. */
  readonly position: number
  /** Of process managers that have set some. */
  readonly deadlines?: DeadlineMark
}

const CHECKPOINT = 'ReactorCheckpoint'
const SET_ASIDE = 'ReactionSetAside'
const MADE_UP = 'ReactionMadeUp'

/** What a reactor has stored of itself, in two streams of the store: how far it is, and what it has set aside. */
export class ReactorLog {
  readonly #store: EventStore
  readonly #name: string
  readonly #settings: ReactorSettings
  /** Of the stream of checkpoints, as far as this reactor wrote it. */
  #version = 0

  constructor(store: EventStore, name: string, settings: ReactorSettings) {
    this.#store = store
    this.#name = name
    this.#settings = settings
  }

  /** Returns the id of what this reactor does about an event. Position and id together: after a restored backup another event may be there. */
  effectId({ position, id }: StoredEvent): string {
    return `${this.#name}:${position}:${id}`
  }

  /** Returns the newest checkpoint; undefined: there is none. */
  async load(signal: AbortSignal): Promise<ReactorCheckpoint | undefined> {
    const newest = this.#store.readStream(this.#checkpoints, { direction: 'backward', limit: 1, signal })
    this.#version = 0
    for await (const { offset, data } of newest) {
      this.#version = offset + 1
      return data as ReactorCheckpoint
    }
    return undefined
  }

  /** Stores a checkpoint. Throws ReactorMovedError when somebody else has done so since. */
  async save(data: ReactorCheckpoint): Promise<void> {
    const expectedVersion = this.#version === 0 ? 'noStream' : this.#version
    const checkpoint = { type: CHECKPOINT, data }
    try {
      const { checkpointDurability: durability } = this.#settings
      const { version } = await this.#store.append(this.#checkpoints, [checkpoint], { expectedVersion, durability })
      this.#version = version
    } catch (error) {
      throw isConflict(error) ? new ReactorMovedError(this.#name, { cause: error }) : error
    }
  }

  async setAside(event: StoredEvent, { handler, attempts, cause }: ReactionError): Promise<void> {
    const { stream, offset, position, type } = event
    const reason = said(cause).slice(0, 1000)
    const data: ReactionLetter = { stream, offset, position, type, handler, attempts, reason }
    // Delivered again after a crash, it is the same letter, whatever the handler said this time.
    await this.#note({ type: SET_ASIDE, data }, `${this.effectId(event)}:aside`)
  }

  async madeUp(event: StoredEvent): Promise<void> {
    await this.#note({ type: MADE_UP, data: { position: event.position } }, `${this.effectId(event)}:made-up`)
  }

  /** Returns what was set aside and not made up since, in the order of the positions. */
  async letters(): Promise<ReactionLetter[]> {
    const letters = new Map<number, ReactionLetter>()
    for await (const { type, data } of this.#store.readStream(this.#letters)) {
      const letter = data as ReactionLetter
      if (type === SET_ASIDE) letters.set(letter.position, letter)
      else letters.delete(letter.position)
    }
    return [...letters.values()].sort((a, b) => a.position - b.position)
  }

  async #note(event: { readonly type: string; readonly data: unknown }, commitId: string): Promise<void> {
    try {
      await this.#store.append(this.#letters, [event], { commitId, durability: this.#settings.durability })
    } catch (error) {
      if (!isReused(error)) throw error
    }
  }

  get #checkpoints(): string {
    return `reactor:${this.#name}`
  }

  get #letters(): string {
    return `reactor:${this.#name}:dead-letters`
  }
}
