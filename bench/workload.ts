import type { DataSetName } from './data-sets.js'

/** One line of the table. */
export interface Result {
  readonly name: string
  /** What annals did, and what the raw limit did with as many events. */
  readonly eventsPerSecond?: number | undefined
  readonly rawPerSecond?: number | undefined
  /** Median over the rounds of annals' rate to the raw rate of the same round. */
  readonly ratio?: number | undefined
  /** Least ratio that counts as reached. */
  readonly target?: number | undefined
  /** Of one call, in microseconds. */
  readonly p50Us?: number | undefined
  readonly p99Us?: number | undefined
  readonly bytesPerEvent?: number | undefined
  readonly rawBytesPerEvent?: number | undefined
  /** Most memory resident while annals worked, the pool of events and Node.js included. */
  readonly peakMib?: number | undefined
  /** For what is measured in milliseconds: the median, and the most that counts as reached. */
  readonly ms?: number | undefined
  readonly targetMs?: number | undefined
  readonly note?: string | undefined
}

/** What a workload is run with. */
export interface Context {
  /** Check that everything works, with sizes that measure nothing. */
  readonly quick: boolean
  /** How many streams `many-streams` is to have, where its own number is not wanted. */
  readonly streams?: number | undefined
  /** An empty folder for the workload. */
  readonly folder: string
  /** Folder of the store of a data set that the workload needs. */
  readonly dataSet: (name: DataSetName) => string
}

/** A workload runs in a process of its own, and throws when what it reads is not what it wrote. */
export interface Workload {
  readonly needs?: readonly DataSetName[] | undefined
  run(context: Context): Promise<readonly Result[]>
}
