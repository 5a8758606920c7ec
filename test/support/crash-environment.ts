import { nextTick } from 'node:process'
import type { Environment, FileSystem } from '../../engine/io/file-system.js'
import { SeededRandom } from './random.js'

/** Shorter waits are pauses of an opener that polls: for them the clock jumps. */
const SHORTEST_TIMER_MS = 60

/** A process of its own in a world where nothing but the seed decides, and time passes when the test says so. */
export interface SimulatedProcess {
  readonly environment: Environment
  /** Lets time pass: timers that become due call back. */
  advance(milliseconds: number): void
  /** It was stopped for so long: its timers come due with the next `advance`. */
  oversleep(milliseconds: number): void
  /** Timers that wait. */
  readonly timers: () => number
}

let processes = 0

/**
 * Returns the environment of a new process; all earlier ones are dead to it.
 *
 * @param pid Default: one that no other process of this run has, so that what happens also depends on how many there were.
 */
export function simulatedProcess(files: FileSystem, seed: number, pid = 1000 + ++processes): SimulatedProcess {
  // No two processes make the same ids, or they would take each other's locks.
  const random = new SeededRandom(seed * 100_003 + pid)
  let time = 0
  let timers: { readonly due: number; readonly callback: () => void }[] = []
  const advance = (milliseconds: number): void => {
    time += milliseconds
    const due = timers.filter((timer) => timer.due <= time)
    timers = timers.filter((timer) => timer.due > time)
    for (const { callback } of due) callback()
  }
  const environment: Environment = {
    files,
    now: () => 1_700_000_000_000 + Math.floor(time),
    elapsed: () => (time += 0.2),
    random: (target) => random.fill(target),
    soon: (callback) => nextTick(callback),
    after(delay, callback) {
      const timer = { due: time + delay, callback }
      if (delay < SHORTEST_TIMER_MS) {
        setImmediate(() => {
          time += delay
          callback()
        })
      } else timers.push(timer)
      return { cancel: () => (timers = timers.filter((other) => other !== timer)) }
    },
    process: {
      pid,
      host: 'simulated',
      incarnation: String(pid),
      isAlive: (other) => (other === pid ? 'alive' : 'dead'),
    },
  }
  const oversleep = (milliseconds: number): void => {
    time += milliseconds
  }
  return { environment, advance, oversleep, timers: () => timers.length }
}
