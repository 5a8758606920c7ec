/**
 * annals/kit: event sourcing over any event store. Typed events, aggregates in two styles, repositories, commands, snapshots,
 * projections, replay.
 *
 * @module
 */
export { Aggregate } from './aggregate.js'
export type { StreamsOptions } from './aggregate-streams.js'
export type { AsOf } from './as-of.js'
export { type AuditEntry, auditLog, type AuditOptions } from './audit.js'
export { AUDIT_COLUMNS, type AuditColumn, auditCsv, type AuditCsvOptions, auditNdjson } from './audit-text.js'
export {
  type CommandAnswer,
  commandHandler,
  type CommandContext,
  type CommandHandler,
  type CommandHandlerOptions,
  type CommandRepeats,
  type HandleOptions,
} from './command-handler.js'
export type { Decider } from './decider.js'
export {
  deciderRepository,
  type DeciderRepository,
  type DeciderRepositoryOptions,
  type Executed,
  type ExecuteOptions,
  type Loaded,
} from './decider-repository.js'
export { AggregateNotFoundError, EventValidationError, EvolveError, UnknownEventError, UpcastError } from './errors.js'
export { event, type EventDefinition, type Upcaster } from './event-definition.js'
export {
  combineEvents,
  defineEvents,
  type DefinedEvent,
  type DefineEventsOptions,
  type EventDefinitions,
  type EventOf,
  type EventRegistry,
  type ReadEventsOptions,
  type StoredOf,
  type TypedEvent,
  type UnknownPolicy,
} from './event-registry.js'
export {
  type CancelDeadline,
  cancelDeadline,
  type DeadlineOrder,
  type DeadlinePassed,
  type DeadlineTime,
  type SetDeadline,
  setDeadline,
} from './reactor/deadline.js'
export { ReactionError, ReactorMovedError } from './reactor/errors.js'
export {
  type CommandRefused,
  type Process,
  type ProcessContext,
  type ProcessInput,
  processManager,
  type ProcessManagerOptions,
} from './reactor/process-manager.js'
export {
  type ReactionContext,
  type ReactionHandlers,
  reactor,
  type Reactor,
  type ReactorDefinition,
} from './reactor/reactor.js'
export type { ReactionLetter } from './reactor/reactor-log.js'
export type { ReactionPolicy, ReactorOptions } from './reactor/reactor-options.js'
export { type ReactorRunner, type ReactorStatus, runReactor } from './reactor/reactor-runner.js'
export {
  repository,
  type AggregateSnapshotOptions,
  type LoadOptions,
  type Repository,
  type RepositoryOptions,
  type SaveOptions,
} from './repository.js'
export type { Clock, SleepOptions } from './io/clock.js'
export type { Progress } from './progress.js'
export type { DeadLetter } from './projection/dead-letters.js'
export {
  NotProjectedError,
  ProjectionChangedError,
  ProjectionDamagedError,
  ProjectionExistsError,
  ProjectionHandlerError,
  ProjectionMovedError,
} from './projection/errors.js'
export { fileProjections } from './projection/file-projections.js'
export { inlineProjections, type InlineOptions } from './projection/inline-projections.js'
export { memoryProjections } from './projection/memory-projections.js'
export {
  projection,
  table,
  type HandlerContext,
  type Handlers,
  type Projection,
  type ProjectionSql,
  type ProjectionTable,
  type SqlProjection,
  type SqlTableDefinition,
  type SqlValue,
  type StateProjection,
  type TableDefinition,
  type TableProjection,
  type TablesOf,
} from './projection/projection.js'
export type { FailurePolicy, ProjectionOptions, ProjectionStatus } from './projection/projection-options.js'
export type { ProjectionRunner } from './projection/projection-runner.js'
export { runProjection } from './projection/run-projection.js'
export { sqliteProjections, type SqliteDatabase, type SqliteStatement } from './projection/sqlite-projections.js'
export type { StoredTable } from './projection/stored-rows.js'
export type {
  BuildDescription,
  BuildName,
  CommitRequest,
  ProjectionBuild,
  ProjectionChange,
  ProjectionHead,
  ProjectionStore,
  RowChange,
} from './projection/projection-store.js'
export type { RebuildOptions } from './projection/rebuild.js'
export { replay, type Replay, type ReplayOptions } from './replay.js'
export { retryOnConflict, type RetryOptions } from './retry.js'
export type { Snapshot, SnapshotKey, SnapshotOptions, SnapshotPolicy, SnapshotStore } from './snapshot.js'
export { snapshotCache, type SnapshotCacheOptions } from './snapshot-cache.js'
export { snapshotStreams, type SnapshotStreamsOptions } from './snapshot-streams.js'
export type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.js'
export { unitOfWork, type UnitOfWork, type UnitOfWorkOptions } from './unit-of-work.js'
export type { KitWarning, WarningListener } from './warning.js'
