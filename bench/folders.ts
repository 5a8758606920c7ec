import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Everything the benchmarks write is below this folder of the checkout, which git ignores: on a real disk. */
export const benchFolder = fileURLToPath(new URL('../../.bench/', import.meta.url))

/** The folder of the sources of the benchmarks. */
export const benchSources = fileURLToPath(new URL('../../bench/', import.meta.url))

/** Bytes that the files below a folder take on the disk, half-filled pages included. */
export function bytesBelow(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    bytes += entry.isDirectory() ? bytesBelow(path) : lstatSync(path).blocks * 512
  }
  return bytes
}
