import { InvalidArgumentError } from '../engine/errors.js'
import type { TypedEvent } from './event-registry.js'
import { isThenable } from './plain-value.js'

/**
 * An aggregate as a class: methods decide and `apply` events, `when` changes the fields. Rules stand in the methods and never in
 * `when`, which also sees the events of years ago.
 */
export abstract class Aggregate<Event extends TypedEvent> {
  #uncommitted: Event[] = []
  #version = 0
  #stream: string | undefined

  /** What its stream is named for, after the category and a dash. Known once the first event was applied. */
  abstract get id(): string | number

  /** Number of its events that are stored: the version it was loaded or saved at. */
  get version(): number {
    return this.#version
  }

  /** Events applied since, in order: a copy, and frozen. Empty after a successful save, and only then. */
  get uncommittedEvents(): readonly Event[] {
    return Object.freeze([...this.#uncommitted])
  }

  /** Changes the state, and notes the event for the next save. When `when` throws, it is not noted. */
  protected apply(event: Event): void {
    change(this, event)
    this.#uncommitted.push(event)
  }

  /** Changes the state by an event, new or from history. */
  protected abstract when(event: Event): void

  /** @internal Applies an event from history: it is never noted as uncommitted. */
  static replay<Event extends TypedEvent>(aggregate: Aggregate<Event>, event: Event): void {
    change(aggregate, event)
  }

  /** @internal Says where its events are stored, and how many of them. */
  static loaded(aggregate: Aggregate<TypedEvent>, stream: string, version: number): void {
    aggregate.#stream = stream
    aggregate.#version = version
  }

  /** @internal The first `count` uncommitted events are stored now. Others may have been applied meanwhile. */
  static committed(aggregate: Aggregate<TypedEvent>, stream: string, count: number, version: number): void {
    aggregate.#uncommitted.splice(0, count)
    Aggregate.loaded(aggregate, stream, version)
  }

  /** @internal */
  static streamOf(aggregate: Aggregate<TypedEvent>): string | undefined {
    return aggregate.#stream
  }
}

function change<Event extends TypedEvent>(aggregate: Aggregate<Event>, event: Event): void {
  const done: unknown = (aggregate as unknown as { when(event: Event): unknown }).when(event)
  if (isThenable(done)) throw new InvalidArgumentError('Cannot apply an event: when returned a promise')
}
