const SLICE_MS = 20

/** Returns a function to call in a long loop: lets signals and output have their turn now and then, and throws when asked to stop. */
export function breathe(signal: AbortSignal): () => Promise<void> | undefined {
  let end = performance.now() + SLICE_MS
  let calls = 0
  return () => {
    if ((++calls & 63) !== 0 || performance.now() < end) return undefined
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        end = performance.now() + SLICE_MS
        if (signal.aborted) reject(signal.reason as Error)
        else resolve()
      })
    })
  }
}
