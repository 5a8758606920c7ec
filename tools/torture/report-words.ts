import type { TortureReport } from './report.js'

/** Says in words what was done and found, for a terminal. */
export function describeReport(report: TortureReport): string {
  const { disk, sync, fullDisk, shape, findings } = report
  const lines = [
    `Disk: ${[disk.fileSystem, disk.source, disk.mountPoint === undefined ? undefined : `mounted at ${disk.mountPoint}`, disk.mountOptions].filter(isText).join(', ') || 'not known'}`,
    `Device: ${[disk.device, disk.model, disk.writeCache === undefined ? undefined : `cache: ${disk.writeCache}`, disk.rotational === true ? 'rotating' : undefined].filter(isText).join(', ') || 'not known'}`,
    `System: ${[disk.system, `Node ${disk.node}`, disk.machine].filter(isText).join(', ')}`,
    '',
    `Sync: ${sync.verdict}. A write of 512 bytes takes ${milliseconds(sync.writeMs)}, one that is synced ${milliseconds(sync.syncedMs)}: ${count(sync.perSecond)} a second, one at a time.`,
    sync.words,
    '',
    `Killed ${count(report.kills)} writers, ${count(report.killsWhileOpening)} of them while they opened the store, each with ${count(shape.inFlight)} appends under way ('${shape.durability}') to ${count(shape.streams)} streams.`,
    `${count(report.acknowledged)} commits were acknowledged. In the store are ${count(report.commits)}, with ${count(report.events)} events. It was compared ${times(report.checks)}.`,
  ]
  lines.push(`A reader beside them was shown ${count(report.followed)} events.`)
  if (report.refused > 0) lines.push(`A second writer was refused ${times(report.refused)}.`)
  if (report.pauses > 0) {
    lines.push(`A writer was stopped until another had taken over, and woken up, ${times(report.pauses)}.`)
  }
  if (fullDisk?.full === true) {
    lines.push(
      `The disk was filled with ${count(fullDisk.ballastBytes)} bytes. The writer was told ${fullDisk.writer}, an opener ${fullDisk.opener}; ${count(fullDisk.acknowledgedAfter)} commits were acknowledged after room was made.`,
    )
  }
  for (const reason of report.notDone) lines.push(`Not done: ${reason}.`)
  lines.push('')
  if (report.ok) lines.push('Nothing acknowledged was lost, and nothing else was found.')
  else {
    lines.push(`FOUND ${findings.length}:`)
    for (const { kind, round, message } of findings) lines.push(`  ${kind}, after ${round} kills: ${message}`)
    lines.push(`Everything is left in ${report.kept} as it was found, with this report.`)
  }
  if (shape.durability !== 'fsync') {
    lines.push(
      `Killing processes cannot show what '${shape.durability}' may lose: only a power cut takes what the system has.`,
    )
  }
  return `${lines.join('\n')}\n`
}

function isText(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function times(value: number): string {
  return value === 1 ? 'once' : `${count(value)} times`
}

function milliseconds(value: number): string {
  return `${value < 1 ? value.toFixed(3) : value.toFixed(1)} ms`
}
