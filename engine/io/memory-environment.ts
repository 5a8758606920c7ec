import { hostname } from 'node:os'
import type { Environment } from './file-system.js'
import { machine } from './machine.js'
import { MemoryFileSystem } from './memory-file-system.js'

/**
 * Returns the environment of a store in memory: files of its own, clock and randomness of this machine. No other
 * process can have the files, so any process that is said to hold them but this one is dead.
 */
export function memoryEnvironment(): Environment {
  const system = machine()
  return {
    ...system,
    files: new MemoryFileSystem({ now: system.now }),
    process: {
      pid: process.pid,
      host: hostname(),
      incarnation: 'memory',
      isAlive: (pid, incarnation) => (pid === process.pid && incarnation === 'memory' ? 'alive' : 'dead'),
    },
  }
}
