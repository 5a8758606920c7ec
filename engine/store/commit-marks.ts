import { EventDecoder, eventFlags, FLAG_FIRST, FLAG_LAST } from '../format/event-record.js'
import type { Window } from '../format/frame.js'
import type { StoredEvent } from '../types/event.js'

/** Decodes events and remembers of each whether it is the first and the last of its commit: for reads by commit only. */
export class CommitMarks extends EventDecoder {
  readonly #marks = new WeakMap<StoredEvent, number>()

  constructor(decoder: EventDecoder) {
    super(decoder.values)
  }

  override decode(window: Window, start: number, length: number, stream?: string): StoredEvent {
    const event = super.decode(window, start, length, stream)
    this.#marks.set(event, eventFlags(window, start) & (FLAG_FIRST | FLAG_LAST))
    return event
  }

  isFirst(event: StoredEvent): boolean {
    return (this.#marks.get(event)! & FLAG_FIRST) !== 0
  }

  isLast(event: StoredEvent): boolean {
    return (this.#marks.get(event)! & FLAG_LAST) !== 0
  }
}

/** What reading by commit needs besides the events. */
export interface CommitReading {
  readonly marks: CommitMarks
  readonly backward: boolean
  /** Tells whether a commit ends at a position of `from` … `end − 1`. */
  readonly endsWithin: (from: number, end: number) => boolean
}

/** Gathers events that were read by the marks into those of one commit each. Memory: one commit, and a batch. */
export async function* byCommit(
  batches: AsyncIterable<StoredEvent[]>,
  reading: CommitReading,
): AsyncGenerator<StoredEvent[]> {
  const { marks, backward } = reading
  let commit: StoredEvent[] = []
  for await (const batch of batches) {
    for (const event of batch) {
      const before = commit.at(-1)
      if (before !== undefined && !isOneCommit(reading, before, event)) {
        yield commit
        commit = []
      }
      commit.push(event)
      if (backward ? marks.isFirst(event) : marks.isLast(event)) {
        yield commit
        commit = []
      }
    }
  }
  if (commit.length > 0) yield commit
}

/** The events between two of a stream, or of what a filter takes, say whether they are of one commit. */
function isOneCommit({ marks, backward, endsWithin }: CommitReading, before: StoredEvent, event: StoredEvent): boolean {
  const [earlier, later] = backward ? [event, before] : [before, event]
  if (marks.isLast(earlier) || marks.isFirst(later)) return false
  if (earlier.commitId !== later.commitId) return false
  return !endsWithin(earlier.position + 1, later.position)
}
