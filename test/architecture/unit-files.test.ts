import { existsSync } from 'node:fs'
import t from 'tap'
import { readSources } from './source-tree.js'

/** Source files without a test file of their own, and where what they do is tested instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  // Nothing to run: types, tables, lists of exports.
  'engine/types/durability.ts': 'types; test/types',
  'engine/types/event-filter-options.ts': 'types; test/types',
  'engine/types/event-store.ts': 'types; test/types',
  'engine/types/event.ts': 'types; test/types',
  'engine/types/subscription.ts': 'types; test/types',
  'engine/store/store-parts.ts': 'types',
  'engine/recovery/log-sink.ts': 'types',
  'engine/streams/stream-state.ts': 'fields and one getter; test/engine/streams/stream-catalog',
  'engine/limits.ts': 'numbers; test/docs/segments-format compares them',
  'engine/errors.ts': 'error classes; test/docs/errors and the refusal contract',
  'engine/recovery/invariants.ts': 'texts; test/docs/segments-format compares them',
  'engine/index.ts': 'exports; test/contract, test/package, test/types',
  'engine/format/crc32c-wasm-module.ts': 'generated; test/engine/format/crc32c-build',
  // Several files of one format or one door, tested by what goes in and comes out.
  'engine/format/crc32c-methods.ts': 'test/engine/format/crc32c runs all methods against each other',
  'engine/format/crc32c-tables.ts': 'test/engine/format/crc32c',
  'engine/format/crc32c-wasm.ts': 'test/engine/format/crc32c',
  'engine/format/shape-learner.ts': 'test/engine/format/shapes',
  'engine/format/value-kinds.ts': 'test/engine/format/value-codec',
  'engine/format/value-refusal.ts': 'test/engine/format/value-encoder',
  'engine/format/value-strings.ts': 'test/engine/format/value-decoder',
  'engine/format/value-tokens.ts': 'test/engine/format/value-codec, value-decoder',
  'engine/io/file-system-kind.ts': 'test/engine/io/node-file-system',
  'engine/io/machine.ts': 'test/engine/io/environment',
  'engine/io/memory-environment.ts': 'test/engine/io/environment',
  'engine/io/memory-file.ts': 'test/engine/io/file-system runs both file systems',
  'engine/io/memory-file-system.ts': 'test/engine/io/file-system runs both file systems',
  'engine/io/node-environment.ts': 'test/engine/io/environment',
  'engine/io/process-identity.ts': 'test/engine/io/environment, test/engine/lock/processes',
  'engine/io/system-error.ts': 'test/engine/io/file-system',
  'engine/lock/acquire-writer-lock.ts': 'test/engine/lock/writer-lock, race, stopped-anywhere',
  // The steps of recovery, verify and repair: every bit, cut and missing file goes through all of them.
  'engine/recovery/repair-plan.ts': 'test/engine/recovery/repair-files',
  'engine/recovery/verify-context.ts': 'test/engine/recovery/verify',
  'engine/recovery/verify-damaged-log.ts': 'test/engine/recovery/verify, verify-derived',
  'engine/recovery/verify-streams.ts': 'test/engine/recovery/verify',
  // The store as a whole: the contract runs it over files and in memory.
  'engine/store/append-options.ts': 'test/contract/refusal-contract',
  'engine/store/append-waiter.ts': 'test/engine/store/group-commit',
  'engine/store/appender.ts': 'test/contract/append-contract',
  'engine/store/commit-builder.ts': 'test/contract/append-contract, refusal-contract',
  'engine/backup/copied-log.ts': 'test/engine/backup/backup',
  'engine/backup/finish-copy.ts': 'test/engine/backup/backup',
  'engine/store/commit-marks.ts': 'test/contract/read-contract',
  'engine/store/feed.ts': 'test/contract/subscription-contract, test/engine/store/subscription',
  'engine/store/file-event-store.ts': 'composition root; test/contract',
  'engine/store/maintenance.ts': 'test/engine/store/segments, test/crash',
  'engine/store/open-subscription.ts': 'test/contract/subscription-contract, test/engine/store/subscription',
  'engine/store/option-checks.ts': 'test/contract/refusal-contract',
  'engine/store/options.ts': 'test/engine/store/open-store, test/contract/refusal-contract',
  'engine/store/read-options.ts': 'test/contract/refusal-contract',
  'engine/store/segment-cursor.ts': 'test/contract/read-contract, test/engine/store/index-files',
  'engine/store/store-reader.ts': 'test/contract/read-contract',
  'engine/store/subscribe-options.ts': 'test/contract/subscription-contract',
  // Keys: what is asked and answered, over both engines.
  'engine/store/key-keeper.ts': 'test/contract/query-contract, commit-id-contract',
  'engine/store/version-at.ts': 'test/contract/query-contract, commit-id-contract',
  'engine/types/query.ts': 'types; test/types',
  // Reading beside a writer: a race that looks between any two calls of the writer, and the contract.
  'engine/recovery/verify-watermark.ts': 'test/engine/format/watermark, test/crash/bit-flip',
  'engine/store/follow-clock.ts': 'test/engine/store/read-only-race',
  'engine/store/read-only-event-store.ts': 'test/contract/read-only-store',
  // Looking into files: every byte of every kind of file goes through all of them.
  'engine/inspect/derived-fields.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/fields.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/header-fields.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/inspection-summary.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/key-items.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/record-fields.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/records.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/say-value.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  'engine/inspect/segment-file.ts': 'test/engine/inspect/inspect-file, test/tools/cli/inspect',
  // The kit: what is asked of the repositories, the registry and the units goes through all of it.
  'kit/aggregate.ts': 'test/kit/repository',
  'kit/decider.ts': 'test/kit/decider-repository',
  'kit/errors.ts': 'error classes; test/kit/event-registry, repository; test/docs/errors',
  'kit/known-commit.ts': 'test/kit/command-handler',
  'kit/index.ts': 'exports; test/package, test/types',
  'kit/io/text-files.ts': 'test/kit/testing/golden-events',
  'kit/reactor/errors.ts': 'error classes; test/kit/reactor/reactor-runner, test/docs/errors',
  'kit/reactor/reactions.ts': 'test/kit/reactor/reactor-runner, process-manager',
  'kit/reactor/reactor-log.ts': 'test/kit/reactor/reactor-runner',
  'kit/reactor/reactor-options.ts': 'test/kit/reactor/reactor-runner',
  'kit/reactor/reactor.ts': 'test/kit/reactor/reactor-runner',
  'kit/safe-text.ts': 'test/kit/audit-text, test/tools/cli/inspect',
  'kit/projection/batches.ts': 'test/kit/projection/projection-worker, draft',
  'kit/projection/dead-letters.ts': 'test/kit/projection/projection-worker',
  'kit/projection/errors.ts':
    'error classes; test/kit/projection/projection-runner, projection-worker; test/docs/errors',
  'kit/projection/handler-calls.ts': 'test/kit/projection/projection-worker',
  'kit/projection/lease-keeper.ts': 'test/kit/projection/leases',
  'kit/io/projection-files.ts': 'test/kit/projection/file-projections',
  'kit/projection/projection-file.ts': 'test/kit/projection/file-projections',
  'kit/projection/projection-head.ts': 'test/kit/projection/projection-stores runs over all stores',
  'kit/projection/projection-options.ts': 'test/kit/projection/projection-runner',
  'kit/projection/projection-store.ts': 'types',
  'kit/projection/run-projection.ts': 'test/kit/projection/projection-runner',
  'kit/projection/stored-rows.ts': 'test/kit/projection/projection-runner',
  'kit/projection/task-queue.ts': 'test/kit/projection/projection-runner',
  'kit/projection/sql-work.ts': 'test/kit/projection/projection-stores',
  'kit/projection/waiters.ts': 'test/kit/projection/projection-runner',
  'kit/snapshot.ts': 'test/kit/aggregate-streams',
  'kit/standard-schema.ts': 'test/kit/event-registry',
  'kit/testing/index.ts': 'exports; test/package',
  'kit/testing/outcomes.ts': 'test/kit/testing/given, given-process',
  'kit/warning.ts': 'test/kit/aggregate-streams',
}

t.test(
  'each source file of the engine and the kit has a test file of its name, or the list says where it is tested',
  (t) => {
    const sources = readSources(['engine', 'kit']).map(({ path }) => path)
    const without = sources.filter((path) => !existsSync(`test/${path.replace(/\.ts$/, '.test.ts')}`))
    t.same(
      without.filter((path) => !(path in ELSEWHERE)),
      [],
      'write test/<folder>/<name>.test.ts, or say where it is tested',
    )
    t.same(
      Object.keys(ELSEWHERE).filter((path) => !without.includes(path)),
      [],
      'these have a test file now, or are gone: take them off the list',
    )
    for (const [path, where] of Object.entries(ELSEWHERE)) {
      for (const [named] of where.matchAll(/test\/[\w/-]+/g)) {
        t.ok(existsSync(named) || existsSync(`${named}.test.ts`) || existsSync(`${named}.ts`), `${path}: ${named}`)
      }
    }
    t.end()
  },
)
