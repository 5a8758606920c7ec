import t from 'tap'
import type { Commit } from '../../../engine/commit-log/commit-log.js'
import { CommitIdReusedError, QueryConflictError } from '../../../engine/errors.js'
import { FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { windowOf } from '../../../engine/format/frame.js'
import { AppendConditions, type KnownCommit, type Refusal } from '../../../engine/store/append-conditions.js'
import type { StreamState } from '../../../engine/streams/stream-state.js'
import type { NewEvent } from '../../../engine/types/event.js'
import { type KeyedEvent, KeyedLog } from '../../support/keyed-log.js'
import { readingOf, recordsOf } from './log-reading.js'

/** The conditions of a store whose log this is, with events on their way behind it. */
class Conditions {
  readonly log: KeyedLog
  readonly conditions: AppendConditions
  readonly #pending: Buffer[] = []
  /** Questions for the version of a stream before a position. */
  readonly asked: [stream: string, position: number][] = []

  constructor(segments: readonly (readonly KeyedEvent[])[]) {
    this.log = new KeyedLog(segments)
    const { log } = this
    const records = recordsOf(log, {
      pending: (position) => {
        const record = this.#pending[position - log.end]
        return record && { window: windowOf(record), at: 0 }
      },
    })
    this.conditions = new AppendConditions({
      index: log.index(),
      records,
      decoder: readingOf(log).decoder,
      committed: () => log.end,
      versionAt: (stream, position) => {
        this.asked.push([stream, position])
        return Promise.resolve(40)
      },
    })
  }

  get end(): number {
    return this.log.end + this.#pending.length
  }

  /** A commit is handed to the log, not alone in its buffer. */
  append(...events: KeyedEvent[]): void {
    const firstPosition = this.end
    const last = events.length - 1
    const records = events.map((event, i) => {
      const marks = (i === 0 ? FLAG_FIRST : 0) | (i === last ? FLAG_LAST : 0)
      return this.log.record({ ...event, marks }, firstPosition + i)
    })
    this.#pending.push(...records)
    const starts: number[] = []
    let length = 0
    for (const record of records) {
      starts.push(length)
      length += record.length
    }
    const bytes = Buffer.concat([Buffer.alloc(9), ...records])
    const commit: Commit<StreamState> = { bytes, at: 9, length, count: events.length, starts, owners: [], shapes: [], firstPosition } // prettier-ignore
    this.conditions.add(commit)
  }

  known(
    commitId: string,
    events: readonly NewEvent[],
    stream = 's',
    end = this.end,
  ): KnownCommit | Refusal | undefined {
    return this.conditions.known(commitId, [{ stream, events }], end)
  }
}

const stored = (data: unknown, rest: object = {}): NewEvent => ({ type: 'T', data, ...rest })

t.test('[C2] a commit that is stored is known by its id, with the results of its first append', async (t) => {
  const at = new Conditions([[{ data: 0 }, { data: 1, commitId: 'c1', timestamp: 1234 }, { data: 2 }]])
  t.equal(at.known('c2', [stored(1)]), undefined)
  t.equal(at.known('c1', [stored(1)], 's', 1), undefined, 'not below its position')
  const known = at.known('c1', [stored(1)]) as KnownCommit
  t.equal(known.uncommitted, false)
  const result = {
    stream: 's',
    firstOffset: 1,
    lastOffset: 1,
    version: 2,
    position: 1,
    timestamp: 1234,
    isRepeat: true,
  }
  t.same(await known.results(), [result])
  t.same(at.asked, [])
})

t.test('[C2] entries without events get the version that their stream had', async (t) => {
  const at = new Conditions([[{}, { data: 1, commitId: 'c1' }]])
  const known = at.conditions.known('c1', [{ stream: 'empty', events: [] }, { stream: 's', events: [stored(1)] }, { stream: 's', events: [] }], at.end) as KnownCommit // prettier-ignore
  const results = await known.results()
  t.match(results, [
    { stream: 'empty', firstOffset: 40, lastOffset: 39, version: 40, position: -1 },
    { stream: 's', firstOffset: 1, lastOffset: 1, version: 2, position: 1 },
    { stream: 's', firstOffset: 2, lastOffset: 1, version: 2, position: -1 },
  ])
  t.same(at.asked, [['empty', 1]], 'before the commit')
})

t.test('[C2] the id of another commit is refused, with its position and what is different', (t) => {
  const at = new Conditions([[{}, { data: 1, commitId: 'c1' }]])
  for (const [events, stream, reason] of [
    [[stored(2)], 's', /events\[0\]\.data/],
    [[stored(1)], 'other', /another stream/],
    [[stored(1), stored(2)], 's', /fewer events/],
    [[], 's', /more events/],
  ] as const) {
    const refusal = at.known('c1', events, stream) as Refusal
    t.ok(refusal.error instanceof CommitIdReusedError)
    t.match(refusal, { uncommitted: false, error: { code: 'ERR_COMMIT_ID_REUSED', commitId: 'c1', position: 1 } })
    t.match(refusal.error.message, reason)
  }
  t.end()
})

t.test('[C2] [C3] what is on its way counts, and is told apart', async (t) => {
  const at = new Conditions([[{ data: 0, tags: ['a'] }]])
  at.append({ data: 1, commitId: 'c1', tags: ['x'] }, { data: 2, tags: ['y'] })
  t.match(at.known('c1', [stored(3)]), { uncommitted: true, error: { position: 1 } })
  const known = at.known('c1', [stored(1, { tags: ['x'] }), stored(2, { tags: ['y'] })]) as KnownCommit
  t.equal(known.uncommitted, true)
  t.match(await known.results(), [{ firstOffset: 1, lastOffset: 2, position: 2 }])
  const tags = (tag: string) => ({ items: [{ tags: [tag] }] })
  t.match(at.conditions.conflict(tags('y'), -1, at.end), { uncommitted: true, error: { position: 2 } })
  t.match(at.conditions.conflict(tags('a'), -1, at.end), { uncommitted: false, error: { position: 0 } })
  t.equal(at.conditions.conflict(tags('y'), -1, 2), undefined, 'not what is behind the end')
})

t.test('[C3] an append is refused when an event behind what its caller has seen matches', (t) => {
  const at = new Conditions([
    [{ tags: ['a'] }, { type: 'U' }],
    [{ tags: ['a', 'b'] }, {}],
  ])
  const { conditions } = at
  const query = { items: [{ tags: ['a'] }] }
  const refusal = conditions.conflict(query, 0, at.end)!
  t.ok(refusal.error instanceof QueryConflictError)
  t.match(refusal, { uncommitted: false, error: { code: 'ERR_QUERY_CONFLICT', position: 2, after: 0 } })
  t.match(conditions.conflict(query, 1, at.end), { error: { position: 2, after: 1 } }, 'the newest that matches')
  t.equal(conditions.conflict(query, 2, at.end), undefined, 'the one that was seen is none')
  t.equal(conditions.conflict({ items: [{ tags: ['none'] }] }, -1, at.end), undefined)
  t.match(conditions.conflict({ items: [{ types: ['U'] }] }, -1, at.end), { error: { position: 1 } })
  t.equal(conditions.conflict(query, 100, at.end), undefined, 'nobody has seen more than there is')
  t.end()
})

t.test('[C2] [U3] damage where the commit should be is an error, and not "no such commit"', (t) => {
  const at = new Conditions([[{}, { data: 'y'.repeat(20), commitId: 'c1' }]])
  const { path } = at.log.segments[0]!
  at.known('none', []) // its keys are known now
  const bytes = at.log.contents(path)
  bytes[bytes.length - 10]! ^= 1
  at.log.write(path, bytes)
  t.throws(() => at.known('c1', [stored(1)]), { code: 'ERR_CORRUPT', file: path })
  t.end()
})

t.test('[R8] a large event that was compared does not stay in memory', (t) => {
  const data = 'x'.repeat(300_000)
  const at = new Conditions([[{ data, commitId: 'c1', tags: ['a'] }]])
  const read = (work: () => unknown): number => {
    const before = at.log.files.bytesRead
    work()
    return at.log.files.bytesRead - before
  }
  at.known('c1', [stored(data, { tags: ['a'] })])
  const again = read(() => at.known('c1', [stored(data, { tags: ['a'] })]))
  t.ok(again >= 300_000, `${again} bytes are read again`)
  const query = { items: [{ tags: ['a'] }] }
  at.conditions.conflict(query, -1, at.end)
  const conflict = read(() => at.conditions.conflict(query, -1, at.end))
  t.ok(conflict >= 300_000, `${conflict} bytes are read again`)
  t.end()
})
