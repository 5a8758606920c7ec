/**
 * Importing a file of NDJSON into a new store, durably, with commit ids: what `annals import` does. Raw: reading the same file, finding its lines,
 * and parsing each.
 */
import { createReadStream, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { Importer } from '../../tools/transfer/importer.js'
import { jsonRecord } from '../../tools/transfer/json-record.js'
import { mappedRecord } from '../../tools/transfer/mapped-record.js'
import { lineEnds, type SourceRecord, splitRecords } from '../../tools/transfer/records.js'
import { parseTemplate } from '../../tools/transfer/template.js'
import { alternate, check, median, peakMib, ratioOf, resetPeak } from '../measure.js'
import { Plan } from '../plan.js'
import type { Result, Workload } from '../workload.js'

const STREAMS = 1000
const MOST_LINE_BYTES = 64 * 1024 * 1024

export const importNdjson: Workload = {
  async run({ quick, folder }): Promise<readonly Result[]> {
    const events = quick ? 5000 : 1_000_000
    const file = join(folder, 'events.ndjson')
    writeEvents(file, events)
    const records = (): AsyncIterable<SourceRecord[]> =>
      splitRecords(createReadStream(file, { highWaterMark: 256 * 1024 }), lineEnds(), MOST_LINE_BYTES)
    let round = 0
    let peak = 0
    const seconds = await alternate(quick ? 1 : 3, {
      raw: async () => {
        let parsed = 0
        for await (const some of records()) {
          for (const { bytes } of some) if (typeof JSON.parse(bytes!.toString('utf8')) === 'object') parsed++
        }
        check(parsed === events, `${parsed} lines were parsed`)
      },
      annals: async () => {
        resetPeak()
        const directory = join(folder, `store-${round++}`)
        await importInto(directory, records(), events)
        peak = Math.max(peak, peakMib())
        rmSync(directory, { recursive: true })
      },
    })
    return [
      {
        name: 'import-ndjson',
        eventsPerSecond: events / median(seconds.annals),
        rawPerSecond: events / median(seconds.raw),
        ratio: ratioOf(seconds.annals, seconds.raw),
        rawBytesPerEvent: statSync(file).size / events,
        peakMib: peak,
      },
    ]
  },
}

function writeEvents(file: string, events: number): void {
  const plan = new Plan(STREAMS)
  for (let n = 0; n < events; n += 10_000) {
    let lines = ''
    for (let i = n; i < Math.min(n + 10_000, events); i++) {
      lines += `${JSON.stringify({ n: i, order: plan.stream(i), ...plan.event(i).data })}\n`
    }
    writeFileSync(file, lines, { flag: 'a' })
  }
}

async function importInto(directory: string, records: AsyncIterable<SourceRecord[]>, events: number): Promise<void> {
  const mapping = {
    stream: parseTemplate('{order}'),
    type: parseTemplate('OrderPlaced'),
    time: undefined,
    timeUnit: 'ms',
    id: undefined,
    data: undefined,
    metadata: undefined,
    tags: [],
    group: undefined,
    commitId: undefined,
    numbers: [],
  } as const
  await using store = await openEventStore(directory)
  const importer = new Importer(store, {
    decode: (bytes) => mappedRecord(mapping, jsonRecord(bytes).fields),
    grouped: false,
    ids: 'digest',
    renumber: false,
    stops: true,
    bad: ({ line, reason }) => {
      throw new Error(`line ${line}: ${reason}`)
    },
    progress: () => {},
    signal: new AbortController().signal,
  })
  const report = await importer.run(records)
  check(report.events === events && store.stats().events === events, `${report.events} events were imported`)
}
