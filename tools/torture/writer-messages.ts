import type { OpenOptions } from '../../engine/index.js'
import type { WorkloadShape } from './workload.js'

/** What a writer is told, as one line of JSON on its standard input. */
export interface WriterJob {
  readonly directory: string
  readonly open: OpenOptions
  readonly workload: WorkloadShape
  /** Number of its first commit; the others follow it one by one. */
  readonly first: number
  /** Appends under way at a time. */
  readonly inFlight: number
}

/**
 * What a writer says, one line each on its standard output. `ready`: it is loaded and waits for its job. `opening`, `opened`: the store.
 * `acknowledged`: the append of this commit has resolved. `failed`: an append, or the opening, was rejected; then it ends.
 */
export type WriterMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opening' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'acknowledged'; readonly commit: number }
  | { readonly kind: 'failed'; readonly code: string; readonly cause: string; readonly message: string }

export function encodeMessage(message: WriterMessage): string {
  return message.kind === 'acknowledged' ? `${message.commit}\n` : `${JSON.stringify(message)}\n`
}

/** Puts messages together from what arrives. A line that a kill has cut off is no message. */
export class MessageParser {
  #rest = ''

  push(chunk: string): WriterMessage[] {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()!
    return lines.map((line) =>
      line.startsWith('{') ? (JSON.parse(line) as WriterMessage) : { kind: 'acknowledged', commit: Number(line) },
    )
  }
}

/** How often, and for how long, an opener waits whose predecessor is not known to be dead: other systems than Linux do not tell. */
const LOCKED_PAUSE_MS = 250
const LOCKED_MS = 30_000

/** Calls `open` until the store is no longer held by a writer that was killed. */
export async function openPatiently<Store>(open: () => Promise<Store>, patienceMs = LOCKED_MS): Promise<Store> {
  const end = performance.now() + patienceMs
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_LOCKED' || performance.now() > end) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, LOCKED_PAUSE_MS))
  }
}
