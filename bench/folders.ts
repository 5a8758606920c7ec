import { lstatSync, readdirSync } from 'node:fs'
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
