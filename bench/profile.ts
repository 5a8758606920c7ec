/** CPU profiles of what annals does in a measure, without the raw limit beside it and without preparation and checks. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { basename, join } from 'node:path'

/** Folder for profiles; none are taken without. */
const folder = process.env.ANNALS_BENCH_PROFILES
let taken = 0

/** Runs what is measured, and profiles it when profiles are wanted. */
export async function profiled(measure: () => unknown): Promise<void> {
  if (folder === undefined) {
    await measure()
    return
  }
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  await measure()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${taken++}.cpuprofile`), JSON.stringify(profile))
}

/** Lines that say in which functions the time of the profiles in a folder was spent, without what they call. */
export function summarise(profiles: string, most: number): string[] {
  const selfUs = new Map<string, number>()
  let totalUs = 0
  for (const file of readdirSync(profiles)) {
    const profile = JSON.parse(readFileSync(join(profiles, file), 'utf8')) as Profiler.Profile
    const names = namesOf(profile)
    for (const [index, id] of (profile.samples ?? []).entries()) {
      const name = names.get(id)!
      // The profiler's own work.
      if (name.startsWith('dispatch <')) continue
      const us = profile.timeDeltas?.[index] ?? 0
      totalUs += us
      selfUs.set(name, (selfUs.get(name) ?? 0) + us)
    }
  }
  return [...selfUs]
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([name, us]) => `${share(us, totalUs)} %${(us / 1000).toFixed(0).padStart(8)} ms  ${name}`)
}

/** Functions with their place; those of Node.js also with the function of ours that called them. */
function namesOf({ nodes }: Profiler.Profile): Map<number, string> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const place = ({ callFrame }: Profiler.ProfileNode): string =>
    `${callFrame.functionName || '(anonymous)'} ${basename(callFrame.url)}:${callFrame.lineNumber + 1}`
  const ours = ({ callFrame }: Profiler.ProfileNode): boolean => callFrame.url.startsWith('file:')
  return new Map(
    nodes.map((node) => {
      if (ours(node)) return [node.id, place(node)]
      let caller = byId.get(parents.get(node.id) ?? -1)
      // The door to the system is on every path; who knocked says more.
      while (caller && !(ours(caller) && !/node-file-system|transfer/.test(caller.callFrame.url))) {
        caller = byId.get(parents.get(caller.id) ?? -1)
      }
      const name = node.callFrame.functionName || '(anonymous)'
      return [node.id, caller ? `${name} < ${place(caller)}` : name]
    }),
  )
}

function share(part: number, whole: number): string {
  return ((100 * part) / whole).toFixed(1).padStart(7)
}
