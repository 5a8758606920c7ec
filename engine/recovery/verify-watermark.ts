import { join } from 'node:path'
import { faultOfWatermark, WATERMARK_FILE } from '../format/watermark.js'
import { readFileSync } from '../io/transfer.js'
import { report, type VerifyContext } from './verify-context.js'

const MAX_BYTES = 64 * 1024
/** A writer may be overwriting a record while it is read. */
const LOOKS = 4

/** Checks the watermark. It carries no authority, and stores of an earlier annals have none, so that it may be missing. */
export function checkWatermark(context: VerifyContext, directory: string): void {
  const { environment, pace, storeId } = context
  const path = join(directory, WATERMARK_FILE)
  for (let look = 1; ; look++) {
    const bytes = readFileSync(environment.files, path, MAX_BYTES)
    if (bytes === undefined) return
    const fault = faultOfWatermark(bytes, storeId)
    if (fault !== undefined && look < LOOKS) continue
    pace.whole(bytes.length)
    if (fault !== undefined) report(context, 'derived', 'I12', path, fault, 'the watermark is damaged')
    return
  }
}
