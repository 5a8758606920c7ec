// npm run mutants [-- word ...]: breaks the engine in one way after the other, in a copy of the tree, and runs the suites that should
// notice. Prints caught or missed; all must be caught. With words, only the mutants whose name contains one of them.
// With --check it only looks whether each still finds the text that it breaks.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { root } from './sources.mjs'

const STRICT = 'crash/strict-images'
const KILL = 'crash/kill-images'

/** What is broken, where, which text becomes which, and the suites that must fail: the first that does is enough. */
const MUTANTS = [
  {
    name: 'appends are acknowledged before the log is synced',
    file: 'engine/commit-log/log-segment-file.ts',
    from: 'if (!durable) {',
    to: 'if (durable || !durable) {',
    suites: [STRICT],
  },
  {
    name: 'the folder of the log is not synced when a segment begins',
    file: 'engine/commit-log/log-tail.ts',
    from: 'if (segment.nameDurable) return done(null)',
    to: 'if (segment.base >= 0) return done(null)',
    suites: [STRICT],
  },
  {
    name: 'a checkpoint points into a log segment that is not durable',
    file: 'engine/store/maintenance.ts',
    from: 'if (segment !== undefined) await this.#syncLog()',
    to: 'if (log.unsynced) await this.#syncLog()',
    suites: ['engine/store/durability'],
  },
  {
    name: 'a key file gets its name without a look at the epoch',
    file: 'engine/keys/key-file-writer.ts',
    from: 'this.#handle.close()\n      this.#fence()',
    to: 'this.#handle.close()',
    suites: ['engine/keys/key-file-writer'],
  },
  {
    name: 'a writer that was late with its signs of life believes an old look at its epoch',
    file: 'engine/lock/lock-directory.ts',
    from: 'return now >= this.#steadyFrom &&',
    to: 'return',
    suites: ['engine/lock/lock-directory'],
  },
  {
    name: 'a writer that has failed goes on with its flush',
    file: 'engine/store/write-behind.ts',
    from: 'if (this.#abandoned) await',
    to: 'if (this.#abandoned && !this.#abandoned) await',
    suites: ['engine/store/write-behind'],
  },
  {
    name: 'the event loop has no turn between relaxed appends',
    file: 'engine/commit-log/main-thread-writes.ts',
    from: 'return this.#inTurn < MOST_A_TURN &&',
    to: 'return this.#inTurn >= 0 ||',
    suites: ['engine/commit-log/main-thread-writes'],
  },
  {
    name: 'the epoch is not looked at before acknowledging',
    file: 'engine/store/file-event-store.ts',
    from: 'checkFence: () => parts.lock.check(),',
    to: 'checkFence: () => undefined,',
    suites: ['simulation/simulation'],
  },
  {
    name: 'the end of the log is served without being written again and synced',
    file: 'engine/recovery/redo.ts',
    from: 'if (segment.unsyncedFrom >= segment.end) return done(null)',
    to: 'if (segment.end >= 0) return done(null)',
    suites: ['crash/recovery-crashes', STRICT],
  },
  {
    name: 'the records of a group are not checked',
    file: 'engine/commit-log/group-scan.ts',
    from: 'return checkBody(this.#window, at, at + group.bodyBytes, group) ?? group',
    to: 'return group',
    suites: ['engine/commit-log/group-scan', KILL],
  },
  {
    name: 'too much is cut off the log in recovery',
    file: 'engine/store/maintenance.ts',
    from: 'if (handle.size() > end) handle.truncate(end)',
    to: 'handle.truncate(end - 1)',
    suites: [KILL],
  },
  {
    name: 'stream segments count as settled without a sync',
    file: 'engine/store/settler.ts',
    from: 'await this.#durable((done) => handle.sync(done))',
    to: '',
    suites: [STRICT],
  },
  {
    name: 'names of stream segments count as settled without a sync',
    file: 'engine/store/settler.ts',
    from: 'await this.#durable((done) => streams.syncNames(done))',
    to: '',
    suites: [STRICT],
  },
  {
    name: 'a checkpoint gets its name before it is synced',
    file: 'engine/io/transfer.ts',
    from: 'handle.sync((syncError) => (syncError === null ? put() : fail(syncError)))',
    to: 'put()',
    suites: [STRICT],
  },
  {
    name: 'events are flushed before the log is synced',
    file: 'engine/store/write-behind.ts',
    from: 'await this.#hooks.secure()\n    let sliceEnd',
    to: 'let sliceEnd',
    suites: [STRICT],
  },
  {
    name: 'a checkpoint counts on a flush that has failed',
    file: 'engine/store/maintenance.ts',
    from: 'if (log.failure !== undefined) throw log.failure',
    to: '',
    suites: ['engine/store/failed-settling'],
  },
  {
    name: 'the header that a failed sync has lost is not written again',
    file: 'engine/recovery/redo.ts',
    from: 'marks.length > 0 ? 0 : firstUnsynced',
    to: 'marks.length > 0 ? firstUnsynced : firstUnsynced',
    suites: ['crash/failed-sync'],
  },
  {
    name: 'what a crash has left behind a stream stays',
    file: 'engine/store/settler.ts',
    from: 'await this.#removeLeftovers(pace, older)',
    to: '',
    suites: [STRICT],
  },
  {
    name: 'an empty log is not pinned',
    file: 'engine/store/maintenance.ts',
    from: ' && parts.lock.previousEpoch === 0) return',
    to: ') return',
    suites: ['engine/store/fenced-first-segment', 'simulation/simulation'],
  },
  {
    name: 'the CRC of a frame is ignored',
    file: 'engine/format/frame.ts',
    from: 'if (crc32c(window.bytes, start + FRAME_CHECKED, start + length) !== window.view.getUint32(start + FRAME_CRC, true)) {',
    to: 'if (window.bytes.length < 0) {',
    suites: ['engine/format/frame'],
  },
  {
    name: 'the CRCs of the frames of a group are ignored',
    file: 'engine/format/crc32c-methods.ts',
    from: 'if (crc !== readUint32(bytes, at + 4)) return { end: at, digest, frames }',
    to: '',
    suites: ['engine/format/crc32c'],
  },
  {
    name: 'half a commit is served: its first event is missing',
    file: 'engine/commit-log/group-scan.ts',
    from: 'if (inCommit === ((flags & FLAG_FIRST) !== 0)) return COMMITS_NOT_WHOLE',
    to: 'if (inCommit && (flags & FLAG_FIRST) !== 0) return COMMITS_NOT_WHOLE',
    suites: ['engine/commit-log/group-scan'],
  },
  {
    name: 'half a commit is served: its last event is missing',
    file: 'engine/commit-log/group-scan.ts',
    from: 'if (inCommit || position !== group.firstPosition + group.events) return COMMITS_NOT_WHOLE',
    to: 'if (position !== group.firstPosition + group.events) return COMMITS_NOT_WHOLE',
    suites: ['engine/commit-log/group-scan'],
  },
  {
    name: 'the writer forgets that a commit goes on in another stream',
    file: 'engine/store/commit-builder.ts',
    from: '(i === last && !more.after ? FLAG_LAST : 0)',
    to: '(i === last ? FLAG_LAST : 0)',
    suites: ['contract/memory-store'],
  },
  {
    name: 'the fence is not looked at before a leftover segment is removed',
    file: 'engine/store/settler.ts',
    from: 'fence() // what this writer does not know may be what its successor has begun',
    to: '',
    suites: ['engine/store/settler'],
  },
  {
    name: 'the fence is not looked at before an unfinished copy is removed',
    file: 'engine/streams/stream-flush.ts',
    from: 'this.#fence(true) // one that was left there is removed: it must not be that of a successor',
    to: '',
    suites: ['engine/store/fenced-writer'],
  },
  {
    name: 'the end of the log that a checkpoint names is cut off as torn',
    file: 'engine/recovery/lost-end.ts',
    from: 'place === undefined || place.position <= position',
    to: 'place === undefined || place.position >= 0',
    suites: ['engine/recovery/lost-end'],
  },
  {
    name: 'keys are looked for in what is left of a log segment',
    file: 'engine/keys/key-source.ts',
    from: 'if (segment === this.segments.at(-1) && next < this.end) missing(segment.path, end)',
    to: '',
    suites: ['engine/store/key-files'],
  },
  {
    name: 'reindex removes a file without the check before',
    file: 'engine/recovery/rebuild-derived.ts',
    from: `if (files.stat(path) === undefined) return false
    this.#options.check()`,
    to: 'if (files.stat(path) === undefined) return false',
    suites: ['engine/recovery/rebuild-derived'],
  },
  {
    name: 'the seal of another segment of a stream is followed',
    file: 'engine/streams/segment-scan.ts',
    from: "if (next !== contents.version) return 'the seal names another offset'",
    to: '',
    suites: ['engine/streams/stream-loader'],
  },
  {
    name: 'a stream segment that hangs on another one than the one before it is taken',
    file: 'engine/streams/stream-loader.ts',
    from: 'head.previousBase !== before && base >= unproven',
    to: 'head.previousBase !== before && base < 0',
    suites: ['engine/streams/stream-loader'],
  },
  {
    name: 'any number of streams waits for its files',
    file: 'engine/store/write-behind.ts',
    from: 'span >= deferredBytes || this.#queue.length >= dirtyStreams',
    to: 'span >= deferredBytes',
    suites: ['engine/store/write-behind'],
  },
  {
    name: 'a checkpoint that closing has overtaken counts as settled what was not synced',
    file: 'engine/store/maintenance.ts',
    from: 'throw log.failure\n    assertOpen()',
    to: 'throw log.failure',
    suites: ['engine/store/durability'],
  },
  {
    name: 'a backup takes over a checkpoint that names a segment it has not copied',
    file: 'engine/backup/finish-copy.ts',
    from: 'if (log.find(theirs.redo) < 0) return',
    to: '',
    suites: ['engine/backup/backup'],
  },
  {
    name: 'verify compares no more doubtful windows than it holds at a time',
    file: 'engine/recovery/verify.ts',
    from: 'for (let from = 0; from < doubtful.length; from += EXACT_WINDOWS) {',
    to: 'for (let from = 0; from < Math.min(1, doubtful.length); from++) {',
    suites: ['engine/recovery/verify'],
  },
]

