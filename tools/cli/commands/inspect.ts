import {
  type Field,
  type FileInspection,
  type InspectedItem,
  type InspectedProblem,
  type InspectedRecord,
  inspectFile,
  InspectionSummary,
  INVARIANTS,
} from '../../../engine/index.js'
import { BlockMap } from '../block-map.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { hexLines } from '../hex-dump.js'
import { bytes, count, plural, time } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { breathe } from '../breathe.js'
import { escapeUnsafe, safeJson, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

export const inspect: Command = {
  name: 'inspect',
  summary: 'look into one file of a store, byte by byte',
  operands: ['<file>'],
  options: {
    hex: { short: 'x', help: 'show the bytes, field by field' },
    record: { short: 'n', value: '<n>', help: 'only record n, with its fields' },
    brief: { short: 'b', help: 'header, map and verdict without the records' },
    json: { help: 'one JSON object a line: file, records and problems, verdict' },
  },
  description: `
Shows what stands in a log segment, stream segment, index, stream table, key file, checkpoint or epoch file, without the store it is
of, sound or damaged: its header, a map, its records with their places, lengths and checksums, and which invariants are broken where.
Commits are marked: [] one event, [ first, | inside, ] last. In the map each cell shows the rarest of what is there.`,
  examples: [
    ['annals inspect data/log/0000000000000000-0000000001.log', 'what is in a log segment'],
    ['annals inspect --brief data/checkpoint', 'is this checkpoint right?'],
    ['annals inspect --hex --record 3 cart-1@0000000000000000.seg', 'every byte of one record'],
    [`annals inspect --json x.log | jq 'select(.kind == "event") | .stream'`, 'streams of the events in a file'],
  ],
  run,
}

async function run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode> {
  const wanted = args.number('record')
  const inspection = inspectFile(args.operands[0]!)
  try {
    const map = new BlockMap(inspection.size, headerBytes(inspection))
    const summary = new InspectionSummary()
    let found: InspectedRecord | undefined
    const total = await eachItem(inspection, terminal.signal, (item) => {
      summary.add(item)
      map.add(item)
      if (item.what === 'record' && item.number === wanted) found = item
      return undefined
    })
    if (wanted !== undefined && found === undefined) {
      throw new UsageError(`there is no record ${wanted}: the file has ${plural(total, 'record')}`)
    }
    const view = new InspectView(inspection, summary, terminal, args)
    if (args.has('json')) await view.json(found)
    else if (found !== undefined) await view.one(found)
    else await view.all(map)
    return summary.problemCount > 0 ? EXIT.findings : EXIT.fine
  } finally {
    inspection.close()
  }
}

/** Goes through a file. Returns how many numbered records it has. */
async function eachItem(
  inspection: FileInspection,
  signal: AbortSignal,
  visit: (item: InspectedItem) => Promise<void> | undefined,
): Promise<number> {
  const pause = breathe(signal)
  let records = 0
  for (const item of inspection.items()) {
    const waits = pause()
    if (waits !== undefined) await waits
    if (item.what === 'record' && item.number >= records) records = item.number + 1
    const busy = visit(item)
    if (busy !== undefined) await busy
  }
  return records
}

function headerBytes({ header }: FileInspection): number {
  const last = header.at(-1)
  return last === undefined ? 0 : last.byte + last.size
}

const MARKS = { only: '[]', first: '[ ', inside: '| ', last: ' ]' } as const

/** Prints what was found in a file. */
class InspectView {
  readonly #inspection: FileInspection
  readonly #summary: InspectionSummary
  readonly #terminal: Terminal
  readonly #hex: boolean
  readonly #brief: boolean

  constructor(inspection: FileInspection, summary: InspectionSummary, terminal: Terminal, args: ParsedArguments) {
    this.#inspection = inspection
    this.#summary = summary
    this.#terminal = terminal
    this.#hex = args.has('hex')
    this.#brief = args.has('brief')
  }

  async all(map: BlockMap): Promise<void> {
    const { out, signal } = this.#terminal
    const { file, kind, size, header } = this.#inspection
    out.line(`${out.paint('bold', kind)}  ${showName(file)}  ${bytes(size)}`)
    this.#heading('header')
    await this.#fields(header)
    this.#heading(`map, ${bytes(map.cellBytes)} a cell`)
    for (const line of map.lines(out.paint)) out.line(`  ${line}`)
    if (!this.#brief && this.#summary.records + this.#summary.damagedBytes > 0) {
      this.#heading('records')
      out.line(out.paint('dim', '       #        byte   length  crc         '))
      await eachItem(this.#inspection, signal, async (item) => {
        if (item.what === 'problem') out.line(this.#problem(item))
        else await this.#record(item)
        await out.drain()
      })
    }
    out.line()
    for (const line of this.#verdict()) out.line(line)
  }

  /** One record with its fields, and what is wrong at its place. */
  async one(record: InspectedRecord): Promise<void> {
    const { out } = this.#terminal
    out.line(this.#row(record))
    for (const found of this.#summary.problems) {
      if (found.byte === record.byte) out.line(this.#problem(found))
    }
    await this.#fields(this.#inspection.fields(record))
  }

  async json(only: InspectedRecord | undefined): Promise<void> {
    const { out, signal } = this.#terminal
    const { file, kind, size, header } = this.#inspection
    out.line(safeJson({ what: 'file', file, kind, size, header: header.map((field) => this.#fieldJson(field)) }))
    await eachItem(this.#inspection, signal, (item) => {
      if (only !== undefined && item.byte !== only.byte) return undefined
      if (item.what === 'problem') {
        out.line(safeJson(this.#judged(item)))
        return undefined
      }
      const fields = this.#hex || only !== undefined ? this.#inspection.fields(item) : undefined
      out.line(safeJson({ ...item, fields: fields?.map((field) => this.#fieldJson(field)) }))
      return out.drain()
    })
    const { records, groups, commits, events, shapes, damagedBytes, zeroBytes, problemCount, firstProblem } =
      this.#summary
    const counts = { records, groups, commits, events, shapes, damagedBytes, zeroBytes }
    out.line(safeJson({ what: 'verdict', ok: problemCount === 0, ...counts, problems: problemCount, firstProblem }))
  }

  #fieldJson(field: Field): object {
    const hex = this.#hex ? { hex: this.#inspection.bytes(field.byte, field.size).toString('hex') } : {}
    return { ...field, ...hex }
  }

  #judged({ what, invariant, byte, message, ...found }: InspectedProblem): object {
    const severity = this.#summary.severityOf({ what, invariant, byte, message, ...found })
    return { what, invariant, severity, byte, message }
  }

  #heading(text: string): void {
    const { out } = this.#terminal
    out.line()
    out.line(out.paint('bold', text))
  }

  async #fields(fields: readonly Field[]): Promise<void> {
    const { out } = this.#terminal
    for (const field of fields) {
      if (!this.#hex) {
        out.line(`  ${out.paint('dim', String(field.byte).padStart(10))}  ${escapeUnsafe(field.text)}`)
        continue
      }
      const content = this.#inspection.bytes(field.byte, field.size)
      for (const line of hexLines(field, content, out.paint)) out.line(`  ${line}`)
      await out.drain()
    }
  }

  async #record(record: InspectedRecord): Promise<void> {
    const { out } = this.#terminal
    out.line(this.#row(record))
    if (this.#hex && record.kind !== 'zeros') await this.#fields(this.#inspection.fields(record))
  }

  #row(record: InspectedRecord): string {
    const { paint } = this.#terminal.out
    const { number, byte, length, kind, crc, rightCrc, commit } = record
    const place = `${number < 0 ? '' : number}`.padStart(8) + String(byte).padStart(12) + String(length).padStart(9)
    const sum = crc === undefined ? ' '.repeat(8) : crc.toString(16).padStart(8, '0')
    const mark = commit === undefined ? '  ' : MARKS[commit]
    const right = rightCrc === undefined ? '' : `, should be ${rightCrc.toString(16).padStart(8, '0')}`
    const colour = kind === 'damage' ? 'red' : kind === 'group' ? 'blue' : 'bold'
    const what = kind === 'event' ? this.#event(record) : `${paint(colour, kind)}  ${escapeUnsafe(record.detail ?? '')}`
    const painted = rightCrc === undefined ? paint('dim', sum) : paint('red', sum)
    return `${place}  ${painted}  ${paint('green', mark)}  ${what}${right}`.trimEnd()
  }

  #event({ stream, offset, type, position, timestamp }: InspectedRecord): string {
    const { paint } = this.#terminal.out
    const name = showName(stream ?? '')
    return `${paint('green', name)}@${offset ?? '?'}  ${showName(type ?? '')}  ${paint('dim', `${position ?? '?'}  ${time(timestamp ?? NaN)}`)}`
  }

  #problem(found: InspectedProblem): string {
    const { paint } = this.#terminal.out
    const open = this.#summary.severityOf(found) === 'open'
    const where = `${open ? '?' : '!'} ${found.invariant}`
    return `  ${paint(open ? 'yellow' : 'red', where)} at byte ${found.byte}: ${escapeUnsafe(found.message)}`
  }

  *#verdict(): Generator<string, void> {
    const { paint } = this.#terminal.out
    const { kind } = this.#inspection
    const { problems, problemCount, firstProblem, records, groups, commits, events, damagedBytes, zeroBytes } =
      this.#summary
    const parts = [
      ...(groups > 0 ? [plural(groups, 'group')] : []),
      ...(events > 0 ? [plural(commits, 'commit'), plural(events, 'event')] : [plural(records, 'record')]),
      ...(zeroBytes > 0 ? [`${bytes(zeroBytes)} of zeros at the end`] : []),
    ].join(', ')
    if (problemCount === 0) {
      yield `${paint('green', 'sound')}: ${parts}`
      return
    }
    const certain = problems.some(({ severity }) => severity === 'damage') || problemCount > problems.length
    yield certain
      ? `${paint('red', 'damaged')}: right up to byte ${count(firstProblem ?? 0)}; ${parts}${damagedBytes > 0 ? `; ${bytes(damagedBytes)} are no record` : ''}`
      : `${paint('yellow', 'torn or damaged')}: right up to byte ${count(firstProblem ?? 0)}; ${parts}`
    for (const found of problems) yield this.#problem(found)
    if (problemCount > problems.length) yield `  and ${count(problemCount - problems.length)} more`
    for (const name of new Set(problems.map(({ invariant }) => invariant))) {
      yield `  ${paint('bold', name)}: ${INVARIANTS[name]}`
    }
    if (!certain) yield `A crash can leave a ${kind} so. "annals verify" of the store tells whether anything is lost.`
  }
}
