import type { FileStat, ProcessIdentity } from '../io/file-system.js'
import type { Holder } from './epoch-file.js'
import type { Maker } from './epoch-folder.js'

/** What an opener sees before it does anything. */
export interface Sighting {
  /** What stands in the place of the lock. */
  readonly lock: FileStat | undefined
  /** Greatest epoch, 0 for none, and who made it. */
  readonly epoch: number
  readonly maker: Maker
  /** Modification time of the file of that epoch, milliseconds since the epoch. */
  readonly epochTime: number | undefined
}

/**
 * `free`: nobody holds the store. `held`: somebody does. `dead`: its holder is dead, certainly. `opening`: its lock was
 * made by somebody who has not yet made an epoch, and does so in a moment or died before. `doubtful`: it looks abandoned,
 * or nobody knows whose it is; watching for a sign of life will tell.
 *
 * | lock | maker of the newest epoch              | last sign of life                    | verdict  |
 * | ---- | -------------------------------------- | ------------------------------------ | -------- |
 * | none | any                                    | any                                  | free     |
 * | some | on this host, process dead             | any                                  | dead     |
 * | some | none, its file unfinished, or released | any                                  | opening  |
 * | some | unreadable                             | any                                  | doubtful |
 * | some | alive, or no way to tell               | at most `stale` ago                  | held     |
 * | some | alive, or no way to tell               | longer ago, or as far in the future  | doubtful |
 *
 * A clock that jumps makes a living holder look abandoned and an abandoned lock look fresh for ever. Neither can be told
 * by the clock, and both by watching for longer than a holder may go without renewing its lock.
 */
export type Verdict = 'free' | 'held' | 'dead' | 'opening' | 'doubtful'

/** Judges a sighting. `now` is the wall clock, `stale` milliseconds. */
export function judge(seen: Sighting, self: ProcessIdentity, now: number, stale: number): Verdict {
  if (seen.lock === undefined) return 'free'
  const { maker } = seen
  if (!('holder' in maker)) return maker.kind === 'unreadable' ? 'doubtful' : 'opening'
  if (isDead(maker.holder, self)) return 'dead'
  if (maker.kind === 'released') return 'opening'
  // Making an epoch is a sign of life too: a lock is taken over by making an epoch before replacing the old lock.
  const isRecent = (time: number) => Math.abs(now - time) <= stale
  const times = [seen.lock.modificationTime, seen.epochTime]
  return times.some((time) => time !== undefined && isRecent(time)) ? 'held' : 'doubtful'
}

/** Tells whether two sightings show the same, so that in between nobody gave a sign of life. */
export function isUnchanged(before: Sighting, after: Sighting): boolean {
  return (
    before.epoch === after.epoch &&
    before.epochTime === after.epochTime &&
    before.maker.kind === after.maker.kind && // the time may be too coarse to show that a file was finished
    before.lock?.inode === after.lock?.inode &&
    before.lock?.modificationTime === after.lock?.modificationTime
  )
}

/** Tells whether a holder is a process of this host that has ended. */
export function isDead(holder: Holder, self: ProcessIdentity): boolean {
  return holder.host === self.host && self.isAlive(holder.pid, holder.incarnation) === 'dead'
}
