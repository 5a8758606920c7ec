import { dirname, join, relative } from 'node:path'
import type { Environment } from '../io/file-system.js'
import { readFileSync, replaceFile, completion } from '../io/transfer.js'

const MAX_BYTES = 2 ** 31 - 1

/** Replaces files, each set aside first: what a repair was wrong about can be taken back by hand. */
export class Replacer {
  readonly #environment: Environment
  readonly #directory: string
  readonly #aside: string
  readonly #dry: boolean

  constructor(environment: Environment, directory: string, dry: boolean) {
    this.#environment = environment
    this.#directory = directory
    this.#dry = dry
    const time = new Date(environment.now()).toISOString().replaceAll(':', '-')
    this.#aside = join(directory, 'aside', time)
  }

  /** Returns the contents of a file; undefined when there is none. */
  read(path: string): Buffer | undefined {
    return readFileSync(this.#environment.files, path, MAX_BYTES)
  }

  /** Puts contents in the place of a file, durably, in one step. Returns where the old ones are now. */
  async replace(path: string, contents: Buffer): Promise<string | undefined> {
    if (this.#dry) return undefined
    const aside = await this.#setAside(path)
    this.#environment.files.makeDirectories(dirname(path))
    await this.#write(path, contents)
    return aside
  }

  /** Takes a file away. Returns where it is now. */
  async remove(path: string): Promise<string | undefined> {
    if (this.#dry) return undefined
    const { files } = this.#environment
    const aside = await this.#setAside(path)
    if (files.stat(path) !== undefined) files.remove(path)
    await completion((done) => files.syncDirectory(dirname(path), done))
    return aside
  }

  async #setAside(path: string): Promise<string | undefined> {
    const contents = this.read(path)
    if (contents === undefined) return undefined
    const { files } = this.#environment
    const aside = join(this.#aside, relative(this.#directory, path))
    files.makeDirectories(dirname(aside))
    // An earlier contents of the same file in the same repair is the one to keep.
    if (files.stat(aside) === undefined) await this.#write(aside, contents)
    for (let folder = dirname(aside); folder.length >= this.#directory.length; folder = dirname(folder)) {
      await completion((done) => files.syncDirectory(folder, done))
    }
    return aside
  }

  #write(path: string, contents: Buffer): Promise<void> {
    const folder = dirname(path)
    return completion((done) =>
      replaceFile(this.#environment.files, folder, path.slice(folder.length + 1), contents, done),
    )
  }
}
