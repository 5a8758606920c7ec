import { createRequire } from 'node:module'
import { CHECK } from './crc32c-tables.js'

/** The native CRC-32C: continues from `previous` over all of `bytes`. */
export type NativeCrc32c = (bytes: Uint8Array, previous: number) => number

/**
 * Returns fast-crc32c where its native addon is installed, loaded, and runs on the CRC instruction of the processor;
 * otherwise undefined. Never throws and never prints.
 *
 * It is looked up from this module, at run time: the addon cannot be bundled, so it is the application that brings it
 * (an optional peer dependency). fast-crc32c itself does not tell what it runs on, its loader takes a slow table in
 * JavaScript in silence. The evidence is the addon as fast-crc32c sees it, `sse4_crc32`: it says whether the processor
 * has the instruction, and fast-crc32c hands out the very same function.
 *
 * @param from File URL of the module that asks; its folder is where the lookup starts.
 */
export function loadNative(from: string): NativeCrc32c | undefined {
  try {
    // Not called `require`: a bundler would take that for an import to resolve at build time.
    const load = createRequire(from)
    const { calculate } = load('fast-crc32c') as { calculate: NativeCrc32c }
    const addon = createRequire(load.resolve('fast-crc32c'))('sse4_crc32') as Partial<Addon>
    if (addon.hardware_support !== true || addon.calculate !== calculate) return undefined
    const crc = calculate(CHECK.input.subarray(4), calculate(CHECK.input.subarray(0, 4), 0))
    return crc === CHECK.crc ? calculate : undefined
  } catch {
    // Not installed, not compiled, or addons are not allowed here (--no-addons, the permission model).
    return undefined
  }
}

interface Addon {
  readonly hardware_support: boolean
  readonly calculate: NativeCrc32c
}
