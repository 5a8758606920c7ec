import type { Workload } from '../workload.js'
import { append1, appendMany } from './append.js'
import { batch } from './batch.js'
import { bulk } from './bulk.js'
import { aggregateLoad, command } from './kit.js'
import { growth } from './growth.js'
import { filteredRead } from './filtered-read.js'
import { importNdjson } from './import-ndjson.js'
import { manyStreams } from './many-streams.js'
import { lookup } from './lookup.js'
import { open } from './open.js'
import { project } from './project.js'
import { randomOffset, randomStream } from './random.js'
import { globalRead, scan } from './scan.js'
import { stalls } from './stalls.js'
import { subscribe } from './subscribe.js'

/** All workloads by name, in the order they are run. */
export const workloads: Readonly<Record<string, Workload>> = {
  'append-1': append1,
  'append-64': appendMany('append-64', 64, 64, 0.75),
  'append-256': appendMany('append-256', 256, 10_000, 0.7),
  'batch-10': batch(10, 40_000),
  'batch-100': batch(100, 150_000),
  'batch-1000': batch(1000, 300_000, 0.75),
  'bulk-1': bulk('bulk-1', 1, 0.7),
  'bulk-100k': bulk('bulk-100k', 100_000, 0.4),
  scan,
  'global-read': globalRead,
  'filtered-read': filteredRead,
  'random-stream': randomStream,
  'random-offset': randomOffset,
  lookup,
  subscribe,
  'import-ndjson': importNdjson,
  project,
  'kit-load': aggregateLoad,
  'kit-command': command,
  stalls,
  growth,
  'many-streams': manyStreams,
  // Last: killed writers leave more in the data sets than they were loaded with.
  open,
}
