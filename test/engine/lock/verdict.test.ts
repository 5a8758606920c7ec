import t from 'tap'
import type { ProcessIdentity } from '../../../engine/io/file-system.js'
import type { Holder } from '../../../engine/lock/epoch-file.js'
import type { Maker } from '../../../engine/lock/epoch-folder.js'
import { isUnchanged, judge, type Sighting, type Verdict } from '../../../engine/lock/verdict.js'

const NOW = 1_700_000_000_000
const STALE = 10_000
const lockAt = (modificationTime: number) => ({ kind: 'directory' as const, size: 0, inode: 1, modificationTime })
const holder = { pid: 7, host: 'here', incarnation: 'i', since: NOW, epoch: 3 }
const by = (change: Partial<Holder> = {}): Maker => ({ kind: 'holder', holder: { ...holder, ...change } })
const fresh: Sighting = { lock: lockAt(NOW - 1), epoch: 3, maker: by(), epochTime: NOW - 90_000 }
const none: Sighting = { lock: undefined, epoch: 0, maker: { kind: 'none' }, epochTime: undefined }

function self(answer: 'alive' | 'dead' | 'unknown'): ProcessIdentity {
  return { pid: 8, host: 'here', incarnation: 'j', isAlive: () => answer }
}

const rows: readonly [name: string, seen: Sighting, life: 'alive' | 'dead' | 'unknown', verdict: Verdict][] = [
  ['no lock', { ...fresh, lock: undefined }, 'alive', 'free'],
  ['no lock, nothing known', none, 'dead', 'free'],
  ['dead on this host', fresh, 'dead', 'dead'],
  ['dead on this host, lock from the future', { ...fresh, lock: lockAt(NOW + 1e9) }, 'dead', 'dead'],
  ['the same pid on another host', { ...fresh, maker: by({ host: 'there' }) }, 'dead', 'held'],
  ['alive', fresh, 'alive', 'held'],
  ['no way to tell', fresh, 'unknown', 'held'],
  ['exactly stale', { ...fresh, lock: lockAt(NOW - STALE) }, 'alive', 'held'],
  ['longer than stale', { ...fresh, lock: lockAt(NOW - STALE - 1) }, 'alive', 'doubtful'],
  ['old lock, new epoch', { ...fresh, lock: lockAt(NOW - STALE - 1), epochTime: NOW - 5 }, 'alive', 'held'],
  ['clock set back since, lock renewed', { ...fresh, epochTime: NOW + 1e9 }, 'alive', 'held'],
  ['from the future', { ...fresh, lock: lockAt(NOW + STALE + 1), epochTime: NOW + STALE + 1 }, 'unknown', 'doubtful'],
  ['year 1970', { ...fresh, lock: lockAt(0), epochTime: 0 }, 'alive', 'doubtful'],
  [
    'old lock, epoch file gone since',
    { ...fresh, lock: lockAt(NOW - STALE - 1), epochTime: undefined },
    'alive',
    'doubtful',
  ],
  ['released', { ...fresh, maker: { kind: 'released', holder } }, 'alive', 'opening'],
  ['released, no way to tell', { ...fresh, maker: { kind: 'released', holder } }, 'unknown', 'opening'],
  ['released, and dead since', { ...fresh, maker: { kind: 'released', holder } }, 'dead', 'dead'],
  ['epoch file unfinished', { ...fresh, maker: { kind: 'unfinished' } }, 'alive', 'opening'],
  ['epoch file unreadable', { ...fresh, maker: { kind: 'unreadable' } }, 'dead', 'doubtful'],
  ['lock but no epoch', { ...none, lock: fresh.lock }, 'dead', 'opening'],
]

for (const [name, seen, life, verdict] of rows) {
  t.test(`[F4] judge: ${name}: ${verdict}`, async (t) => {
    t.equal(judge(seen, self(life), NOW, STALE), verdict)
  })
}

t.test('[F4] isUnchanged notices every sign of life', async (t) => {
  t.ok(isUnchanged(fresh, { ...fresh, lock: { ...fresh.lock! } }))
  const changes: Partial<Sighting>[] = [
    { epoch: 4 },
    { epochTime: NOW },
    { lock: undefined },
    { lock: lockAt(NOW) },
    { lock: { ...fresh.lock!, inode: 2 } },
    { maker: { kind: 'released', holder } },
    { maker: { kind: 'unfinished' } },
  ]
  for (const change of changes) t.notOk(isUnchanged(fresh, { ...fresh, ...change }), Object.keys(change).join())
})
