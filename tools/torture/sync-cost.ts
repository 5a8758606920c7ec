import { open, rm } from 'node:fs/promises'
import type { DiskFacts } from './disk-facts.js'

/**
 * What the time of a sync lets one suspect. `in-memory`: the file system is in memory and keeps nothing. `no-effect`: a sync takes hardly longer
 * than the write before it. `suspicious`: faster than flash without a protected cache. `plausible`: as slow as something that reaches a
 * medium.
 */
export type SyncVerdict = 'in-memory' | 'no-effect' | 'suspicious' | 'plausible'

export interface SyncReport {
  readonly verdict: SyncVerdict
  /** Milliseconds, medians, of writing 512 bytes to a place that is allocated, and of writing them and fdatasync. One at a time. */
  readonly writeMs: number
  readonly syncedMs: number
  /** Durable writes a second, one at a time. */
  readonly perSecond: number
  readonly samples: number
  /** What that means, and what it does not show. */
  readonly words: string
}

const BYTES = 512
const REGION = 1024 * 1024
const SAMPLES = 400
const LONGEST_MS = 1500
/** Durable writes a second, one at a time, that flash reaches only with a cache that survives a power cut. */
const SUSPICIOUS = 5000
/** A sync that reaches a medium takes many times as long as a copy into memory. */
const NO_EFFECT = 1.5

/** Measures writes with and without fdatasync in a file at `path`, which it removes again. Takes two seconds at most. */
export async function measureSync(path: string, facts: Pick<DiskFacts, 'fileSystem'>): Promise<SyncReport> {
  const file = await open(path, 'wx')
  try {
    await file.write(Buffer.alloc(REGION, 1))
    await file.sync()
    const block = Buffer.alloc(BYTES, 2)
    const measure = async (sync: boolean): Promise<number[]> => {
      const times: number[] = []
      const end = performance.now() + LONGEST_MS / (sync ? 1 : 5)
      for (let i = 0; i < SAMPLES; i++) {
        const begun = performance.now()
        await file.write(block, 0, BYTES, (i * BYTES) % REGION)
        if (sync) await file.datasync()
        times.push(performance.now() - begun)
        if (performance.now() > end) break
      }
      return times.sort((a, b) => a - b)
    }
    const plain = await measure(false)
    const synced = await measure(true)
    return judgeSync(median(plain), median(synced), synced.length, facts.fileSystem)
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}

/** Says what measured times mean. */
export function judgeSync(writeMs: number, syncedMs: number, samples: number, fileSystem?: string): SyncReport {
  const perSecond = Math.round(1000 / syncedMs)
  const verdict = verdictOf(writeMs, syncedMs, fileSystem)
  return { verdict, writeMs, syncedMs, perSecond, samples, words: WORDS[verdict] }
}

function verdictOf(writeMs: number, syncedMs: number, fileSystem: string | undefined): SyncVerdict {
  if (fileSystem === 'tmpfs' || fileSystem === 'ramfs') return 'in-memory'
  if (syncedMs < NO_EFFECT * writeMs) return 'no-effect'
  return 1000 / syncedMs > SUSPICIOUS ? 'suspicious' : 'plausible'
}

const LIMIT = 'Only cutting the power while something is written, and looking afterwards, can show it.'

const WORDS: Record<SyncVerdict, string> = {
  'in-memory':
    'This file system is in memory. A killed process loses nothing here; a power cut or a restart loses everything, whatever is synced.',
  'no-effect': `A synced write takes hardly longer than one that is not synced, so the sync seems to do nothing: a library or a sandbox that swallows it (libeatmydata), a file system mounted without it, or a virtual disk whose host keeps it in memory. Expect a power cut to lose what was acknowledged. ${LIMIT}`,
  suspicious: `More durable writes a second than flash reaches by itself. Either the device has a cache that is protected against power cuts (data-centre SSDs, RAID controllers with a battery), and all is well; or something answers before the data is safe: a virtual disk with a write-back cache, a consumer SSD that ignores flushes. A program cannot tell which. ${LIMIT}`,
  plausible: `A sync takes as long as one that reaches a medium. That does not prove that it does: a device may wait and still lose its cache, and caches of hosts and controllers are not seen from here. ${LIMIT}`,
}

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1]!
}
