import { type FileEventStore, type NewEvent, type OpenOptions } from '../../../engine/index.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { openStore } from '../../../engine/store/open-store.js'
import { FaultyFileSystem, type Operation } from '../../support/faulty-file-system.js'

/** A machine in memory: its disk outlives the processes on it, each opening is a process of its own, and what it asks of the disk is counted. */
export class TestMachine {
  readonly environment = memoryEnvironment()
  /** The disk as the newest process sees it. */
  files = new FaultyFileSystem(this.environment.files)
  #pid = 0

  async open(options: OpenOptions = {}, changes: Partial<Environment> = {}): Promise<FileEventStore> {
    const pid = ++this.#pid
    this.files = new FaultyFileSystem(this.environment.files)
    const environment: Environment = {
      ...this.environment,
      files: this.files,
      process: { pid, host: 'here', incarnation: String(pid), isAlive: (other) => (other === pid ? 'alive' : 'dead') },
      ...changes,
    }
    return openStore(environment, '/store', options)
  }

  /** The process is killed: nothing it still does reaches the disk. */
  kill(): void {
    this.files.freeze()
    this.files.release()
  }

  /** Paths of all files whose name ends so. */
  find(suffix: string, folder = '/store'): string[] {
    return this.environment.files
      .list(folder)
      .sort()
      .flatMap((name) => {
        const path = `${folder}/${name}`
        if (this.environment.files.stat(path)?.kind === 'directory') return this.find(suffix, path)
        return name.endsWith(suffix) ? [path] : []
      })
  }

  contents(path: string): Buffer {
    const handle = this.environment.files.open(path, 'read')
    const bytes = Buffer.alloc(handle.size())
    handle.readSync(bytes, 0, bytes.length, 0)
    handle.close()
    return bytes
  }

  write(path: string, bytes: Uint8Array): void {
    const { files } = this.environment
    const handle = files.open(path, files.stat(path) === undefined ? 'create' : 'write')
    handle.truncate(0)
    handle.writeSync(bytes, 0, bytes.length, 0)
    handle.close()
  }

  remove(path: string): void {
    this.environment.files.remove(path)
  }
}

export const isLog = ({ path }: Operation): boolean => path.endsWith('.log')

export const numbered = (count: number, first = 0): NewEvent[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'T', data: first + i }))

export const sized = (bytes: number): NewEvent => ({ type: 'T', data: 'x'.repeat(bytes) })

export async function datas(events: AsyncIterable<{ data: unknown }>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const { data } of events) all.push(data)
  return all
}

export const countUp = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i)
