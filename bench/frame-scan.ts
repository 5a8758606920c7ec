/**
 * Walking over the records of a window as readers and recovery do, without decoding: `node build/bench/frame-scan.js`.
 * The window holds 256 KiB of order events from a log. The best sample counts: it is the one the least disturbed.
 */
import Benchmark from 'benchmark'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HEADER_FIXED_BYTES } from '../engine/format/file-header.js'
import { checkFrame, FRAME_EVENT, FRAME_KIND, windowOf } from '../engine/format/frame.js'
import { checkFrames, crc32cMethod } from '../engine/format/crc32c.js'
import { openEventStore } from '../engine/index.js'
import { benchFolder } from './folders.js'
import { Plan } from './plan.js'
import { crc32c } from './raw/frames.js'

const WINDOW_BYTES = 256 * 1024
const EVENTS = 2000

async function main(): Promise<void> {
  await mkdir(benchFolder, { recursive: true })
  const folder = await mkdtemp(join(benchFolder, 'frame-scan-'))
  try {
    const bytes = await logOf(join(folder, 'store'))
    compare(bytes, bytes.length)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The first bytes of a log, behind its header. */
async function logOf(directory: string): Promise<Buffer> {
  const store = await openEventStore(directory, { durability: 'os' })
  const plan = new Plan(1)
  for (let n = 0; n < EVENTS; n += 100) await store.append('order-0', plan.events(n, 100))
  await store.close()
  const log = join(directory, 'log')
  const [name] = readdirSync(log).filter((file) => file.endsWith('.seg') || file.endsWith('.log'))
  const fd = openSync(join(log, name!), 'r')
  const bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  const length = readSync(fd, bytes, 0, bytes.length, HEADER_FIXED_BYTES)
  closeSync(fd)
  return bytes.subarray(0, checkFrames(bytes, 0, length).end)
}

function compare(bytes: Buffer, end: number): void {
  const window = windowOf(bytes)
  const { view } = window
  const walk = (): number => {
    let events = 0
    for (let at = 0; at < end; at += view.getUint32(at, true)) if (bytes[at + FRAME_KIND] === FRAME_EVENT) events++
    return events
  }
  const runs: Record<string, () => number> = {
    'fast-crc32c on each, walk': () => {
      for (let at = 0; at < end; at += view.getUint32(at, true)) {
        const checked = crc32c(bytes.subarray(at + 8, at + view.getUint32(at, true)))
        if (checked !== view.getUint32(at + 4, true)) throw new Error('A checksum is wrong')
      }
      return walk()
    },
    'checkFrame on each, walk': () => {
      for (let at = 0; at < end;) {
        const length = checkFrame(window, at, end, WINDOW_BYTES)
        if (typeof length === 'string') throw new Error(length)
        at += length
      }
      return walk()
    },
    'checkFrames, walk': () => {
      if (checkFrames(bytes, 0, end).end !== end) throw new Error('A checksum is wrong')
      return walk()
    },
    'walk only': walk,
  }
  const events = walk()
  console.log(`Node.js ${process.version}, CRC-32C ${crc32cMethod()}: ${events} events in ${end} bytes`)
  for (const [name, run] of Object.entries(runs)) {
    if (run() !== events) throw new Error(`${name} finds other events`)
    const bench = new Benchmark(name, run, { maxTime: 0.5, minSamples: 20 })
    bench.run()
    const ns = (Math.min(...(bench.stats.sample as number[])) * 1e9) / events
    console.log(`  ${name.padEnd(28)}${ns.toFixed(1).padStart(8)} ns/record`)
  }
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
