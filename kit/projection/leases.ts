import { ProjectionMovedError } from './errors.js'

/** Leases of one process. */
export interface Leases {
  claim(lease: string, holder: string, now: number, until: number): boolean
  release(lease: string, holder: string): void
  /** Refuses what somebody stores who has the lease no longer. */
  check(lease: string, holder: string | undefined): void
}

export function leases(): Leases {
  const held = new Map<string, { readonly holder: string; readonly until: number }>()
  return {
    claim(lease, holder, now, until) {
      const present = held.get(lease)
      if (present !== undefined && present.holder !== holder && present.until > now) return false
      held.set(lease, { holder, until })
      return true
    },
    release(lease, holder) {
      if (held.get(lease)?.holder === holder) held.delete(lease)
    },
    check(lease, holder) {
      const present = held.get(lease)
      if (holder !== undefined && present?.holder !== holder) throw leaseLost(lease)
    },
  }
}

export function leaseLost(projection: string): ProjectionMovedError {
  return new ProjectionMovedError(projection, 'somebody else has its lease')
}
