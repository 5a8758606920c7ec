import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageParser, type WriterJob, type WriterMessage } from './writer-messages.js'

/** Bytes kept of what a writer prints where errors go. */
const ERROR_TEXT = 4096

const SCRIPT = new URL('writer.js', import.meta.url)

export type WriterFailure = Pick<WriterMessage & { kind: 'failed' }, 'code' | 'cause' | 'message'>

/** Numbers of the commits of one writer. */
export interface WriterRun {
  readonly first: number
  /** Highest commit known to be acknowledged, or seen in the store after opening; `first − 1` for none. */
  last: number
}

/** A process that appends until it is killed. Loaded at once, so that its work begins the moment it is told to. */
export class WriterProcess {
  readonly #child: ChildProcess
  readonly #parser = new MessageParser()
  readonly #waiting = new Map<string, () => void>()
  readonly #opening = this.#moment('opening')
  readonly #opened = this.#moment('opened')
  readonly #acknowledged = this.#moment('acknowledged')
  #run: WriterRun = { first: 0, last: -1 }
  #errorText = ''
  #failure: WriterFailure | undefined
  #count = 0
  #hasOpened = false
  /** Resolves when the process has ended and everything it said was heard. */
  readonly ended: Promise<void>
  #exit: { readonly code: number | null; readonly signal: string | null } | undefined

  constructor() {
    if (!existsSync(SCRIPT)) {
      throw new Error(
        `Cannot start a writer: ${fileURLToPath(SCRIPT)} is not there; do not bundle annals/torture into one file`,
      )
    }
    // Options of this process, such as a debugger's port, are not for the writer.
    this.#child = spawn(process.execPath, [fileURLToPath(SCRIPT)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
      windowsHide: true,
    })
    const { stdin, stdout, stderr } = this.#child
    stdin!.on('error', () => undefined) // it may be dead before it is told
    stdout!.setEncoding('utf8').on('data', (chunk: string) => this.#hear(chunk))
    stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errorText = (this.#errorText + chunk).slice(-ERROR_TEXT)
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => (this.#errorText += error.message))
      this.#child.on('close', (code, signal) => {
        this.#exit = { code, signal }
        resolve()
      })
    })
    process.once('exit', this.#killAtExit)
    this.ended.then(
      () => process.off('exit', this.#killAtExit),
      () => undefined,
    )
  }

  /** Number of commits it has said to be acknowledged. */
  get acknowledged(): number {
    return this.#count
  }

  /** It has said that the store is open. */
  get hasOpened(): boolean {
    return this.#hasOpened
  }

  /** What was rejected, if the writer ended by itself; an end without a word is a failure too. */
  get failure(): WriterFailure | undefined {
    if (this.#failure !== undefined || this.#exit === undefined || this.#exit.signal === 'SIGKILL') return this.#failure
    const end = this.#exit.signal ?? `exit code ${this.#exit.code}`
    return { code: 'none', cause: '', message: `the writer ended with ${end}: ${this.#errorText.trim()}` }
  }

  /** Gives it its work. `run.last` is kept up to date. */
  begin(job: Omit<WriterJob, 'first'>, run: WriterRun): void {
    this.#run = run
    this.#child.stdin!.write(`${JSON.stringify({ ...job, first: run.first } satisfies WriterJob)}\n`)
  }

  /** Resolves when it has come so far, or has ended. */
  reached(moment: 'opening' | 'opened' | 'acknowledged'): Promise<void> {
    const moments = { opening: this.#opening, opened: this.#opened, acknowledged: this.#acknowledged }
    return Promise.race([moments[moment], this.ended])
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Kills it with SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #moment(name: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(name, resolve))
  }

  #hear(chunk: string): void {
    for (const message of this.#parser.push(chunk)) {
      if (message.kind === 'failed') this.#failure = message
      if (message.kind === 'opened') this.#hasOpened = true
      if (message.kind === 'acknowledged') {
        this.#count++
        this.#run.last = Math.max(this.#run.last, message.commit)
      }
      this.#waiting.get(message.kind)?.()
    }
  }

  readonly #killAtExit = (): void => {
    this.#child.kill('SIGKILL')
  }
}
