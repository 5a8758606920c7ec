import type { ProjectionWorker } from './projection-worker.js'

/** Something to be done with a build while nothing is projected. */
export interface Task {
  readonly work: (worker: ProjectionWorker, signal: AbortSignal) => Promise<void>
  /** Done also where the projection has failed, and removes what it failed on. */
  readonly recovers: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What is to be done, in order. */
export class TaskQueue {
  readonly #tasks: Task[] = []

  get isEmpty(): boolean {
    return this.#tasks.length === 0
  }

  /** True when the first task is one for a projection that has failed, too. */
  get recovers(): boolean {
    return this.#tasks[0]?.recovers === true
  }

  /** Resolves when it is done. */
  add(work: Task['work'], recovers: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tasks.push({ work, recovers, resolve, reject })
    })
  }

  take(): Task | undefined {
    return this.#tasks.shift()
  }

  reject(error: unknown): void {
    for (const task of this.#tasks.splice(0)) task.reject(error)
  }
}
