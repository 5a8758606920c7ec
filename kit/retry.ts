import { InvalidArgumentError } from '../engine/errors.js'

export interface RetryOptions {
  /** How often the work is done at most. Default: 5. */
  readonly attempts?: number | undefined
  /** Ends it before an attempt: it then rejects with the signal's reason. What was handed to the store is not taken back. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Does work that loads, decides and appends, and does it again when somebody else appended first. Each attempt must load anew. There is no
 * wait between them: whoever was in the way is done. After the last attempt it rejects with that conflict.
 */
export async function retryOnConflict<Result>(
  work: (attempt: number) => Result | Promise<Result>,
  { attempts = 5, signal }: RetryOptions = {},
): Promise<Result> {
  if (!(Number.isSafeInteger(attempts) && attempts >= 1)) {
    throw new InvalidArgumentError(`Cannot retry: attempts is ${String(attempts)}, not a whole number from 1`)
  }
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt === attempts || !isConflict(error)) throw error
    }
  }
}

/** Tells whether an append was refused because somebody else was first. By code: the store may come from another package than the kit. */
export function isConflict(error: unknown): boolean {
  const code = error instanceof Error ? (error as { readonly code?: unknown }).code : undefined
  return code === 'ERR_VERSION_CONFLICT' || code === 'ERR_QUERY_CONFLICT'
}
