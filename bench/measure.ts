/** Time and memory of what runs in this process. */
import { readFileSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { profiled } from './profile.js'

/** Seconds of each measure in each round. */
export type Rounds<Name extends string> = Readonly<Record<Name, readonly number[]>>

/**
 * Runs measures in turns, so that a busy moment of the machine meets all of them; every other round in the opposite order.
 * `prepare` is called before each measure, untimed. Measures whose names begin with `raw` are never profiled.
 */
export async function alternate<Name extends string>(
  rounds: number,
  measures: Readonly<Record<Name, (round: number) => unknown>>,
  prepare?: (name: Name, round: number) => unknown,
): Promise<Rounds<Name>> {
  const names = Object.keys(measures) as Name[]
  const seconds = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await prepare?.(name, round)
      collectYoung()
      await setImmediate()
      const begun = performance.now()
      if (name.startsWith('raw')) await measures[name](round)
      else await profiled(() => measures[name](round))
      seconds[name].push((performance.now() - begun) / 1000)
    }
  }
  return seconds
}

/**
 * What came before is not charged to what comes. No more than that: a full collection also throws compiled code away and makes the young
 * generation small again, which no program does to itself every second, and which costs those most who do most in JavaScript.
 */
export function collectYoung(): void {
  globalThis.gc?.({ type: 'minor' })
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** Median over the rounds of how fast `seconds` is relative to `raw`. */
export function ratioOf(seconds: readonly number[], raw: readonly number[]): number {
  return median(seconds.map((value, round) => raw[round]! / value))
}

/** p50 and p99 of durations in milliseconds, in microseconds. */
export function latency(durations: readonly number[]): { p50Us: number; p99Us: number } {
  return { p50Us: percentile(durations, 0.5) * 1000, p99Us: percentile(durations, 0.99) * 1000 }
}

/** Makes `peakMib` count anew, where the system can. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // Then the peak is that of the whole process.
  }
}

/** Most memory this process has had resident since `resetPeak`. */
export function peakMib(): number {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    if (kib !== undefined) return Number(kib) / 1024
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS / 1024
}

/** What this process has in memory after a garbage collection, in MiB. */
export interface Memory {
  readonly rss: number
  readonly heap: number
  /** Memory of buffers, outside the heap. */
  readonly buffers: number
}

export function memoryNow(): Memory {
  globalThis.gc?.()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const mib = (bytes: number): number => bytes / 1024 / 1024
  return { rss: mib(rss), heap: mib(heapUsed), buffers: mib(arrayBuffers) }
}

export function sayMemory({ rss, heap, buffers }: Memory): string {
  return `RSS ${rss.toFixed(0)}, heap ${heap.toFixed(0)}, buffers ${buffers.toFixed(0)} MiB`
}

/** Throws when what was measured is not what was meant. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`The benchmark is wrong: ${message}`)
}
