/**
 * When an append is acknowledged. `fsync`: when it is on disk (the default). `interval`: when it is handed to the
 * operating system, which is asked to write it out every `syncIntervalMs`. `os`: when it is handed to the operating
 * system. Under the last two a power cut can take the newest appends, a killed process cannot.
 */
export type Durability = 'fsync' | 'interval' | 'os'

/** Stronger first. */
export const DURABILITIES: readonly Durability[] = ['fsync', 'interval', 'os']
