/**
 * The crash suite and the simulation for as long as somebody has time: other seeds in every round, so that nothing is done twice. Prints
 * what was covered; a failure comes with the command that does it again.
 */
import { checkImages, type Model, MODELS } from '../support/crash-images.js'
import { crashInRecovery } from '../support/crash-recording.js'
import { failEach, type FaultName, FAULTS, normalRunning } from '../support/fault-runs.js'
import { recordWorkload, requiredAt, WORKLOADS, type WorkloadName } from '../support/workloads.js'
import { simulate } from './simulation.js'

export interface SoakOptions {
  readonly minutes: number
  /** The first seed; the others follow it. */
  readonly seed: number
  readonly print: (line: string) => void
}

export interface SoakReport {
  readonly seconds: number
  readonly worlds: number
  readonly openings: number
  readonly images: number
  readonly distinct: number
  readonly chains: number
  readonly faults: number
  readonly failures: readonly string[]
}

const PROGRESS_MS = 10_000

export async function soak({ minutes, seed, print }: SoakOptions): Promise<SoakReport> {
  const begun = performance.now()
  const end = begun + minutes * 60_000
  let nextLine = begun + PROGRESS_MS
  const report = { worlds: 0, openings: 0, images: 0, distinct: 0, chains: 0, faults: 0 }
  const failures: string[] = []
  const failed = (text: string): void => {
    failures.push(text)
    print(`FAILED ${text}`)
  }
  const isOver = (): boolean => {
    const now = performance.now()
    if (now >= nextLine) {
      nextLine = now + PROGRESS_MS
      print(line(Math.round((now - begun) / 1000), report, failures.length))
    }
    return now >= end
  }
  const names = Object.keys(WORKLOADS) as WorkloadName[]
  const faults = Object.keys(FAULTS) as FaultName[]
  for (let round = seed; !isOver(); round++) {
    for (let i = 0; i < 40 && !isOver(); i++) {
      report.worlds++
      try {
        report.openings += (await simulate(round * 1000 + i)).openings
      } catch (error) {
        failed((error as Error).message)
      }
    }
    const name = names[round % names.length]!
    const recording = await recordWorkload(name, round)
    const again = `again: npm run soak -- --round ${round}`
    for (const model of Object.keys(MODELS) as Model[]) {
      if (isOver()) break
      const tally = await checkImages(recording, { model, count: 400, seed: round })
      report.images += tally.images
      report.distinct += tally.distinct
      for (const text of tally.failures) failed(`${name}, ${text}\n  ${again}`)
    }
    const { disk, world } = recording
    for (let chain = 0; chain < 20 && !isOver(); chain++) {
      report.chains++
      const step = (chain * 7919) % (disk.steps.length + 1)
      try {
        const powerCut = requiredAt(recording, step, 'strict')
        await crashInRecovery(disk.crash('strict', chain, step), world, { kill: powerCut, powerCut }, chain, 5)
      } catch (error) {
        failed(`${name}, crashes in recovery, ${(error as Error).message}\n  ${again}`)
      }
    }
    if (isOver()) break
    const fault = faults[round % faults.length]!
    const tally = await failEach(normalRunning(round, ['fsync', 'interval', 'os']), fault, 5, 1 + (round % 5))
    report.faults += tally.runs
    for (const text of tally.failures) failed(`${text}\n  ${again}`)
  }
  const seconds = Math.round((performance.now() - begun) / 1000)
  print(line(seconds, report, failures.length))
  return { seconds, ...report, failures }
}

function line(seconds: number, report: Omit<SoakReport, 'seconds' | 'failures'>, failures: number): string {
  const { worlds, openings, images, distinct, chains, faults } = report
  return (
    `${seconds} s: ${worlds} worlds (${openings} openings), ${images} crash images (${distinct} different), ` +
    `${chains * 5} crashes in recovery, ${faults} faults, ${failures} failures`
  )
}
