import type { Environment } from './file-system.js'
import { machine } from './machine.js'
import { nodeFileSystem, processNamespace } from './node-file-system.js'
import { processIdentity } from './process-identity.js'

/** Returns the environment of a store on disk: files, clock, randomness and process of this machine. */
export function nodeEnvironment(): Environment {
  const files = nodeFileSystem()
  return { ...machine(), files, process: processIdentity(files, processNamespace()) }
}
