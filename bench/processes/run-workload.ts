/** Runs one workload, or loads one data set, for `bench/index.ts`: each in a process of its own. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type DataSetName, load } from '../data-sets.js'
import { workloads } from '../workloads/index.js'

async function main([what, name, folder, size, streams]: readonly string[]): Promise<void> {
  if (name === undefined || folder === undefined) throw new Error('This is for bench/index.js to call')
  const quick = size === 'quick'
  const dataSet = (of: DataSetName): string => join(folder, 'data-sets', of)
  if (what === 'load') {
    await load(dataSet(name as DataSetName), name as DataSetName, quick)
    return
  }
  const own = join(folder, name)
  mkdirSync(own)
  const results = await workloads[name]!.run({
    quick,
    folder: own,
    dataSet,
    streams: streams === undefined ? undefined : Number(streams),
  })
  process.send?.(results)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
