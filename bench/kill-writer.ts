import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { check } from './measure.js'

/** Kills a process `ms` milliseconds after it has said that it appends. Returns how many events it noted as acknowledged in the file `notes`. */
export async function killInMidAppend(child: ChildProcess, notes: string, ms: number): Promise<number> {
  const closed = once(child, 'close')
  const [said] = (await Promise.race([once(child, 'message'), closed])) as [unknown]
  check(said === 'appending', 'the writer ended by itself')
  await setTimeout(ms)
  child.kill('SIGKILL')
  const [, signal] = (await closed) as [unknown, unknown]
  check(signal === 'SIGKILL', 'the writer ended by itself')
  const acknowledged = Number(readFileSync(notes, 'utf8'))
  check(acknowledged > 0, 'the writer appended nothing')
  return acknowledged
}
