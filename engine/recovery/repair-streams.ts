import { join } from 'node:path'
import { LogDirectory } from '../commit-log/log-directory.js'
import { EventDecoder, eventOffset, eventShapeCount } from '../format/event-record.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import { type Window, windowOf } from '../format/frame.js'
import { parseStreamFileName, type StreamKey, streamFileName, streamKey } from '../format/names.js'
import { encodeSeal, encodeShape, SEAL_BYTES } from '../format/shape-record.js'
import { ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { StreamDirectory } from '../streams/stream-directory.js'
import { faultOfEvent } from '../streams/segment-scan.js'
import type { Finding } from './findings.js'
import { eachSoundEvent } from './repair-events.js'
import { likest, shapesOf } from './repair-groups.js'
import type { Repairs } from './repair-plan.js'
import type { VerifyContext } from './verify-context.js'
import { listOf } from './verify-streams.js'

/** A stream with damaged segments. */
interface Damaged {
  readonly key: StreamKey
  /** Bases of those segments, and the greatest offset at which one is damaged. */
  readonly bases: Map<number, number>
  /** Its sound records, by offset: those of the log, and where that has none those of its segments. */
  readonly events: Map<number, Buffer>
}

/** Heals stream segments: each is written again from the records of the log. */
export async function repairStreams(
  context: VerifyContext,
  repairs: Repairs,
  findings: readonly Finding[],
): Promise<void> {
  const streams = damagedStreams(repairs, findings)
  if (streams.size === 0) return
  await collect(context, streams)
  for (const stream of streams.values()) {
    const known = basesOf(context, stream.key)
    const bases = [...new Set([...known, ...stream.bases.keys()])].sort((a, b) => a - b)
    for (const base of [...stream.bases.keys()].sort((a, b) => a - b)) {
      await rebuild(context, repairs, stream, base, bases)
    }
  }
}

function damagedStreams(repairs: Repairs, findings: readonly Finding[]): Map<string, Damaged> {
  const streams = new Map<string, Damaged>()
  for (const { severity, file, stream, offset, byte, message } of findings) {
    const parsed = parseStreamFileName(file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1))
    if (severity === 'note' || parsed?.suffix !== '.seg') continue
    if (stream === undefined || offset === undefined) {
      repairs.fail(file, byte, `${message}; whose segment it is cannot be told`)
      continue
    }
    let damaged = streams.get(stream)
    if (damaged === undefined) {
      damaged = { key: streamKey(stream), bases: new Map(), events: new Map() }
      streams.set(stream, damaged)
    }
    damaged.bases.set(parsed.base, Math.max(damaged.bases.get(parsed.base) ?? 0, offset))
  }
  return streams
}

async function collect(context: VerifyContext, streams: ReadonlyMap<string, Damaged>): Promise<void> {
  const { environment, logPath, streamsPath, pace } = context
  const names = new EventDecoder(new ValueDecoder(new ShapeTable({ compile: false })))
  const take = (window: Window, at: number, length: number): void => {
    const stream = streams.get(names.stream(window, at))
    if (stream === undefined) return
    const offset = eventOffset(window, at)
    if (faultOfEvent(window, at, length, stream.key, offset) !== undefined || stream.events.has(offset)) return
    stream.events.set(offset, Buffer.from(window.bytes.subarray(at, at + length)))
  }
  const shape = (window: Window, at: number, length: number): void => {
    context.records.shape(window, at, length)
  }
  const paths = LogDirectory.read(environment.files, logPath).directory.segments.map(({ path }) => path)
  for (const { key } of streams.values()) {
    for (const base of basesOf(context, key)) paths.push(join(streamsPath, streamFileName(key.path, base, '.seg')))
  }
  for (const path of paths) {
    const handle = environment.files.open(path, 'read')
    try {
      eachSoundEvent(handle, HEADER_FIXED_BYTES, handle.size(), take, shape)
      await pace.spend(handle.size())
    } finally {
      handle.close()
    }
  }
}

async function rebuild(
  context: VerifyContext,
  repairs: Repairs,
  stream: Damaged,
  base: number,
  bases: readonly number[],
): Promise<void> {
  const { key, events } = stream
  const path = join(context.streamsPath, streamFileName(key.path, base, '.seg'))
  const present = repairs.replacer.read(path) ?? Buffer.alloc(0)
  const next = bases[bases.indexOf(base) + 1]
  let end = next ?? base
  if (next === undefined) for (const offset of events.keys()) end = Math.max(end, offset + 1)
  if (repairs.failures.length > 0) end = Math.max(end, stream.bases.get(base)! + 1) // the log cannot say that there was none
  for (let offset = base; offset < end; offset++) {
    if (events.has(offset)) continue
    repairs.fail(path, 0, `the event at offset ${offset} is in neither copy`, key.name)
    return
  }
  if (end === base) {
    // Nothing that counts was ever in it.
    return repairs.remove(path, 'set aside: it holds no event')
  }
  const sealed = next !== undefined || present.subarray(-SEAL_BYTES).equals(encodeSeal(end))
  const defined = new Set<number>()
  const frames: Buffer[] = []
  let usesShapes = false
  for (let offset = base; offset < end; offset++) {
    const event = events.get(offset)!
    usesShapes ||= eventShapeCount(windowOf(event), 0) > 0
    for (const id of shapesOf(windowOf(event), event.length)) {
      if (defined.has(id)) continue
      defined.add(id)
      const shape = context.records.shapes.get(id)
      if (shape === undefined) {
        repairs.fail(path, 0, `the definition of shape ${id} is lost`, key.name)
        return
      }
      frames.push(encodeShape(shape))
    }
    frames.push(event)
  }
  if (sealed) frames.push(encodeSeal(end))
  const flags = present.length >= HEADER_FIXED_BYTES && !usesShapes ? [true, false] : [true]
  const previousBase = bases[bases.indexOf(base) - 1] ?? 0
  const header = likest(
    present.subarray(0, HEADER_FIXED_BYTES + key.bytes.length),
    flags.map((shapes) =>
      encodeHeader({ kind: 'S', storeId: context.storeId, base, previousBase, shapes, name: key.bytes }),
    ),
  )
  await repairs.replace(path, Buffer.concat([header, ...frames]), `written again: offsets ${base} to ${end - 1}`)
}

function basesOf({ environment, streamsPath, storeId }: VerifyContext, key: StreamKey): number[] {
  if (listOf(environment.files, join(streamsPath, key.path.slice(0, 2))).length === 0) return []
  return new StreamDirectory(environment.files, streamsPath, storeId, true).bases(key)
}
