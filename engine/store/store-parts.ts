import type { Environment } from '../io/file-system.js'
import type { WriterLock } from '../lock/writer-lock.js'
import type { Recovered, RecoveryReport } from '../recovery/recover.js'
import type { Settings } from './options.js'

/** What a store is put together from; `openStore` makes it. */
export interface StoreParts {
  readonly environment: Environment
  readonly settings: Settings
  readonly directory: string
  readonly logPath: string
  readonly streamsPath: string
  readonly storeId: Buffer
  readonly lock: WriterLock
  readonly recovered: Recovered
  readonly report: RecoveryReport
}
