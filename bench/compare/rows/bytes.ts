/** What an event takes on the disk, of a closed store. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { sizeOf } from '../../data-sets.js'
import { bytesBelow } from '../../folders.js'
import type { DataSet, Row } from '../row.js'

function bytesRow(name: string, title: string, needs: DataSet): Row {
  return {
    name,
    title,
    unit: 'B',
    contestants: ['annals', 'sqlite', 'lmdb', 'classic-level', 'event-storage', 'raw', 'raw-shapes'],
    streams: needs === 'one' ? 1 : 100_000,
    needs,
    store: async (_engine, { dataSet, quick }) => ({ value: bytesBelow(dataSet) / sizeOf(needs, quick).events }),
    limit: (_limit, { dataSet, quick }) => ({
      value: lstatSync(join(dataSet, 'all')).size / sizeOf(needs, quick).events,
    }),
  }
}

export const bytesRows: readonly Row[] = [
  bytesRow('bytes', 'bytes per event, one stream', 'one'),
  bytesRow('bytes-many', 'bytes per event, 100,000 streams', 'many'),
]
