import { join } from 'node:path'
import { CorruptionError } from '../errors.js'
import { CHECKPOINT_FILE } from '../format/checkpoint.js'
import type { Environment } from '../io/file-system.js'
import type { Limits } from '../limits.js'
import { acquireWriterLock } from '../lock/acquire-writer-lock.js'
import type { VerifyReport } from '../recovery/findings.js'
import { Rebuild, type RebuiltFiles } from '../recovery/rebuild-derived.js'
import { contextOf, verify } from '../recovery/verify.js'
import { openStore } from './open-store.js'

export interface ReindexProgress {
  /** Everything is read before, to see that it is sound, and again when all was made. */
  readonly phase: 'verify' | 'rebuild'
  readonly bytes: number
  readonly totalBytes: number
}

export interface ReindexOptions {
  /** Called now and then. */
  readonly onProgress?: ((progress: ReindexProgress) => void) | undefined
  /** Ends it: it then rejects with the signal's reason. What was made by then is right, and stays. */
  readonly signal?: AbortSignal | undefined
  /** The limits that the store is opened with, where they differ from `defaultLimits`. */
  readonly limits?: Partial<Limits> | undefined
}

export interface ReindexReport extends RebuiltFiles {
  /** What reading everything again has found: no damage. */
  readonly verified: VerifyReport
  readonly durationMs: number
}

/** Makes all derived files of a store again from its segments, also those that look right. */
export async function reindex(
  environment: Environment,
  path: string,
  options: ReindexOptions = {},
): Promise<ReindexReport> {
  const started = environment.elapsed()
  const { limits, signal, onProgress } = options
  signal?.throwIfAborted()
  // What a killed writer has left is brought to its end first, as every opening does: then all segments are whole.
  await openAndSettle(environment, path, limits)
  const directory = environment.files.realPath(path)
  const read = (): Promise<VerifyReport> =>
    verify(environment, directory, {
      limits,
      signal,
      fast: true, // nothing is made from what is in events
      onProgress: ({ bytesRead, totalBytes }) => onProgress?.({ phase: 'verify', bytes: bytesRead, totalBytes }),
    })
  const { storeId } = contextOf(environment, directory, {})
  const lock = await acquireWriterLock(environment, directory, { storeId })
  let rebuilt: RebuiltFiles
  try {
    const before = await read()
    refuseDamage(before)
    signal?.throwIfAborted()
    const context = contextOf(environment, directory, { limits, signal })
    // What it says to be settled verify has found in the stream segments; a wrong one says nothing.
    const isRight =
      before.truncated === 0 && !before.findings.some(({ file }) => file === join(directory, CHECKPOINT_FILE))
    rebuilt = await new Rebuild(context, {
      directory,
      epoch: lock.epoch,
      before: isRight ? context.checkpoint : undefined,
      check: () => {
        signal?.throwIfAborted()
        lock.check()
      },
      progress: (bytes, totalBytes) => onProgress?.({ phase: 'rebuild', bytes, totalBytes }),
    }).run()
  } finally {
    await lock.release()
  }
  await openAndSettle(environment, path, limits)
  const verified = await read()
  refuseDamage(verified)
  signal?.throwIfAborted()
  return { ...rebuilt, verified, durationMs: environment.elapsed() - started }
}

/** Everything that is committed is in synced stream segments afterwards, and the store closed in good order. */
async function openAndSettle(
  environment: Environment,
  path: string,
  limits: Partial<Limits> | undefined,
): Promise<void> {
  const store = await openStore(environment, path, { create: false, networkFileSystem: 'allow', limits })
  try {
    if (store.recovery.damage !== undefined) throw store.recovery.damage
    await store.checkpoint()
  } finally {
    await store.close()
  }
}

/** What is made from a damaged copy would be wrong, and would hide what the old files still tell of it. */
function refuseDamage({ findings }: VerifyReport): void {
  const damage = findings.find(({ severity }) => severity === 'damage')
  if (damage === undefined) return
  const { message, file, byte, stream, offset } = damage
  throw new CorruptionError(message, { file, byte, stream, offset })
}
