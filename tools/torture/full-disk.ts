import { type FileHandle, open, rm } from 'node:fs/promises'

export interface FullDiskReport {
  /** Bytes written to fill the disk; removed again. */
  readonly ballastBytes: number
  /** False when the disk was not full after the bytes that were allowed. Then nothing else was tried. */
  readonly full: boolean
  /** What the writer was told, and what an opener was told while there was no room: an error code, or 'opened'. */
  readonly writer: string | undefined
  readonly opener: string | undefined
  /** Commits acknowledged after room was made. */
  readonly acknowledgedAfter: number
}

const CHUNK = 1024 * 1024
const LEAST_CHUNK = 4096

/** A file that takes the room on a disk away. */
export class Ballast {
  readonly #path: string
  readonly #most: number
  #file: FileHandle | undefined
  bytes = 0

  /** @param most Bytes that it may have. */
  constructor(path: string, most: number) {
    this.#path = path
    this.#most = most
  }

  /**
   * Writes until there is no room; returns whether that was reached. Bytes that do not compress, for file systems that would. The file stays
   * open, so that filling up again needs nothing new.
   */
  async fill(signal?: AbortSignal): Promise<boolean> {
    this.#file ??= await open(this.#path, 'wx')
    const noise = crypto.getRandomValues(Buffer.alloc(65_536))
    const chunk = Buffer.concat(Array.from({ length: CHUNK / noise.length }, () => noise))
    let size = CHUNK
    while (this.bytes < this.#most) {
      signal?.throwIfAborted()
      try {
        const { bytesWritten } = await this.#file.write(chunk, 0, Math.min(size, this.#most - this.bytes), this.bytes)
        this.bytes += bytesWritten
      } catch (error) {
        if (!isFull(error)) throw error
        if (size <= LEAST_CHUNK) return true
        size = Math.max(LEAST_CHUNK, size >> 2)
      }
    }
    // A disk that has room only for more than was allowed is not full; a delayed allocation may still fail here.
    try {
      await this.#file.datasync()
      return false
    } catch (error) {
      if (!isFull(error)) throw error
      return true
    }
  }

  /** Gives so many bytes back. */
  async shrink(bytes: number): Promise<void> {
    this.bytes = Math.max(0, this.bytes - bytes)
    await this.#file?.truncate(this.bytes)
  }

  /** Gives everything back. */
  async remove(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    await rm(this.#path, { force: true })
  }
}

/** No room, or a quota that is used up. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as { code?: string }).code ?? '')
}