const words = process.argv.slice(2)
const selected = MUTANTS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))

for (const mutant of MUTANTS) assertFits(mutant)
if (words.includes('--check')) {
  console.log(`${MUTANTS.length} mutants fit`)
  process.exit(0)
}
await bootstrap()
const copy = mkdtempSync(join(tmpdir(), 'annals-mutants-'))
try {
  // Everything but what is installed or built.
  const skipped = new Set(['node_modules', 'build', 'dist', '.git', '.tap'])
  for (const name of readdirSync(root)) {
    if (!skipped.has(name)) cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  assertSound(new Set(selected.flatMap(({ suites }) => suites)))
  let missed = 0
  for (const mutant of selected) {
    const begun = Date.now()
    const by = tryOut(mutant)
    if (by === undefined) missed++
    const seconds = Math.round((Date.now() - begun) / 1000)
    console.log(
      `${by === undefined ? 'MISSED' : 'caught'} ${mutant.name} (${by ?? mutant.suites.join(', ')}, ${seconds} s)`,
    )
  }
  console.log(`\n${selected.length - missed} caught, ${missed} missed`)
  process.exitCode = missed === 0 && selected.length > 0 ? 0 : 1
} finally {
  rmSync(copy, { recursive: true, force: true })
}

/** Throws when a suite fails, or does not end in time, with nothing broken: it would catch everything. */
function assertSound(suites) {
  const built = run('scripts/build.mjs', '--sources')
  if (built.status !== 0) throw new Error(`The copy does not build: ${built.stderr}`)
  for (const suite of suites) {
    const { status, stdout } = run(`build/test/${suite}.test.js`)
    if (status !== 0) throw new Error(`${suite} fails with nothing broken:\n${stdout.slice(-2000)}`)
  }
}

/** Throws when the text to change is not there exactly once. */
function assertFits({ name, file, from }) {
  if (readFileSync(join(root, file), 'utf8').split(from).length !== 2) {
    throw new Error(`The mutant "${name}" no longer fits ${file}`)
  }
}

/** Returns the suite that has noticed; one that does not end within minutes has. */
function tryOut({ name, file, from, to, suites }) {
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    text.replace(from, () => to),
  )
  try {
    const built = run('scripts/build.mjs', '--sources')
    if (built.status !== 0) throw new Error(`The mutant "${name}" does not build: ${built.stderr}`)
    return suites.find((suite) => run(`build/test/${suite}.test.js`).status !== 0)
  } finally {
    writeFileSync(path, text)
  }
}

function run(...args) {
  const env = { ...process.env, ANNALS_CRASH_SCALE: '0.6' }
  return spawnSync(process.execPath, args, { cwd: copy, env, encoding: 'utf8', timeout: 180_000, maxBuffer: 2 ** 28 })
}
