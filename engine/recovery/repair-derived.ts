import { LogDirectory } from '../commit-log/log-directory.js'
import { CHECKPOINT_FILE, encodeCheckpoint } from '../format/checkpoint.js'
import { encodeHeader } from '../format/file-header.js'
import { parseLogFileName, parseStreamFileName, streamKey } from '../format/names.js'
import { WATERMARK_FILE } from '../format/watermark.js'
import { parseKeyFileName } from '../keys/key-names.js'
import { checkpointOfLog, logIndex, streamIndex, streamTable } from './derived-files.js'
import type { Finding } from './findings.js'
import type { Repairs } from './repair-plan.js'
import type { VerifyContext } from './verify-context.js'

/** Makes again what is derived and was found wrong: indexes, stream tables, the checkpoint, the file that names the store. */
export async function repairDerived(
  context: VerifyContext,
  repairs: Repairs,
  epoch: number,
  findings: readonly Finding[],
): Promise<void> {
  const { directory: log } = LogDirectory.read(context.environment.files, context.logPath)
  for (const { severity, file, stream } of findings) {
    if (severity !== 'derived') continue
    const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
    const inLog = parseLogFileName(name)
    const inStream = parseStreamFileName(name)
    const segment = inLog && log.segments[log.find(inLog)]
    if (name === 'annals') {
      await repairs.replace(file, encodeHeader({ kind: 'H', storeId: context.storeId }), 'written again from the log')
    } else if (inLog?.suffix === '.idx') {
      if (segment === undefined) await repairs.remove(file, 'set aside: it has no segment')
      else await repairs.replace(file, logIndex(context, segment), 'made again from its segment')
    } else if (inLog?.suffix === '.tab') {
      if (segment === undefined) await repairs.remove(file, 'set aside: it has no segment')
      else await repairs.replace(file, streamTable(context, log, segment), 'made again from its segment')
    } else if (parseKeyFileName(name) !== undefined) {
      await repairs.remove(file, 'set aside: it is made again when it is needed')
    } else if (inStream?.suffix === '.idx') {
      const made = stream === undefined ? undefined : streamIndex(context, streamKey(stream), inStream.base)
      if (made === undefined) await repairs.remove(file, 'set aside: it is made again when it is needed')
      else await repairs.replace(file, made, 'made again from its segment')
    } else if (name === CHECKPOINT_FILE) {
      const made = await checkpointOfLog(context, log, epoch)
      await repairs.replace(file, encodeCheckpoint(context.storeId, made), 'made again from the log')
    } else if (name === WATERMARK_FILE) {
      await repairs.remove(file, 'set aside: the next writer makes it again')
    }
    // What is left needs nothing: of the file that names a writer its name counts, for a stream segment stands the log.
  }
}
