import type { Contestant } from '../engine.js'
import { annals, annalsRelaxed } from './annals.js'
import { classicLevel } from './classic-level.js'
import { eventStorageEngine } from './event-storage.js'
import { lmdbEngine } from './lmdb.js'
import { postgres } from './postgres.js'
import { limits } from './raw.js'
import { sqliteEngines } from './sqlite.js'

/** In the order of the table. */
export const contestants: readonly Contestant[] = [
  annals,
  annalsRelaxed,
  ...sqliteEngines,
  lmdbEngine,
  classicLevel,
  eventStorageEngine,
  postgres,
  ...limits,
]

export function contestant(name: string): Contestant {
  const found = contestants.find((one) => one.name === name)
  if (found === undefined) throw new Error(`There is no engine ${name}`)
  return found
}
