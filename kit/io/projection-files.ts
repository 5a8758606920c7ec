import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'

/** What a store of projections asks of the file system, one step each, so that tests can end it between any two. */
export interface ProjectionFiles {
  makeFolder(path: string): Promise<void>
  /** Returns a text; undefined: there is no such file. */
  read(path: string): Promise<string | undefined>
  /** Returns what is another as soon as somebody else has put a file there; undefined: there is none. */
  identity(path: string): Promise<string | undefined>
  /** Writes a new file, and waits until it is on disk, unless that is not worth waiting for. */
  write(path: string, text: string, durable: boolean): Promise<void>
  /** Puts a file in the place of another, in one step. */
  rename(from: string, to: string): Promise<void>
  /** Waits until the names in a folder are on disk. */
  syncFolder(path: string): Promise<void>
  /** Removes a file; one that is not there is a no-op. */
  remove(path: string): Promise<void>
  list(path: string): Promise<string[]>
}

/** The files of the system. */
export const nodeFiles: ProjectionFiles = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true })
  },
  async read(path) {
    return unlessMissing(readFile(path, 'utf8'))
  },
  async identity(path) {
    const found = await unlessMissing(stat(path, { bigint: true }))
    return found && `${found.ino} ${found.mtimeNs} ${found.size}`
  },
  async write(path, text, durable) {
    const file = await open(path, 'w')
    try {
      await file.writeFile(text)
      if (durable) await file.sync()
    } finally {
      await file.close()
    }
  },
  rename,
  async syncFolder(path) {
    let folder
    try {
      folder = await open(path, 'r')
    } catch (error) {
      // Windows opens no folders, and keeps its names without being asked.
      if (process.platform === 'win32') return
      throw error
    }
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  async remove(path) {
    await unlessMissing(unlink(path))
  },
  async list(path) {
    return (await unlessMissing(readdir(path))) ?? []
  },
}

async function unlessMissing<Result>(result: Promise<Result>): Promise<Result | undefined> {
  try {
    return await result
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
