import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Lines that say in which functions the time of the profiles in a folder was spent, without what they call. */
export function summarise(folder: string, most: number): string[] {
  const selfUs = new Map<string, number>()
  let totalUs = 0
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile
    const names = new Map<number, string>()
    for (const { id, callFrame } of nodes) {
      const place = callFrame.url === '' ? '' : ` ${basename(callFrame.url)}:${callFrame.lineNumber + 1}`
      names.set(id, `${callFrame.functionName || '(anonymous)'}${place}`)
    }
    for (const [index, id] of samples.entries()) {
      const name = names.get(id)!
      const us = timeDeltas[index] ?? 0
      totalUs += us
      selfUs.set(name, (selfUs.get(name) ?? 0) + us)
    }
  }
  return [...selfUs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(
      ([name, us]) =>
        `  ${((100 * us) / totalUs).toFixed(1).padStart(5)} %${(us / 1000).toFixed(0).padStart(8)} ms  ${name}`,
    )
}
