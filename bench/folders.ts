import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Everything the benchmarks write is below this folder of the checkout, which git ignores: on a real disk. */
export const benchFolder = fileURLToPath(new URL('../../.bench/', import.meta.url))

/** The folder of the sources of the benchmarks. */
export const benchSources = fileURLToPath(new URL('../../bench/', import.meta.url))

export interface Sizes {
  readonly files: number
  /** What the files hold. */
  readonly bytes: number
  /** What they take on the disk, half-filled pages included. */
  readonly diskBytes: number
}

/** How many files are below a folder, and how large they are. */
export function sizesBelow(folder: string): Sizes {
  const sizes = { files: 0, bytes: 0, diskBytes: 0 }
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      const below = sizesBelow(path)
      sizes.files += below.files
      sizes.bytes += below.bytes
      sizes.diskBytes += below.diskBytes
    } else {
      const { size, blocks } = lstatSync(path)
      sizes.files++
      sizes.bytes += size
      sizes.diskBytes += blocks * 512
    }
  }
  return sizes
}

/** Bytes that the files below a folder take on the disk, half-filled pages included. */
export function bytesBelow(folder: string): number {
  return sizesBelow(folder).diskBytes
}

/**
 * Frees what the files below a folder take, and leaves the files: where many were removed, ext4 looks for minutes at each that is gone before it
 * creates another.
 */
export function emptyFiles(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) emptyFiles(path)
    else if (entry.isFile()) truncateSync(path)
  }
}

/** Creating a file takes some 10 µs; one that takes longer than this meets removed ones. */
const SLOW_CREATE_US = 100

/** Says so when files were removed on this disk not long ago, so that whoever creates files is slow today; undefined when not. */
export function removedLately(folder: string): string | undefined {
  const own = join(folder, 'creating')
  const durations: number[] = []
  for (let n = 0; n < 128; n++) {
    const shelf = join(own, String(n % 16))
    if (n < 16) mkdirSync(shelf, { recursive: true })
    const begun = performance.now()
    closeSync(openSync(join(shelf, `${n}.file`), 'wx'))
    durations.push((performance.now() - begun) * 1000)
  }
  const usual = durations.toSorted((a, b) => a - b)[durations.length / 2]!
  if (usual < SLOW_CREATE_US) return undefined
  return `Creating a file takes ${usual.toFixed(0)} µs: many were removed on this disk lately. In seven minutes it is faster.`
}
